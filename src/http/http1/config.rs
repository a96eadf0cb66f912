//! What can be set about HTTP/1.1.

use std::ops::RangeInclusive;

use hyper::client::conn::http1::Builder;

use crate::{error::Error, fields::MAX_NAMES, setting};

/// hyper's own bound on what it buffers, in bytes; a larger head needs a larger one.
const HYPER_BUFFER: usize = 8192 + 4096 * 100;

/// hyper parses so many header fields without asking the heap for room.
const HYPER_HEADERS: usize = 100;

/// The smallest head of an answer, with a field or two, and 1 GiB.
const HEAD_SIZES: RangeInclusive<usize> = 64..=1 << 30;

/// hyper makes room for all of them before it parses, and panics where an [`http::HeaderMap`] has no room for so many.
const HEADERS: RangeInclusive<usize> = 1..=MAX_NAMES;

/// What can be set about HTTP/1.1.
///
/// A value outside of its range is an error for which [`Error::is_builder`] holds:
/// [`TransportBuilder::build`](crate::transport::TransportBuilder::build) returns it, and where there is no `build`, as with a
/// [`NegotiateLayer`](crate::negotiate::NegotiateLayer), every request fails with it before anything is connected to.
#[derive(Clone, Debug)]
pub struct Http1Config {
    max_head_size: usize,
    max_headers: usize,
    title_case_headers: bool,
}

impl Default for Http1Config {
    fn default() -> Self {
        Self { max_head_size: 256 * 1024, max_headers: HYPER_HEADERS, title_case_headers: false }
    }
}

impl Http1Config {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes the head of an answer may have, with all 1xx before it; trailers likewise. Default 256 KiB,
    /// what browsers take. At least 64 bytes, at most 1 GiB.
    pub fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// How many fields the head of an answer may have. Default 100: more of them than that are slower to parse. At
    /// least 1, at most 6,000, as many as a `HeaderMap` surely holds: room for all of them is made for each answer.
    pub fn max_headers(mut self, fields: usize) -> Self {
        self.max_headers = fields;
        self
    }

    /// Whether names are sent as `Content-Length` and not as `content-length`. Default no: they mean the same
    /// (RFC 9110 §5.1), and only a peer that does not know it needs this.
    pub fn title_case_headers(mut self, title_case: bool) -> Self {
        self.title_case_headers = title_case;
        self
    }

    /// How much may be read of a body before any of it comes out: a chunk size may begin with any number of zeros. What
    /// may be read ahead of the caller is a small part of it.
    pub(super) fn framing_limit(&self) -> u64 {
        const LEAST: u64 = 2 << 20;
        LEAST.max((self.max_head_size as u64).saturating_mul(4))
    }

    /// Requires each setting to be in its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        setting::within("Http1Config::max_head_size", self.max_head_size, HEAD_SIZES)?;
        setting::within("Http1Config::max_headers", self.max_headers, HEADERS)
    }

    /// How much may be read until a head has come: one byte more than it may have, because the first of the body is
    /// asked for before anyone can say that the head is there.
    pub(super) fn reading_limit(&self) -> u64 {
        (self.max_head_size as u64).saturating_add(1)
    }
}

impl From<&Http1Config> for Builder {
    fn from(config: &Http1Config) -> Self {
        let mut builder = Self::new();
        builder
            .max_header_size(config.max_head_size)
            .title_case_headers(config.title_case_headers)
            .allow_obsolete_multiline_headers_in_responses(true);
        if config.max_head_size > HYPER_BUFFER {
            builder.max_buf_size(config.max_head_size);
        }
        if config.max_headers != HYPER_HEADERS {
            builder.max_headers(config.max_headers);
        }
        builder
    }
}
