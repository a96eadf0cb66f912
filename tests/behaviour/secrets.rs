//! No text of ours tells a secret: whatever holds one is shown, at rest and after exchanges that use it.

use std::{
    error::Error as StdError,
    fmt::{Debug, Display, Write},
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use tower::Layer;
use tower_transport::{
    Body, Error, RequestExt, Transport,
    auth::{Authorizing, Credentials},
    connect::{ConnectInfo, MemoryConnector},
    events::{Event, EventListener, Note, Timings},
    options::{Listener, ProxyOverride, RawTarget, Timed, TlsIdentity},
    pool::PoolLayer,
    proxy::{ForwardLayer, Proxy, ProxyLayer, ProxyRules, Socks4Layer, Socks5Layer, TunnelLayer},
    target::Route,
    tls::TlsConfig,
    transport::TransportBuilder,
};

use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::tunneling,
    scripted::{Step::Read, send},
    socks_proxy::connect,
    targets::{never_asked, target},
    tls_peer::Authority,
};

/// What every secret holds, so that a part of one is found, too.
const CORE: &str = "s3cr3t";

/// Something that nobody may be shown.
#[derive(Clone, Debug)]
struct Secret(String);

/// Everything that was said; clones write into one book.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

fn secret() -> impl Strategy<Value = Secret> {
    "[!-~éü€]{0,8}".prop_flat_map(|before| {
        "[!-~éü€]{0,8}".prop_map(move |after| Secret(format!("{before}{CORE}{after}")))
    })
}

impl Secret {
    /// As a URL holds it.
    fn encoded(&self) -> String {
        utf8_percent_encode(&self.0, NON_ALPHANUMERIC).to_string()
    }

    fn value(&self, before: &str) -> HeaderValue {
        HeaderValue::from_bytes(format!("{before}{}", self.0).as_bytes()).unwrap()
    }

    /// A proxy that receives it in every way that there is.
    fn proxy(&self, url: &str) -> Proxy {
        let (scheme, host) = url.split_once("://").unwrap();
        tunneling(&format!("{scheme}://user:{}@{host}", self.encoded()))
    }

    /// The same, for HTTP, with fields that are chosen and others that are not.
    fn http_proxy(&self) -> Proxy {
        let token = HeaderMap::from_iter([(header::COOKIE, self.value("a="))]);
        let proxy = self.proxy("http://proxy.example:8080");
        let proxy = proxy.header(HeaderName::from_static("x-token"), self.value(""));
        proxy.connect_headers(move |_| Ok(token.clone()))
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}/?a=b&X-Amz-Signature={}", self.encoded())
    }

    /// In which forms it would be recognized.
    fn forms(&self) -> Vec<String> {
        let bytes = CORE.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        let base64 = |text: &str| STANDARD.encode(text).trim_end_matches('=').to_owned();
        vec![CORE.to_owned(), bytes, base64(&self.0), base64(&format!("user:{}", self.0))]
    }
}

impl Said {
    fn line(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn shown(&self, value: &impl Debug) {
        self.line(format!("{value:?} {value:#?}"));
    }

    fn record(&self, value: &(impl Debug + Display)) {
        self.shown(value);
        self.line(value.to_string());
    }

    /// An error, and all that is below it.
    fn error(&self, error: &Error) {
        self.record(error);
        let mut cause = error.source();
        while let Some(error) = cause {
            self.line(format!("{error} {error:?} {error:#?}"));
            cause = error.source();
        }
    }

    fn is_free_of(&self, secret: &Secret) {
        let mut texts = String::new();
        self.0.lock().unwrap().iter().for_each(|line| writeln!(texts, "{line}").unwrap());
        for form in secret.forms() {
            assert!(!texts.contains(&form), "{form:?} of {secret:?} is in {texts}");
        }
    }
}

impl EventListener for Said {
    fn started(&self, event: &Event) {
        self.shown(event);
        self.record(&event.step);
    }

    fn completed(&self, event: &Event) {
        self.started(event);
    }

    fn failed(&self, event: &Event, error: &Error) {
        self.started(event);
        self.error(error);
    }

    fn canceled(&self, event: &Event) {
        self.started(event);
    }

    fn noted(&self, note: &Note) {
        self.shown(note);
    }
}

/// Runs it under a clock that stands still.
fn paused(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(test);
}

fn proxies_at_rest(secret: &Secret, said: &Said) {
    let layer = |proxy: Proxy| ProxyLayer::new(proxy).layer(MemoryConnector::pair().0);
    for url in ["https://proxy.example", "socks4a://proxy.example", "socks5h://proxy.example"] {
        let proxy = secret.proxy(url);
        said.record(&proxy);
        said.shown(&layer(proxy.clone()));
        said.shown(&Socks4Layer::new(proxy.clone()));
        said.shown(&Socks5Layer::new(proxy.clone()).layer(MemoryConnector::pair().0));
    }
    let proxy = secret.http_proxy().credentials(Credentials::new("user", &*secret.0));
    said.shown(&TunnelLayer::new(proxy.clone()));
    said.shown(&TunnelLayer::new(proxy.clone()).layer(MemoryConnector::pair().0));
    said.shown(&ForwardLayer::new(proxy.clone()).layer(MemoryConnector::pair().0));
    said.shown(&ConnectInfo::default().with_proxy(proxy.clone()).with_forwarder(proxy.clone()));
    said.shown(&Route::through([proxy.clone(), proxy.clone()]));
    said.shown(&ProxyOverride::to(Route::first_of([proxy.clone(), proxy.clone()])));
    said.shown(&ProxyRules::all(proxy.clone()).host("a.example", proxy.clone()).unwrap());
    said.record(&{
        let mut target = target("http://origin.example/");
        target.route = proxy.clone().into();
        target
    });
    let builder = Transport::builder().connector(layer(proxy.clone())).proxy(proxy);
    said.shown(&builder);
    said.record(&builder.build().unwrap());
}

/// As they are, and as what is no proxy at all.
fn variables(secret: &Secret, said: &Said) {
    let encoded = secret.encoded();
    for value in [
        format!("http://user:{encoded}@proxy.example"),
        format!("http://user:{encoded}"),
        format!("http://user:{}@proxy.example/path", secret.0),
        format!("{encoded}://proxy.example:port"),
    ] {
        let rules = ProxyRules::from_vars(|name| (name == "HTTP_PROXY").then(|| value.clone()));
        said.shown(&rules);
        let route = rules.route(&target("http://origin.example/"));
        route.map_or_else(|error| said.error(&error), |route| said.shown(&route));
    }
}

fn requests_at_rest(secret: &Secret, said: &Said) {
    let transport = Transport::builder().connector(MemoryConnector::pair().0).build().unwrap();
    let request = transport.request("POST", secret.url("origin.example"));
    said.shown(&request.header("cookie", secret.value("a=")).body(secret.0.clone()));
    let with_user = format!("http://user:{}@origin.example/", secret.encoded());
    said.shown(&transport.stream("GET", with_user));
    said.shown(&transport.request("GET", format!("http://{}:{0}@", secret.encoded())));
    said.shown(&transport.request("GET", "http://a/").header("a", format!("{}\n", secret.0)));
    said.shown(&Body::from(secret.0.clone()));
    said.shown(&Credentials::new("user", &*secret.0));
    said.shown(&Listener::new(Said::default()));
    for text in [secret.url("origin.example"), format!("http://[{}", secret.encoded())] {
        let target = text.parse::<RawTarget>();
        target.map_or_else(|error| said.error(&error), |target| said.shown(&target));
    }
}

/// Keys that are none, as they come out of variables: in one line, without an end, without a beginning.
fn keys(secret: &Secret, said: &Said) {
    let leaf = Authority::new().certify("client.example");
    let certificate = &leaf.certificate_pem;
    let config = || TlsConfig::danger_accept_any_certificate();
    let known = config().identity_pem(certificate, &leaf.key_pem).unwrap();
    said.shown(&known);
    said.shown(&TlsIdentity::from(known));
    for key in [
        format!("-----BEGIN PRIVATE KEY-----\\n{}\\n-----END", secret.0),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n", secret.0),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", secret.0),
        STANDARD.encode(&secret.0),
    ] {
        said.error(&config().identity_pem(certificate, &key).unwrap_err());
        said.error(&config().add_roots_pem(&key).unwrap_err());
        said.error(&config().identity_pem(&key, &key).unwrap_err());
    }
}

/// A proxy that does this, an origin, and a transport that tells what it does.
fn scene(does: Behavior, said: &Said) -> (Arc<Peer>, TransportBuilder) {
    let net = Net::new();
    let peer = net.plain("proxy.example:8080", does);
    net.plain("origin.example:80", Behavior::Serve);
    (peer, net.transport().listener(said.clone()).timings(true))
}

/// Sends what is secret, and shows all that comes of it.
async fn exchange(builder: TransportBuilder, secret: &Secret, said: &Said) {
    let transport = builder.build().unwrap();
    let request = transport.request("POST", secret.url("origin.example")).extension(Timed);
    let request = request.header(header::AUTHORIZATION, secret.value("Bearer "));
    let request = request.header(header::COOKIE, secret.value("a=")).body(secret.0.clone());
    match request.await {
        Err(error) => said.error(&error),
        Ok(response) => {
            said.shown(ConnectInfo::of(&response).unwrap());
            let timings = response.extensions().get::<Timings>().unwrap();
            said.shown(timings);
            said.shown(&timings.steps());
        }
    }
    said.record(&transport);
    said.shown(&transport.stats());
    run_ready_tasks().await;
}

/// The answer of a proxy that asks for more, and repeats what it received.
fn refusal(secret: &Secret, status: &str, challenge: &str) -> Behavior {
    let encoded = secret.encoded();
    let head = format!("HTTP/1.1 {status}\r\nProxy-Authenticate: {challenge}\r\nSet-Cookie: a=");
    let length = encoded.len();
    Behavior::Say(format!("{head}{encoded}\r\nContent-Length: {length}\r\n\r\n{encoded}").leak())
}

/// A scheme that shows what it is asked.
fn showing(secret: &Secret, said: &Said) -> Proxy {
    let (said, value) = (said.clone(), secret.value("Custom "));
    secret.http_proxy().authenticate(move |asked: &Authorizing<'_>| {
        said.shown(asked);
        said.shown(&asked.challenges());
        Some(value.clone())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_at_rest_shows_a_secret(secret in secret()) {
        let said = Said::default();
        proxies_at_rest(&secret, &said);
        variables(&secret, &said);
        requests_at_rest(&secret, &said);
        keys(&secret, &said);
        said.shown(&PoolLayer::<Body>::new().listener(said.clone()));
        said.is_free_of(&secret);
    }

    #[test]
    fn no_exchange_through_a_proxy_shows_a_secret(secret in secret()) {
        paused(async {
            let said = Said::default();
            let challenge = format!("Custom token=\"{}\"", secret.encoded());
            for does in [
                Behavior::Tunnel,
                Behavior::Refuse,
                refusal(&secret, "403 No", "Basic realm=\"a\""),
                refusal(&secret, "407 Who", "Basic realm=\"a\""),
                refusal(&secret, "407 Who", &challenge),
                Behavior::Say("nonsense\r\n\r\n"),
            ] {
                for proxy in [secret.http_proxy(), showing(&secret, &said)] {
                    for tunnels in [true, false] {
                        let builder = scene(does, &said).1.proxy(proxy.clone().tunnel_http(tunnels));
                        exchange(builder, &secret, &said).await;
                    }
                }
            }
            said.is_free_of(&secret);
        });
    }

    #[test]
    fn no_refusal_of_a_socks_proxy_shows_a_secret(secret in secret()) {
        paused(async {
            let said = Said::default();
            let asks = vec![Read(4), send(b"\x05\x02"), Read(7), send(b"\x01\x01")];
            let layer = Socks5Layer::new(secret.proxy("socks5h://proxy.example"));
            let layer = layer.resolver(never_asked());
            let (outcome, _) = connect(layer, vec![asks], "https://origin.example/").await;
            said.error(&outcome.unwrap_err());
            said.is_free_of(&secret);
        });
    }
}

#[cfg(feature = "digest")]
#[test]
fn no_answer_in_the_digest_scheme_is_shown() {
    paused(async {
        let (secret, said) = (Secret(CORE.to_owned()), Said::default());
        let challenge = "Digest realm=\"a\", qop=\"auth\", algorithm=SHA-256, nonce=\"b\"";
        let (peer, builder) = scene(refusal(&secret, "407 Who", challenge), &said);
        exchange(builder.proxy(secret.http_proxy()), &secret, &said).await;
        let answer = peer.heads().into_iter().find_map(|head| {
            let (_, response) = head.split_once("response=\"")?;
            Some(response.split_once('"')?.0.to_owned())
        });
        said.is_free_of(&secret);
        let said = said.0.lock().unwrap().join(" ");
        assert!(!said.contains(&answer.expect("it was answered")), "{said}");
    });
}
