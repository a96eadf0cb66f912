//! nginx: both versions, connections that end after ten requests, uploads that it does not want.

use std::{fs::File, process::Command, time::Duration};

use http::{StatusCode, Version};
use tower_transport::{RequestExt, Transport};

use crate::{
    requests::{at_once, greeted, length, pieces, some_at_a_time},
    server::{Folder, Server, free_port, transport},
};

pub(crate) struct Nginx {
    pub(crate) server: Server,
    pub(crate) plain: u16,
    pub(crate) tls: u16,
    pub(crate) few_plain: u16,
    few_tls: u16,
    pub(crate) http1_tls: u16,
}

const CONFIGURATION: &str = "
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/errors;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  root FOLDER/www;
  gzip on;
  gzip_types *;
  gzip_min_length 1;
  ssl_certificate FOLDER/cert.pem;
  ssl_certificate_key FOLDER/key.pem;
  client_max_body_size 8m;
  SERVERS
}
";

const LOCATIONS: &str = "
  location / {}
  location /hinted { alias FOLDER/www/; keepalive_timeout 60s 2s; }
  location /small { client_max_body_size 1k; dav_methods PUT; }
  location /put { dav_methods PUT; create_full_put_path on; }
";

impl Nginx {
    pub(crate) async fn start() -> Self {
        let folder = Folder::new();
        let [plain, tls, few_plain, few_tls, http1_tls] = std::array::from_fn(|_| free_port());
        let servers = [
            (plain, "", 1000),
            (tls, " ssl http2", 1000),
            (few_plain, "", 10),
            (few_tls, " ssl http2", 10),
            (http1_tls, " ssl", 1000),
        ];
        let servers = servers.map(|(port, how, requests)| {
            let listen = format!("listen 127.0.0.1:{port}{how}; keepalive_requests {requests};");
            format!("server {{ {listen} {LOCATIONS} }}")
        });
        let text = CONFIGURATION.replace("SERVERS", &servers.concat());
        let configuration = folder.configure("nginx.conf", &text);
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(configuration);
        let ports = [plain, tls, few_plain, few_tls, http1_tls];
        let server = Server::start(&mut command, folder, &ports).await;
        Self { server, plain, tls, few_plain, few_tls, http1_tls }
    }

    fn http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.plain)
    }

    fn https(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.tls)
    }

    /// Both versions, by the same port and another.
    fn both(&self, path: &str) -> [(Version, String); 2] {
        [(Version::HTTP_11, self.http(path)), (Version::HTTP_2, self.https(path))]
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn the_version_is_what_the_server_and_we_agree_on() {
    let nginx = Nginx::start().await;
    let (both, http1) = (transport().build().unwrap(), transport().http1_only().build().unwrap());
    greeted(&both, &nginx.http("hello.txt"), Version::HTTP_11).await;
    greeted(&both, &nginx.https("hello.txt"), Version::HTTP_2).await;
    greeted(&http1, &nginx.https("hello.txt"), Version::HTTP_11).await;
    let url = format!("https://127.0.0.1:{}/hello.txt", nginx.http1_tls);
    greeted(&both, &url, Version::HTTP_11).await;
    let http2 = transport().http2_only().build().unwrap();
    assert!(http2.request("GET", url).await.unwrap_err().is_tls());
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn a_hundred_requests_at_once_open_one_http2_connection() {
    let nginx = Nginx::start().await;
    let transport = transport().build().unwrap();
    at_once(&transport, &nginx.https("hello.txt"), 100).await;
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn http1_requests_at_once_stay_within_the_limit() {
    let nginx = Nginx::start().await;
    let transport = transport().max_connections(8).build().unwrap();
    at_once(&transport, &nginx.http("hello.txt"), 200).await;
    assert!(transport.stats().opened <= 8, "{}", transport.stats().opened);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn no_request_is_lost_when_connections_end_after_ten() {
    let nginx = Nginx::start().await;
    let urls = [("http", nginx.few_plain), ("https", nginx.few_tls)]
        .map(|(scheme, port)| format!("{scheme}://127.0.0.1:{port}/hello.txt"));
    for url in urls {
        for at_a_time in [1, 20] {
            let transport = transport().build().unwrap();
            some_at_a_time(&transport, &url, 500, at_a_time).await;
            let opened = transport.stats().opened;
            assert!((50..=500).contains(&opened), "{url}, {at_a_time} at a time: {opened}");
        }
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn an_upload_that_is_too_large_is_answered_and_the_next_request_is_served() {
    let nginx = Nginx::start().await;
    let transport = transport().build().unwrap();
    for (version, url) in nginx.both("small/upload") {
        for body in [vec![b'x'; 4 << 20].into(), pieces(256, 16 << 10)] {
            let response = transport.request("PUT", &url).body(body).await.unwrap();
            let expected = (StatusCode::PAYLOAD_TOO_LARGE, version);
            assert_eq!((response.status(), response.version()), expected);
        }
    }
    for (version, url) in nginx.both("hello.txt") {
        greeted(&transport, &url, version).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn what_was_uploaded_with_or_without_a_length_is_there() {
    let nginx = Nginx::start().await;
    let transport = transport().build().unwrap();
    for (version, url) in nginx.both("put/upload") {
        for body in [vec![b'x'; 3 << 20].into(), pieces(192, 16 << 10)] {
            let name = format!("{url}-{version:?}-{body:?}").replace(['(', ')', ' ', '"'], "");
            let response = transport.request("PUT", &name).body(body).await.unwrap();
            assert_eq!(response.status(), StatusCode::CREATED);
            assert_eq!(length(&transport, &name).await, 3 << 20);
        }
    }
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn a_large_file_arrives_whole() {
    let nginx = Nginx::start().await;
    let file = File::create(nginx.server.folder().join("www/large")).unwrap();
    file.set_len(256 << 20).unwrap();
    let transport = transport().build().unwrap();
    for (_, url) in nginx.both("large") {
        assert_eq!(length(&transport, &url).await, 256 << 20);
    }
    assert_eq!(transport.stats().opened, 2);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn a_body_of_unknown_length_is_read_and_its_connection_kept() {
    let nginx = Nginx::start().await;
    let transport = transport().build().unwrap();
    for (_, url) in nginx.both("hello.txt") {
        for _ in 0..2 {
            let request = transport.request("GET", &url).header("accept-encoding", "gzip");
            let response = request.await.unwrap();
            assert_eq!(response.headers()["content-encoding"], "gzip");
            assert!(!response.headers().contains_key("content-length"));
            assert_eq!(response.body()[..2], [0x1f, 0x8b]);
        }
    }
    assert_eq!(transport.stats().opened, 2);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn answers_without_a_body_keep_the_connection() {
    let nginx = Nginx::start().await;
    let transport = transport().build().unwrap();
    for (version, url) in nginx.both("hello.txt") {
        let head = transport.request("HEAD", &url).await.unwrap();
        assert_eq!(head.headers()["content-length"], "13");
        let tag = head.headers()["etag"].clone();
        let conditional = transport.request("GET", &url).header("if-none-match", tag);
        let response = conditional.await.unwrap();
        assert_eq!((response.status(), response.body().len()), (StatusCode::NOT_MODIFIED, 0));
        greeted(&transport, &url, version).await;
    }
    assert_eq!(transport.stats().opened, 2);
}

#[tokio::test]
#[ignore = "needs nginx, nghttpd and haproxy from apt; .ci/run runs them"]
async fn an_idle_connection_is_closed_before_the_time_the_server_said() {
    let nginx = Nginx::start().await;
    let transport = transport().build().unwrap();
    let response = transport.request("GET", nginx.http("hinted/hello.txt")).await.unwrap();
    assert_eq!(response.headers()["keep-alive"], "timeout=2");
    assert_eq!(transport.stats().connections.len(), 1);
    closed_within(&transport, Duration::from_secs(2)).await;
}

async fn closed_within(transport: &Transport, limit: Duration) {
    let mut ticks = tokio::time::interval(limit / 100);
    for _ in 0..100 {
        ticks.tick().await;
        if transport.stats().connections.is_empty() {
            return;
        }
    }
    panic!("{transport}");
}
