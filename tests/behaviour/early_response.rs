//! An answer that comes before the request is sent is delivered, and does not pin the connection.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Response;
use tower_transport::{Body, Error, RequestExt};

use crate::support::{
    scene::Scene,
    scripted::{
        Script,
        Step::{self, Drain, Finish, Head, Hold, Read, Reset},
        first, say,
    },
};

const TOO_MUCH: &str = "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 8\r\n\r\ntoo much";

/// More than the sockets of a loopback hold.
fn large() -> Body {
    vec![b'x'; 64 << 20].into()
}

/// One chunk, and then nothing for ever.
fn endless() -> Body {
    Body::stream(stream::iter([Ok::<_, std::io::Error>("hello")]).chain(stream::pending()))
}

/// The server has said 413 after the head, and does this with the rest.
fn refusing(rest: impl Into<Vec<Step>>) -> Script {
    let mut steps = vec![Head, Read(5), say(TOO_MUCH)];
    steps.extend(rest.into());
    first(steps)
}

async fn upload(scene: &Scene, body: Body) -> Result<Response<Bytes>, Error> {
    scene.transport.request("POST", scene.url("/upload")).body(body).await
}

#[tokio::test]
async fn the_answer_to_an_upload_that_nobody_reads_is_delivered() {
    for body in [large, endless] {
        let scene = Scene::tcp(refusing([Hold]));
        let response = upload(&scene, body()).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (413, &b"too much"[..]));
        scene.assert_usable().await;
        assert_eq!((scene.origin.accepted(), scene.origin.requests_starting("POST")), (2, 1));
    }
}

#[tokio::test]
async fn the_answer_of_a_server_that_hangs_up_on_an_upload_is_delivered() {
    for body in [large, endless] {
        let scene = Scene::tcp(refusing([Finish, Drain]));
        assert_eq!(upload(&scene, body()).await.unwrap().body(), "too much");
        scene.assert_usable().await;
    }
}

#[tokio::test]
async fn an_answer_whose_body_is_not_read_pins_nothing_either() {
    let scene = Scene::tcp(refusing([Hold]));
    let request = scene.transport.stream("POST", scene.url("/upload")).body(large());
    let response = request.await.unwrap();
    assert_eq!(response.status(), 413);
    drop(response);
    scene.assert_usable().await;
}

#[tokio::test]
async fn an_upload_that_the_server_reads_to_its_end_keeps_the_connection() {
    let body_length = 1 << 20;
    let scene = Scene::tcp(first([Head, say(TOO_MUCH), Read(body_length), Step::Serve]));
    assert_eq!(upload(&scene, vec![b'x'; body_length].into()).await.unwrap().status(), 413);
    scene.assert_usable().await;
}

#[tokio::test]
async fn a_reset_instead_of_an_answer_to_an_upload_is_an_error() {
    let scene = Scene::tcp(first([Head, Read(5), Reset]));
    let error = upload(&scene, large()).await.unwrap_err();
    assert!(error.was_sent() && (error.is_io() || error.is_protocol()), "{error:?}");
    scene.assert_usable().await;
}
