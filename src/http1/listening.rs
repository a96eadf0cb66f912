//! Brings 1xx from the task of the connection to the request, and lets go of a body that is held back.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{
    mpsc::{UnboundedReceiver, unbounded_channel},
    oneshot,
};

use super::watched::Watched;
use crate::{
    error::{BoxError, Error},
    interim::Interim,
    rt::Runtime,
};

/// The request's end: it is told what came, and decides about the body.
pub(super) struct Listening {
    interim: Box<Interim>,
    /// No more than the heads that a peer may send.
    heard: UnboundedReceiver<Response<()>>,
    gate: Option<oneshot::Sender<()>>,
}

pin_project! {
    /// A body that may be held back until its gate is opened; if that is dropped, for ever.
    pub(super) struct Held<B> {
        #[pin]
        body: Watched<B>,
        gate: Option<oneshot::Receiver<()>>,
    }
}

impl Listening {
    /// Has what comes for this request brought here, if it wants to know.
    pub(super) fn to<B>(
        mut request: Request<Watched<B>>,
        interim: Option<Box<Interim>>,
    ) -> (Request<Held<B>>, Option<Self>) {
        let Some(interim) = interim else {
            return (request.map(|body| Held { body, gate: None }), None);
        };
        let (tell, heard) = unbounded_channel();
        hyper::ext::on_informational(&mut request, move |answer| {
            // An error says that nobody waits for the answer any more.
            let _ = tell.send(head(answer.status(), answer.headers()));
        });
        let (opener, gate) = interim.holds_body().then(oneshot::channel).unzip();
        let request = request.map(|body| Held { body, gate });
        (request, Some(Self { interim, heard, gate: opener }))
    }

    /// Hears what has come. As long as there is no answer, the body may also have waited for long enough.
    pub(super) fn poll(&mut self, is_answered: bool, runtime: &Runtime, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(answer)) = self.heard.poll_recv(cx) {
            self.interim.hear(&answer);
        }
        let is_open = match is_answered {
            true => !self.interim.holds_body(),
            false => self.interim.poll_go_ahead(runtime, cx).is_ready(),
        };
        if is_open && let Some(gate) = self.gate.take() {
            // An error says that the connection has dropped the body.
            let _ = gate.send(());
        }
    }

    /// Whether the body was not sent, and never will be.
    pub(super) fn withholds_body(&self) -> bool {
        self.gate.is_some()
    }
}

fn head(status: StatusCode, headers: &HeaderMap) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = headers.clone();
    head
}

impl<B> Held<B> {
    pub(super) fn into_inner(self) -> Watched<B> {
        self.body
    }
}

impl<B> Body for Held<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if let Some(gate) = this.gate {
            match ready!(Pin::new(gate).poll(cx)) {
                Ok(()) => *this.gate = None,
                Err(_dropped) => return Poll::Pending,
            }
        }
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
