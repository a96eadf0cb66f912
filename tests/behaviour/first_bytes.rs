//! What each hop hears first, for every stacking of the README, and that `https` is never heard in the clear.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
};

use http::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio_rustls::TlsAcceptor;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_service::Service;
use tower_transport::{
    Body, Error, RequestExt,
    connect::{Connect, Connected, MemoryConnector, MemoryListener, UriConnector, UriService},
    http::NegotiateLayer,
    options::Protocols,
    pool::PoolLayer,
    proxy::{ForwardLayer, Proxy, ProxyLayer, Socks4Layer, Socks5Layer, TunnelLayer},
    target::Target,
    tls::{TlsConfig, TlsLayer},
};

use crate::support::{peer::Peer, scripted::HELLO, tls_peer::Authority};

const HTTPS: &str = "https://origin.example/";
const WSS: &str = "wss://origin.example/";
const HTTP: &str = "http://origin.example/";

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Wire = Peer<BufReader<Box<dyn Stream>>>;

/// What was heard, hop after hop.
type Heard = Arc<Mutex<Vec<String>>>;

/// Plays every hop of one connection: proxies say yes, TLS is spoken, and requests are answered.
async fn play(stream: Box<dyn Stream>, tls: TlsAcceptor, heard: Heard) -> io::Result<()> {
    let mut wire = Wire::new(BufReader::new(stream));
    loop {
        let first = wire.io.fill_buf().await?.first().copied();
        let (what, answer) = match first {
            None => return Ok(()),
            Some(22) => {
                let stream = tls.accept(wire.io).await?;
                let name = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
                heard.lock().unwrap().push(format!("TLS {name}"));
                wire = Wire::new(BufReader::new(Box::new(stream)));
                continue;
            }
            Some(4 | 5) => {
                let asked = wire.read_socks().await?;
                (format!("SOCKS{} {}", asked.version, asked.host), asked.granted())
            }
            Some(_) => {
                let line = line(&wire.read_head().await?);
                let is_tunnel = line.starts_with("CONNECT ");
                (line, if is_tunnel { &b"HTTP/1.1 200 OK\r\n\r\n"[..] } else { HELLO.as_bytes() })
            }
        };
        heard.lock().unwrap().push(what);
        wire.write(answer).await?;
    }
}

/// The first line of a head.
fn line(head: &str) -> String {
    head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned()
}

async fn accept(mut listener: MemoryListener, tls: Arc<ServerConfig>, heard: Heard) {
    while let Some((stream, _)) = listener.accept().await {
        tokio::spawn(play(Box::new(stream), TlsAcceptor::from(tls.clone()), heard.clone()));
    }
}

/// Hops that play, and the connector that reaches the first.
fn hops() -> (MemoryConnector, Heard) {
    let (connector, listener) = MemoryConnector::pair();
    let (heard, tls) = (Heard::default(), Authority::new().certify("any.example").server(&[]));
    tokio::spawn(accept(listener, tls.into(), heard.clone()));
    (connector, heard)
}

/// What the hops hear of a GET in the stack `Pool > Negotiate > connector`.
async fn get<C>(
    url: &str,
    protocols: Protocols,
    stack: impl FnOnce(MemoryConnector) -> C,
) -> (Vec<String>, Result<(), Error>)
where
    C: Connect<Target> + Clone + Send + 'static,
{
    let (connector, heard) = hops();
    let pool = ServiceBuilder::new().layer(PoolLayer::new()).layer(NegotiateLayer::new());
    let request = pool.service(stack(connector)).request("GET", url).extension(protocols);
    let outcome = request.header("authorization", "Bearer secret").await.map(drop);
    tokio::task::yield_now().await;
    let heard = heard.lock().unwrap().clone();
    (heard, outcome)
}

async fn hear<C>(url: &str, stack: impl FnOnce(MemoryConnector) -> C) -> Vec<String>
where
    C: Connect<Target> + Clone + Send + 'static,
{
    let (heard, outcome) = get(url, Protocols::Negotiated, stack).await;
    outcome.unwrap();
    heard
}

/// What the hops hear of one that is refused because nothing encrypts it.
async fn refused<C>(url: &str, stack: impl FnOnce(MemoryConnector) -> C) -> Vec<String>
where
    C: Connect<Target> + Clone + Send + 'static,
{
    let (heard, outcome) = get(url, Protocols::Negotiated, stack).await;
    is_refused(outcome);
    heard
}

fn is_refused<T>(outcome: Result<T, Error>) {
    let error = outcome.map(drop).unwrap_err();
    assert!(error.is_builder() && !error.was_sent(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("://origin.example") && text.contains("`TlsLayer`"), "{text}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

fn tls() -> TlsLayer {
    TlsLayer::new(TlsConfig::danger_accept_any_certificate())
}

fn proxy(url: &str) -> Proxy {
    url.parse().unwrap()
}

fn http_proxy() -> Proxy {
    proxy("http://me:secret@proxy.example")
}

fn https_proxy() -> Proxy {
    proxy("https://me:secret@proxy.example")
}

#[tokio::test]
async fn each_stacking_says_to_each_hop_what_is_for_it() {
    let direct = |tcp| tls().layer(tcp);
    assert_eq!(hear(HTTPS, direct).await, ["TLS origin.example", "GET /"]);
    assert_eq!(hear(WSS, direct).await, ["TLS origin.example", "GET /"]);
    assert_eq!(hear(HTTP, direct).await, ["GET /"]);
    assert_eq!(hear(HTTP, |tcp| tcp).await, ["GET /"]);
}

#[tokio::test]
async fn a_tunnel_is_asked_for_before_tls_with_the_origin() {
    let tunnel = |tcp| tls().layer(TunnelLayer::new(http_proxy()).layer(tcp));
    let connect = "CONNECT origin.example:443";
    assert_eq!(hear(HTTPS, tunnel).await, [connect, "TLS origin.example", "GET /"]);
    assert_eq!(hear(HTTP, tunnel).await, ["CONNECT origin.example:80", "GET /"]);
    let tls_in_tls = |tcp| tls().layer(TunnelLayer::new(https_proxy()).layer(tls().layer(tcp)));
    let expected = ["TLS proxy.example", connect, "TLS origin.example", "GET /"];
    assert_eq!(hear(HTTPS, tls_in_tls).await, expected);
}

#[tokio::test]
async fn socks_is_greeted_before_tls_with_the_origin() {
    let socks5 = |tcp| tls().layer(Socks5Layer::new(proxy("socks5h://proxy.example")).layer(tcp));
    let expected = ["SOCKS5 origin.example", "TLS origin.example", "GET /"];
    assert_eq!(hear(HTTPS, socks5).await, expected);
    assert_eq!(hear(HTTP, socks5).await, ["SOCKS5 origin.example", "GET /"]);
    let socks4 = |tcp| tls().layer(Socks4Layer::new(proxy("socks4a://proxy.example")).layer(tcp));
    let expected = ["SOCKS4 origin.example", "TLS origin.example", "GET /"];
    assert_eq!(hear(HTTPS, socks4).await, expected);
}

#[tokio::test]
async fn a_chain_is_walked_from_the_nearest_proxy() {
    let chain = |tcp| {
        let near = Socks5Layer::new(proxy("socks5h://near.example")).layer(tcp);
        tls().layer(TunnelLayer::new(proxy("http://far.example")).layer(near))
    };
    let (near, far) = ("SOCKS5 far.example", "CONNECT origin.example:443");
    assert_eq!(hear(HTTPS, chain).await, [near, far, "TLS origin.example", "GET /"]);
    let through_tls = |tcp| {
        let near = tls().layer(Socks5Layer::new(proxy("socks5h://near.example")).layer(tcp));
        tls().layer(TunnelLayer::new(proxy("https://far.example")).layer(near))
    };
    let expected = [near, "TLS far.example", far, "TLS origin.example", "GET /"];
    assert_eq!(hear(HTTPS, through_tls).await, expected);
}

#[tokio::test]
async fn a_proxy_that_forwards_receives_the_whole_url() {
    let forward = |tcp| ForwardLayer::new(http_proxy()).layer(tcp);
    assert_eq!(hear(HTTP, forward).await, ["GET http://origin.example/"]);
    let private = |tcp| ForwardLayer::new(https_proxy()).layer(tls().layer(tcp));
    assert_eq!(hear(HTTP, private).await, ["TLS proxy.example", "GET http://origin.example/"]);
}

#[tokio::test]
async fn the_layer_of_all_proxies_goes_by_the_scheme_of_each() {
    let through = |proxy: Proxy| {
        let layer = ProxyLayer::new(proxy).tls(TlsConfig::danger_accept_any_certificate());
        move |tcp| tls().layer(layer.layer(tcp))
    };
    let end = ["TLS origin.example", "GET /"];
    let connect = "CONNECT origin.example:443";
    assert_eq!(hear(HTTPS, through(http_proxy())).await, [connect, end[0], end[1]]);
    let expected = ["TLS proxy.example", connect, end[0], end[1]];
    assert_eq!(hear(HTTPS, through(https_proxy())).await, expected);
    assert_eq!(hear(HTTP, through(http_proxy())).await, ["GET http://origin.example/"]);
    let expected = ["SOCKS5 origin.example", end[0], end[1]];
    assert_eq!(hear(HTTPS, through(proxy("socks5h://proxy.example"))).await, expected);
}

#[tokio::test]
async fn without_a_layer_of_tls_nothing_private_is_said() {
    use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge, Negotiated};
    for url in [HTTPS, WSS] {
        for protocols in [Negotiated, Http1Only, Http2Only, Http2PriorKnowledge] {
            let (heard, outcome) = get(url, protocols, |tcp| tcp).await;
            assert!(heard.is_empty(), "{heard:?}");
            if protocols != Http2Only {
                is_refused(outcome);
            }
        }
    }
}

/// The key of a pool, or whoever uses a connection by hand, may have named another target than the request does.
#[tokio::test]
async fn a_connection_in_the_clear_is_given_no_request_for_tls() {
    for (protocols, url) in [Protocols::Http1Only, Protocols::Http2PriorKnowledge]
        .into_iter()
        .flat_map(|protocols| [HTTPS, WSS].map(|url| (protocols, url)))
    {
        let (tcp, mut listener) = MemoryConnector::pair();
        let mut target = Target::new((&Uri::from_static(HTTP)).try_into().unwrap());
        target.protocols = protocols;

        let key = target.clone();
        let keyed = PoolLayer::keyed(move |_: &Request<Body>| Ok(key.clone()));
        let stack = ServiceBuilder::new().layer(keyed).layer(NegotiateLayer::new());
        is_refused(stack.service(tcp.clone()).request("GET", url).await);

        let mut negotiate = NegotiateLayer::<Body>::new().layer(tcp);
        let mut connection = negotiate.ready().await.unwrap().call(target).await.unwrap();
        let request = Request::get(url).body(Body::empty()).unwrap();
        let error = connection.ready().await.unwrap().call(request).await.unwrap_err();
        assert!(error.request.is_some());
        is_refused(Err::<(), _>(*error.error.downcast::<Error>().unwrap()));
        drop(connection);

        for _ in 0..2 {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut written = Vec::new();
            io.read_to_end(&mut written).await.unwrap();
            assert!(!written.starts_with(b"GET"), "{written:?}");
        }
    }
}

#[tokio::test]
async fn tls_with_a_proxy_is_not_tls_with_the_origin() {
    let socks5 = Socks5Layer::new(proxy("socks5h://proxy.example"));
    let heard = refused(HTTPS, |tcp| socks5.layer(tls().layer(tcp))).await;
    assert_eq!(heard, ["SOCKS5 origin.example"]);
    let socks4 = Socks4Layer::new(proxy("socks4a://proxy.example"));
    let heard = refused(HTTPS, |tcp| socks4.layer(tls().layer(tcp))).await;
    assert_eq!(heard, ["SOCKS4 origin.example"]);
    for (proxy, hops) in [(http_proxy(), 1), (https_proxy(), 2)] {
        let tunnel = TunnelLayer::new(proxy);
        let heard = refused(WSS, |tcp| tunnel.layer(tls().layer(tcp))).await;
        assert_eq!((heard.len(), &*heard[hops - 1]), (hops, "CONNECT origin.example:443"));
    }
    // What a connector declares of the way to a proxy ends there, too.
    let declared = |tcp| {
        let encrypted = ServiceBuilder::new().map_response(Connected::encrypted).service(tcp);
        Socks5Layer::new(proxy("socks5h://proxy.example")).layer(encrypted)
    };
    assert_eq!(refused(HTTPS, declared).await, ["SOCKS5 origin.example"]);
}

#[tokio::test]
async fn the_layer_of_all_proxies_alone_says_nothing_private() {
    for (proxy, hops) in [(http_proxy(), 1), (https_proxy(), 2)] {
        let layer = ProxyLayer::new(proxy).tls(TlsConfig::danger_accept_any_certificate());
        assert_eq!(refused(HTTPS, |tcp| layer.layer(tcp)).await.len(), hops);
    }
    let none = ProxyLayer::new(tower_transport::target::Route::Direct);
    assert!(refused(HTTPS, |tcp| none.layer(tcp)).await.is_empty());
}

#[tokio::test]
async fn a_connector_that_encrypts_by_itself_says_so() {
    let declared = |tcp| ServiceBuilder::new().map_response(Connected::encrypted).service(tcp);
    assert_eq!(hear(HTTPS, declared).await, ["GET /"]);
}

/// A connector by URI, as they are made for hyper-util.
async fn dial(
    tcp: MemoryConnector,
    uri: Uri,
) -> Result<TokioIo<tokio::io::DuplexStream>, Infallible> {
    let target = Target::new((&uri).try_into().unwrap());
    let connected = tcp.oneshot(target).await.unwrap();
    Ok(TokioIo::new(connected.io.into_stream()))
}

#[tokio::test]
async fn a_connector_by_uri_encrypts_if_its_user_says_so() {
    let by_uri = |tcp: MemoryConnector| {
        UriConnector::new(service_fn(move |uri| Box::pin(dial(tcp.clone(), uri)) as Pin<Box<_>>))
    };
    assert!(refused(HTTPS, by_uri).await.is_empty());
    assert_eq!(hear(HTTP, by_uri).await, ["GET /"]);
    assert_eq!(hear(HTTPS, |tcp| by_uri(tcp).encrypts()).await, ["GET /"]);
}

#[tokio::test]
async fn a_client_over_our_connectors_is_given_no_bytes_in_the_clear() {
    let (tcp, heard) = hops();
    is_refused(UriService::new(tcp.clone()).oneshot(Uri::from_static(HTTPS)).await);
    UriService::new(tcp.clone()).oneshot(Uri::from_static(HTTP)).await.unwrap();
    let _io = UriService::new(tls().layer(tcp)).oneshot(Uri::from_static(HTTPS)).await.unwrap();
    // The client is done before the server has read the last of the handshake.
    while heard.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*heard.lock().unwrap(), ["TLS origin.example"]);
}
