//! Our engine against hyper's: the same bytes, the same verdict, or one of the stricter ones that the docs of
//! [`http1`](super::super) list.

use std::{pin::Pin, sync::Mutex};

use hyper::client::conn::http1 as hyper1;
use proptest::prelude::*;

use super::*;
use crate::tests::script::run;

mod answers;
mod requests;

/// Names and values, in order.
type Fields = Vec<(String, Vec<u8>)>;

/// A client's verdict on a server's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No head, and why.
    Refused(String),
    /// No head yet.
    Waits,
    Answer(Box<Answer>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    informational: Vec<u16>,
    status: u16,
    version: Version,
    reason: Option<Bytes>,
    fields: Fields,
    body: Vec<u8>,
    trailers: Option<Fields>,
    end: End,
    is_reusable: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Buffered,
    Waits,
    Cut(String),
    /// The bytes after the head belong to another protocol.
    Upgraded(Vec<u8>),
}

/// The kind of request, which decides how its response is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Get,
    Head,
    Post,
    Connect,
    Upgrade,
}

impl Asking {
    const ALL: [Self; 5] = [Self::Get, Self::Head, Self::Post, Self::Connect, Self::Upgrade];

    fn request(self, absolute: bool) -> Request<Body> {
        let (method, body) = match self {
            Self::Get | Self::Upgrade => (Method::GET, ""),
            Self::Head => (Method::HEAD, ""),
            Self::Post => (Method::POST, "body\r\n\r\n"),
            Self::Connect => (Method::CONNECT, ""),
        };
        let uri = match (self, absolute) {
            (Self::Connect, _) => "example.com:443",
            (_, true) => "https://example.com/",
            (_, false) => "/",
        };
        let mut request = Request::builder().method(method).uri(uri).body(body.into()).unwrap();
        if self == Self::Upgrade {
            let fields = request.headers_mut();
            fields.insert("connection", HeaderValue::from_static("upgrade"));
            fields.insert("upgrade", HeaderValue::from_static("other"));
        }
        request
    }
}

/// A server's bytes: pieces, each in a read of its own, and whether it closes then.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) asking: Asking,
    pub(super) bytes: Vec<u8>,
    pub(super) cuts: Vec<usize>,
    pub(super) ends: bool,
}

impl Said {
    fn script(&self) -> Script {
        let mut cuts: Vec<usize> =
            self.cuts.iter().map(|cut| cut % (self.bytes.len() + 1)).collect();
        cuts.extend([0, self.bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &self.bytes[cut[0]..cut[1]]);
        let script = Script::new(b"\r\n\r\n", pieces.filter(|piece| !piece.is_empty()));
        if self.ends { script.that_ends() } else { script }
    }
}

/// Inputs of the fuzz target `exchange`: the kind of request, whether there is an end, the cut, and the bytes.
impl Said {
    fn of_input(input: &[u8]) -> Option<Self> {
        let ([asking, flags], rest) = input.split_first_chunk()?;
        let (cuts, bytes) = rest.split_at_checked(usize::from(flags >> 1) % 4)?;
        Some(Self {
            asking: Asking::ALL[usize::from(*asking) % Asking::ALL.len()],
            bytes: bytes.to_vec(),
            cuts: cuts.iter().map(|cut| usize::from(*cut)).collect(),
            ends: flags & 1 == 1,
        })
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asking, bytes, cuts, ends } = self;
        write!(f, "{asking:?} {:?} cut at {cuts:?}", bytes.escape_ascii().to_string())?;
        f.write_str(if *ends { ", then an end" } else { "" })
    }
}

fn listed(fields: &http::HeaderMap) -> Fields {
    fields.iter().map(|(name, value)| (name.to_string(), unfolded(value.as_bytes()))).collect()
}

/// hyper makes a space of each byte of a fold, and we make one of all of them: both may (RFC 9112 §5.2).
fn unfolded(value: &[u8]) -> Vec<u8> {
    let words = value.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

/// Reads a body to its end, as far as it comes. `drive` polls everything else.
fn read_body<B>(
    mut body: B,
    mut drive: impl FnMut(&mut Context<'_>),
) -> (Vec<u8>, Option<Fields>, End)
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: fmt::Debug,
{
    let (mut data, mut trailers) = (Vec::new(), None);
    loop {
        let frame = run(|cx| {
            drive(cx);
            let frame = Pin::new(&mut body).poll_frame(cx);
            drive(cx);
            frame
        });
        match frame {
            None => return (data, trailers, End::Waits),
            Some(None) => return (data, trailers, End::Buffered),
            Some(Some(Err(error))) => return (data, trailers, End::Cut(format!("{error:?}"))),
            Some(Some(Ok(frame))) => match frame.data_ref() {
                Some(piece) => data.extend_from_slice(piece),
                None => trailers = frame.trailers_ref().map(listed),
            },
        }
    }
}

pub(super) fn ours(said: &Said) -> Verdict {
    let script = said.script();
    let (mut connection, tasks) = scripted(&script);
    let informational = Arc::new(Mutex::new(Vec::new()));
    let mut request = said.asking.request(true);
    let heard = informational.clone();
    let note =
        move |response: &Response<()>| heard.lock().unwrap().push(response.status().as_u16());
    request.extensions_mut().insert(crate::options::OnInformational::new(note));
    let mut sending = connection.call(request);
    let sent = run(|cx| {
        tasks.poll(cx);
        Pin::new(&mut sending).poll(cx)
    });
    let mut response = match sent {
        None => return Verdict::Waits,
        Some(Err(error)) => return Verdict::Refused(described(&error)),
        Some(Ok(response)) => response,
    };
    let informational = informational.lock().unwrap().clone();
    let pending = response.extensions_mut().remove::<crate::upgrade::Pending>();
    let (head, body) = response.into_parts();
    let (body, trailers, mut end) = read_body(body, |cx| tasks.poll(cx));
    if let Some(pending) = pending {
        let mut response = Response::new(());
        response.extensions_mut().insert(pending);
        end = End::Upgraded(early(response));
    }
    let ready = run(|cx| {
        tasks.poll(cx);
        connection.poll_ready(cx)
    });
    Verdict::Answer(Box::new(Answer {
        informational,
        status: head.status.as_u16(),
        version: head.version,
        reason: head
            .extensions
            .get()
            .map(|reason: &hyper::ext::ReasonPhrase| Bytes::copy_from_slice(reason.as_bytes())),
        fields: listed(&head.headers),
        body,
        trailers,
        is_reusable: matches!(ready, Some(Ok(()))),
        end,
    }))
}

/// All bytes of an upgraded stream.
fn early(response: Response<()>) -> Vec<u8> {
    let mut upgrading = Box::pin(crate::upgrade::upgrade(response));
    let Some(Ok(stream)) = run(|cx| upgrading.as_mut().poll(cx)) else { return b"none".to_vec() };
    let (mut stream, mut bytes) = (TokioIo::new(stream), Vec::new());
    let mut reading = Box::pin(stream.read_to_end(&mut bytes));
    run(|cx| reading.as_mut().poll(cx));
    drop(reading);
    bytes
}

fn described(error: &SendError<Request<Body>>) -> String {
    let mut text = error.error.to_string();
    let mut cause = error.error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(super) fn hypers(said: &Said) -> Verdict {
    let script = said.script();
    let mut builder = hyper1::Builder::new();
    builder.allow_obsolete_multiline_headers_in_responses(true);
    let mut handshake = Box::pin(builder.handshake::<_, Body>(script.clone()));
    let (mut sender, connection) = run(|cx| handshake.as_mut().poll(cx)).unwrap().unwrap();
    let mut connection = Some(connection);
    let mut drive = |cx: &mut Context<'_>| {
        if let Some(running) = &mut connection
            && running.poll_without_shutdown(cx).is_ready()
        {
            let parts = connection.take().unwrap().into_parts();
            return Some(parts.read_buf);
        }
        None
    };
    let informational = Arc::new(Mutex::new(Vec::new()));
    let mut request = said.asking.request(false);
    request.headers_mut().insert("host", HeaderValue::from_static("example.com"));
    let heard = informational.clone();
    hyper::ext::on_informational(&mut request, move |response| {
        heard.lock().unwrap().push(response.status().as_u16());
    });
    let mut sending = Box::pin(sender.send_request(request));
    let mut early = None;
    let sent = run(|cx| {
        early = drive(cx).or(early.take());
        let sent = sending.as_mut().poll(cx);
        early = drive(cx).or(early.take());
        sent
    });
    drop(sending);
    let response = match sent {
        None => return Verdict::Waits,
        Some(Err(error)) => return Verdict::Refused(format!("{error:?}")),
        Some(Ok(response)) => response,
    };
    let informational = informational.lock().unwrap().clone();
    let is_upgrade = response.status() == 101
        || said.asking == Asking::Connect && response.status().is_success();
    let (head, body) = response.into_parts();
    let (body, trailers, mut end) = read_body(body, |cx| early = drive(cx).or(early.take()));
    let ready = run(|cx| {
        early = drive(cx).or(early.take());
        sender.poll_ready(cx)
    });
    if is_upgrade {
        let mut bytes = early.map(Vec::from).unwrap_or_default();
        bytes.extend(script.left());
        end = End::Upgraded(bytes);
    }
    Verdict::Answer(Box::new(Answer {
        informational,
        status: head.status.as_u16(),
        version: head.version,
        reason: head
            .extensions
            .get()
            .map(|reason: &hyper::ext::ReasonPhrase| Bytes::copy_from_slice(reason.as_bytes())),
        fields: listed(&head.headers),
        body,
        trailers,
        is_reusable: matches!(ready, Some(Ok(()))),
        end,
    }))
}

/// Cases per property.
fn cases() -> ProptestConfig {
    // `PROPTEST_CASES` for more.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.unwrap_or(400)) }
}
