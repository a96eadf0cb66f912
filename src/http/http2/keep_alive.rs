//! Checks whether the peer is alive: after a cancelled stream without a byte from it, or at intervals.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use h2::{Ping, PingPong};

use super::state::{CloseCause, ConnState, ConnStatus};
use crate::rt::{Runtime, Sleep};

mod round_trip;

use round_trip::RoundTrip;

/// PINGs after cancelled streams without HEADERS or DATA from the peer in between. gRPC servers count those, and send GOAWAY
/// for the third above what they allow.
const MAX_PINGS: u8 = 2;

/// PINGs of a connection, and the limits on their answers.
pub(super) struct KeepAlive {
    runtime: Runtime,
    interval: Option<Duration>,
    timeout: Duration,
    while_idle: bool,
    /// Time to the next check.
    next_check: Option<CheckTimer>,
    /// Runs while an answer is awaited. Any byte is an answer.
    awaiting: Option<CheckTimer>,
    /// Runs while an answer is awaited after a cancelled stream; when it ends, the connection is suspect.
    silence_timer: Option<Sleep>,
    /// When the outstanding PING was sent.
    ping_sent_at: Option<Instant>,
    /// PINGs after cancelled streams since the peer's last HEADERS or DATA.
    pings: u8,
    round_trip: RoundTrip,
    settings: SettingsRoundTrip,
}

/// The first round trip: our SETTINGS and their acknowledgement.
enum SettingsRoundTrip {
    Unsent,
    Sent(Instant),
    Acknowledged,
}

/// A timer, and the byte count at its start.
struct CheckTimer {
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
            awaiting: None,
            silence_timer: None,
            ping_sent_at: None,
            pings: 0,
            round_trip: RoundTrip::default(),
            settings: SettingsRoundTrip::Unsent,
        }
    }

    /// Whether it sends PINGs at intervals.
    pub(super) fn has_interval(&self) -> bool {
        self.interval.is_some()
    }

    /// Whether there is nothing to measure or wait for.
    pub(super) fn is_inactive(&self) -> bool {
        self.interval.is_none()
            // `silence_timer` runs only while an answer is awaited.
            && self.awaiting.is_none()
            && self.ping_sent_at.is_none()
            && matches!(self.settings, SettingsRoundTrip::Acknowledged)
    }

    /// Sends a PING, unless the peer has sent a byte since.
    pub(super) fn suspect(&mut self, read: u64, state: &ConnState, pings: Option<&mut PingPong>) {
        if read != state.meter().read() {
            if self.awaiting.is_none() {
                state.clear_suspicion();
            }
        } else if self.may_ping(state) {
            self.pings += u8::from(self.ping_sent_at.is_none());
            self.send_ping(read, pings);
            let silence = self.round_trip.unusual_silence();
            // After `send_ping`, which clears the timer when a new wait starts.
            self.silence_timer.get_or_insert_with(|| self.runtime.sleep(silence));
            // A long silence has made the connection suspect already.
            if !state.is_open() {
                state.report();
            }
        } else if !state.is_open() {
            // Without a PING no byte may come to clear the suspicion.
            state.retire(ConnStatus::Draining);
        }
    }

    /// Whether the answer to a PING can be awaited: one is out, or the peer tolerates one more.
    fn may_ping(&mut self, state: &ConnState) -> bool {
        if state.take_answer() {
            self.pings = 0;
        }
        self.ping_sent_at.is_some() || self.pings < MAX_PINGS
    }

    /// Ready when the peer counts as dead.
    pub(super) fn poll(
        &mut self,
        state: &ConnState,
        mut pings: Option<&mut PingPong>,
        cx: &mut Context<'_>,
    ) -> Poll<CloseCause> {
        self.measure(state, pings.as_deref_mut(), cx);
        let read = state.meter().read();
        self.poll_interval(read, state.active() > 0, pings, cx);
        let Some(awaiting) = &mut self.awaiting else { return Poll::Pending };
        // Any byte since the question is an answer, not only the PONG.
        if awaiting.read != read {
            (self.awaiting, self.silence_timer) = (None, None);
            state.clear_suspicion();
            return Poll::Pending;
        }
        if let Some(silence_timer) = &mut self.silence_timer
            && Pin::new(silence_timer).poll(cx).is_ready()
        {
            self.silence_timer = None;
            if state.suspect() {
                state.report();
            }
        }
        Pin::new(&mut awaiting.sleep).poll(cx).map(|()| CloseCause::Silent(self.timeout))
    }

    /// Measures round trips by the answers to SETTINGS and PING.
    fn measure(&mut self, state: &ConnState, pings: Option<&mut PingPong>, cx: &mut Context<'_>) {
        match self.settings {
            SettingsRoundTrip::Unsent => {
                self.settings = SettingsRoundTrip::Sent(self.runtime.now())
            }
            SettingsRoundTrip::Sent(sent) if state.is_acknowledged() => {
                self.settings = SettingsRoundTrip::Acknowledged;
                self.round_trip.measure_first(self.time_since(sent));
                state.note_unusual_silence(self.round_trip.unusual_silence());
            }
            SettingsRoundTrip::Sent(_) | SettingsRoundTrip::Acknowledged => {}
        }
        if let Some(sent) = self.ping_sent_at
            && let Some(pings) = pings
            && pings.poll_pong(cx).is_ready()
        {
            self.ping_sent_at = None;
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
        // A timer that has elapsed is replaced and polled at once, which registers the waker.
        loop {
            let sleep = || self.runtime.sleep(interval);
            let next_check =
                self.next_check.get_or_insert_with(|| CheckTimer { read, sleep: sleep() });
            if Pin::new(&mut next_check.sleep).poll(cx).is_pending() {
                return;
            }
            let was_silent = next_check.read == read;
            self.next_check = None;
            if was_silent {
                self.send_ping(read, pings.as_deref_mut());
            }
        }
    }

    fn send_ping(&mut self, read: u64, pings: Option<&mut PingPong>) {
        // h2 allows one PING at a time: one that is out already serves this wait, too.
        if let Some(pings) = pings
            && self.ping_sent_at.is_none()
            && pings.send_ping(Ping::opaque()).is_ok()
        {
            self.ping_sent_at = Some(self.runtime.now());
        }
        if self.awaiting.as_ref().is_none_or(|awaiting| awaiting.read != read) {
            self.awaiting = Some(CheckTimer { read, sleep: self.runtime.sleep(self.timeout) });
            self.silence_timer = None;
        }
    }
}
