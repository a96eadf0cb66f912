//! A service of requests without a network: it records each request, and answers by a function.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response, response};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;
use tower_service::Service;
use tower_transport::{Body, Error, mock::StrictService};

/// A body that is not of this crate.
pub(crate) type Answer = Response<Full<Bytes>>;

type Respond = dyn Fn(&Request<Bytes>) -> Result<Answer, Error> + Send + Sync;

/// Answers by a function. It is ready at every second poll, and answers at the second poll of a request.
#[derive(Clone)]
pub(crate) struct Site {
    respond: Arc<Respond>,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
    is_rested: bool,
}

impl Site {
    pub(crate) fn new(respond: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static) -> Self {
        Self::failing(move |request| Ok(respond(request)))
    }

    pub(crate) fn failing(
        respond: impl Fn(&Request<Bytes>) -> Result<Answer, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { respond: Arc::new(respond), seen: Arc::default(), is_rested: false }
    }

    /// The same, and panics if it is called unready.
    pub(crate) fn strict(&self) -> StrictService<Self> {
        StrictService::new(self.clone())
    }

    /// Takes what was sent so far.
    pub(crate) fn seen(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// Method and URL of each request so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen()
            .iter()
            .map(|request| format!("{} {}", request.method(), request.uri()))
            .collect()
    }
}

impl Service<Request<Body>> for Site {
    type Response = Answer;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.is_rested = !self.is_rested;
        match self.is_rested {
            true => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            false => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let site = self.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            let (head, body) = request.into_parts();
            let request = Request::from_parts(head, body.collect().await?.to_bytes());
            site.seen.lock().unwrap().push(request.clone());
            (site.respond)(&request)
        })
    }
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut answer = response::Builder::new().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

pub(crate) fn ok() -> Answer {
    answer(200, &[], "ok")
}

pub(crate) fn redirect(status: u16, location: &str) -> Answer {
    answer(status, &[("location", location)], "moved")
}

/// Redirects from one URL to another once.
pub(crate) fn from_to(from: &'static str, to: &'static str) -> Site {
    Site::new(move |request| match request.uri() == from {
        true => redirect(307, to),
        false => ok(),
    })
}

pub(crate) fn get(url: &str) -> Request<Body> {
    request("GET", url, &[], Body::empty())
}

pub(crate) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// Waits until a service is ready, and sends a request.
pub(crate) async fn send<S>(service: &S, request: Request<Body>) -> Result<S::Response, S::Error>
where
    S: Service<Request<Body>> + Clone,
{
    service.clone().oneshot(request).await
}

pub(crate) fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// Drops a request after its first poll, another after its second, until one comes to its end: nothing is sent after that,
/// and the service goes on.
pub(crate) async fn at_every_poll<S>(service: impl Fn() -> (S, Site), send: fn() -> Request<Body>)
where
    S: Service<Request<Body>> + Clone,
{
    for polls in 1.. {
        let (service, site) = service();
        let mut future = Box::pin(service.clone().oneshot(send()));
        let mut left = polls;
        let is_over = std::future::poll_fn(|cx| {
            left -= 1;
            match future.poll_unpin(cx) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending if left == 0 => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        });
        let is_over = is_over.await;
        drop(future);
        let sent = site.seen().len();
        tokio::task::yield_now().await;
        assert_eq!(site.seen().len(), 0, "sent after it was dropped, {sent} before");
        assert!(service.oneshot(send()).await.is_ok(), "after {polls} polls");
        if is_over {
            return assert!(polls > 1, "it was never dropped");
        }
    }
}
