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
        let sending = smol::spawn($request.into_future());
        $happened;
        sending.cancel().await.is_none()
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

include!("../parity/scenarios.rs");
