//! Retries by tower: `cargo run --example retries`.
//!
//! The pool repeats a request by itself only if its connection failed and a repetition can do no harm. A policy decides about
//! all else: here, a `503` and requests that were not sent, three attempts at most.

use std::{error::Error, future::Future, pin::Pin, time::Duration};

use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioTimer;
use tower::{
    ServiceBuilder,
    retry::{Policy, RetryLayer},
};
use tower_transport::{Body, RequestExt, Transport, connect::MemoryConnector};

#[path = "support/busy.rs"]
mod busy;

#[derive(Clone)]
struct Attempts {
    left: u32,
    pause: Duration,
}

type Outcome = Result<Response<Body>, tower_transport::Error>;

impl Policy<Request<Body>, Response<Body>, tower_transport::Error> for Attempts {
    type Future = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        outcome: &mut Outcome,
    ) -> Option<Self::Future> {
        let worth_it = match outcome {
            Ok(response) => {
                response.status() == StatusCode::SERVICE_UNAVAILABLE
                    && request.method().is_idempotent()
            }
            Err(error) => error.is_unsent() && !error.is_builder(),
        };
        if !worth_it || self.left == 0 {
            return None;
        }
        let pause = self.pause;
        (self.left, self.pause) = (self.left - 1, pause * 2);
        println!("again in {pause:?}");
        Some(Box::pin(async move { hyper::rt::Timer::sleep(&TokioTimer::new(), pause).await }))
    }

    /// `None`, so no second attempt, for a body that is a stream. The request's options are kept.
    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut clone = Request::new(request.body().try_clone()?);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (connector, listener) = MemoryConnector::pair();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(busy::serve(listener));
    let transport = Transport::builder().connector(connector).build()?;
    let policy = Attempts { left: 2, pause: Duration::from_millis(10) };
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(transport);

    let response = client.request("GET", "http://busy.example/").await?;
    println!("{}", response.status());
    assert_eq!(response.status(), 200);
    Ok(())
}
