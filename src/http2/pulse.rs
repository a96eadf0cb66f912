//! Whether the peer is still there: asked when a stream was given up without a word of it, or at intervals.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use h2::{Ping, PingPong};

use super::vitals::{Death, Vitals};
use crate::rt::{Runtime, Sleep};

/// The PINGs of a connection, and how long their answer may take.
pub(super) struct Pulse {
    runtime: Runtime,
    interval: Option<Duration>,
    timeout: Duration,
    while_idle: bool,
    /// Runs from one look at the peer to the next.
    beat: Option<Wait>,
    /// Runs while the peer is asked. Any byte is an answer.
    asked: Option<Wait>,
    is_ping_out: bool,
}

/// A timer, and what had been read when it began.
struct Wait {
    read: u64,
    sleep: Sleep,
}

impl Pulse {
    pub(super) fn new(
        runtime: Runtime,
        interval: Option<Duration>,
        timeout: Duration,
        while_idle: bool,
    ) -> Self {
        let (beat, asked) = (None, None);
        Self { runtime, interval, timeout, while_idle, beat, asked, is_ping_out: false }
    }

    /// Asks the peer, unless it has said something since.
    pub(super) fn doubt(&mut self, read: u64, vitals: &Vitals, pings: &mut PingPong) {
        if read == vitals.meter().read() {
            self.ask(read, pings);
            vitals.report();
        } else if self.asked.is_none() {
            vitals.trust();
        }
    }

    /// Ready when the peer is to be taken for dead.
    pub(super) fn poll(
        &mut self,
        vitals: &Vitals,
        pings: &mut PingPong,
        cx: &mut Context<'_>,
    ) -> Poll<Death> {
        if self.is_ping_out && pings.poll_pong(cx).is_ready() {
            self.is_ping_out = false;
        }
        let read = vitals.meter().read();
        self.poll_beat(read, vitals.active() > 0, pings, cx);
        let Some(asked) = &mut self.asked else { return Poll::Pending };
        if asked.read != read {
            self.asked = None;
            vitals.trust();
            return Poll::Pending;
        }
        Pin::new(&mut asked.sleep).poll(cx).map(|()| Death::Silent(self.timeout))
    }

    fn poll_beat(&mut self, read: u64, is_used: bool, pings: &mut PingPong, cx: &mut Context<'_>) {
        let Some(interval) = self.interval.filter(|_| is_used || self.while_idle) else {
            self.beat = None;
            return;
        };
        loop {
            let sleep = || self.runtime.sleep(interval);
            let beat = self.beat.get_or_insert_with(|| Wait { read, sleep: sleep() });
            if Pin::new(&mut beat.sleep).poll(cx).is_pending() {
                return;
            }
            let was_silent = beat.read == read;
            self.beat = None;
            if was_silent {
                self.ask(read, pings);
            }
        }
    }

    fn ask(&mut self, read: u64, pings: &mut PingPong) {
        if !self.is_ping_out {
            self.is_ping_out = pings.send_ping(Ping::opaque()).is_ok();
        }
        if self.asked.as_ref().is_none_or(|asked| asked.read != read) {
            self.asked = Some(Wait { read, sleep: self.runtime.sleep(self.timeout) });
        }
    }
}
