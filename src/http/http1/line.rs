//! What a connection, its requests and its bodies know in common, and the switch that ends it.

use std::{
    fmt,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::oneshot;

use super::failure;
use crate::{
    error::{Error, Kind},
    io::{
        greeting::Spoken,
        metered::{Ending, Meter},
    },
    rt::{AbortHandle, Runtime, TaskDropped},
    target::Target,
};

/// One connection, as everything that belongs to it sees it.
pub(super) struct Line {
    peer: String,
    meter: Arc<Meter>,
    framing_limit: u64,
    runtime: Runtime,
    standing: AtomicU8,
    /// Seconds; [`NOT_SAID`] if the peer did not say.
    keep_alive: AtomicU64,
    upload: AtomicU8,
    cut: Mutex<Option<oneshot::Sender<()>>>,
    /// That of the connection, once it runs.
    task: Option<AbortHandle>,
    is_task_dropped: Arc<AtomicBool>,
}

/// What the answers so far have made of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Standing {
    /// It speaks HTTP/1.1.
    Open,
    /// It stays open, but the peer speaks HTTP/1.0 and knows no chunks.
    Old,
    /// It takes no request after the one that it has answered.
    Done,
    /// It speaks another protocol now, and lives as long as whoever has its bytes.
    Switched,
    /// It was ended on purpose.
    Cut,
}

/// How far the body of the request has come that is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Upload {
    /// There is none, or hyper has all of it.
    Over,
    /// It goes as fast as the peer takes it.
    Going,
    /// The caller has not said yet how it goes on.
    Lacking,
}

/// The connection's end of the switch.
pub(super) struct Switch(oneshot::Receiver<()>);

const NOT_SAID: u64 = u64::MAX;

impl Line {
    pub(super) fn new(
        target: &Target,
        meter: Arc<Meter>,
        framing_limit: u64,
        runtime: Runtime,
    ) -> (Self, Switch) {
        let (cut, switch) = oneshot::channel();
        let line = Self {
            peer: target.to_string(),
            meter,
            framing_limit,
            runtime,
            standing: AtomicU8::new(Standing::Open as u8),
            keep_alive: AtomicU64::new(NOT_SAID),
            upload: AtomicU8::new(Upload::Over as u8),
            cut: Mutex::new(Some(cut)),
            task: None,
            is_task_dropped: Arc::default(),
        };
        (line, Switch(switch))
    }

    /// `what` and for whom.
    pub(super) fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.peer)
    }

    pub(super) fn driven_by(&mut self, task: AbortHandle) {
        self.task = Some(task);
    }

    /// What the connection's task sets if it is dropped before its end.
    pub(super) fn task_dropped_flag(&self) -> Arc<AtomicBool> {
        self.is_task_dropped.clone()
    }

    /// Whether the runtime dropped the connection's task.
    pub(super) fn is_task_dropped(&self) -> bool {
        self.is_task_dropped.load(Ordering::Acquire) && !self.is_cut()
    }

    /// Why it takes no request.
    pub(super) fn over(&self) -> Error {
        let doing = self.doing("sending a request to");
        if self.is_task_dropped() {
            return failure::closed(doing).because(TaskDropped);
        }
        if let Some(strange) = self.strange(&doing) {
            return strange;
        }
        match self.meter.ending() {
            Some(Ending::Below(error)) if error.kind() != Kind::Io => error.clone(),
            Some(Ending::Below(error)) => closed_by_peer(doing).because(error.clone()),
            Some(Ending::Closed(kind)) => closed_by_peer(doing).because(io::Error::from(*kind)),
            None if self.takes_requests() && self.meter.read() > 0 => self.spoke_unasked(doing),
            None => failure::closed(format!("{doing}: its connection has ended")),
        }
    }

    /// hyper ended the connection before the peer's end was read: bytes came between two requests, or its last answer ends
    /// the connection.
    fn spoke_unasked(&self, doing: String) -> Error {
        if self.meter.written() > 0 {
            return closed_by_peer(doing)
                .because(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        let text = format!("{doing}: the server spoke before it was asked");
        let cause = io::Error::new(io::ErrorKind::InvalidData, "bytes came before any request");
        failure::closed(text).because(cause)
    }

    /// The peer speaks another protocol.
    pub(super) fn strange(&self, doing: &str) -> Option<Error> {
        let spoken = self.meter.spoken();
        let name = spoken.name().filter(|_| spoken != Spoken::Http1)?;
        let text = format!("{doing}: the server speaks {name}, and HTTP/1.1 was expected");
        Some(Error::new(Kind::Protocol, text))
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Something of a body has come out, or is about to: as much may be read again before there is more.
    pub(super) fn renew_body_limit(&self) {
        self.meter.limit_reading(Some(self.framing_limit));
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            0 => Standing::Open,
            1 => Standing::Old,
            2 => Standing::Done,
            3 => Standing::Switched,
            _ => Standing::Cut,
        }
    }

    pub(super) fn takes_requests(&self) -> bool {
        matches!(self.standing(), Standing::Open | Standing::Old)
    }

    pub(super) fn peer_is_old(&self) -> bool {
        self.standing() == Standing::Old
    }

    pub(super) fn is_cut(&self) -> bool {
        self.standing() == Standing::Cut
    }

    /// The peer showed that it speaks no later version than HTTP/1.0.
    pub(super) fn grows_old(&self) {
        let (open, old) = (Standing::Open as u8, Standing::Old as u8);
        // An error says that there is no more to it than that already.
        let _ = self.standing.compare_exchange(open, old, Ordering::AcqRel, Ordering::Acquire);
    }

    /// There is nothing more to ask the peer for.
    pub(super) fn finishes(&self) {
        self.stand(Standing::Done);
    }

    /// The bytes belong to whoever takes them out of the answer.
    pub(super) fn switches(&self) {
        self.meter.tell_write_errors();
        self.stand(Standing::Switched);
    }

    /// Ends the connection at once, whatever it is doing; unless its bytes are someone else's.
    pub(super) fn cut(&self) {
        if self.standing() == Standing::Switched {
            return;
        }
        self.stand(Standing::Cut);
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cut) = cut {
            // An error says that the connection has ended by itself.
            let _ = cut.send(());
        }
        // The task may not run now.
        if let Some(task) = &self.task {
            task.abort_if_foreign();
        }
    }

    pub(super) fn uploads(&self, upload: Upload) {
        self.upload.store(upload as u8, Ordering::Release);
    }

    pub(super) fn upload(&self) -> Upload {
        match self.upload.load(Ordering::Acquire) {
            0 => Upload::Over,
            1 => Upload::Going,
            _ => Upload::Lacking,
        }
    }

    pub(super) fn keep_alive(&self) -> Option<Duration> {
        match self.keep_alive.load(Ordering::Acquire) {
            NOT_SAID => None,
            seconds => Some(Duration::from_secs(seconds)),
        }
    }

    pub(super) fn keeps_alive_for(&self, seconds: u64) {
        self.keep_alive.store(seconds, Ordering::Release);
    }

    fn stand(&self, standing: Standing) {
        self.standing.store(standing as u8, Ordering::Release);
    }
}

impl Switch {
    /// Runs `connection` to its end, or until it is cut: then it is dropped, and its stream with it.
    pub(super) async fn unless_cut(self, connection: impl Future) {
        let mut switch = Some(self.0);
        let mut connection = pin!(connection);
        std::future::poll_fn(|cx| match poll_switch(&mut switch, cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => connection.as_mut().poll(cx).map(drop),
        })
        .await;
    }
}

/// The peer closed the connection before it was given a request.
pub(super) fn closed_by_peer(doing: String) -> Error {
    Error::new(Kind::Canceled, format!("{doing}: the server closed the connection"))
}

/// Ready when the switch was thrown. One that was dropped can be no more, and the connection ends in its own time.
fn poll_switch(switch: &mut Option<oneshot::Receiver<()>>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(thrown) = switch else { return Poll::Pending };
    match Pin::new(thrown).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(()),
        Poll::Ready(Err(_)) => {
            *switch = None;
            Poll::Pending
        }
        Poll::Pending => Poll::Pending,
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("peer", &self.peer)
            .field("standing", &self.standing())
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}
