//! HTTP/2 under a whole transport.

use futures_util::future::join_all;
use http::Method;
use tower_transport::{Body, RequestExt, connect::ConnectInfo};

use crate::support::origin::Origin;

#[tokio::test]
async fn requests_at_once_share_one_connection() {
    let origin = Origin::new();
    let transport = origin.http2().build().unwrap();
    let requests = (0..50).map(|_| transport.request("GET", "http://a.example/"));
    let responses = join_all(requests.map(IntoFuture::into_future)).await;
    assert!(responses.into_iter().all(|response| response.unwrap().body() == "hello"));
    assert_eq!((origin.opened(), origin.requests()), (1, 50));
}

#[tokio::test]
async fn the_response_says_that_it_came_over_http2() {
    let transport = Origin::new().http2().build().unwrap();
    let response = transport.request("GET", "http://a.example/").await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let info = ConnectInfo::of(&response).unwrap();
    assert_eq!(info.version(), Some(http::Version::HTTP_2));
}

#[tokio::test]
async fn more_requests_than_streams_are_all_served() {
    let origin = Origin::new();
    let transport = origin.http2_with_streams(3).max_connections(1).build().unwrap();
    let requests = (0..40).map(|_| transport.request("GET", "http://a.example/"));
    let responses = join_all(requests.map(IntoFuture::into_future)).await;
    assert!(responses.iter().all(Result::is_ok), "{responses:?}");
    assert_eq!(origin.opened(), 1);
}

#[tokio::test]
async fn a_body_goes_up_whole() {
    let origin = Origin::new();
    let transport = origin.http2().build().unwrap();
    let chunks = futures_util::stream::iter(["a", "b"].map(Ok::<_, std::io::Error>));
    let request = transport.request(Method::POST, "http://a.example/").body(Body::stream(chunks));
    assert_eq!(request.await.unwrap().status(), 200);
}

#[tokio::test]
async fn uploads_that_cannot_be_repeated_are_not_lost_to_a_server_of_few_streams() {
    let origin = Origin::new();
    let transport = origin.http2_with_streams(1).max_connections(1).build().unwrap();
    let uploads = (0..20).map(|_| {
        let chunks = futures_util::stream::iter(["a", "b"].map(Ok::<_, std::io::Error>));
        let upload =
            transport.request(Method::POST, "http://a.example/").body(Body::stream(chunks));
        upload.into_future()
    });
    let responses = join_all(uploads).await;
    assert!(responses.iter().all(Result::is_ok), "{responses:?}");
    assert_eq!((origin.opened(), origin.requests()), (1, 20));
}
