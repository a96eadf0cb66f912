//! HTTP/2 frames as bytes, valid and invalid (RFC 9113 §4.1).

use std::borrow::Cow;

use super::{
    scene::Scene,
    scripted::{
        Script,
        Step::{self, Frame, Read, ServeHttp2},
    },
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// The client's preface, without its first frame.
pub(crate) const PREFACE: usize = 24;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A literal field with a new name (RFC 7541 §6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.push(u8::try_from(text.len()).expect("a short text"));
        field.extend(text.as_bytes());
    }
    field
}

/// HEADERS with these fields and END_HEADERS.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

pub(crate) fn data(stream: u32, flags: u8, text: &str) -> Vec<u8> {
    frame(DATA, flags, stream, text.as_bytes())
}

pub(crate) fn reset(stream: u32, reason: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &reason.to_be_bytes())
}

pub(crate) fn goaway(last: u32, reason: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// SETTINGS of these (RFC 9113 §6.5.2).
pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let one = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &settings.iter().flat_map(one).collect::<Vec<u8>>())
}

/// The response to every valid request.
pub(crate) fn hello(stream: u32) -> Vec<u8> {
    [headers(stream, 0, &[(":status", "200")]), data(stream, END_STREAM, "hello")].concat()
}

/// Writes frames.
pub(crate) fn send(frames: impl Into<Cow<'static, [u8]>>) -> Step {
    Step::Say(frames.into())
}

/// The start of every valid server.
pub(crate) fn open() -> Vec<Step> {
    vec![Read(PREFACE), send(settings(&[]))]
}

/// A connection that sends these frames for the first request, and serves the others.
pub(crate) fn answering(frames: impl Into<Cow<'static, [u8]>>) -> Vec<Step> {
    [open(), vec![Frame(HEADERS), send(frames), ServeHttp2]].concat()
}

/// Plays one script on each connection, and serves further ones.
pub(crate) fn each_http2(scripts: Vec<Vec<Step>>) -> Script {
    Box::new(move |connection| {
        scripts.get(connection).cloned().unwrap_or_else(|| [open(), vec![ServeHttp2]].concat())
    })
}

impl Scene {
    /// HTTP/2 over TCP, with prior knowledge.
    pub(crate) fn http2(scripts: Vec<Vec<Step>>) -> Self {
        Self::tcp_with(each_http2(scripts), |builder| builder.http2_prior_knowledge())
    }

    /// The same in memory.
    pub(crate) fn http2_in_memory(scripts: Vec<Vec<Step>>) -> Self {
        Self::memory_with(each_http2(scripts), |builder| builder.http2_prior_knowledge())
    }
}
