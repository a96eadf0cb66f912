//! Gives up a response that is not the result, in a way that keeps its connection.

use std::{
    pin::pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::Body;

/// A body of more is not worth its connection.
const MOST_READ: usize = 64 * 1024;

/// Reads a body as far as it can without waiting, and drops it. A body read to its end has returned its connection before
/// the next request is sent.
pub(super) fn discard<RB: Body>(body: RB, cx: &mut Context<'_>) {
    let (mut body, mut read) = (pin!(body), 0);
    while read <= MOST_READ {
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                // A body may be endless without a byte: each frame counts.
                read += 1 + frame.data_ref().map_or(0, Buf::remaining);
            }
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return,
        }
    }
}
