//! Buffers a response while the caller's thread still sends the upload.

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
    /// The memory of all frames that were read ahead, roughly.
    memory: u64,
    rest: Body,
}

/// What a frame takes beside its bytes, so that many small ones are bounded as well.
const FRAME: u64 = 128;

/// Reads the body until the upload is over, or the body itself.
///
/// A peer that echoes the upload stops reading while its answer is not read. The caller's thread cannot read while it uploads, so both
/// would wait for ever. The response's timeouts run meanwhile, too.
///
/// # Errors
///
/// `is_decode` if more than `limit` bytes are buffered; each frame counts 128 more.
pub(super) async fn read_ahead(
    rest: Body,
    limit: MaxBody,
    upload_over: impl Future<Output = ()>,
) -> Result<Body, Error> {
    let mut upload_over = pin!(upload_over);
    let mut body = ReadAhead { frames: VecDeque::new(), length: 0, memory: 0, rest };
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
            let length = data.map_or(0, Bytes::len) as u64;
            self.length += length;
            self.memory += FRAME + length;
            let has_failed = frame.is_err();
            self.frames.push_back(frame);
            if self.memory > limit {
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
    let text = format!("the response takes more than {limit} bytes before the end of its upload");
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

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use http_body_util::StreamBody;

    use super::*;

    #[tokio::test]
    async fn what_was_read_ahead_is_the_beginning_of_the_body_and_counts_for_its_length() {
        let whole = Body::new(http_body_util::Full::new(Bytes::from("abcde")));
        let mut body = read_ahead(whole, MaxBody::default(), pending()).await.unwrap();
        assert_eq!((body.length(), body.is_end_stream()), (Some(5), false));
        assert_eq!(body.chunk().await.unwrap().unwrap(), "abcde");
        assert_eq!((body.length(), body.is_end_stream()), (Some(0), true));
        let chunks = Body::iter(["ab", "", "cde"]);
        let unknown = read_ahead(chunks, MaxBody::default(), pending()).await;
        assert_eq!(unknown.unwrap().read().await.unwrap(), "abcde");
    }

    #[tokio::test]
    async fn nothing_is_read_ahead_after_an_error_which_comes_in_its_place() {
        let frames = [Ok("ab"), Err("the peer broke off"), Ok("cd")];
        let body = Body::stream(futures_util::stream::iter(frames));
        let mut body = read_ahead(body, MaxBody::default(), pending()).await.unwrap();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "ab");
        assert!(!body.is_end_stream());
        assert!(format!("{:?}", body.chunk().await.unwrap_err()).contains("the peer broke off"));
    }

    #[tokio::test]
    async fn small_frames_are_bounded_by_the_memory_that_they_take() {
        for (size, most) in [(0, 512), (1, 509), (16 << 10, 4)] {
            let taken = Arc::new(AtomicUsize::new(0));
            let counted = taken.clone();
            let frames = futures_util::stream::repeat_with(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Error>(Frame::data(Bytes::from(vec![b'x'; size])))
            });
            let body = Body::new(StreamBody::new(frames));
            let error = read_ahead(body, MaxBody::new(64 << 10), pending()).await.unwrap_err();
            assert!(error.is_decode() && error.was_sent());
            assert!(taken.load(Ordering::Relaxed) <= most + 1, "{size}: {taken:?}");
        }
    }
}
