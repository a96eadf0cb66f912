//! A request that is complete already is sent by a method, and cloned where its body can be.

use futures_util::stream;
use http::{Method, Request, Version};
use tower::{ServiceBuilder, util::BoxCloneService};
use tower_transport::{
    Body, RequestExt, Transport,
    body::TryCloneRequest,
    mock::{Script, ScriptedConnector},
    options::Repeatable,
};

const SENT: &str =
    "PUT /a HTTP/1.1\r\nhost: api.example\r\nx-field: 1\r\ncontent-length: 5\r\n\r\nhello";
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn transport(scripts: impl IntoIterator<Item = Script>) -> (Transport, ScriptedConnector) {
    let connector = ScriptedConnector::new(scripts);
    (Transport::builder().connector(connector.clone()).build().unwrap(), connector)
}

fn request<B>(body: B) -> Request<B> {
    Request::put("http://api.example/a").header("x-field", "1").body(body).unwrap()
}

#[tokio::test]
async fn a_ready_request_is_sent_and_its_response_streamed() {
    let script = Script::new().expect(SENT).respond(ANSWER).expect(SENT).respond(ANSWER);
    let (transport, connector) = transport([script]);
    for sent in [request(Body::from("hello")), request(b"hello").map(Body::from)] {
        let mut response = transport.send(sent).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.body_mut().read().await.unwrap(), "ok");
    }
    connector.assert_done();
}

#[tokio::test]
async fn a_clone_of_a_request_is_sent_like_the_request() {
    let script = Script::new().expect(SENT).respond(ANSWER).expect(SENT).respond(ANSWER);
    let (transport, connector) = transport([script]);
    let first = request(Body::from("hello"));
    let second = first.try_clone().unwrap();
    for request in [first, second] {
        let mut response = transport.send(request).await.unwrap();
        assert_eq!(response.body_mut().read().await.unwrap(), "ok");
    }
    connector.assert_done();
}

#[test]
fn a_clone_of_a_request_has_all_of_its_parts() {
    let mut request = request(Body::from("hello"));
    *request.version_mut() = Version::HTTP_10;
    request.extensions_mut().insert(Repeatable);
    let clone = request.try_clone().unwrap();
    assert_eq!((clone.method(), clone.version()), (&Method::PUT, Version::HTTP_10));
    assert_eq!((clone.uri(), clone.headers()), (request.uri(), request.headers()));
    assert!(clone.extensions().get::<Repeatable>().is_some());
    assert_eq!(clone.body().length(), Some(5));
}

#[test]
fn a_request_with_a_stream_is_not_cloned() {
    let chunks = stream::iter([Ok::<_, std::io::Error>("hello")]);
    assert!(request(Body::stream(chunks)).try_clone().is_none());
}

#[tokio::test]
async fn a_builder_is_cloned_with_its_request_and_with_its_mistake() {
    let script = Script::new().expect(SENT).respond(ANSWER).expect(SENT).respond(ANSWER);
    let (transport, connector) = transport([script]);
    let put = transport.request("PUT", "http://api.example/a").header("x-field", "1").body("hello");
    let again = put.try_clone().unwrap();
    assert_eq!(put.await.unwrap().body(), "ok");
    assert_eq!(again.await.unwrap().body(), "ok");
    connector.assert_done();
    let mistake = transport.request("G T", "http://api.example/a");
    assert!(mistake.try_clone().unwrap().await.unwrap_err().is_builder());
}

#[tokio::test]
async fn the_error_of_a_layer_is_described_as_that_of_a_stream() {
    let layer = ServiceBuilder::new().map_err(|_| std::io::Error::other("out of order"));
    let (transport, _) = transport([]);
    let service = BoxCloneService::new(layer.service(transport));
    let sent = service.send(request("hello")).await.unwrap_err();
    let streamed = service.stream("PUT", "http://api.example/a").await.unwrap_err();
    assert_eq!(sent.to_string(), streamed.to_string());
    assert_eq!(sent.to_string(), "sending a request to http://api.example/: out of order");
}
