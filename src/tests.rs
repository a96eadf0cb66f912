//! The two kits of scripted peers: bytes, and the frames of HTTP/2.
//!
//! The tests in `tests` include both files by their paths, so these use nothing of the crate.

#[cfg(feature = "http2")]
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
pub(crate) mod frames;
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
pub(crate) mod peer;
