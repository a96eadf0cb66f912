//! nghttpx: an HTTP/2 proxy, which carries many tunnels on one connection. It hands all on to squid.

use std::{collections::BTreeSet, fs, process::Command};

use futures_util::future::join_all;
use http::{StatusCode, Version};
use tower_transport::{RequestExt, options::Protocols, proxy::Proxy};

use crate::{
    matrix::Running,
    origin::{Kind, Origin},
    requests::greeted,
    server::{Folder, Server, USER, free_port, trust},
    squid::{BASIC, DIGEST, Squid},
};

const CONFIGURATION: &str = "
http2-proxy=yes
single-process=yes
workers=1
backend-connections-per-host=1000
no-ocsp=yes
private-key-file=FOLDER/key.pem
certificate-file=FOLDER/cert.pem
accesslog-file=FOLDER/access
accesslog-format=$remote_port $method
accesslog-write-early=yes
errorlog-file=FOLDER/errors
";

pub(crate) async fn nghttpx(squid: Squid, user: &str) -> Running {
    let (folder, port) = (Folder::new(), free_port());
    let ports = format!("frontend=127.0.0.1,{port}\nbackend=127.0.0.1,{}\n", squid.http);
    let configuration = folder.configure("nghttpx.conf", &format!("{CONFIGURATION}{ports}"));
    let mut command = Command::new("nghttpx");
    command.arg(format!("--conf={}", configuration.display()));
    let server = Server::start(&mut command, folder, &[port]).await;
    let proxy = Proxy::new(&format!("https://{user}127.0.0.1:{port}")).unwrap().tls(trust());
    let running = Running::new(vec![squid.server, server], proxy);
    running.forwards(Version::HTTP_2).unreachable(StatusCode::SERVICE_UNAVAILABLE)
}

/// The port of each connection that opened tunnels, once for each tunnel.
fn ports_of_tunnels(running: &Running) -> Vec<String> {
    let log = fs::read_to_string(running.server().folder().join("access")).unwrap();
    log.lines().filter_map(|line| line.strip_suffix(" CONNECT").map(str::to_owned)).collect()
}

rows!(by_https_and_http2, nghttpx(Squid::start().await, "").await);
rows!(by_https_and_http2_with_basic, nghttpx(Squid::open_to(BASIC).await, USER).await);
rows!(by_https_and_http2_with_digest, nghttpx(Squid::open_to(DIGEST).await, USER).await);
rows!(
    by_https_and_http1,
    nghttpx(Squid::start().await, "")
        .await
        .with(|it| it.protocols(Protocols::Http1Only))
        .forwards(Version::HTTP_11)
);

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn who_is_not_known_is_refused() {
    let origin = Origin::start(Kind::Http1OverTls, "localhost").await;
    for access in [BASIC, DIGEST] {
        for user in ["", "user:wrong@"] {
            let running = nghttpx(Squid::open_to(access).await, user).await;
            let error = running.fails(&origin).await;
            assert_eq!(error.proxy_status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
        }
    }
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn many_tunnels_share_a_connection() {
    for (tunnels, connections) in [(80, 1), (150, 2)] {
        let running = nghttpx(Squid::start().await, "").await;
        let origin = Origin::start(Kind::Http1OverTls, "localhost").await;
        let transport = running.transport(origin.kind).max_connections(tunnels).build().unwrap();
        // Each has a tunnel of its own until its body has been read.
        let responses = (0..tunnels).map(|_| transport.stream("GET", origin.url("hello.txt")));
        let responses = join_all(responses.map(IntoFuture::into_future)).await;
        assert!(responses.iter().all(Result::is_ok), "{responses:?}");
        let ports = ports_of_tunnels(&running);
        let distinct = BTreeSet::from_iter(&ports).len();
        assert_eq!((ports.len(), distinct), (tunnels, connections));
    }
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn a_tunnel_that_is_not_read_does_not_hold_up_the_others() {
    let running = nghttpx(Squid::start().await, "").await;
    let origin = Origin::start(Kind::Http1OverTls, "localhost").await;
    let transport = running.transport(origin.kind).build().unwrap();
    let mut unread = Vec::new();
    for _ in 0..20 {
        unread.push(transport.stream("GET", origin.url("large")).await.unwrap());
        greeted(&transport, &origin.url("hello.txt"), Version::HTTP_11).await;
    }
    assert_eq!(BTreeSet::from_iter(ports_of_tunnels(&running)).len(), 1);
}
