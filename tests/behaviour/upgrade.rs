//! Connections and streams that stop speaking HTTP: they count until they are closed.

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_transport::{RequestExt, Transport, http::upgrade};

use crate::support::{
    origin::run_ready_tasks,
    scene::Scene,
    scripted::{
        Step::{Answer, Drain, Head},
        first, say,
    },
};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: custom\r\n\r\nearly";
const TUNNEL: &str = "HTTP/1.1 200 OK\r\n\r\nearly";

/// What a transport of one connection shows while that speaks something else.
const TAKEN: &str = "Transport [requests: 1 active, 0 queued | connections: 1 active, 0 idle]";

/// Somebody waits for the connection, and has it when the other has gone.
async fn is_counted(transport: &Transport, url: String, bytes: impl Send) {
    assert_eq!(transport.to_string(), TAKEN);
    let next = tokio::spawn(transport.request("GET", url).into_future());
    run_ready_tasks().await;
    assert_eq!(transport.stats().queued, 1);
    drop(bytes);
    assert_eq!(next.await.unwrap().unwrap().body(), "hello");
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_counts_until_its_bytes_are_dropped() {
    let scene = Scene::memory(first([Head, say(SWITCH), Drain]));
    let request = scene.transport.request("GET", scene.url("/"));
    let response =
        request.header("connection", "upgrade").header("upgrade", "custom").await.unwrap();
    let mut io = TokioIo::new(upgrade(response).await.unwrap());
    let mut early = [0; 5];
    io.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    is_counted(&scene.transport, scene.url("/"), io).await;
}

#[tokio::test(start_paused = true)]
async fn without_tls_an_upgrade_takes_the_idle_connection_of_other_requests() {
    let scene = Scene::memory(first([Answer, Head, say(SWITCH), Drain]));
    scene.get().await.unwrap();
    let request = scene.transport.request("GET", scene.url("/"));
    let response = request.header("connection", "upgrade").header("upgrade", "custom").await;
    assert_eq!(response.unwrap().status(), 101);
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_counts_until_its_bytes_are_dropped() {
    let scene = Scene::memory(first([Head, say(TUNNEL), Drain]));
    let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
    assert!(scene.origin.heads()[0].starts_with("CONNECT origin.example:80 HTTP/1.1\r\n"));
    let mut io = TokioIo::new(upgrade(response).await.unwrap());
    io.write_all(b"ping").await.unwrap();
    let mut early = [0; 5];
    io.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    is_counted(&scene.transport, scene.url("/"), io).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_nobody_takes_frees_its_place() {
    let scene = Scene::memory(first([Head, say(TUNNEL), Drain]));
    let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
    is_counted(&scene.transport, scene.url("/"), response).await;
}

#[cfg(feature = "http2")]
mod http2 {
    use super::*;
    use crate::support::{
        frames::{HEADERS, PREFACE, data, headers, send, settings},
        scripted::Step::{Frame, Read, ServeHttp2},
    };

    /// One stream at once, of which the first is a tunnel.
    fn tunnel() -> Scene {
        let opened = [headers(1, 0, &[(":status", "200")]), data(1, 0, "early")].concat();
        Scene::http2_in_memory(vec![vec![
            Read(PREFACE),
            send(settings(&[(3, 1)])),
            Frame(HEADERS),
            send(opened),
            ServeHttp2,
        ]])
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_counts_as_a_stream_until_its_bytes_are_dropped() {
        let scene = tunnel();
        let response = scene.transport.stream("CONNECT", scene.url("")).await.unwrap();
        let mut io = TokioIo::new(upgrade(response).await.unwrap());
        let mut early = [0; 5];
        io.read_exact(&mut early).await.unwrap();
        assert_eq!(&early, b"early");
        is_counted(&scene.transport, scene.url("/"), io).await;
        assert_eq!(scene.origin.accepted(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_counts_though_the_empty_body_of_its_answer_was_read() {
        let scene = tunnel();
        let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
        assert!(response.body().is_empty());
        let io = upgrade(response.map(|_| ())).await.unwrap();
        is_counted(&scene.transport, scene.url("/"), io).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_that_nobody_takes_frees_its_stream() {
        let scene = tunnel();
        let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
        is_counted(&scene.transport, scene.url("/"), response).await;
    }
}

/// Where ALPN would choose HTTP/2, which has no `Upgrade`.
#[cfg(all(feature = "http2", feature = "_rustls"))]
mod where_http2_is_preferred {
    use http::Version;
    use tower::ServiceBuilder;
    use tower_transport::{
        Body, Error,
        http::NegotiateLayer,
        options::Protocols,
        pool::PoolLayer,
        tls::{TlsConfig, TlsLayer},
        transport::TransportBuilder,
    };

    use super::*;
    use crate::support::{
        net::{Behavior, Net},
        proxy::tunneling,
        scripted::Script,
        tls_peer::Authority,
    };

    fn scene(script: Script, settings: impl FnOnce(TransportBuilder) -> TransportBuilder) -> Scene {
        let authority = Authority::new();
        let server = authority.certify("origin.example").server(&["h2", "http/1.1"]);
        Scene::tls_with(script, &authority, vec![server], settings)
    }

    async fn ask(transport: &Transport, url: &str) -> Result<http::Response<Body>, Error> {
        let request = transport.stream("GET", url).header("connection", "Upgrade");
        request.header("upgrade", "custom").await
    }

    #[tokio::test]
    async fn a_request_for_an_upgrade_offers_http1_alone() {
        for scheme in ["https", "wss"] {
            let scene = scene(first([Head, say(SWITCH), Drain]), |builder| builder).under(scheme);
            let response = ask(&scene.transport, &scene.url("/")).await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (101, Version::HTTP_11));
            assert!(scene.origin.heads()[0].contains("upgrade: custom"));
        }
    }

    #[tokio::test]
    async fn a_request_for_an_upgrade_takes_no_connection_of_http2() {
        let (net, authority) = (Net::new(), Authority::new());
        let server = authority.certify("origin.example").server(&["h2", "http/1.1"]);
        let origin = net.tls("origin.example:443", Behavior::Serve, server);
        let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
        let stack = ServiceBuilder::new()
            .layer(PoolLayer::new())
            .layer(NegotiateLayer::new())
            .layer(TlsLayer::new(tls))
            .service(net.connector());
        let url = "https://origin.example/";
        for (upgrade, version) in
            [(false, Version::HTTP_2), (true, Version::HTTP_11), (false, Version::HTTP_2)]
        {
            let request = stack.request("GET", url);
            let request = if upgrade { request.header("upgrade", "custom") } else { request };
            assert_eq!(request.await.unwrap().version(), version);
        }
        let offered: Vec<_> = origin.handshakes().into_iter().map(|it| it.alpn).collect();
        assert_eq!(offered, [Some("h2".to_owned()), Some("http/1.1".to_owned())]);
    }

    #[tokio::test]
    async fn http2_by_order_is_an_error_before_anybody_is_connected_to() {
        let only: fn(TransportBuilder) -> TransportBuilder = TransportBuilder::http2_only;
        for forced in [only, TransportBuilder::http2_prior_knowledge] {
            let scene = scene(Box::new(|_| vec![]), forced);
            let error = ask(&scene.transport, &scene.url("/")).await.unwrap_err();
            assert!(error.is_unsupported() && !error.was_sent(), "{error:?}");
            assert!(error.to_string().contains("origin.example"), "{error}");
            assert_eq!(scene.origin.accepted(), 0);
        }
        for protocols in [Protocols::Http2Only, Protocols::Http2PriorKnowledge] {
            let scene = scene(Box::new(|_| vec![]), |builder| builder);
            let request = scene.transport.request("GET", scene.url("/")).extension(protocols);
            assert!(request.header("upgrade", "custom").await.unwrap_err().is_unsupported());
            assert_eq!(scene.origin.accepted(), 0);
        }
    }

    #[tokio::test]
    async fn a_proxy_that_forwards_over_http2_alone_is_not_asked() {
        for protocols in [Protocols::Http2Only, Protocols::Http2PriorKnowledge] {
            let net = Net::new();
            let proxy = tunneling("https://proxy.example").tunnel_http(false).protocols(protocols);
            let transport = net.transport().proxy(proxy).build().unwrap();
            let error = ask(&transport, "http://origin.example/").await.unwrap_err();
            assert!(error.is_unsupported() && !error.was_sent(), "{error:?}");
            assert!(error.to_string().contains("`Upgrade`"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_forwards_over_http2_is_asked_over_http1() {
        let (net, authority) = (Net::new(), Authority::new());
        let server = authority.certify("proxy.example").server(&["h2", "http/1.1"]);
        let peer = net.tls("proxy.example:443", Behavior::Serve, server);
        let proxy = tunneling("https://proxy.example").tunnel_http(false);
        let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
        let transport = net.transport().tls(tls).proxy(proxy).build().unwrap();
        let url = "http://origin.example/";
        assert_eq!(transport.request("GET", url).await.unwrap().version(), Version::HTTP_2);
        let response = ask(&transport, url).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert!(peer.heads()[1].contains("upgrade: custom"), "{:?}", peer.heads());
    }
}
