//! The task of a connection: reads, writes, and publishes what the peer says.

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
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};

use super::{
    frame_observer::FrameObserver,
    keep_alive::KeepAlive,
    shared::SettingsPending,
    signals::Signal,
    state::{ASSUMED_STREAMS, CloseCause, ConnState, ConnStatus, PRE_SETTINGS_STREAMS},
};
use crate::{
    io::metered::Metered,
    rt::{Runtime, Sleep},
};

/// How long the last frames may take to be written once the connection is unused.
const LINGER: Duration = Duration::from_secs(2);

/// Runs until the connection is closed.
pub(super) struct Driver<I> {
    connection: Connection<FrameObserver<Metered<I>>, Bytes>,
    /// Taken from the connection before the first PING: from then on h2 polls it in each turn.
    pings: Option<PingPong>,
    /// Reports GOAWAY and exhausted stream ids. h2 keeps the connection open for it, so it is dropped when the connection
    /// is unused.
    probe: Option<SendRequest<Bytes>>,
    /// The waker that signals use.
    waker: Option<Waker>,
    /// The byte count of the last check for SETTINGS and GOAWAY.
    checked_at: Option<u64>,
    /// Dropped once the peer's SETTINGS are known, which wakes the requests that wait for them.
    settings_pending: Option<SettingsPending>,
    /// Requests that wait for one more read.
    readers: Vec<oneshot::Sender<()>>,
    state: Arc<ConnState>,
    keep_alive: KeepAlive,
    runtime: Runtime,
    linger: Option<Sleep>,
    has_yielded: bool,
    /// h2 found an error; only its GOAWAY is still to be written.
    is_broken: bool,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Driver<I> {
    pub(super) fn new(
        mut connection: Connection<FrameObserver<Metered<I>>, Bytes>,
        probe: SendRequest<Bytes>,
        settings_pending: SettingsPending,
        state: Arc<ConnState>,
        keep_alive: KeepAlive,
        runtime: Runtime,
    ) -> Self {
        Self {
            pings: keep_alive.has_interval().then(|| connection.ping_pong()).flatten(),
            connection,
            probe: Some(probe),
            waker: None,
            checked_at: None,
            settings_pending: Some(settings_pending),
            readers: Vec::new(),
            state,
            keep_alive,
            runtime,
            linger: None,
            has_yielded: false,
            is_broken: false,
        }
    }

    /// Yields once when there is a new request, so that other tasks may queue theirs and all leave in one write. A
    /// single request does not wait.
    fn yields_to_others(&mut self, cx: &mut Context<'_>) -> bool {
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
            // h2 has passed the reason to its streams.
            self.state.retire(ConnStatus::Closed);
            return Poll::Ready(());
        }
        // Only a read can bring SETTINGS, GOAWAY or an error, so a turn without one checks nothing.
        let read = self.state.meter().read();
        if self.checked_at.replace(read) != Some(read) {
            self.state.note_read(self.runtime.now());
            self.check_settings(cx);
        }
        Poll::Pending
    }

    /// Checks for SETTINGS, GOAWAY and an error of h2.
    fn check_settings(&mut self, cx: &mut Context<'_>) {
        let Some(probe) = &mut self.probe else { return };
        if let Poll::Ready(Err(error)) = probe.poll_ready(cx) {
            self.is_broken = error.is_library() || error.is_io();
            self.state.retire(ConnStatus::Draining);
            // No request may be sent any more, whatever the SETTINGS said.
            self.settings_pending = None;
            return;
        }
        let allowed_by_settings = self.connection.max_concurrent_send_streams();
        // A peer may allow as many streams as h2 assumes before it has read SETTINGS.
        let has_settings = allowed_by_settings != PRE_SETTINGS_STREAMS || self.state.has_settings();
        let allowed = match allowed_by_settings {
            // SETTINGS without a limit.
            usize::MAX => ASSUMED_STREAMS,
            PRE_SETTINGS_STREAMS if !has_settings => ASSUMED_STREAMS,
            allowed => allowed,
        };
        self.state.allow(allowed);
        // After `allow`: the woken requests read that number.
        if has_settings {
            self.settings_pending = None;
        }
    }

    /// Handles signals. Ready when one asks to end the connection.
    fn poll_users(&mut self, cx: &mut Context<'_>) -> Poll<CloseCause> {
        // Register before the check: a signal in between is then seen by the check, or wakes.
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.state.signals().register(cx.waker());
            self.waker = Some(cx.waker().clone());
        }
        if !self.state.signals().has_any() {
            return Poll::Pending;
        }
        for signal in self.state.signals().take() {
            match signal {
                Signal::Abort => return Poll::Ready(CloseCause::Aborted),
                Signal::Silence(read) => {
                    if self.pings.is_none() {
                        self.pings = self.connection.ping_pong();
                        // The connection picks the `PingPong` up in its next turn; after that h2 wakes it by itself.
                        cx.waker().wake_by_ref();
                    }
                    self.keep_alive.suspect(read, &self.state, self.pings.as_mut());
                }
                Signal::Read(reader) => self.readers.push(reader),
                Signal::Unused => self.probe = None,
            }
        }
        Poll::Pending
    }

    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<CloseCause> {
        match self.keep_alive.is_inactive() {
            true => Poll::Pending,
            false => self.keep_alive.poll(&self.state, self.pings.as_mut(), cx),
        }
    }

    /// Ready when an unused connection has not closed in time: h2 would wait for a peer that does not read.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_drained = self.state.status() == ConnStatus::Draining && self.state.active() == 0;
        if self.probe.is_some() && !is_drained && !self.is_broken {
            return Poll::Pending;
        }
        let runtime = &self.runtime;
        Pin::new(self.linger.get_or_insert_with(|| runtime.sleep(LINGER))).poll(cx)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Future for Driver<I> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.yields_to_others(cx) {
            return Poll::Pending;
        }
        if this.poll_connection(cx).is_ready() {
            return Poll::Ready(());
        }
        let cause = this.poll_users(cx);
        // The read above may have ended, on another thread, before the requests asked: read again.
        if !this.readers.is_empty() {
            if this.poll_connection(cx).is_ready() {
                return Poll::Ready(());
            }
            // The drop releases the waiting requests.
            this.readers.clear();
        }
        if let Poll::Ready(close_cause) =
            if cause.is_ready() { cause } else { this.poll_keep_alive(cx) }
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
        // Before the signals close and h2 is dropped: the requests they release read the cause.
        if self.state.status() != ConnStatus::Closed {
            self.state.close(CloseCause::Abandoned);
        }
        self.state.signals().close();
    }
}
