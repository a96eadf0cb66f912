//! The task of a connection: reads, writes, and tells what it learns.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    PingPong,
    client::{Connection, SendRequest},
};
use tokio::sync::oneshot;

use super::{
    keep_alive::KeepAlive,
    shared::Unsettled,
    signals::Signal,
    state::{ASSUMED_STREAMS, CloseCause, ConnState, ConnStatus, UNTOLD_STREAMS},
    wire::Wire,
};
use crate::{
    io::{Io, metered::Metered},
    rt::{Runtime, Sleep},
};

/// How long the last frames may take to be written to a peer that nobody wants anything of any more.
const LINGER: Duration = Duration::from_secs(2);

/// Runs until the connection is closed.
pub(super) struct Driver<I> {
    connection: Connection<Wire<Metered<I>>, Bytes>,
    /// Taken from the connection when the first PING may be sent: h2 looks after them in each of its turns.
    pings: Option<PingPong>,
    /// Knows of GOAWAY and of stream ids. h2 keeps the connection open for it, so it goes when nobody else is left.
    probe: Option<SendRequest<Bytes>>,
    /// The task that signals wake.
    waker: Option<Waker>,
    /// What had been read when SETTINGS and GOAWAY were last looked for.
    learned_at: Option<u64>,
    /// Until the peer's SETTINGS are known: who waits for them waits for the end of this.
    unsettled: Option<Unsettled>,
    /// Requests that wait until the connection has read once more.
    readers: Vec<oneshot::Sender<()>>,
    state: Arc<ConnState>,
    keep_alive: KeepAlive,
    runtime: Runtime,
    linger: Option<Sleep>,
    has_yielded: bool,
    /// h2 found an error; what is left is to write so.
    is_broken: bool,
}

impl<I: Io> Driver<I> {
    pub(super) fn new(
        mut connection: Connection<Wire<Metered<I>>, Bytes>,
        probe: SendRequest<Bytes>,
        unsettled: Unsettled,
        state: Arc<ConnState>,
        keep_alive: KeepAlive,
        runtime: Runtime,
    ) -> Self {
        Self {
            pings: keep_alive.has_interval().then(|| connection.ping_pong()).flatten(),
            connection,
            probe: Some(probe),
            waker: None,
            learned_at: None,
            unsettled: Some(unsettled),
            readers: Vec::new(),
            state,
            keep_alive,
            runtime,
            linger: None,
            has_yielded: false,
            is_broken: false,
        }
    }

    /// Once, when there is a new request: others that are ready to run may have one, too, and all of them leave in one
    /// write. A request that is alone does not wait.
    fn lets_others_queue(&mut self, cx: &mut Context<'_>) -> bool {
        let has_queued = self.state.take_queued() && self.state.active() > 1;
        let yields = has_queued && !self.has_yielded;
        self.has_yielded = yields;
        if yields {
            cx.waker().wake_by_ref();
        }
        yields
    }

    /// Reads and writes. Ready when the connection has ended.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.connection).poll(cx).is_ready() {
            // Its streams have been told why.
            self.state.retire(ConnStatus::Closed);
            return Poll::Ready(());
        }
        let read = self.state.meter().read();
        if self.learned_at.replace(read) != Some(read) {
            self.state.note_read(self.runtime.now());
            self.learn(cx);
        }
        Poll::Pending
    }

    /// What SETTINGS and GOAWAY said, and whether h2 found an error in what came.
    fn learn(&mut self, cx: &mut Context<'_>) {
        let Some(probe) = &mut self.probe else { return };
        if let Poll::Ready(Err(error)) = probe.poll_ready(cx) {
            self.is_broken = error.is_library() || error.is_io();
            self.state.retire(ConnStatus::Draining);
            // Whatever the SETTINGS said, no request may be sent any more.
            self.unsettled = None;
            return;
        }
        let told = self.connection.max_concurrent_send_streams();
        let is_settled = told != UNTOLD_STREAMS || probe.is_extended_connect_protocol_enabled();
        let allowed = match told {
            usize::MAX | UNTOLD_STREAMS => ASSUMED_STREAMS,
            allowed => allowed,
        };
        self.state.allow(allowed);
        // Those who are woken by this go by what was allowed above.
        if is_settled {
            self.unsettled = None;
        }
    }

    /// Ready when a user wants the connection to end.
    fn poll_users(&mut self, cx: &mut Context<'_>) -> Poll<CloseCause> {
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.state.signals().wake_by(cx.waker());
            self.waker = Some(cx.waker().clone());
        }
        if !self.state.signals().are_announced() {
            return Poll::Pending;
        }
        for signal in self.state.signals().take() {
            match signal {
                Signal::Cut => return Poll::Ready(CloseCause::Cut),
                Signal::Silence(read) => {
                    if self.pings.is_none() {
                        self.pings = self.connection.ping_pong();
                        // The connection finds the PING in its next turn; after that h2 wakes it for one.
                        cx.waker().wake_by_ref();
                    }
                    self.keep_alive.doubt(read, &self.state, self.pings.as_mut());
                }
                Signal::Read(reader) => self.readers.push(reader),
                Signal::Unused => self.probe = None,
            }
        }
        Poll::Pending
    }

    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<CloseCause> {
        match self.keep_alive.is_at_rest() {
            true => Poll::Pending,
            false => self.keep_alive.poll(&self.state, self.pings.as_mut(), cx),
        }
    }

    /// h2 closes a connection that nobody uses, but it waits for a peer that does not read.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_drained = self.state.status() == ConnStatus::Draining && self.state.active() == 0;
        if self.probe.is_some() && !is_drained && !self.is_broken {
            return Poll::Pending;
        }
        let runtime = &self.runtime;
        Pin::new(self.linger.get_or_insert_with(|| runtime.sleep(LINGER))).poll(cx)
    }
}

impl<I: Io> Future for Driver<I> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.lets_others_queue(cx) {
            return Poll::Pending;
        }
        if this.poll_connection(cx).is_ready() {
            return Poll::Ready(());
        }
        let asked = this.poll_users(cx);
        // The read above may, on another thread, have been over before they asked.
        if !this.readers.is_empty() {
            if this.poll_connection(cx).is_ready() {
                return Poll::Ready(());
            }
            this.readers.clear();
        }
        if let Poll::Ready(close_cause) =
            if asked.is_ready() { asked } else { this.poll_keep_alive(cx) }
        {
            this.state.close(close_cause);
            return Poll::Ready(());
        }
        ready!(this.poll_linger(cx));
        this.state.retire(ConnStatus::Closed);
        Poll::Ready(())
    }
}

impl<I> Drop for Driver<I> {
    fn drop(&mut self) {
        if self.state.status() != ConnStatus::Closed {
            self.state.close(CloseCause::Abandoned);
        }
        self.state.signals().close();
    }
}
