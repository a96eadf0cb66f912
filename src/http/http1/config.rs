//! What can be set about HTTP/1.1.

use std::ops::RangeInclusive;

use crate::{error::Error, fields::MAX_NAMES, setting};

/// The smallest head of an answer, with a field or two, and 1 GiB.
const HEAD_SIZES: RangeInclusive<usize> = 64..=1 << 30;

/// The parser needs room for all of them, and an [`http::HeaderMap`] surely holds so many.
const HEADERS: RangeInclusive<usize> = 1..=MAX_NAMES;

/// What can be set about HTTP/1.1.
///
/// A value outside of its range is an error for which [`Error::is_builder`] holds:
/// [`TransportBuilder::build`](crate::transport::TransportBuilder::build) returns it, and where there is no `build`, as with a
/// [`NegotiateLayer`](crate::http::NegotiateLayer), every request fails with it before anything is connected to.
#[derive(Clone, Debug)]
pub struct Http1Config {
    max_head_size: usize,
    max_headers: usize,
    title_case_headers: bool,
}

/// What the head of a response, and its trailers, may have at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    /// Bytes.
    pub(super) size: usize,
    pub(super) fields: usize,
}

impl Default for Http1Config {
    fn default() -> Self {
        Self { max_head_size: 256 * 1024, max_headers: 100, title_case_headers: false }
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

    /// Requires each setting to be in its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        setting::in_range("Http1Config::max_head_size", self.max_head_size, HEAD_SIZES)?;
        setting::in_range("Http1Config::max_headers", self.max_headers, HEADERS)
    }

    pub(super) fn limits(&self) -> HeadLimits {
        HeadLimits { size: self.max_head_size, fields: self.max_headers }
    }

    pub(super) fn is_title_case(&self) -> bool {
        self.title_case_headers
    }
}
