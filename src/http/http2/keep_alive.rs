//! Whether the peer is still there: asked when a stream was given up without a word of it, or at intervals.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use h2::{Ping, PingPong};

use super::state::{CloseCause, ConnState};
use crate::rt::{Runtime, Sleep};

mod round_trip;

use round_trip::RoundTrip;

/// The PINGs of a connection, and how long their answer may take.
pub(super) struct KeepAlive {
    runtime: Runtime,
    interval: Option<Duration>,
    timeout: Duration,
    while_idle: bool,
    /// Runs from one look at the peer to the next.
    next_check: Option<Wait>,
    /// Runs while the peer is asked. Any byte is an answer.
    asked: Option<Wait>,
    /// Runs while the peer is asked because of a stream that was given up: after it, the peer is in doubt.
    usual: Option<Sleep>,
    /// When the PING was sent that is out.
    ping_out: Option<Instant>,
    round_trip: RoundTrip,
    settings: Settings,
}

/// The first round trip of a connection.
enum Settings {
    Unsent,
    Sent(Instant),
    Acknowledged,
}

/// A timer, and what had been read when it began.
struct Wait {
    read: u64,
    sleep: Sleep,
}

impl KeepAlive {
    pub(super) fn new(
        runtime: Runtime,
        interval: Option<Duration>,
        timeout: Duration,
        while_idle: bool,
    ) -> Self {
        Self {
            runtime,
            interval,
            timeout,
            while_idle,
            next_check: None,
            asked: None,
            usual: None,
            ping_out: None,
            round_trip: RoundTrip::default(),
            settings: Settings::Unsent,
        }
    }

    /// Whether it sends PINGs by itself.
    pub(super) fn has_interval(&self) -> bool {
        self.interval.is_some()
    }

    /// Whether there is nothing to measure and nothing to wait for.
    pub(super) fn is_at_rest(&self) -> bool {
        self.interval.is_none()
            && self.asked.is_none()
            && self.ping_out.is_none()
            && matches!(self.settings, Settings::Acknowledged)
    }

    /// Asks the peer, unless it has said something since.
    pub(super) fn doubt(&mut self, read: u64, state: &ConnState, pings: Option<&mut PingPong>) {
        if read == state.meter().read() {
            self.ask(read, pings);
            let usual = self.round_trip.unusual_silence();
            self.usual.get_or_insert_with(|| self.runtime.sleep(usual));
            // It is in doubt already if the silence was long.
            if !state.is_open() {
                state.report();
            }
        } else if self.asked.is_none() {
            state.trust();
        }
    }

    /// Ready when the peer is to be taken for dead.
    pub(super) fn poll(
        &mut self,
        state: &ConnState,
        mut pings: Option<&mut PingPong>,
        cx: &mut Context<'_>,
    ) -> Poll<CloseCause> {
        self.measure(state, pings.as_deref_mut(), cx);
        let read = state.meter().read();
        self.poll_interval(read, state.active() > 0, pings, cx);
        let Some(asked) = &mut self.asked else { return Poll::Pending };
        if asked.read != read {
            (self.asked, self.usual) = (None, None);
            state.trust();
            return Poll::Pending;
        }
        if let Some(usual) = &mut self.usual
            && Pin::new(usual).poll(cx).is_ready()
        {
            self.usual = None;
            if state.doubt() {
                state.report();
            }
        }
        Pin::new(&mut asked.sleep).poll(cx).map(|()| CloseCause::Silent(self.timeout))
    }

    /// Learns from the answers to SETTINGS and PING how long a round trip takes.
    fn measure(&mut self, state: &ConnState, pings: Option<&mut PingPong>, cx: &mut Context<'_>) {
        match self.settings {
            Settings::Unsent => self.settings = Settings::Sent(self.runtime.now()),
            Settings::Sent(sent) if state.is_acknowledged() => {
                self.settings = Settings::Acknowledged;
                self.round_trip.measure_first(self.time_since(sent));
                state.note_unusual_silence(self.round_trip.unusual_silence());
            }
            Settings::Sent(_) | Settings::Acknowledged => {}
        }
        if let Some(sent) = self.ping_out
            && let Some(pings) = pings
            && pings.poll_pong(cx).is_ready()
        {
            self.ping_out = None;
            self.round_trip.measure(self.time_since(sent));
            state.note_unusual_silence(self.round_trip.unusual_silence());
        }
    }

    fn time_since(&self, moment: Instant) -> Duration {
        self.runtime.now().saturating_duration_since(moment)
    }

    fn poll_interval(
        &mut self,
        read: u64,
        is_used: bool,
        mut pings: Option<&mut PingPong>,
        cx: &mut Context<'_>,
    ) {
        let Some(interval) = self.interval.filter(|_| is_used || self.while_idle) else {
            self.next_check = None;
            return;
        };
        loop {
            let sleep = || self.runtime.sleep(interval);
            let next_check = self.next_check.get_or_insert_with(|| Wait { read, sleep: sleep() });
            if Pin::new(&mut next_check.sleep).poll(cx).is_pending() {
                return;
            }
            let was_silent = next_check.read == read;
            self.next_check = None;
            if was_silent {
                self.ask(read, pings.as_deref_mut());
            }
        }
    }

    fn ask(&mut self, read: u64, pings: Option<&mut PingPong>) {
        if let Some(pings) = pings
            && self.ping_out.is_none()
            && pings.send_ping(Ping::opaque()).is_ok()
        {
            self.ping_out = Some(self.runtime.now());
        }
        if self.asked.as_ref().is_none_or(|asked| asked.read != read) {
            self.asked = Some(Wait { read, sleep: self.runtime.sleep(self.timeout) });
            self.usual = None;
        }
    }
}
