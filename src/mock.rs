//! Test doubles for code built on this crate: scripted and counting connectors, and a paused clock.
//!
//! A double replaces the network at the bottom of the stack. Everything above it, the pool, HTTP and the timeouts,
//! runs unmodified, so a test sees what a user would. TLS is the exception: [the script](ScriptedConnector#https) for
//! an `https` URL is the content of the TLS stream. Nothing here opens a socket or waits in real time.
//!
//! | to test | use |
//! |---|---|
//! | what is sent, and the effect of a response or a fault | [`ScriptedConnector`] |
//! | a host that cannot be reached | [`NeverConnects`] |
//! | the number of connections | [`CountingConnector`], around any connector |
//! | the passing of time | [`PausedClock`] |
//! | that your layer calls only services that are ready | [`StrictService`], around any service |
//! | code that opens its own sockets, or TLS inside a tunnel | [`Script::play`], on a stream of yours |
//! | your own server, in the same process | [`MemoryConnector`](crate::connect::MemoryConnector) |
//!
//! For code that takes a [`Transport`](crate::Transport), build one over a double. For code that takes any service of
//! requests, `tower::service_fn` is enough. Keep a clone of the double to inspect it afterwards.
//!
//! ```
//! # #[cfg(all(feature = "http1", feature = "tokio"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_transport::Error> {
//! use tower_transport::{RequestExt, Transport, mock::{Script, ScriptedConnector}};
//!
//! /// The code under test.
//! async fn version(transport: &Transport) -> Result<String, tower_transport::Error> {
//!     let response = transport.request("GET", "http://api.example/version").await?;
//!     Ok(String::from_utf8_lossy(response.body()).into_owned())
//! }
//!
//! let script = Script::new()
//!     .expect("GET /version HTTP/1.1\r\nhost: api.example\r\n\r\n")
//!     .respond("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n1.2");
//! let connector = ScriptedConnector::new([script]);
//! let transport = Transport::builder().connector(connector.clone()).build()?;
//!
//! assert_eq!(version(&transport).await?, "1.2");
//! connector.assert_done();
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "http1", feature = "tokio")))]
//! # fn main() {}
//! ```

use crate::lock;
use std::sync::{Mutex, MutexGuard};

mod clock;
mod counting;
mod never;
mod play;
mod player;
mod script;
mod scripted;
mod strict;

pub use clock::PausedClock;
pub use counting::{CountedIo, Counting, CountingConnector};
pub use never::NeverConnects;
pub use script::Script;
pub use scripted::{ScriptedConnector, ScriptedIo};
pub use strict::StrictService;

/// Ignores poisoning: after a failure elsewhere, a test still reads the record.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    lock::lock(mutex)
}
