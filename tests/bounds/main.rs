//! What is bounded, counted: memory by a counting allocator, sockets by the system.
//!
//! A test measures its own thread, so its client and its peer are tasks of one runtime there, with a paused clock.

#![cfg(all(feature = "http1", feature = "http2", feature = "tls", feature = "tokio"))]
#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

#[cfg(feature = "client-full")]
mod client;
mod failures;
mod floods;
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
#[path = "../../src/tests/frames.rs"]
mod frames;
mod idle;
#[allow(dead_code, reason = "the benches use the rest")]
#[path = "../../benches/support/in_memory.rs"]
mod in_memory;
mod origins;
#[allow(dead_code, reason = "the benches use the rest")]
#[path = "../../benches/support/outcome.rs"]
mod outcome;
#[cfg(target_os = "linux")]
mod sockets;
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
#[path = "../behaviour/support/tls_peer.rs"]
mod tls_peer;

use std::env;

use tokio::runtime::{Builder, Runtime};

/// On a paused clock, in this thread.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// The number in this environment variable, or the default, which is quick without optimisation.
fn number(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
