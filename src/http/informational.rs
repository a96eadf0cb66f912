//! The answers before an answer (RFC 9110 §15.2): who is told of them, and the body that waits for one.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderMap, Request, Response, StatusCode, header::EXPECT};
use http_body::Body;

use crate::{
    events::{NoteKind, Scope},
    options::{ExpectContinue, OnInformational},
    rt::{Runtime, Sleep},
};

/// What a request wants of 1xx.
pub(crate) struct Interim {
    listener: Option<OnInformational>,
    told: Option<Scope>,
    go_ahead: GoAhead,
}

/// Whether a body may be sent.
enum GoAhead {
    /// It is not known yet; without a limit it may never be.
    WaitingFor {
        limit: Option<Duration>,
        timer: Option<Sleep>,
    },
    Given,
}

impl Interim {
    /// `None`, as nearly always, if it wants nothing.
    pub(crate) fn of<B: Body>(request: &Request<B>) -> Option<Box<Self>> {
        let listener = request.extensions().get::<OnInformational>().cloned();
        let go_ahead = match !request.body().is_end_stream() && expects(request.headers()) {
            true => GoAhead::awaited(request.extensions().get().copied().unwrap_or_default()),
            false => GoAhead::Given,
        };
        let told = request.extensions().get::<Scope>().cloned();
        let is_something = listener.is_some() || told.is_some() || go_ahead.is_awaited();
        is_something.then(|| Box::new(Self { listener, told, go_ahead }))
    }

    /// Whether the body is being held back.
    pub(crate) fn holds_body(&self) -> bool {
        self.go_ahead.is_awaited()
    }

    /// The peer cannot say that it wants the body.
    #[cfg(feature = "http1")]
    pub(crate) fn expects_nothing(&mut self) {
        self.go_ahead = GoAhead::Given;
    }

    /// A 1xx has come.
    pub(crate) fn hear(&mut self, answer: &Response<()>) {
        if answer.status() == StatusCode::CONTINUE {
            self.go_ahead = GoAhead::Given;
        }
        if let Some(told) = &self.told {
            told.note(NoteKind::Informational { status: answer.status() });
        }
        if let Some(listener) = &self.listener {
            listener.tell(answer);
        }
    }

    /// Ready when the body may be sent: now, or because nothing came for long enough.
    pub(crate) fn poll_go_ahead(&mut self, runtime: &Runtime, cx: &mut Context<'_>) -> Poll<()> {
        if let GoAhead::WaitingFor { limit, timer } = &mut self.go_ahead {
            let Some(limit) = *limit else { return Poll::Pending };
            ready!(Pin::new(timer.get_or_insert_with(|| runtime.sleep(limit))).poll(cx));
            self.go_ahead = GoAhead::Given;
        }
        Poll::Ready(())
    }
}

impl GoAhead {
    fn awaited(expectation: ExpectContinue) -> Self {
        Self::WaitingFor { limit: expectation.limit(), timer: None }
    }

    fn is_awaited(&self) -> bool {
        matches!(self, Self::WaitingFor { .. })
    }
}

fn expects(headers: &HeaderMap) -> bool {
    let mut expectations = headers.get_all(EXPECT).iter();
    expectations.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
