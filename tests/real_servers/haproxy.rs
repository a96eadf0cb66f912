//! haproxy: what stands before most servers, with a server of its own behind it.

use std::{process::Command, time::Duration};

use http::{StatusCode, Version};
use tower_transport::RequestExt;

use crate::{
    requests::{at_once, greeted, pieces, some_at_a_time},
    server::{Folder, Server, free_port, transport},
};

struct Haproxy {
    _server: Server,
    http: String,
    https: String,
}

const CONFIGURATION: &str = "
global
  tune.h2.max-concurrent-streams 20
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-keep-alive 150ms
frontend front
  bind 127.0.0.1:HTTP
  bind 127.0.0.1:HTTPS ssl crt FOLDER/cert.pem alpn h2,http/1.1
  use_backend nobody if { path /nobody }
  default_backend back
backend back
  server back 127.0.0.1:BACK
backend nobody
  server nobody 127.0.0.1:1
frontend behind
  bind 127.0.0.1:BACK
  option http-buffer-request
  http-request return status 200 content-type text/plain lf-string %[req.body_size] if { path /size }
  http-request return status 200 content-type text/plain string \"Hello, world!\"
";

impl Haproxy {
    async fn start() -> Self {
        let folder = Folder::new();
        let [http, https, back] = std::array::from_fn(|_| free_port());
        let text = CONFIGURATION.replace("HTTPS", &https.to_string());
        let text = text.replace("HTTP", &http.to_string()).replace("BACK", &back.to_string());
        let configuration = folder.configure("haproxy.cfg", &text);
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(configuration);
        let server = Server::start(&mut command, folder, &[http, https, back]).await;
        let (http, https) =
            (format!("http://127.0.0.1:{http}"), format!("https://127.0.0.1:{https}"));
        Self { _server: server, http, https }
    }

    fn both(&self, path: &str) -> [(Version, String); 2] {
        let (http, https) = (format!("{}/{path}", self.http), format!("{}/{path}", self.https));
        [(Version::HTTP_11, http), (Version::HTTP_2, https)]
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn both_versions_are_spoken() {
    let haproxy = Haproxy::start().await;
    let transport = transport().build().unwrap();
    for (version, url) in haproxy.both("") {
        greeted(&transport, &url, version).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn more_requests_than_streams_are_all_answered() {
    let haproxy = Haproxy::start().await;
    let transport = transport().build().unwrap();
    at_once(&transport, &format!("{}/", haproxy.https), 200).await;
    assert!(transport.stats().opened <= 10, "{}", transport.stats().opened);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn a_server_that_hangs_up_on_idle_connections_costs_no_request() {
    let haproxy = Haproxy::start().await;
    let transport = transport().build().unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for (_, url) in haproxy.both("") {
        // The pauses come close to the time after which it hangs up, from both sides.
        for pause in [2, 3, 4, 3, 2, 3, 4, 3, 3, 3] {
            some_at_a_time(&transport, &url, 20, 5).await;
            for _ in 0..pause {
                ticks.tick().await;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn bodies_reach_the_server_behind() {
    let haproxy = Haproxy::start().await;
    let transport = transport().build().unwrap();
    for (_, url) in haproxy.both("size") {
        for body in [vec![b'x'; 8 << 10].into(), pieces(8, 1 << 10)] {
            let response = transport.request("POST", &url).body(body).await.unwrap();
            assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, &b"8192"[..]));
        }
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn a_server_behind_that_is_down_is_an_answer_and_no_error() {
    let haproxy = Haproxy::start().await;
    let transport = transport().build().unwrap();
    for (_, url) in haproxy.both("nobody") {
        let response = transport.request("GET", &url).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
