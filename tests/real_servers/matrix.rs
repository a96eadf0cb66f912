//! What is asked of every proxy: a test for each kind of origin behind it.

use bytes::Bytes;
use http::{Response, StatusCode, Version};
use tower_transport::{
    Error, RequestExt, Transport,
    proxy::{Proxy, ProxyScheme},
    target::Route,
    transport::TransportBuilder,
};

use crate::{
    origin::{Kind, Origin},
    requests::{at_once, greeted, some_at_a_time},
    server::Server,
};

/// A proxy that is running, or several in a row, the nearest first.
pub(crate) struct Running {
    servers: Vec<Server>,
    proxies: Vec<Proxy>,
    /// The version of HTTP that forwarded requests come back by.
    forwards: Option<Version>,
    /// The status that stands for an origin that cannot be reached.
    unreachable: Option<StatusCode>,
}

/// Tests named after the way to this proxy, and after what is spoken with the origin behind it.
macro_rules! rows {
    ($way:ident, $proxy:expr) => {
        mod $way {
            use super::*;

            rows!(http1_in_plain_text = $proxy, Http1);
            rows!(http1_over_tls = $proxy, Http1OverTls);
            rows!(http2_over_tls = $proxy, Http2OverTls);
            rows!(http2_by_prior_knowledge = $proxy, Http2PriorKnowledge);
        }
    };
    ($name:ident = $proxy:expr, $kind:ident) => {
        #[tokio::test]
        #[ignore = "needs the servers and proxies that .ci/run installs from apt"]
        async fn $name() {
            $proxy.leads_to($crate::origin::Kind::$kind).await;
        }
    };
}

impl Running {
    /// The servers, of which the last is the proxy itself.
    pub(crate) fn new(servers: Vec<Server>, proxy: Proxy) -> Self {
        let forwards = proxy.scheme().is_http().then_some(Version::HTTP_11);
        Self { servers, proxies: vec![proxy], forwards, unreachable: None }
    }

    /// Requests come back by this version if they were forwarded, and by the origin's own if there is none: then there
    /// are tunnels to all.
    pub(crate) fn forwards(mut self, version: impl Into<Option<Version>>) -> Self {
        self.forwards = version.into();
        self
    }

    /// What it answers if an origin cannot be reached.
    pub(crate) fn unreachable(mut self, status: StatusCode) -> Self {
        self.unreachable = Some(status);
        self
    }

    /// This one, and behind it the next.
    pub(crate) fn then(mut self, next: Self) -> Self {
        self.servers.extend(next.servers);
        self.proxies.extend(next.proxies);
        Self { servers: self.servers, proxies: self.proxies, ..next }
    }

    /// The same, used in another way.
    pub(crate) fn with(mut self, change: impl FnOnce(Proxy) -> Proxy) -> Self {
        let proxy = self.proxies.pop().map(change);
        self.proxies.extend(proxy);
        self
    }

    /// The last one.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxies.last().unwrap()
    }

    /// What runs the last one.
    pub(crate) fn server(&self) -> &Server {
        self.servers.last().unwrap()
    }

    pub(crate) fn transport(&self, kind: Kind) -> TransportBuilder {
        kind.transport().proxy(Route::through(self.proxies.clone()))
    }

    /// What the origin is called: by a name, if it is not looked up here.
    pub(crate) fn host(&self) -> &'static str {
        match self.proxy().scheme() {
            ProxyScheme::Socks4 | ProxyScheme::Socks5 => "127.0.0.1",
            _ => "localhost",
        }
    }

    /// A row of the table.
    pub(crate) async fn leads_to(mut self, kind: Kind) {
        let origin = Origin::start(kind, self.host()).await;
        let transport = self.transport(kind).build().unwrap();
        self.greets(&transport, &origin).await;
        origin.gives_and_takes(&transport).await;
        self.says_that_an_origin_is_unreachable(&transport, kind).await;
        // Who says no any more was on the way.
        self.servers.pop();
        let error = self.fails(&origin).await;
        assert_eq!(error.proxy_status().is_some(), self.answers_by_http());
    }

    /// The error of a request that the proxy is to blame for.
    pub(crate) async fn fails(&self, origin: &Origin) -> Error {
        let transport = self.transport(origin.kind).build().unwrap();
        let error = transport.request("GET", origin.url("hello.txt")).await.unwrap_err();
        assert_by_proxy(&error).clone()
    }

    async fn greets(&self, transport: &Transport, origin: &Origin) {
        let url = origin.url("hello.txt");
        let forwarded = self.forwards.filter(|_| origin.kind == Kind::Http1);
        let version = forwarded.unwrap_or(origin.kind.version());
        let info = greeted(transport, &url, version).await;
        assert_eq!((info.proxies(), info.version()), (&self.proxies[..], Some(version)));
        assert_eq!(info.forwarder(), forwarded.and(self.proxies.last()));
        some_at_a_time(transport, &url, 10, 1).await;
        at_once(transport, &url, 20).await;
    }

    async fn says_that_an_origin_is_unreachable(&self, transport: &Transport, kind: Kind) {
        let result = transport.request("GET", kind.url(self.host(), 1)).await;
        assert_eq!(self.says_no(result, kind), self.unreachable);
    }

    /// The status with which it refuses what there is for `origin`.
    pub(crate) async fn refuses(&self, origin: &Origin) -> Option<StatusCode> {
        let transport = self.transport(origin.kind).build().unwrap();
        let result = transport.request("GET", origin.url("hello.txt")).await;
        self.says_no(result, origin.kind)
    }

    /// A request that is forwarded is answered by the proxy if by nobody else; a tunnel is an error.
    fn says_no(&self, result: Result<Response<Bytes>, Error>, kind: Kind) -> Option<StatusCode> {
        if self.forwards.is_some() && kind == Kind::Http1 {
            return Some(result.unwrap().status());
        }
        assert_by_proxy(&result.unwrap_err()).proxy_status()
    }

    /// Whether an HTTP proxy answers that the last proxy is gone.
    fn answers_by_http(&self) -> bool {
        let before = self.proxies.iter().rev().nth(1);
        before.is_some_and(|proxy| proxy.scheme().is_http())
    }
}

fn assert_by_proxy(error: &Error) -> &Error {
    assert!(error.is_proxy() && error.is_connect() && !error.was_sent(), "{error:?}");
    error
}
