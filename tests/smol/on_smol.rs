//! The world of async on smol: no tokio runtime is on the threads that send.

use std::{
    future::{Future, IntoFuture},
    io,
};

use futures_util::stream;
use tower_transport::{
    Body, Client, RequestExt, Transport,
    client::{ClientBuilder, StreamedResponseExt},
    rt::Runtime,
    transport::{Buffered, IntoUrl, RequestBuilder, TransportBuilder},
};

use crate::{Outcome, net::trust};

/// The settings of all transports, to which scenarios add theirs.
fn transport() -> TransportBuilder {
    Transport::builder().tls(trust()).runtime(Runtime::smol())
}

/// The settings of all clients.
fn client() -> ClientBuilder {
    Client::builder().tls(trust()).no_env().runtime(Runtime::smol())
}

/// Stands in for the free function, which belongs to the default runtime.
fn request(method: &str, url: impl IntoUrl) -> RequestBuilder<Transport, Buffered> {
    transport().max_idle(0).build().unwrap().request(method, url)
}

fn block_on(scenario: impl Future<Output = Outcome>) {
    smol::block_on(scenario).unwrap();
}

/// Sends a request, and cancels it once this has happened: whether it ended before its response.
macro_rules! cancel {
    ($request:expr, $happened:expr) => {{
        let sending = smol::spawn($request.into_future());
        $happened;
        sending.cancel().await.is_none()
    }};
}

include!("../parity/async_macros.rs");
include!("../parity/scenarios.rs");
