//! Forms over a transport and through the layers of a client.

use tower::Layer;
use tower_transport::{
    Body, RequestExt, Transport,
    client::{Form, MultipartExt, Part, RedirectLayer},
    mock::{Script, ScriptedConnector},
};

use super::site::*;

const WRITTEN: &str = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B--\r\n";

#[tokio::test]
async fn a_form_is_sent_with_its_length() {
    let script = Script::new()
        .expect("POST / HTTP/1.1\r\nhost: a.example\r\n")
        .expect("content-type: multipart/form-data; boundary=B\r\ncontent-length: 59\r\n\r\n")
        .expect(WRITTEN);
    assert_eq!(WRITTEN.len(), 59);
    let connector = ScriptedConnector::new([script.respond("HTTP/1.1 204 No Content\r\n\r\n")]);
    let transport = Transport::builder().connector(connector.clone()).build().unwrap();
    let form = Form::new().boundary("B").text("a", "1");
    let response = transport.request("POST", "http://a.example/").multipart(form).await.unwrap();
    assert_eq!(response.status(), 204);
    connector.assert_done();
}

#[tokio::test]
async fn a_form_with_a_file_survives_a_redirect() {
    let site = from_to("http://a.example/", "http://a.example/new");
    let client = RedirectLayer::new().layer(site.strict());
    let form = Form::new().part("f", Part::file("Cargo.toml").await.unwrap());
    let request = http::Request::post("http://a.example/").multipart(form).unwrap();
    send(&client, request).await.unwrap();
    let seen = site.seen();
    assert_eq!((seen.len(), seen[1].uri().path()), (2, "/new"));
    assert!(seen[0].body() == seen[1].body() && seen[1].body().len() > 1000);
}

#[tokio::test]
async fn a_form_that_is_wrong_is_an_error_of_the_request_and_sends_nothing() {
    let site = Site::new(|_| ok());
    let form = Form::new().part("a", Part::body(Body::empty()).content_type("a\r\nb"));
    let error = site.request("POST", "http://a.example/").multipart(form).await.unwrap_err();
    assert!(error.is_builder() && site.seen().is_empty());
}
