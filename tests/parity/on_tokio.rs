//! The world of async on tokio.

use std::{
    future::{Future, IntoFuture},
    io,
};

use futures_util::stream;
use tower_transport::{
    Body, Client, RequestExt, Transport, client::ClientBuilder, client::StreamedResponseExt,
    request, transport::TransportBuilder,
};

use crate::{Outcome, net::trust};

/// The settings of all transports, to which scenarios add theirs.
fn transport() -> TransportBuilder {
    Transport::builder().tls(trust())
}

/// The settings of all clients.
fn client() -> ClientBuilder {
    Client::builder().tls(trust()).no_env()
}

/// Runs a scenario. Tasks run on another thread, as they do for callers that block.
fn block_on(scenario: impl Future<Output = Outcome>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(scenario).unwrap();
}

/// Sends a request, and cancels it once this has happened: whether it ended before its response.
macro_rules! cancel {
    ($request:expr, $happened:expr) => {{
        let sending = tokio::spawn($request.into_future());
        $happened;
        sending.abort();
        sending.await.is_err()
    }};
}

include!("async_macros.rs");
include!("scenarios.rs");
