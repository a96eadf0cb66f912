//! Our side of a connection to a peer of frames.

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
use tokio::{io::DuplexStream, sync::mpsc};
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

pub(super) use crate::tests::{frames::*, peer::run_ready_tasks};

/// A server whose every frame the test writes.
pub(super) type Peer = FramePeer;

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
pub(super) struct RecordingPool {
    streams: Mutex<Vec<Option<usize>>>,
    closed: AtomicBool,
}

impl RecordingPool {
    /// A pool in which the connection has its slot.
    pub(super) fn by(connection: &Http2<Body>) -> Arc<Self> {
        let pool = Arc::new(Self::default());
        assert!(connection.hold(pool.slot()).is_none());
        pool
    }

    pub(super) fn slot(self: &Arc<Self>) -> PoolSlot {
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

impl SlotOwner for RecordingPool {
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
    let (sender, receiver) = mpsc::unbounded_channel();
    runtime().spawn(serve(theirs, sender));
    (over(TokioIo::new(ours), &Http2Config::new()).await.unwrap(), receiver)
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
