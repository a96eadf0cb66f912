//! The same scenarios in each world: async on tokio, and blocking.
//!
//! A world is a module with the types under test, a way to run a test, and the words in which the two differ: `go!` sends a request,
//! `wait!` waits for a call, `test!` makes a test. Another runtime is another file beside `on_tokio.rs` and one more line here.
//!
//! The servers run on threads of their own. Time is real, because nobody can pause it for a thread that blocks: limits are short where
//! they pass, and generous where they must not.

#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

mod blocking;
mod net;
mod on_tokio;
mod only_blocking;
#[path = "../behaviour/support/tls_peer.rs"]
#[allow(dead_code, reason = "the tests of behaviour need all of it")]
mod tls_peer;
mod twins;
mod uploads;

/// The outcome of a scenario.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;
