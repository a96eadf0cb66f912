//! Brings 1xx from the task of the connection to the request, and lets go of a body that is held back.

use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::{
    mpsc::{UnboundedReceiver, unbounded_channel},
    oneshot,
};

use crate::{http::informational::Interim, rt::Runtime};

/// The request's end: it is told what came, and decides about the body.
pub(super) struct Listening {
    interim: Box<Interim>,
    /// No more than the heads that a peer may send.
    heard: UnboundedReceiver<Response<()>>,
    gate: Option<oneshot::Sender<()>>,
}

/// The body's end: it is opened when the body may be sent; if the other is dropped, never.
pub(super) type Gate = oneshot::Receiver<()>;

impl Listening {
    /// Has what comes for this request brought here. The gate is for its body, if that is to be held back.
    pub(super) fn to<B>(request: &mut Request<B>, interim: Box<Interim>) -> (Self, Option<Gate>) {
        let (tell, heard) = unbounded_channel();
        hyper::ext::on_informational(request, move |answer| {
            // An error says that nobody waits for the answer any more.
            let _ = tell.send(head(answer.status(), answer.headers()));
        });
        let (opener, gate) = interim.holds_body().then(oneshot::channel).unzip();
        (Self { interim, heard, gate: opener }, gate)
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
