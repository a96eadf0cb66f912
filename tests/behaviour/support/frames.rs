//! Scripts of HTTP/2 frames.

use std::borrow::Cow;

use super::scripted::{
    Script,
    Step::{self, Read, ServeHttp2},
};

#[path = "../../../src/tests/frames.rs"]
#[allow(dead_code, reason = "the tests in `src` use the rest")]
mod kit;

pub(crate) use super::scripted::send;
pub(crate) use kit::*;

/// The response to every valid request.
pub(crate) fn hello(stream: u32) -> Vec<u8> {
    [headers(stream, 0, &[(":status", "200")]), data(stream, END_STREAM, "hello")].concat()
}

/// The start of every valid server.
pub(crate) fn open() -> Vec<Step> {
    vec![Read(PREFACE), send(settings(&[]))]
}

/// A connection that sends these frames for the first request, and serves the others.
pub(crate) fn answering(frames: impl Into<Cow<'static, [u8]>>) -> Vec<Step> {
    [open(), vec![Step::Frame(HEADERS), send(frames), ServeHttp2]].concat()
}

/// Plays one script on each connection, and serves further ones.
pub(crate) fn each_http2(scripts: Vec<Vec<Step>>) -> Script {
    Box::new(move |connection| {
        scripts.get(connection).cloned().unwrap_or_else(|| [open(), vec![ServeHttp2]].concat())
    })
}
