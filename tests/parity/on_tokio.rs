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

macro_rules! test {
    ($name:ident $scenario:block) => {
        #[test]
        fn $name() {
            block_on(async {
                $scenario
                Ok(())
            });
        }
    };
}

macro_rules! go {
    ($request:expr) => {
        $request.await
    };
}

macro_rules! wait {
    ($call:expr) => {
        $call.await
    };
}

/// Sends a body in chunks.
macro_rules! upload {
    ($request:expr, $chunks:expr) => {
        $request.body_stream(stream::iter($chunks.map(Ok::<_, io::Error>))).await
    };
}

/// Sends a body that fails after its first chunk.
macro_rules! upload_that_fails {
    ($request:expr) => {{
        let chunks = [Ok("first"), Err(io::Error::other("the source failed"))];
        $request.body_stream(stream::iter(chunks)).await
    }};
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

macro_rules! close {
    ($transport:expr) => {
        $transport.close().await
    };
}

/// The rest of a body.
macro_rules! read {
    ($body:expr) => {
        $body.read().await
    };
}

/// A body of a file.
macro_rules! file {
    ($path:expr) => {
        Body::file($path).await
    };
}

/// The lines of a response.
macro_rules! lines {
    ($response:expr) => {{
        let (mut lines, mut all) = ($response.lines(), Vec::new());
        while let Some(line) = lines.next().await? {
            all.push(line);
        }
        all
    }};
}

include!("scenarios.rs");
