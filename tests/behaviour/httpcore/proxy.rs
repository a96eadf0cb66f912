//! Whole requests through an HTTP proxy.

use tower_transport::{
    Error, RequestExt, Transport, auth::Credentials, proxy::Proxy, tls::TlsConfig,
};

use super::script::rows;
use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    tls_peer::Authority,
};

/// A proxy, an origin that speaks these by ALPN, and a transport between them.
struct Scene {
    proxy: std::sync::Arc<Peer>,
    origin: std::sync::Arc<Peer>,
    transport: Transport,
}

fn scene(does: Behavior, alpn: &[&str], settings: fn(Proxy) -> Proxy) -> Scene {
    let (net, authority) = (Net::new(), Authority::new());
    let proxy = net.plain("localhost:8080", does);
    let server = authority.certify("example.com").server(alpn);
    let origin = net.tls("example.com:443", Behavior::Serve, server);
    let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
    let through = settings("http://localhost:8080".parse().unwrap());
    let transport = net.transport().tls(tls).proxy(through).build().unwrap();
    Scene { proxy, origin, transport }
}

/// Rows of the connections during a request, and after it.
async fn get(transport: &Transport) -> Result<[Vec<String>; 2], Error> {
    let mut body = transport.stream("GET", "https://example.com/").await?.into_body();
    let during = rows(transport);
    assert_eq!(body.read().await?, "hello");
    drop(body);
    run_ready_tasks().await;
    Ok([during, rows(transport)])
}

const WAY: &str = "example.com:443 through http://localhost:8080";

#[tokio::test]
async fn a_tunnel_is_kept_for_its_origin() {
    for (alpn, version) in [(["http/1.1"], "HTTP/1.1"), (["h2"], "HTTP/2.0")] {
        let scene = scene(Behavior::Tunnel, &alpn, |proxy| proxy);
        for times in 1..=2 {
            let row = |state| vec![format!("{WAY} {version} {state} {times}")];
            assert_eq!(get(&scene.transport).await.unwrap(), [row("Active"), row("Idle")]);
        }
        assert_eq!((scene.proxy.heads().len(), scene.origin.heads().len()), (1, 2));
    }
}

#[tokio::test]
async fn a_refused_tunnel_leaves_no_connection() {
    let refusal = "HTTP/1.1 403 Permission Denied\r\nContent-Length: 0\r\n\r\n";
    let scene = scene(Behavior::Say(refusal), &[], |proxy| proxy);
    let error = get(&scene.transport).await.unwrap_err();
    assert_eq!(error.proxy_status().unwrap().as_u16(), 403);
    assert!(error.to_string().contains("403"), "{error}");
    assert!(rows(&scene.transport).is_empty());
}

#[tokio::test]
async fn credentials_are_for_the_proxy_alone() {
    let known = |proxy: Proxy| proxy.credentials(Credentials::new("username", "password"));
    let scene = scene(Behavior::Tunnel, &[], known);
    get(&scene.transport).await.unwrap();
    assert!(scene.proxy.received_text("proxy-authorization: Basic dXNlcm5hbWU6cGFzc3dvcmQ=\r\n"));
    assert!(!scene.origin.received_text("authorization"));
}
