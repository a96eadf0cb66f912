//! nghttpd: HTTP/2 by the reference implementation, with TLS and by prior knowledge.

use std::process::Command;

use http::{StatusCode, Version};
use http_body_util::BodyExt;
use tower_transport::{RequestExt, Transport};

use crate::{
    requests::{at_once, greeted, length, pieces, some_at_a_time},
    server::{Folder, Server, free_port, transport},
};

pub(crate) struct Nghttpd {
    pub(crate) server: Server,
    pub(crate) port: u16,
    url: String,
}

impl Nghttpd {
    async fn over_tls(options: &[&str]) -> Self {
        let port = free_port();
        let folder = Folder::new();
        let mut command = Self::command(&folder, options);
        command.arg(port.to_string());
        command.arg(folder.path().join("key.pem")).arg(folder.path().join("cert.pem"));
        let server = Server::start(&mut command, folder, &[port]).await;
        Self { server, port, url: format!("https://127.0.0.1:{port}") }
    }

    pub(crate) async fn in_plain_text(options: &[&str]) -> Self {
        let port = free_port();
        let folder = Folder::new();
        let mut command = Self::command(&folder, options);
        command.arg("--no-tls").arg(port.to_string());
        let server = Server::start(&mut command, folder, &[port]).await;
        Self { server, port, url: format!("http://127.0.0.1:{port}") }
    }

    fn command(folder: &Folder, options: &[&str]) -> Command {
        let mut command = Command::new("nghttpd");
        command.args(["--address", "127.0.0.1", "--htdocs"]).arg(folder.path().join("www"));
        command.args(options);
        command
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }
}

fn prior_knowledge() -> Transport {
    transport().http2_prior_knowledge().build().unwrap()
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn http2_is_spoken_over_tls_and_by_prior_knowledge() {
    let (tls, plain) = (Nghttpd::over_tls(&[]).await, Nghttpd::in_plain_text(&[]).await);
    let negotiated = transport().build().unwrap();
    greeted(&negotiated, &tls.url("hello.txt"), Version::HTTP_2).await;
    greeted(&prior_knowledge(), &plain.url("hello.txt"), Version::HTTP_2).await;
    greeted(&prior_knowledge(), &tls.url("hello.txt"), Version::HTTP_2).await;
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn who_speaks_only_http1_gets_an_error() {
    let server = Nghttpd::over_tls(&[]).await;
    let transport = transport().http1_only().build().unwrap();
    // It takes the handshake without ALPN, greets by HTTP/2 and hangs up: which is noticed first is a race.
    let error = transport.request("GET", server.url("hello.txt")).await.unwrap_err();
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");
    assert_eq!(transport.stats().active, 0);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn a_hundred_requests_at_once_open_one_connection() {
    let server = Nghttpd::in_plain_text(&[]).await;
    let transport = prior_knowledge();
    at_once(&transport, &server.url("hello.txt"), 100).await;
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn few_streams_are_waited_for_when_there_is_one_connection() {
    let server = Nghttpd::over_tls(&["--max-concurrent-streams", "4"]).await;
    let transport = transport().max_connections(1).build().unwrap();
    some_at_a_time(&transport, &server.url("hello.txt"), 300, 50).await;
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn what_is_uploaded_comes_back() {
    let server = Nghttpd::over_tls(&["--echo-upload"]).await;
    let transport = transport().build().unwrap();
    for body in [vec![b'x'; 4 << 20].into(), pieces(256, 16 << 10)] {
        let request = transport.request("POST", server.url("echo")).body(body);
        let response = request.await.unwrap();
        assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 4 << 20));
    }
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn an_answer_may_come_before_the_upload_has_ended() {
    let server = Nghttpd::in_plain_text(&["--early-response"]).await;
    let transport = prior_knowledge();
    let request = transport.request("POST", server.url("hello.txt")).body(pieces(512, 16 << 10));
    assert_eq!(request.await.unwrap().body(), "Hello, world!");
    greeted(&transport, &server.url("hello.txt"), Version::HTTP_2).await;
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn trailers_come_after_the_body() {
    let server = Nghttpd::in_plain_text(&["--trailer", "checksum: 42"]).await;
    let response = prior_knowledge().stream("GET", server.url("hello.txt")).await.unwrap();
    let whole = response.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["checksum"], "42");
    assert_eq!(whole.to_bytes(), "Hello, world!");
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn large_files_share_a_connection() {
    let server = Nghttpd::over_tls(&[]).await;
    let file = std::fs::File::create(server.server.folder().join("www/large")).unwrap();
    file.set_len(32 << 20).unwrap();
    let transport = transport().build().unwrap();
    let url = server.url("large");
    let (one, other) = tokio::join!(length(&transport, &url), length(&transport, &url));
    assert_eq!((one, other, transport.stats().opened), (32 << 20, 32 << 20, 1));
}
