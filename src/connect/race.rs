//! Runs the attempts that the schedule asks for, until one connects.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use super::eyeballs::{Schedule, Step};
use crate::rt::{Runtime, Sleep};

/// Attempts side by side. Dropping the race drops every attempt that is still running.
pub(crate) struct Race<A, F> {
    runtime: Runtime,
    schedule: Schedule,
    attempt: A,
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    alarm: Option<(Instant, Sleep)>,
    failures: Failures,
}

/// What is to be said when no attempt connects.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// So many addresses were tried.
    pub(crate) tried: usize,
    /// The error that tells most: of the last attempt that got as far as the network.
    pub(crate) telling: Option<io::Error>,
}

impl<A, F, T> Race<A, F>
where
    A: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    pub(crate) fn new(runtime: Runtime, schedule: Schedule, attempt: A) -> Self {
        let failures = Failures::default();
        Self { runtime, schedule, attempt, running: Vec::new(), alarm: None, failures }
    }

    /// The first that connects; `None` when there is nothing left to try.
    pub(crate) async fn winner(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_winner(cx)).await
    }

    /// What the losers met.
    pub(crate) fn into_failures(self) -> Failures {
        self.failures
    }

    fn poll_winner(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            if let Some(winner) = self.poll_attempts(cx) {
                return Poll::Ready(Some(winner));
            }
            match self.schedule.step(self.runtime.now()) {
                Step::Start(address) => self.start(address),
                Step::GiveUp(address) => self.running.retain(|(running, _)| *running != address),
                Step::Wait(until) => ready!(self.poll_alarm(until, cx)),
                Step::Failed => return Poll::Ready(None),
            }
        }
    }

    fn start(&mut self, address: SocketAddr) {
        self.failures.tried += 1;
        let attempt = (self.attempt)(address);
        self.running.push((address, Box::pin(attempt)));
    }

    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<T> {
        let mut next = 0;
        while let Some((address, attempt)) = self.running.get_mut(next) {
            match attempt.as_mut().poll(cx) {
                Poll::Pending => next += 1,
                Poll::Ready(Ok(winner)) => return Some(winner),
                Poll::Ready(Err(error)) => {
                    self.schedule.failed(*address, self.runtime.now());
                    self.failures.note(error);
                    drop(self.running.remove(next));
                }
            }
        }
        None
    }

    fn poll_alarm(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = until else { return Poll::Pending };
        if self.alarm.as_ref().is_none_or(|(at, _)| *at != until) {
            let wait = until.saturating_duration_since(self.runtime.now());
            self.alarm = Some((until, self.runtime.sleep(wait)));
        }
        let Some((_, sleep)) = &mut self.alarm else { return Poll::Pending };
        ready!(Pin::new(sleep).poll(cx));
        self.alarm = None;
        Poll::Ready(())
    }
}

impl Failures {
    /// The only address was tried.
    pub(crate) fn of_one(error: io::Error) -> Self {
        Self { tried: 1, telling: Some(error) }
    }

    fn note(&mut self, error: io::Error) {
        let telling = self.telling.as_ref();
        if telling.is_none_or(|known| reached_network(&error) || !reached_network(known)) {
            self.telling = Some(error);
        }
    }
}

/// A host without IPv6 has nothing to say about a peer: the other family's error tells more.
fn reached_network(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkUnreachable, Unsupported};
    !matches!(error.kind(), AddrNotAvailable | NetworkUnreachable | Unsupported)
}

#[cfg(test)]
mod tests;
