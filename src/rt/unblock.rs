//! Runs blocking work, such as reading a file, away from the threads that drive tasks.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{smol, tokio as default_runtime};

/// The result of [`unblock`].
///
/// # Cancellation
///
/// Started work runs to its end, because a thread cannot be interrupted; its result is dropped.
pub(crate) struct Unblock<T> {
    result: oneshot::Receiver<T>,
}

/// The work did not run, or panicked: its runtime has ended, or the system has no thread left.
#[derive(Debug)]
pub(crate) struct NotRun;

/// Runs `work` on the blocking threads of the current tokio runtime; outside of any, on those of smol, or on a thread of its
/// own.
pub(crate) fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Unblock<T> {
    let (sender, result) = oneshot::channel();
    let run = move || {
        // Without a receiver the result is dropped.
        let _ = sender.send(work());
    };
    if let Err(run) = default_runtime::run_blocking(run) {
        smol::run_blocking(run);
    }
    Unblock { result }
}

impl<T> Future for Unblock<T> {
    type Output = Result<T, NotRun>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(cx).map_err(|_| NotRun)
    }
}

impl<T> fmt::Debug for Unblock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unblock").finish_non_exhaustive()
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no thread ran the work: the runtime has ended, or the work panicked")
    }
}

impl std::error::Error for NotRun {}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use super::*;

    #[test]
    fn work_runs_with_and_without_a_runtime_on_another_thread() {
        let here = std::thread::current().id();
        let seen_runtime = move || std::thread::current().id() != here;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(async { unblock(seen_runtime).await }).unwrap());
        assert!(unblock(seen_runtime).result.blocking_recv().unwrap());
    }

    #[test]
    fn work_that_panics_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let panics = || panic!("an expected panic");
        let outcome: Result<(), NotRun> = runtime.block_on(async { unblock(panics).await });
        assert!(outcome.unwrap_err().to_string().contains("panicked"));
    }
}
