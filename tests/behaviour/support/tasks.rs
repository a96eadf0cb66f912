//! Polls a future a limited number of times.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use futures_util::FutureExt;

/// Polls a future to its end, or this often.
pub(crate) async fn polled<F: Future + Unpin>(future: &mut F, times: usize) -> Option<F::Output> {
    let mut left = times;
    poll_fn(|cx| {
        left -= 1;
        match future.poll_unpin(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
