//! Requests, and the driver of HTTP/2.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use loom::{future::block_on, thread};
use tokio::sync::oneshot;

use self::signals::{Signal, Signals};
use crate::{try_all, try_with};

#[path = "../../src/http/http2/signals.rs"]
mod signals;

/// What the driver does in each of its turns. Ready with what it has read once it is asked to end.
fn poll_driver(
    signals: &Signals,
    is_registered: &mut bool,
    read: &mut u32,
    cx: &Context<'_>,
) -> Poll<u32> {
    if !*is_registered {
        signals.register(cx.waker());
        *is_registered = true;
    }
    if !signals.has_any() {
        return Poll::Pending;
    }
    for signal in signals.take() {
        match signal {
            Signal::Abort => return Poll::Ready(*read),
            _ => *read += 1,
        }
    }
    Poll::Pending
}

fn drive(signals: &Signals) -> u32 {
    let (mut is_registered, mut read) = (false, 0);
    let read = block_on(poll_fn(|cx| poll_driver(signals, &mut is_registered, &mut read, cx)));
    signals.close();
    read
}

/// Each signal of two requests arrives, without another wake.
pub fn the_driver_gets_each_signal() {
    try_with(3, || {
        let signals = Arc::new(Signals::default());
        let request =
            |signals: Arc<Signals>| thread::spawn(move || signals.send(Signal::Silence(1)));
        let requests = [request(signals.clone()), request(signals.clone())];
        let driver = thread::spawn({
            let signals = signals.clone();
            move || drive(&signals)
        });
        for request in requests {
            request.join().unwrap();
        }
        signals.send(Signal::Abort);
        assert_eq!(driver.join().unwrap(), 2);
    });
}

/// A request whose signal comes too late for the driver is released, not left waiting.
pub fn no_request_waits_for_a_driver_that_has_ended() {
    try_all(|| {
        let signals = Arc::new(Signals::default());
        let request = thread::spawn({
            let signals = signals.clone();
            move || {
                let (reader, read) = oneshot::channel();
                signals.send(Signal::Read(reader));
                read
            }
        });
        signals.close();
        let mut read = request.join().unwrap();
        assert_eq!(read.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        let (reader, mut read) = oneshot::channel();
        signals.send(Signal::Read(reader));
        assert_eq!(read.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(signals.take().is_empty());
    });
}
