//! How hyper's server reads our requests.

use std::convert::Infallible;

use http_body::Frame;
use hyper::{body::Incoming, service::Service as HyperService};
use proptest::sample::select;

use super::*;
use crate::options::RawTarget;

/// A request in parts that a property can generate and print.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    path: &'static str,
    fields: Vec<(&'static str, Vec<u8>)>,
    body: Content,
    title_case: bool,
    /// The most bytes that the server takes at a time.
    step: usize,
}

#[derive(Clone, Debug)]
enum Content {
    Empty,
    /// Its length is known.
    Known(usize),
    /// Of this length, which the request declares.
    Declared(Vec<usize>),
    /// Frames of these lengths, and trailers, announced or not.
    Unknown(Vec<usize>, Option<bool>),
}

/// The request as the server has read it.
#[derive(Debug, PartialEq, Eq)]
struct ReadBack {
    method: String,
    path: String,
    host: Option<HeaderValue>,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Option<Vec<(String, Vec<u8>)>>,
    end: End,
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        let pattern = |length: &usize| (0..*length).map(|at| b'a' + (at % 26) as u8);
        match self {
            Self::Empty => Vec::new(),
            Self::Known(length) => pattern(length).collect(),
            Self::Declared(frames) | Self::Unknown(frames, _) => {
                frames.iter().flat_map(pattern).collect()
            }
        }
    }

    fn body(&self) -> Body {
        let frames = match self {
            Self::Empty => return Body::empty(),
            Self::Known(_) => return Body::from(self.bytes()),
            Self::Declared(frames) | Self::Unknown(frames, _) => frames.clone(),
        };
        let data =
            frames.into_iter().map(|length| Frame::data(Bytes::from(Self::Known(length).bytes())));
        let trailers = matches!(self, Self::Unknown(_, Some(_))).then(|| {
            Frame::trailers(
                [("x-sum", "1"), ("host", "evil")]
                    .into_iter()
                    .map(|(name, value)| {
                        (http::HeaderName::from_static(name), HeaderValue::from_static(value))
                    })
                    .collect(),
            )
        });
        let frames = data.chain(trailers).map(Ok::<_, Infallible>);
        Body::new(http_body_util::StreamBody::new(stream::iter(frames.collect::<Vec<_>>())))
    }
}

impl Asked {
    fn request(&self) -> Request<Body> {
        let uri = format!("https://example.com{}", self.path);
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.fields {
            request = request.header(*name, value.as_slice());
        }
        match &self.body {
            Content::Declared(_) => {
                request = request.header("content-length", self.body.bytes().len());
            }
            Content::Unknown(_, Some(true)) => request = request.header("trailer", "x-sum, host"),
            _ => {}
        }
        request.body(self.body.body()).unwrap()
    }

    fn expected(&self) -> ReadBack {
        let request = self.request();
        let is_sent = matches!(self.body, Content::Unknown(_, Some(true)));
        ReadBack {
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            host: Some(HeaderValue::from_static("example.com")),
            fields: listed(request.headers())
                .into_iter()
                .filter(|(name, _)| !is_framing(name))
                .collect(),
            body: self.body.bytes(),
            trailers: is_sent.then(|| vec![("x-sum".to_owned(), b"1".to_vec())]),
            end: End::Buffered,
        }
    }
}

fn is_framing(name: &str) -> bool {
    ["host", "content-length", "transfer-encoding"].contains(&name)
}

/// Where the head and the bytes of a request are put.
#[derive(Clone, Default)]
struct Server {
    heard: Arc<Mutex<Option<Request<Incoming>>>>,
}

impl HyperService<Request<Incoming>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        *self.heard.lock().unwrap() = Some(request);
        std::future::pending()
    }
}

/// The bytes that are written for a request.
fn written(asked: &Asked) -> Vec<u8> {
    written_for(asked.request(), asked.title_case, asked.step)
}

fn written_for(request: Request<Body>, title_case: bool, step: usize) -> Vec<u8> {
    let script = Script::default().with_room(0);
    let (mut connection, _tasks) = scripted(&script);
    connection.title_case = title_case;
    let mut sending = connection.call(request);
    let mut before = None;
    while before != Some(script.heard().len()) {
        before = Some(script.heard().len());
        let script = script.clone().with_room(step);
        let _ = run(|cx| Pin::new(&mut sending).poll(cx));
        drop(script);
    }
    script.heard()
}

fn read_back(bytes: &[u8]) -> Option<ReadBack> {
    let script = Script::new(b"", [bytes]).that_ends();
    let server = Server::default();
    let heard = server.heard.clone();
    let mut builder = hyper::server::conn::http1::Builder::new();
    let mut connection = Box::pin(builder.half_close(true).serve_connection(script, server));
    run(|cx| connection.as_mut().poll(cx).map(drop));
    let (head, body) = heard.lock().unwrap().take()?.into_parts();
    let (body, trailers, end) = read_body(body, |cx| drop(connection.as_mut().poll(cx)));
    Some(ReadBack {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        host: head.headers.get("host").cloned(),
        fields: listed(&head.headers).into_iter().filter(|(name, _)| !is_framing(name)).collect(),
        body,
        trailers,
        end,
    })
}

fn content() -> impl Strategy<Value = Content> {
    let length =
        || prop_oneof![Just(0usize), 1..20usize, Just(1024), Just(1025), 1000..20_000usize];
    let frames = || proptest::collection::vec(length(), 0..5);
    prop_oneof![
        3 => Just(Content::Empty),
        2 => length().prop_map(Content::Known),
        2 => frames().prop_map(Content::Declared),
        3 => (frames(), any::<Option<bool>>()).prop_map(|(frames, trailers)| Content::Unknown(frames, trailers)),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    const NAMES: &[&str] =
        &["x", "accept", "cookie", "te", "connection", "x-long-name", "expect-ct"];
    let value =
        proptest::collection::vec(prop_oneof![9 => 0x21..0x7fu8, 1 => 0x80..=0xffu8], 0..20);
    let fields = proptest::collection::vec((select(NAMES), value), 0..6);
    const METHODS: &[&str] =
        &["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "QUERY"];
    const PATHS: &[&str] = &["/", "/a/b?c=d", "/?", "/%20", "/a?b?c"];
    (select(METHODS), select(PATHS), fields, content(), any::<bool>(), 1..3000usize).prop_map(
        |(method, path, fields, body, title_case, step)| Asked {
            method,
            path,
            fields,
            body,
            title_case,
            step,
        },
    )
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn hyper_reads_the_request_that_we_wrote(asked in asked()) {
        let written = written(&asked);
        let read = read_back(&written);
        prop_assert_eq!(read.as_ref(), Some(&asked.expected()), "{}", written.escape_ascii());
    }
}

/// Answers each request, and records its target.
#[derive(Clone, Default)]
struct Answering(Arc<Mutex<Vec<String>>>);

impl HyperService<Request<Incoming>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.0.lock().unwrap().push(request.uri().to_string());
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

/// The targets of all messages in these bytes, as hyper's server reads them one after the other.
fn targets(bytes: &[u8]) -> Vec<String> {
    let script = Script::new(b"", [bytes]).that_ends();
    let answering = Answering::default();
    let builder = hyper::server::conn::http1::Builder::new();
    let mut connection = Box::pin(builder.serve_connection(script, answering.clone()));
    run(|cx| connection.as_mut().poll(cx).map(drop));
    let targets = answering.0.lock().unwrap();
    targets.clone()
}

/// Bytes of which many are syntax of messages.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    const SYNTAX: &[u8] = b"\r\n\0\t :/?#@,;=%0\x7f\xff";
    const SMUGGLED: &[&str] = &[
        "/ HTTP/1.1\r\nhost: b\r\n\r\nGET /smuggled",
        "x\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: b\r\n\r\n",
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        "content-length",
        "transfer-encoding",
        "chunked",
        "host",
        "trailer",
        "x-sum",
        "/%0d%0aGET",
        "*",
    ];
    let byte = prop_oneof![2 => select(SYNTAX), 2 => 0x21..0x7fu8, 1 => any::<u8>()];
    let text = proptest::collection::vec(byte, 0..24);
    prop_oneof![1 => text, 2 => select(SMUGGLED).prop_map(|text| text.as_bytes().to_vec())]
}

/// What a caller may set, from bytes that an attacker chose.
#[derive(Clone, Debug)]
struct Injected {
    target: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    trailers: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// Fields of which `http` takes name and value.
fn taken(fields: &[(Vec<u8>, Vec<u8>)]) -> http::HeaderMap {
    let field = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let name = http::HeaderName::from_bytes(name).ok()?;
        Some((name, HeaderValue::from_bytes(value).ok()?))
    };
    fields.iter().filter_map(field).collect()
}

impl Injected {
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = http::Uri::from_static("https://example.com/a");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).parse::<RawTarget>().ok();
        if let Some(target) = self.target.as_deref().and_then(text) {
            request.extensions_mut().insert(target);
        }
        *request.headers_mut() = taken(&self.fields);
        if let Some(trailers) = &self.trailers {
            let trailers = taken(trailers);
            let names: Vec<_> = trailers.keys().map(http::HeaderName::as_str).collect();
            let names = HeaderValue::from_str(&names.join(", ")).unwrap();
            request.headers_mut().insert(http::header::TRAILER, names);
            let frames = [Frame::data(Bytes::from_static(b"hello")), Frame::trailers(trailers)];
            let frames = frames.map(Ok::<_, Infallible>);
            *request.body_mut() = Body::new(http_body_util::StreamBody::new(stream::iter(frames)));
            *request.method_mut() = Method::POST;
        }
        if let Some(host) = self.host.as_deref().and_then(|host| HeaderValue::from_bytes(host).ok())
        {
            request.headers_mut().insert(http::header::HOST, host);
        }
        request
    }
}

fn injected() -> impl Strategy<Value = Injected> {
    let fields = || proptest::collection::vec((hostile(), hostile()), 0..3);
    let optional = || proptest::option::of(hostile());
    (optional(), optional(), fields(), proptest::option::of(fields()))
        .prop_map(|(target, host, fields, trailers)| Injected { target, host, fields, trailers })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_target_host_field_or_trailer_begins_another_message(injected in injected()) {
        let written = written_for(injected.request(), false, 1000);
        let targets = targets(&written);
        prop_assert!(targets.len() <= 1, "{targets:?}: {}", written.escape_ascii());
        prop_assert_eq!(targets.is_empty(), written.is_empty(), "{}", written.escape_ascii());
    }

    #[test]
    fn codings_that_are_sent_are_read_as_chunked(codings in codings()) {
        let mut request = Request::new(Body::from("hello"));
        *request.uri_mut() = http::Uri::from_static("https://example.com/a");
        for coding in codings {
            let Ok(coding) = HeaderValue::from_bytes(&coding) else { continue };
            request.headers_mut().append(http::header::TRANSFER_ENCODING, coding);
        }
        let written = written_for(request, false, 1000);
        prop_assert_eq!(targets(&written).is_empty(), written.is_empty(), "{}", written.escape_ascii());
    }
}

/// Lines of `Transfer-Encoding` of the pieces that the grammar knows, in any order.
fn codings() -> impl Strategy<Value = Vec<Vec<u8>>> {
    const PIECES: &[&[u8]] = &[
        b"x",
        b";",
        b"a",
        b"=",
        b"\"",
        b",",
        b" ",
        b"\t",
        b"\\",
        b"\xff",
        b"chunked",
        b";a=\"b\"",
        b", chunked",
    ];
    let line = proptest::collection::vec(select(PIECES), 1..8).prop_map(|pieces| pieces.concat());
    proptest::collection::vec(line, 1..3)
}
