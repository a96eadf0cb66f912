//! Doubles for tests of code that is built on this crate: connectors that do what they are told, and a clock.
//!
//! A double takes the place of the network, at the bottom of the stack. Everything above it, the pool, HTTP, the timeouts,
//! is what runs in earnest, so a test sees what a user would. TLS is the exception: [what a script
//! plays](ScriptedConnector#https) for an `https` URL is what would be inside of it. Nothing here opens a socket or waits in real time.
//!
//! | to see | take |
//! |---|---|
//! | what is sent, and what becomes of this answer, or of this fault | [`ScriptedConnector`] |
//! | what becomes of a host that cannot be reached | [`NeverConnects`] |
//! | how many connections there are | [`CountingConnector`], around any connector |
//! | what happens after so much time | [`PausedClock`] |
//! | that a layer of yours calls only what is ready | [`StrictService`], around any service |
//! | a server of yours, in the same process | [`MemoryConnector`](crate::connect::MemoryConnector) |
//!
//! Where code takes a [`Transport`](crate::Transport), give it one over a double; where it takes any service of requests,
//! a function by `tower::service_fn` is enough, and no double is needed. Keep a clone of the double: it tells afterwards
//! what happened.
//!
//! ```
//! # #[cfg(all(feature = "http1", feature = "tokio"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_transport::Error> {
//! use tower_transport::{RequestExt, Transport, mock::{Script, ScriptedConnector}};
//!
//! /// What is to be tested.
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
mod playing;
mod script;
mod scripted;
mod strict;

pub use clock::PausedClock;
pub use counting::{CountedIo, Counting, CountingConnector};
pub use never::NeverConnects;
pub use script::Script;
pub use scripted::{ScriptedConnector, ScriptedIo};
pub use strict::StrictService;

/// A test that failed elsewhere still wants to know what happened.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    lock::lock(mutex)
}
