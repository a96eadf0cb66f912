//! The body of an HTTP/1.1 answer.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    failure,
    line::{Line, Upload},
};
use crate::{
    error::Error,
    patience::{Awaited, Patience},
};

/// The body of an answer, as it comes.
///
/// One that ends before its length or its last chunk is an error for which [`Error::is_protocol`] holds, and where TLS ends
/// without `close_notify` one for which [`Error::is_io`] holds: a part of a body is never taken for the whole.
///
/// # Cancellation
///
/// Dropping it before its end costs the connection, unless what is left has already come.
pub struct Http1Body {
    incoming: Incoming,
    line: Arc<Line>,
    patience: Patience,
}

/// So much of a body that nobody wants is read away: as much as says why a proxy refuses.
const WORTH_READING: u64 = 64 * 1024;

impl Http1Body {
    pub(super) fn new(incoming: Incoming, line: Arc<Line>, patience: Patience) -> Self {
        Self { incoming, line, patience }
    }

    /// Reads what is left if it is short, so that the connection can be used again. Who lets go of the connection ends it.
    pub(super) fn read_away(mut self) {
        if self.is_end_stream() || self.size_hint().lower() > WORTH_READING {
            return;
        }
        let runtime = self.line.runtime().clone();
        runtime.spawn(async move {
            let mut left = WORTH_READING;
            while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(rest) = left.checked_sub(length) else { return };
                left = rest;
            }
        });
    }

    fn rests(&mut self) {
        self.patience.rests(self.line.runtime());
    }

    /// What was still sent when the answer began may go on meanwhile.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let (line, moved) = (&self.line, self.line.meter().moved());
        let awaited = match line.upload() {
            Upload::Lacking => Awaited::Caller,
            Upload::Going | Upload::Over => Awaited::Rest,
        };
        let impatience = ready!(self.patience.poll(awaited, moved, line.runtime(), cx));
        line.cut();
        let doing = line.doing("reading the response body from");
        Poll::Ready(impatience.into_error(doing).sent(true))
    }

    fn failed(&self, error: hyper::Error) -> Error {
        let doing = self.line.doing("reading the response body from");
        match self.line.is_cut() {
            true => failure::closed(doing).because(error),
            false => failure::described(error, doing),
        }
        .sent(true)
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if frame.is_pending() {
            return self.poll_patience(cx).map(|error| Some(Err(error)));
        }
        self.line.renew_body_limit();
        self.rests();
        frame.map_err(|error| self.failed(error))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for Http1Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Body").finish_non_exhaustive()
    }
}
