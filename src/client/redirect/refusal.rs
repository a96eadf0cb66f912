//! Reads the beginning of a response that redirects and is not followed, for the error that says so.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use http::{Response, response::Parts};
use http_body::Body as _;

use crate::{
    body::Body,
    error::{Error, REFUSAL_BODY},
};

/// An error whose response is being read.
pub(super) struct Unfollowed {
    error: Option<Error>,
    head: Option<Parts>,
    body: Body,
    read: BytesMut,
}

impl Unfollowed {
    pub(super) fn new(error: Error, head: Parts, body: Body) -> Self {
        Self { error: Some(error), head: Some(head), body, read: BytesMut::new() }
    }

    /// The error, once the first 64 KiB are read, or reading has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        while self.read.len() < REFUSAL_BODY {
            let Some(Ok(frame)) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { break };
            if let Ok(chunk) = frame.into_data() {
                let room = REFUSAL_BODY - self.read.len();
                self.read.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
        }
        self.body = Body::empty();
        let read = self.read.split().freeze();
        Poll::Ready(
            self.error
                .take()
                .zip(self.head.take())
                .map(|(error, head)| error.with_response(Response::from_parts(head, read))),
        )
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http::Response;

    use super::*;
    use crate::error::Kind;

    /// The length of what is kept of these chunks; `None` while more is awaited.
    fn kept(lengths: &[usize], is_endless: bool) -> Option<usize> {
        let chunks: Vec<_> =
            lengths.iter().map(|&length| Bytes::from(vec![b'x'; length])).collect();
        let chunks = stream::iter(chunks).map(Ok::<_, Error>);
        let body = match is_endless {
            true => Body::stream(chunks.chain(stream::pending())),
            false => Body::stream(chunks),
        };
        let (head, ()) = Response::new(()).into_parts();
        let mut unfollowed = Unfollowed::new(Error::new(Kind::Redirect, "refused"), head, body);
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(error) = unfollowed.poll(cx) else { return None };
        Some(error.unwrap().response().unwrap().body().len())
    }

    #[test]
    fn the_beginning_of_a_response_is_kept_in_whatever_chunks_it_comes() {
        const ALL: usize = REFUSAL_BODY;
        for lengths in
            [&[][..], &[0, 5], &[ALL], &[ALL + 1], &[1000; 200], &[ALL - 1, 1, 1], &[40_000; 3]]
        {
            let sum = lengths.iter().sum::<usize>();
            assert_eq!(kept(lengths, false), Some(sum.min(ALL)), "{lengths:?}");
            assert_eq!(kept(lengths, true), (sum >= ALL).then_some(ALL), "{lengths:?}");
        }
    }
}
