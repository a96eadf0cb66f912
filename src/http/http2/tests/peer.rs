//! A peer scripted in frames, and helpers for our side.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame as BodyFrame};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
};
use tower_service::Service;

use super::super::{Http2, Http2Config, Http2Exchange, body::Http2Body, handshake};
use crate::http::exchange::Exchange;
use crate::{
    Body, Error,
    connect::ConnectInfo,
    connection::{Connection, PoolSlot, SlotId, SlotOwner},
    io::{Io, write_count::WriteCount},
    rt::Runtime,
    target::{Origin, Target},
};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;

/// A received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Bytes,
}

/// A server whose every byte the test writes.
pub(super) struct Peer {
    pub(super) io: DuplexStream,
}

impl Frame {
    /// The code of an RST_STREAM or, after its last stream id, of a GOAWAY.
    pub(super) fn code(&self) -> u32 {
        let at = self.payload.len().min(8) - 4;
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub(super) fn ends(&self) -> bool {
        self.flags & END_STREAM != 0
    }
}

impl Peer {
    /// Reads the preface, and sends nothing.
    pub(super) async fn silent(mut io: DuplexStream) -> Self {
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Self { io }
    }

    pub(super) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = u32::to_be_bytes(payload.len() as u32)[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.io.write_all(&bytes).await.unwrap();
    }

    pub(super) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        self.frame(SETTINGS, 0, 0, &payload).await;
    }

    pub(super) async fn allow_streams(&mut self, streams: u32) {
        self.settings(&[(3, streams)]).await;
    }

    /// A head or trailers.
    pub(super) async fn fields(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) {
        self.frame(HEADERS, flags | END_HEADERS, stream, &packed(fields)).await;
    }

    /// A response without content.
    pub(super) async fn answer(&mut self, stream: u32, status: &str) {
        self.fields(stream, END_STREAM, &[(":status", status)]).await;
    }

    pub(super) async fn data(&mut self, stream: u32, flags: u8, data: &str) {
        self.frame(DATA, flags, stream, data.as_bytes()).await;
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn goaway(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.frame(GOAWAY, 0, 0, &payload).await;
    }

    pub(super) async fn open_window(&mut self, stream: u32, bytes: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// The next frame, or `None` at the end.
    pub(super) async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream, payload: payload.into() })
    }

    /// The next frame of this kind; skips others.
    pub(super) async fn next(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("the connection was closed");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// The stream of the next request.
    pub(super) async fn request(&mut self) -> u32 {
        self.next(HEADERS).await.stream
    }

    /// All frames that were queued by now. h2 answers a PING before it writes anything else, so it takes two.
    pub(super) async fn settled(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..2 {
            self.frame(PING, 0, 0, b"settled?").await;
            loop {
                let frame = self.read().await.expect("the connection was closed");
                if frame.kind == PING && &frame.payload[..] == b"settled?" {
                    break;
                }
                frames.push(frame);
            }
        }
        frames
    }

    pub(super) async fn answer_ping(&mut self) {
        let ping = self.next(PING).await;
        self.frame(PING, ACK, 0, &ping.payload).await;
    }
}

/// Fields as literals without indexing (RFC 7541 §6.2.2).
fn packed(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "the double packs short texts only");
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

pub(super) fn runtime() -> Runtime {
    Runtime::new(TokioExecutor::new(), TokioTimer::new())
}

pub(super) fn target() -> Target {
    Target::new(Origin::try_from(&"https://example.com".parse().unwrap()).unwrap())
}

pub(super) async fn over<B>(io: impl Io, config: &Http2Config) -> Result<Http2<B>, Error>
where
    B: HttpBody<Data: Send, Error: Into<crate::error::BoxError>> + Send + 'static,
{
    // In memory, a write that fails has taken nothing.
    let info = ConnectInfo::default().with_encryption().with_write_count(WriteCount::default());
    handshake(io, info, &target(), config, &runtime()).await
}

/// A connection to a peer that has sent nothing yet.
pub(super) async fn silent_pair(config: &Http2Config) -> (Http2<Body>, Peer) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let connection = over(TokioIo::new(ours), config).await.unwrap();
    (connection, Peer::silent(theirs).await)
}

/// A connection to a peer with the defaults of HTTP/2.
pub(super) async fn pair() -> (Http2<Body>, Peer) {
    let (connection, mut peer) = silent_pair(&Http2Config::new()).await;
    peer.settings(&[]).await;
    peer.settled().await;
    (connection, peer)
}

pub(super) fn get() -> Request<Body> {
    Request::get("https://example.com/").body(Body::empty()).unwrap()
}

pub(super) fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("https://example.com/").body(body.into()).unwrap()
}

/// A started request: its future was polled once.
pub(super) async fn send(
    connection: &mut Http2<Body>,
    request: Request<Body>,
) -> Pin<Box<Exchange<Http2Exchange<Body>>>> {
    let mut sending = Box::pin(connection.call(request));
    assert!(poll(&mut sending).await.is_pending());
    sending
}

pub(super) async fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Lets the connection's task run until it waits.
pub(super) async fn turns() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// The whole body as text, or its error.
pub(super) async fn text(response: Response<Http2Body>) -> Result<String, Error> {
    let bytes = Body::new(response.into_body()).read().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A body that the test feeds.
pub(super) fn fed() -> (mpsc::UnboundedSender<Result<Bytes, Error>>, Body) {
    let (feed, frames) = mpsc::unbounded_channel();
    (feed, Body::new(Fed(frames)))
}

struct Fed(mpsc::UnboundedReceiver<Result<Bytes, Error>>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Error>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(BodyFrame::data)))
    }
}

/// A pool that records its notifications.
#[derive(Default)]
pub(super) struct Told {
    streams: Mutex<Vec<Option<usize>>>,
    closed: AtomicBool,
}

impl Told {
    /// A pool in which the connection has its slot.
    pub(super) fn by(connection: &Http2<Body>) -> Arc<Self> {
        let told = Arc::new(Self::default());
        assert!(connection.hold(told.place()).is_none());
        told
    }

    pub(super) fn place(self: &Arc<Self>) -> PoolSlot {
        let keeper: Weak<dyn SlotOwner> = Arc::<Self>::downgrade(self);
        PoolSlot::new(keeper, SlotId { seq: 7, index: 0 })
    }

    pub(super) fn streams(&self) -> Vec<Option<usize>> {
        self.streams.lock().unwrap().clone()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl SlotOwner for Told {
    fn streams(&self, place: SlotId, streams: Option<usize>) {
        assert_eq!(place.seq, 7);
        self.streams.lock().unwrap().push(streams);
    }

    fn retired(&self, place: SlotId) {
        SlotOwner::streams(self, place, None);
    }

    fn closed(&self, place: SlotId) {
        assert_eq!(place.seq, 7);
        self.closed.store(true, Ordering::Release);
    }
}

/// On a paused clock.
pub(super) async fn wait(time: Duration) {
    runtime().sleep(time).await;
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The request as the server has read it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) head: Request<()>,
    pub(super) content: Result<Vec<u8>, h2::Error>,
    pub(super) trailers: Option<http::HeaderMap>,
}

/// A connection to h2's own server, which answers 200 to what it has read.
pub(super) async fn served() -> (Http2<Body>, mpsc::UnboundedReceiver<Received>) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (tell, told) = mpsc::unbounded_channel();
    runtime().spawn(serve(theirs, tell));
    (over(TokioIo::new(ours), &Http2Config::new()).await.unwrap(), told)
}

async fn serve(io: DuplexStream, tell: mpsc::UnboundedSender<Received>) {
    let mut server = h2::server::handshake(io).await.unwrap();
    while let Some(Ok((request, mut respond))) = server.accept().await {
        let tell = tell.clone();
        runtime().spawn(async move {
            let (head, body) = request.into_parts();
            let (content, trailers) = collect(body).await;
            let is_whole = content.is_ok();
            let _ = tell.send(Received { head: Request::from_parts(head, ()), content, trailers });
            if is_whole {
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                let _ = stream.send_data("done".into(), true);
            }
        });
    }
}

async fn collect(
    mut body: h2::RecvStream,
) -> (Result<Vec<u8>, h2::Error>, Option<http::HeaderMap>) {
    let mut content = Vec::new();
    while let Some(chunk) = body.data().await {
        match chunk {
            Ok(chunk) => {
                body.flow_control().release_capacity(chunk.len()).unwrap();
                content.extend(&chunk);
            }
            Err(error) => return (Err(error), None),
        }
    }
    (Ok(content), body.trailers().await.unwrap_or_default())
}

/// An executor that runs nothing: the test has the tasks.
pub(super) fn collecting() -> (mpsc::UnboundedReceiver<crate::rt::Task>, Collecting) {
    let (sender, tasks) = mpsc::unbounded_channel();
    (tasks, Collecting(sender))
}

pub(super) struct Collecting(mpsc::UnboundedSender<crate::rt::Task>);

impl hyper::rt::Executor<crate::rt::Task> for Collecting {
    fn execute(&self, task: crate::rt::Task) {
        let _ = self.0.send(task);
    }
}
