//! Timeouts in a stack that is no transport.

use http::Request;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_transport::{
    Body, Error, RequestExt,
    error::Phase,
    http::{HttpConnection, Negotiate, NegotiateLayer},
    options::{Timeouts, TimeoutsLayer, WithTimeouts},
    pool::{Pool, PoolLayer},
};

use super::{READ, seconds, timed};
use crate::support::{
    scripted::{
        ScriptedPeer,
        Step::{Head, Hold},
        first,
    },
    targets::target,
};

type Stack = WithTimeouts<Pool<HttpConnection<Body>, Body>>;

fn stack(timeouts: Timeouts) -> Stack {
    ServiceBuilder::new()
        .layer(TimeoutsLayer::new(timeouts))
        .layer(PoolLayer::new())
        .layer(NegotiateLayer::new())
        .service(ScriptedPeer::new(first([Head, Hold])).listen())
}

async fn ends(stack: &Stack, timeouts: Option<Timeouts>) -> (Option<Phase>, u64) {
    let get = stack.request("GET", "http://origin.example/");
    let get = timeouts.into_iter().fold(get, |get, timeouts| get.timeouts(timeouts));
    let (outcome, seconds) = timed(get).await;
    (outcome.unwrap_err().timeout_phase(), seconds)
}

#[tokio::test(start_paused = true)]
async fn a_layer_bounds_all_requests_below_it() {
    let layer = Timeouts::none().read(seconds(7));
    assert_eq!(ends(&stack(layer), None).await, (READ, 7));
    let layer = Timeouts::none().total(seconds(9));
    assert_eq!(ends(&stack(layer), None).await, (Some(Phase::Total), 9));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_says_something_itself_is_left_alone() {
    let own = Some(Timeouts::none().read(seconds(3)));
    assert_eq!(ends(&stack(Timeouts::none().total(seconds(1))), own).await, (READ, 3));
}

#[tokio::test(start_paused = true)]
async fn a_pool_bounds_all_requests_of_its_connections() {
    let pool = ServiceBuilder::new()
        .layer(PoolLayer::<Body>::new().timeouts(Timeouts::none().read(seconds(5))))
        .layer(NegotiateLayer::new())
        .service(ScriptedPeer::new(first([Head, Hold])).listen());
    let (outcome, seconds) = timed(pool.request("GET", "http://origin.example/")).await;
    assert_eq!((outcome.unwrap_err().timeout_phase(), seconds), (READ, 5));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_pool_is_strict_by_default() {
    let make = NegotiateLayer::<Body>::new();
    let origin = ScriptedPeer::new(first([Head, Hold]));
    let make: Negotiate<_, Body> = tower::Layer::layer(&make, origin.listen());
    let mut connection = make.oneshot(target("http://origin.example/")).await.unwrap();
    let request = Request::get("http://origin.example/").body(Body::empty()).unwrap();
    let (outcome, seconds) = timed(connection.ready().await.unwrap().call(request)).await;
    let error: Error = *outcome.unwrap_err().error.downcast().unwrap();
    assert_eq!((error.timeout_phase(), seconds), (READ, 30));
}
