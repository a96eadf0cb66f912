// says: is not a connector
// says: wrap a stream of tokio in `hyper_util::rt::TokioIo`
// says: `Connected::new(TokioIo::new(stream))`
//
// A stream that has the traits of tokio, as far as this crate knows: none of hyper's.
use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll}};
use tower_transport::{Transport, connect::Connected, target::Target};

struct TcpStream;

#[derive(Clone)]
struct Mine;

impl tower_service::Service<Target> for Mine {
    type Response = Connected<TcpStream>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Target) -> Self::Future {
        ready(Ok(Connected::new(TcpStream)))
    }
}

fn main() {
    let _ = Transport::builder().connector(Mine);
}
