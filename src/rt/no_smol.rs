//! Blocking work without smol, outside of tokio: each runs on a thread of its own.

/// Runs work on a new thread. Without one it is dropped, which its owner notices.
pub(super) fn run_blocking(work: impl FnOnce() + Send + 'static) {
    drop(std::thread::Builder::new().name("tower-transport".into()).spawn(work));
}
