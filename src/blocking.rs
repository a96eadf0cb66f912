//! Sends requests without async: the same builders and options, ended by `send()`.
//!
//! ```no_run
//! use std::io::Read;
//! use tower_transport::blocking;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let response = blocking::request("GET", "https://www.example.com/").send()?;
//!     println!("{} {} bytes", response.status(), response.body().len());
//!
//!     let transport = blocking::Transport::new();
//!     let mut beginning = [0; 100];
//!     let mut response = transport.stream("GET", "https://www.example.com/").send()?;
//!     response.body_mut().read_exact(&mut beginning)?;
//!     Ok(())
//! }
//! ```
//!
//! | async | blocking |
//! |---|---|
//! | `request(..).await` | `request(..).send()` |
//! | `Transport`, `Client`, their builders | [`Transport`], `Client`, the same builders |
//! | a whole response: `Response<Bytes>` | the same type |
//! | a streamed one: `Response<Body>` | `Response<`[`blocking::Body`](Body)`>`: `Read`, `BufRead`, an iterator of chunks |
//! | `body_stream(stream)` | [`body_reader(reader)`](RequestBuilder::body_reader), [`writer()`](RequestBuilder::writer) |
//! | dropping the future | a [`Canceler`], or a timeout |
//! | a stack of layers | the same stack in [`Blocking`] |
//!
//! # When to use it
//!
//! In a program without async: a script, a command line tool, a thread pool, a test, a library whose callers are not async.
//! Each request that is under way occupies a thread; for hundreds at once use async. It speaks HTTP/1.1 and HTTP/2 as the async
//! one does, through the same proxies and TLS, with the same timeouts and errors.
//!
//! Not in an async task: there a request is an error for which [`is_builder`](crate::Error::is_builder) holds, because it would
//! keep all other tasks of its thread waiting. It works where tokio expects a thread to block, in `spawn_blocking` and
//! `block_in_place`. A future of another executor, or within `tokio::task::unconstrained`, is not recognised: it blocks its thread
//! until the response is there.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use tower_transport::blocking;
//!
//! let refused = blocking::request("GET", "http://127.0.0.1:9/").send().unwrap_err();
//! assert!(refused.is_builder());
//! let tried = tokio::task::spawn_blocking(|| blocking::request("GET", "http://127.0.0.1:9/").send());
//! assert!(tried.await.unwrap().unwrap_err().is_connect());
//! # }
//! ```
//!
//! # How it runs
//!
//! The thread that calls `send` polls the request itself and drives the I/O meanwhile, so that a request costs hardly more than an
//! async one. One background thread, for all handles of the process, answers for the connections while no call is under way; it
//! ends with the last handle. No handle waits for anything when it is dropped, so it may be dropped anywhere.
//!
//! Connections belong to this module's runtime: there is no way from an async transport to a blocking one, or back.
//!
//! # Forks and signals
//!
//! A child process has the sockets of its parent, but none of its threads. So each handle remembers its process: in another one its
//! requests fail with [`is_closed`](crate::Error::is_closed), and dropping it closes nothing that the parent uses. New handles work
//! in the child.
//!
//! No signal handler is installed. A signal does not end a wait; a handler of yours may call [`Canceler::cancel`] from a thread.

use crate::{
    request::{Buffered, IntoMethod, IntoUrl, Streamed},
    unpooled::Unpooled,
};

mod ahead;
mod body;
mod cancel;
#[cfg(feature = "client")]
mod client;
mod handle;
mod pieces;
#[cfg(feature = "client")]
mod response;
mod sending;
mod transport;
mod upload;

pub use body::Body;
pub use cancel::Canceler;
#[cfg(feature = "client")]
pub use client::Client;
pub use handle::Blocking;
#[cfg(feature = "client")]
pub use response::{Lines, StreamedResponseExt};
pub use sending::{RequestService, ResponseKind};
pub use transport::Transport;
pub use upload::{ReaderRequest, Upload};

/// A request under construction, sent by [`send`](crate::transport::RequestBuilder::send): the async one, over a blocking service.
pub type RequestBuilder<S, A = Buffered> = crate::transport::RequestBuilder<Blocking<S>, A>;

/// Sends a request over a new connection, reads the whole response, and closes the connection.
///
/// For scripts and trials. To send more than one request, keep a [`Transport`] and call its [`request`](Transport::request).
///
/// ```no_run
/// # fn main() -> Result<(), tower_transport::Error> {
/// let response = tower_transport::blocking::request("GET", "https://www.example.com/").send()?;
/// println!("{} {:?}", response.status(), response.body());
/// # Ok(())
/// # }
/// ```
pub fn request(method: impl IntoMethod, url: impl IntoUrl) -> RequestBuilder<Unpooled> {
    RequestBuilder::new(Blocking::unpooled(), method, url)
}

/// Sends a request over a new connection, which is closed when the response's body is read or dropped.
///
/// ```no_run
/// # fn main() -> Result<(), tower_transport::Error> {
/// let body = tower_transport::blocking::stream("GET", "https://www.example.com/").send()?.into_body();
/// for chunk in body {
///     println!("{} bytes", chunk?.len());
/// }
/// # Ok(())
/// # }
/// ```
pub fn stream(method: impl IntoMethod, url: impl IntoUrl) -> RequestBuilder<Unpooled, Streamed> {
    RequestBuilder::new(Blocking::unpooled(), method, url)
}
