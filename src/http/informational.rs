//! Interim responses (RFC 9110 §15.2): reports them, and releases a body that waits for 100.

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
    fields::list::all_members,
    options::{ExpectContinue, OnInformational},
    rt::{Runtime, Sleep},
};

/// A request's use for 1xx responses.
pub(crate) struct Interim {
    listener: Option<OnInformational>,
    scope: Option<Scope>,
    go_ahead: GoAhead,
}

/// Whether a held body may be sent.
enum GoAhead {
    /// Not yet; without a limit, only after 100.
    Awaited {
        limit: Option<Duration>,
        timer: Option<Sleep>,
    },
    Given,
}

impl Interim {
    /// Usually `None`: no use for 1xx.
    pub(crate) fn of<B: Body>(request: &Request<B>) -> Option<Box<Self>> {
        let listener = request.extensions().get::<OnInformational>().cloned();
        let go_ahead = match !request.body().is_end_stream() && expects(request.headers()) {
            true => GoAhead::awaited(request.extensions().get().copied().unwrap_or_default()),
            false => GoAhead::Given,
        };
        let scope = request.extensions().get::<Scope>().cloned();
        let is_something = listener.is_some() || scope.is_some() || go_ahead.is_awaited();
        is_something.then(|| Box::new(Self { listener, scope, go_ahead }))
    }

    /// Whether the body is held back.
    pub(crate) fn is_body_held(&self) -> bool {
        self.go_ahead.is_awaited()
    }

    /// The peer speaks HTTP/1.0, which has no 100.
    #[cfg(feature = "http1")]
    pub(crate) fn skip_expectation(&mut self) {
        self.go_ahead = GoAhead::Given;
    }

    /// Handles a 1xx.
    pub(crate) fn report(&mut self, answer: &Response<()>) {
        if answer.status() == StatusCode::CONTINUE {
            self.go_ahead = GoAhead::Given;
        }
        if let Some(scope) = &self.scope {
            scope.note(NoteKind::Informational { status: answer.status() });
        }
        if let Some(listener) = &self.listener {
            listener.tell(answer);
        }
    }

    /// Ready when the body may be sent: after 100, or when the limit has elapsed.
    pub(crate) fn poll_go_ahead(&mut self, runtime: &Runtime, cx: &mut Context<'_>) -> Poll<()> {
        if let GoAhead::Awaited { limit, timer } = &mut self.go_ahead {
            let Some(limit) = *limit else { return Poll::Pending };
            ready!(Pin::new(timer.get_or_insert_with(|| runtime.sleep(limit))).poll(cx));
            self.go_ahead = GoAhead::Given;
        }
        Poll::Ready(())
    }
}

impl GoAhead {
    fn awaited(expectation: ExpectContinue) -> Self {
        Self::Awaited { limit: expectation.limit(), timer: None }
    }

    fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited { .. })
    }
}

fn expects(headers: &HeaderMap) -> bool {
    all_members(headers, EXPECT).any(|member| member.eq_ignore_ascii_case(b"100-continue"))
}
