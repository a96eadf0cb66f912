//! Transports and clients on smol: no tokio runtime is on the threads that send.
//!
//! The scenarios of `tests/parity` run here in a third world, with the features of smol alone. Beside them stands what only
//! sockets show.

#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

#[path = "../parity/net.rs"]
#[allow(dead_code, reason = "the other worlds need all of it")]
mod net;
mod on_smol;
mod sockets;
#[path = "../behaviour/support/tls_peer.rs"]
#[allow(dead_code, reason = "the tests of behaviour need all of it")]
mod tls_peer;

/// The outcome of a scenario.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;
