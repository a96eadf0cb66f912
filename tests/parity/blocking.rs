//! The world of callers that block.

use std::{
    io::{self, Read},
    thread,
};

use tower_transport::{
    blocking::{Body, Canceler, Client, StreamedResponseExt, Transport, request},
    client::ClientBuilder,
    transport::TransportBuilder,
};

use crate::{Outcome, net::trust};

/// The settings of all transports, to which scenarios add theirs.
fn transport() -> TransportBuilder<Transport> {
    Transport::builder().tls(trust())
}

/// The settings of all clients.
fn client() -> ClientBuilder<Client> {
    Client::builder().tls(trust()).no_env()
}

/// Runs a scenario where no runtime is, and again where tokio expects threads to block.
fn run(scenario: fn() -> Outcome) {
    scenario().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(runtime.spawn_blocking(scenario)).unwrap().unwrap();
}

/// Gives one chunk for each read, as a pipe does.
struct Chunks<I>(I);

impl<'a, I: Iterator<Item = io::Result<&'a str>>> Read for Chunks<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.0.next().transpose()?.unwrap_or_default();
        buffer[..chunk.len()].copy_from_slice(chunk.as_bytes());
        Ok(chunk.len())
    }
}

macro_rules! test {
    ($name:ident $scenario:block) => {
        #[test]
        fn $name() {
            run(|| {
                $scenario
                Ok(())
            });
        }
    };
}

macro_rules! go {
    ($request:expr) => {
        $request.send()
    };
}

macro_rules! wait {
    ($call:expr) => {
        $call
    };
}

/// Sends a body in chunks.
macro_rules! upload {
    ($request:expr, $chunks:expr) => {
        $request.body_reader(Chunks($chunks.into_iter().map(Ok))).send()
    };
}

/// Sends a body that fails after its first chunk.
macro_rules! upload_that_fails {
    ($request:expr) => {{
        let chunks = [Ok("first"), Err(io::Error::other("the source failed"))];
        $request.body_reader(Chunks(chunks.into_iter())).send()
    }};
}

/// Sends a request, and cancels it once this has happened: whether it ended before its response.
macro_rules! cancel {
    ($request:expr, $happened:expr) => {{
        let canceler = Canceler::new();
        let sending = $request.canceler(&canceler);
        let sending = thread::spawn(move || sending.send().map(drop));
        $happened;
        canceler.cancel();
        sending.join().unwrap().is_err_and(|error| error.is_canceled())
    }};
}

macro_rules! close {
    ($transport:expr) => {
        $transport.close()?
    };
}

/// The rest of a body.
macro_rules! read {
    ($body:expr) => {
        $body.read_all()
    };
}

/// A body of a file.
macro_rules! file_body {
    ($path:expr) => {
        Body::open($path)
    };
}

/// The lines of a response.
macro_rules! lines {
    ($response:expr) => {
        $response.lines().collect::<Result<Vec<_>, _>>()?
    };
}

/// The next of the lines of a response.
macro_rules! next_line {
    ($lines:expr) => {
        $lines.next().transpose()
    };
}

include!("scenarios.rs");
