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
