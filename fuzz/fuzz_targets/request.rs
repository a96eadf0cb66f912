//! Requests: whatever is in one, it is refused, or a server reads it as this request and nothing after it.
#![no_main]

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body::Frame;
use tower_service::Service;
use tower_transport::{
    Body,
    http::fuzzing,
    rt::{Runtime, Task},
};

#[path = "../../src/tests/script.rs"]
mod script;

use script::{NoTimer, Script, Tasks, run};

/// Fields that the connection adds or changes.
const OWN: &[&str] = &["host", "content-length", "transfer-encoding"];

/// Fields that would change the message if they came as trailers.
const FRAMING: &[&str] =
    &["host", "content-length", "transfer-encoding", "trailer", "connection", "te"];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    check(input);
});

/// A byte of flags, and lines: the method, the URI, fields, an empty line, trailers, an empty line, the body.
fn check(input: &[u8]) -> Option<()> {
    let (flags, rest) = input.split_first()?;
    let mut lines = rest.split(|byte| *byte == b'\n');
    let method = Method::from_bytes(lines.next()?).ok()?;
    let uri = Uri::try_from(lines.next()?).ok()?;
    let (headers, trailers) = (fields(&mut lines), fields(&mut lines));
    let data = lines.collect::<Vec<_>>().join(&b'\n');
    let content = Content {
        data: (!data.is_empty()).then(|| Bytes::from(data.clone())),
        trailers: (flags & 1 == 1).then(|| trailers.clone()),
    };
    let body = if flags & 2 == 2 { Body::from(data.clone()) } else { Body::new(content) };
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method.clone(), uri.clone());
    *request.headers_mut() = headers.clone();

    let (tasks, script) = (Tasks::default(), Script::default());
    let runtime = Runtime::new(tasks.clone(), NoTimer);
    let mut connection = fuzzing::connect(script.clone(), &runtime)?;
    let mut sending = Box::pin(connection.call(request));
    let outcome = run(|cx| {
        tasks.poll(cx);
        sending.as_mut().poll(cx)
    });
    tasks.end();
    // It waits for the response for ever if it was sent; a request that is refused midway is cut off.
    if outcome.is_none() && method != Method::CONNECT {
        let heard = script.heard();
        let (own, rest) = head(&heard, &method, &uri, &headers);
        check_host(&own, &headers);
        // The body may wait for a `100 Continue`, which never comes.
        if rest.is_empty() && headers.contains_key("expect") {
            return Some(());
        }
        let (read, read_trailers) = body_of(&own, rest);
        assert_eq!(read, data);
        for (name, value) in &read_trailers {
            assert!(!FRAMING.contains(&name.as_str()), "the trailer {name} changes the message");
            assert!(trailers.get_all(name).iter().any(|given| is_sent_as(given, value)), "{name}");
        }
    }
    Some(())
}

/// Fields up to an empty line.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()).take(64) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            fields.append(name, value);
        }
    }
    fields
}

/// The fields of `OWN`, and the bytes after the head. All other fields are those given.
fn head<'a>(
    heard: &'a [u8],
    method: &Method,
    uri: &Uri,
    given: &HeaderMap,
) -> (HeaderMap, &'a [u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut read = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = read.parse(heard).expect("a head") else {
        panic!("half a head: {:?}", heard.escape_ascii().to_string())
    };
    assert_eq!(read.method, Some(method.as_str()));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let target = read.path.expect("a target");
    assert!(is_target_of(target, path), "{target} for {path}");
    let mut own = HeaderMap::new();
    for field in read.headers {
        let value = HeaderValue::from_bytes(field.value).expect("a value");
        let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        if OWN.contains(&name.as_str()) {
            own.append(name, value);
        } else {
            let mut given = given.get_all(&name).iter();
            assert!(
                given.any(|given| is_sent_as(given, &value)),
                "{name}: {value:?} was not given"
            );
        }
    }
    (own, &heard[length..])
}

/// Whether the target is this path and query, in which some characters are percent-encoded.
fn is_target_of(target: &str, path: &str) -> bool {
    let slash = if path.starts_with(['/', '*']) { "" } else { "/" };
    let mut rest = target.as_bytes();
    let is_path = slash.bytes().chain(path.bytes()).all(|byte| {
        let encoded = format!("%{byte:02X}");
        let after = rest.strip_prefix(&[byte]).or_else(|| rest.strip_prefix(encoded.as_bytes()));
        rest = after.unwrap_or(rest);
        after.is_some()
    });
    is_path && rest.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic())
}

/// There is one `Host`: that of the request, or that of the connection.
fn check_host(own: &HeaderMap, given: &HeaderMap) {
    let mut hosts = own.get_all("host").iter();
    let (host, second) = (hosts.next().expect("a host"), hosts.next());
    assert!(second.is_none(), "{own:?}");
    match given.get("host") {
        Some(given) => assert!(is_sent_as(given, host), "{host:?} for {given:?}"),
        None => assert_eq!(host, "example.com"),
    }
}

/// Spaces around a value do not reach a server.
fn is_sent_as(given: &HeaderValue, read: &HeaderValue) -> bool {
    given.as_bytes().trim_ascii() == read.as_bytes()
}

/// The body and its trailers, which end where the bytes end.
fn body_of(own: &HeaderMap, mut rest: &[u8]) -> (Vec<u8>, HeaderMap) {
    let lengths: Vec<_> = own.get_all("content-length").iter().collect();
    let is_chunked = own.contains_key("transfer-encoding");
    assert!(lengths.len() <= 1 && !(is_chunked && lengths.len() == 1), "{own:?}");
    if !is_chunked {
        let length = lengths.first().map_or("0", |length| length.to_str().expect("digits"));
        assert_eq!(length.parse(), Ok(rest.len()));
        return (rest.to_vec(), HeaderMap::new());
    }
    // The user's own codings may precede `chunked`.
    let codings = own.get_all("transfer-encoding").iter().next_back().expect("codings");
    let last = codings.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
    assert!(last.trim_ascii().eq_ignore_ascii_case(b"chunked"), "{codings:?}");
    let mut data = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else {
            panic!("no chunk: {:?}", rest.escape_ascii().to_string())
        };
        rest = &rest[start..];
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at(size as usize);
        data.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").expect("the end of a chunk");
    }
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let parsed = httparse::parse_headers(rest, &mut fields).expect("trailers");
    let httparse::Status::Complete((length, read)) = parsed else { panic!("half of the trailers") };
    assert_eq!(length, rest.len(), "something follows the request");
    let read = read.iter().map(|field| {
        let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        (name, HeaderValue::from_bytes(field.value).expect("a value"))
    });
    (data, read.collect())
}

/// Data in one frame, and trailers.
struct Content {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}
