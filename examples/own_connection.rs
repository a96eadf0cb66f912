//! The pool over connections of your own, with a key of your own and no HTTP on the wire:
//! `cargo run --example own_connection`.
//!
//! The connections here take a line of numbers and return their sum, one line at a time. The pool needs only the trait
//! [`Connection`].

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_transport::{
    Body, Error,
    pool::{Connection, PoolLayer, SendError},
};

struct Abacus {
    sums: u32,
}

impl Service<Request<String>> for Abacus {
    type Response = Response<Body>;
    type Error = SendError<Request<String>>;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.sums += 1;
        let sum = request.body().split_whitespace().map(str::parse::<i64>).sum::<Result<i64, _>>();
        let mut response = Response::new(Body::empty());
        match sum {
            Ok(sum) => *response.body_mut() = sum.to_string().into(),
            Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        ready(Ok(response))
    }
}

impl Connection<Request<String>> for Abacus {
    /// Its beads wear off.
    fn is_open(&self) -> bool {
        self.sums < 3
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let make = service_fn(|room: String| {
        println!("an abacus for {room}");
        ready(Ok::<_, Error>(Abacus { sums: 0 }))
    });
    let by_room = |request: &Request<String>| Ok(request.uri().path().to_owned());
    let pool = PoolLayer::keyed(by_room).layer(make);

    for numbers in ["1 2 3", "40 2", "seven", "20 20 2"] {
        let request = Request::post("/kitchen").body(numbers.to_owned())?;
        let response = pool.clone().oneshot(request).await?;
        let (status, mut sum) = (response.status(), Body::new(response.into_body()));
        println!("{numbers} → {status} {:?}", sum.read().await?);
    }
    println!("{}", pool.stats());
    assert_eq!(pool.stats().opened, 2, "the first is worn after three sums");
    Ok(())
}
