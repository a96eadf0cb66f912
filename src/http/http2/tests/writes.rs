use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{io::DuplexStream, sync::mpsc};
use tower_service::Service;

use super::peer::{Peer, get, over, pair, runtime, send};
use crate::{
    Body,
    connect::ConnectInfo,
    connection::Connection,
    http::{http2::Http2, http2::Http2Config, http2::handshake},
    io::Recheck,
};

/// A stream that counts its writes.
struct Counted {
    io: TokioIo<DuplexStream>,
    writes: Arc<AtomicUsize>,
}

impl Read for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::AcqRel);
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::AcqRel);
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

async fn counted() -> (Http2<Body>, Peer, Arc<AtomicUsize>) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    let io = Counted { io: TokioIo::new(ours), writes: writes.clone() };
    let connection = over(io, &Http2Config::new()).await.unwrap();
    let mut peer = Peer::silent(theirs).await;
    peer.settings(&[]).await;
    peer.settled().await;
    writes.store(0, Ordering::Release);
    (connection, peer, writes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_that_are_ready_at_once_leave_in_few_writes() {
    let (connection, mut peer, writes) = counted().await;
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    runtime().spawn(async move {
        for _ in 0..100 {
            let (mut handle, sender) = (connection.share().unwrap(), sender.clone());
            runtime().spawn(async move {
                let _ = sender.send(handle.call(get()).await.is_ok());
            });
        }
    });
    for _ in 0..100 {
        let stream = peer.request().await;
        peer.answer(stream, "200").await;
    }
    for _ in 0..100 {
        assert_eq!(outcomes.recv().await, Some(true));
    }
    assert!(writes.load(Ordering::Acquire) < 20, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn the_socket_is_looked_at_again_before_a_connection_that_rested_is_reused() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let recheck = Recheck::new();
    let info = ConnectInfo::default().with_encryption().with_recheck(recheck.clone());
    let (target, config) = (super::peer::target(), Http2Config::new());
    let io = TokioIo::new(ours);
    let mut connection =
        handshake::<_, Body>(io, info, &target, &config, &runtime()).await.unwrap();
    let mut peer = Peer::silent(theirs).await;
    // Within a millisecond after the driver has read, there is nothing new.
    for (rest, is_looked_at) in [(0, false), (1, true), (0, false), (1000, true)] {
        tokio::time::advance(Duration::from_millis(rest)).await;
        let sending = send(&mut connection, get()).await;
        assert_eq!(recheck.take(), is_looked_at, "after {rest} ms");
        let stream = peer.request().await;
        peer.answer(stream, "200").await;
        sending.await.unwrap();
    }
}

#[tokio::test]
async fn what_came_before_a_request_is_read_before_it_is_written() {
    let (mut connection, mut peer) = pair().await;
    peer.goaway(0, 0).await;
    let error = send(&mut connection, get()).await.await.unwrap_err();
    assert!(error.progress < crate::connection::Progress::Sent);
}

/// A stream whose writes fail from some time on, while reads continue.
struct Deaf {
    io: TokioIo<DuplexStream>,
    is_deaf: Arc<AtomicUsize>,
}

impl Read for Deaf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Deaf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.is_deaf.load(Ordering::Acquire) {
            0 => Pin::new(&mut self.io).poll_write(cx, bytes),
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_peer_that_listens_no_more_is_heard_to_the_end() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let is_deaf = Arc::new(AtomicUsize::new(0));
    let io = Deaf { io: TokioIo::new(ours), is_deaf: is_deaf.clone() };
    let mut connection = over::<Body>(io, &Http2Config::new()).await.unwrap();
    let mut peer = Peer::silent(theirs).await;
    peer.settings(&[]).await;
    let answered = send(&mut connection, get()).await;
    let stream = peer.request().await;
    is_deaf.store(1, Ordering::Release);
    let lost = send(&mut connection, super::peer::post(vec![7; 60_000])).await;
    super::peer::run_ready_tasks().await;
    peer.frame(super::peer::PING, 0, 0, b"anybody?").await;
    peer.settings(&[(3, 50)]).await;
    peer.answer(stream, "200").await;
    drop(peer);
    assert_eq!(answered.await.unwrap().status(), 200);
    assert_eq!(lost.await.unwrap_err().progress, crate::connection::Progress::Unsent);
    super::peer::run_ready_tasks().await;
    assert!(!connection.is_open());
}

#[tokio::test]
async fn a_write_that_failed_on_a_stream_of_unknown_kind_may_have_taken_the_request() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let is_deaf = Arc::new(AtomicUsize::new(0));
    let io = Deaf { io: TokioIo::new(ours), is_deaf: is_deaf.clone() };
    let (info, config) = (ConnectInfo::default().with_encryption(), Http2Config::new());
    let target = super::peer::target();
    let mut connection =
        handshake::<_, Body>(io, info, &target, &config, &runtime()).await.unwrap();
    let mut peer = Peer::silent(theirs).await;
    peer.settings(&[]).await;
    peer.settled().await;
    is_deaf.store(1, Ordering::Release);
    let sending = send(&mut connection, get()).await;
    super::peer::run_ready_tasks().await;
    drop(peer);
    assert_eq!(sending.await.unwrap_err().progress, crate::connection::Progress::Sent);
}
