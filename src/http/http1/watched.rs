//! A body that shows how far it has come, while hyper sends it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    line::{Line, Upload},
    listening::Gate,
};
use crate::{
    body::Measured,
    error::{BoxError, Error},
};

pin_project! {
    /// The body of a request: its connection sees whether it is over, and whether it is the caller who is waited for. It
    /// may be held back until its gate is opened.
    pub(super) struct Watched<B> {
        #[pin]
        body: Option<Measured<B>>,
        watch: Option<Watch>,
        gate: Option<Gate>,
    }
}

/// A body that hyper is sending. When hyper lets go of it, it is over.
struct Watch(Arc<Line>);

impl<B> Watched<B>
where
    B: Body<Error: Into<BoxError>>,
{
    /// It is under way from now on, or from when its gate is opened.
    pub(super) fn new(body: Measured<B>, line: &Arc<Line>, gate: Option<Gate>) -> Self {
        let watch = (!body.is_end_stream()).then(|| Watch(line.clone()));
        if watch.is_some() && gate.is_none() {
            line.uploads(Upload::Going);
        }
        Self { body: Some(body), watch, gate }
    }
}

impl<B> Watched<B> {
    /// In place of a body that must be empty.
    pub(super) fn empty(gate: Option<Gate>) -> Self {
        Self { body: None, watch: None, gate }
    }

    /// `None` in place of a body that must be empty.
    pub(super) fn into_inner(self) -> Option<B> {
        self.body.map(Measured::into_inner)
    }
}

/// Reads a body that must be empty, because its request says so. hyper would drop it without a look. Ready with an error only.
pub(super) async fn not_empty<B>(body: Measured<B>) -> Error
where
    B: Body<Error: Into<BoxError>>,
{
    let mut body = Box::pin(body);
    loop {
        match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            Some(Err(error)) => return error,
            // A frame without bytes.
            Some(Ok(frame)) if frame.is_data() => {}
            Some(Ok(_)) | None => break,
        }
    }
    drop(body);
    std::future::pending().await
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.uploads(Upload::Over);
    }
}

impl<B> Body for Watched<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        let this = self.project();
        if let Some(gate) = this.gate {
            match ready!(Pin::new(gate).poll(cx)) {
                Ok(()) => *this.gate = None,
                Err(_dropped) => return Poll::Pending,
            }
        }
        let Some(mut body) = this.body.as_pin_mut() else { return Poll::Ready(None) };
        let frame = body.as_mut().poll_frame(cx);
        let is_last = !matches!(frame, Poll::Pending | Poll::Ready(Some(Ok(_))));
        if is_last || body.is_all_there() {
            *this.watch = None;
        } else if let Some(Watch(line)) = this.watch {
            line.uploads(if frame.is_pending() { Upload::Lacking } else { Upload::Going });
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
