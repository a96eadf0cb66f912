//! What is measured: the workloads, the peers, and the requests that both are made of.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Uri};
use http_body::{Body, Frame, SizeHint};

pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many bytes go down or up at once.
pub const LARGE: usize = 100_000_000;
/// In chunks of this size.
const CHUNK: &[u8] = &[b'x'; 1 << 16];
pub const ANSWER: &str = "Hello, world";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Hyper,
    Pool,
    Legacy,
    Reqwest,
    Ureq,
    Ours,
    /// Ours, for callers that block.
    Blocking,
}

pub const PEERS: [Peer; 7] =
    [Peer::Hyper, Peer::Ours, Peer::Blocking, Peer::Pool, Peer::Legacy, Peer::Reqwest, Peer::Ureq];

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hyper => "bare hyper",
            Self::Pool => "hyper-util pool",
            Self::Legacy => "hyper-util legacy",
            Self::Reqwest => "reqwest",
            Self::Ureq => "ureq",
            Self::Ours => "tower-transport",
            Self::Blocking => "ours, blocking",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        PEERS.into_iter().find(|peer| peer.name() == name)
    }

    /// ureq speaks HTTP/1.1 only.
    pub fn does(self, workload: &Workload) -> bool {
        self != Self::Ureq || !workload.is_http2
    }
}

/// What is known of a connection's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    Tls,
    /// TLS through a proxy.
    Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Get,
    Post,
    Down,
    Up,
}

#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub name: &'static str,
    pub is_http2: bool,
    pub way: Way,
    pub kind: Kind,
    /// How many requests are under way at any time.
    pub at_once: usize,
    pub origins: usize,
    /// Whether each request has a connection of its own.
    pub is_new: bool,
}

const GET: Workload = Workload {
    name: "",
    is_http2: false,
    way: Way::Plain,
    kind: Kind::Get,
    at_once: 1,
    origins: 1,
    is_new: false,
};

const GET_HTTP2: Workload = Workload { is_http2: true, ..GET };

pub const WORKLOADS: [Workload; 14] = [
    Workload { name: "HTTP/1.1 GET, 1 connection", ..GET },
    Workload { name: "HTTP/1.1 GET, 50 connections", at_once: 50, ..GET },
    Workload { name: "HTTP/1.1 GET, 1,000 connections", at_once: 1000, ..GET },
    Workload { name: "HTTP/1.1 GET over TLS, 50 connections", way: Way::Tls, at_once: 50, ..GET },
    Workload {
        name: "HTTP/1.1 GET, TLS through CONNECT, 50 connections",
        way: Way::Connect,
        at_once: 50,
        ..GET
    },
    Workload {
        name: "HTTP/1.1 POST of 1 KiB, 50 connections",
        kind: Kind::Post,
        at_once: 50,
        ..GET
    },
    Workload { name: "HTTP/1.1 GET, a new connection each", is_new: true, ..GET },
    Workload { name: "HTTP/1.1 GET, 1,000 origins", at_once: 50, origins: 1000, ..GET },
    Workload { name: "HTTP/2 GET, 1 stream", ..GET_HTTP2 },
    Workload { name: "HTTP/2 GET, 100 streams", at_once: 100, ..GET_HTTP2 },
    Workload { name: "HTTP/1.1, 100 MB down", kind: Kind::Down, ..GET },
    Workload { name: "HTTP/1.1, 100 MB up", kind: Kind::Up, ..GET },
    Workload { name: "HTTP/2, 100 MB down", kind: Kind::Down, ..GET_HTTP2 },
    Workload { name: "HTTP/2, 100 MB up", kind: Kind::Up, ..GET_HTTP2 },
];

impl Workload {
    pub fn of(name: &str) -> Option<&'static Self> {
        WORKLOADS.iter().find(|workload| workload.name == name)
    }
}

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The port of all origins.
    pub port: u16,
    pub http2_port: u16,
    pub tls_port: u16,
    pub proxy_port: u16,
    /// The file with the certificate.
    pub certificate: String,
}

impl Place {
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split_whitespace();
        let mut port = || parts.next()?.parse().ok();
        let (port, http2_port, tls_port, proxy_port) = (port()?, port()?, port()?, port()?);
        let certificate = parts.next()?.to_owned();
        Some(Self { port, http2_port, tls_port, proxy_port, certificate })
    }

    pub fn print(&self) -> String {
        let Self { port, http2_port, tls_port, proxy_port, certificate } = self;
        format!("{port} {http2_port} {tls_port} {proxy_port} {certificate}")
    }

    pub fn proxy(&self) -> String {
        format!("127.0.0.1:{}", self.proxy_port)
    }
}

/// The address of an origin, of up to 1,000.
pub fn address(origin: usize) -> [u8; 4] {
    if origin == 0 {
        [127, 0, 0, 1]
    } else {
        [127, 1, (origin / 250) as u8, (origin % 250 + 1) as u8]
    }
}

/// One request, again and again.
#[derive(Clone, Debug)]
pub struct Job {
    pub kind: Kind,
    pub uri: Uri,
    pub url: reqwest::Url,
    /// Whether its connection is closed afterwards.
    pub is_new: bool,
}

impl Job {
    pub fn new(workload: &Workload, place: &Place, origin: usize) -> Outcome<Self> {
        let [a, b, c, d] = address(origin);
        let port = match (workload.way, workload.is_http2) {
            (Way::Plain, false) => place.port,
            (Way::Plain, true) => place.http2_port,
            (Way::Tls | Way::Connect, _) => place.tls_port,
        };
        let scheme = if workload.way == Way::Plain { "http" } else { "https" };
        let path = if workload.kind == Kind::Down { "down" } else { "" };
        let url = format!("{scheme}://{a}.{b}.{c}.{d}:{port}/{path}");
        let (uri, url) = (url.parse()?, url.parse()?);
        Ok(Self { kind: workload.kind, uri, url, is_new: workload.is_new })
    }

    pub fn method(&self) -> Method {
        match self.kind {
            Kind::Get | Kind::Down => Method::GET,
            Kind::Post | Kind::Up => Method::POST,
        }
    }

    /// How many bytes are sent.
    pub fn sends(&self) -> usize {
        match self.kind {
            Kind::Get | Kind::Down => 0,
            Kind::Post => 1024,
            Kind::Up => LARGE,
        }
    }

    pub fn check(&self, received: usize) -> Outcome {
        let expected = if self.kind == Kind::Down { LARGE } else { ANSWER.len() };
        if received == expected {
            return Ok(());
        }
        Err(format!("{received} bytes came instead of {expected}").into())
    }
}

/// A body of so many bytes, of known length, which are not copied.
#[derive(Clone, Debug)]
pub struct Bulk {
    left: usize,
}

impl Bulk {
    pub fn new(length: usize) -> Self {
        Self { left: length }
    }

    /// The next chunk, if there is one.
    pub fn take(&mut self) -> Option<&'static [u8]> {
        let chunk = &CHUNK[..self.left.min(CHUNK.len())];
        self.left -= chunk.len();
        (!chunk.is_empty()).then_some(chunk)
    }
}

impl Body for Bulk {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.take().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
