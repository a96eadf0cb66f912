//! The two kits of scripted peers: bytes (`peer`, and `script` without a runtime), and the frames of HTTP/2.
//!
//! The tests in `tests` and the targets in `fuzz` include these files by their paths, so they use nothing of the crate but
//! `rt::Task`, which `script` takes from its parent module.

#[cfg(feature = "http1")]
use crate::rt::Task;

#[cfg(feature = "http2")]
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
pub(crate) mod frames;
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
pub(crate) mod peer;
#[cfg(feature = "http1")]
pub(crate) mod script;
#[cfg(feature = "http1")]
mod slow_script;
