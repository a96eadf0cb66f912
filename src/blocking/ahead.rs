//! Reads a response on while its request is still uploaded, where its caller cannot.

use std::{
    any::Any,
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::{
    body::{Body, ResponseFrames},
    error::{Error, Kind},
    options::MaxBody,
};

/// The body of a response, with what was read of it already.
struct ReadAhead {
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    /// The bytes of these frames.
    length: u64,
    rest: Body,
}

/// Reads the body until the upload is over, or the body itself.
///
/// Without it a peer that answers as the upload comes, and waits until its answer is taken, would wait for ever: the caller's thread
/// brings the upload. And the timeouts of the response act meanwhile, as does its end.
///
/// # Errors
///
/// `is_decode` for more bytes than this limit, which are in memory.
pub(super) async fn read_ahead(
    rest: Body,
    limit: MaxBody,
    upload_over: impl Future<Output = ()>,
) -> Result<Body, Error> {
    let mut upload_over = pin!(upload_over);
    let mut body = ReadAhead { frames: VecDeque::new(), length: 0, rest };
    poll_fn(|cx| {
        if upload_over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        body.poll_ahead(limit.limit(), cx)
    })
    .await?;
    Ok(if body.frames.is_empty() { body.rest } else { Body::pooled(body) })
}

impl ReadAhead {
    /// Keeps frames until the body ends.
    fn poll_ahead(&mut self, limit: u64, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(frame) = ready!(Pin::new(&mut self.rest).poll_frame(cx)) {
            let data = frame.as_ref().ok().and_then(Frame::data_ref);
            self.length += data.map_or(0, Bytes::len) as u64;
            let has_failed = frame.is_err();
            self.frames.push_back(frame);
            if self.length > limit {
                return Poll::Ready(Err(too_large(limit)));
            }
            if has_failed {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn too_large(limit: u64) -> Error {
    let text = format!("the response has more than {limit} bytes before the end of its upload");
    Error::new(Kind::Decode, text).sent(true)
}

impl http_body::Body for ReadAhead {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.frames.pop_front() {
            Some(frame) => {
                let data = frame.as_ref().ok().and_then(Frame::data_ref);
                self.length -= data.map_or(0, Bytes::len) as u64;
                Poll::Ready(Some(frame))
            }
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.length() {
            Some(rest) => SizeHint::with_exact(self.length.saturating_add(rest)),
            None => SizeHint::default(),
        }
    }
}

impl ResponseFrames for ReadAhead {
    fn known(&self) -> Option<&dyn Any> {
        self.rest.known()
    }
}
