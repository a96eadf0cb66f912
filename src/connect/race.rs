//! Runs scheduled attempts until one connects.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use super::eyeballs::{RaceStep, Schedule};
use crate::rt::{Runtime, Sleep};

/// Concurrent attempts. Dropping the race drops every running attempt.
pub(crate) struct Race<A, F> {
    runtime: Runtime,
    schedule: Schedule,
    attempt: A,
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    timer: Option<(Instant, Sleep)>,
    failures: Failures,
}

/// The failed attempts, for the error.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Number of addresses tried.
    pub(crate) tried: usize,
    /// The most informative error: of the last attempt that reached the network.
    pub(crate) error_to_report: Option<io::Error>,
}

impl<A, F, T> Race<A, F>
where
    A: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    pub(crate) fn new(runtime: Runtime, schedule: Schedule, attempt: A) -> Self {
        let failures = Failures::default();
        Self { runtime, schedule, attempt, running: Vec::new(), timer: None, failures }
    }

    /// The first connected stream; `None` when all attempts have failed.
    pub(crate) async fn winner(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_winner(cx)).await
    }

    pub(crate) fn into_failures(self) -> Failures {
        self.failures
    }

    fn poll_winner(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            if let Some(winner) = self.poll_attempts(cx) {
                return Poll::Ready(Some(winner));
            }
            match self.schedule.step(self.runtime.now()) {
                RaceStep::Start(address) => self.start(address),
                RaceStep::GiveUp(address) => {
                    self.running.retain(|(running, _)| *running != address)
                }
                RaceStep::Wait(until) => ready!(self.poll_timer(until, cx)),
                RaceStep::Failed => return Poll::Ready(None),
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

    fn poll_timer(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = until else { return Poll::Pending };
        if self.timer.as_ref().is_none_or(|(at, _)| *at != until) {
            let wait = until.saturating_duration_since(self.runtime.now());
            self.timer = Some((until, self.runtime.sleep(wait)));
        }
        let Some((_, sleep)) = &mut self.timer else { return Poll::Pending };
        ready!(Pin::new(sleep).poll(cx));
        self.timer = None;
        Poll::Ready(())
    }
}

impl Failures {
    /// A single address failed.
    pub(crate) fn of_one(error: io::Error) -> Self {
        Self { tried: 1, error_to_report: Some(error) }
    }

    fn note(&mut self, error: io::Error) {
        let error_to_report = self.error_to_report.as_ref();
        if error_to_report.is_none_or(|known| reached_network(&error) || !reached_network(known)) {
            self.error_to_report = Some(error);
        }
    }
}

/// Whether an error says something about the peer. A missing address family on this host does not.
fn reached_network(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkUnreachable, Unsupported};
    !matches!(error.kind(), AddrNotAvailable | NetworkUnreachable | Unsupported)
}

#[cfg(all(test, feature = "tokio"))]
mod tests;
