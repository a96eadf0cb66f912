//! Settings of HTTP/1.1.

use std::ops::RangeInclusive;

use crate::{error::Error, fields::MAX_NAMES, setting};

/// From the smallest head of a response, with a field or two, to 1 GiB.
const HEAD_SIZES: RangeInclusive<usize> = 64..=1 << 30;

/// The parser needs room for all of them, and an [`http::HeaderMap`] holds at least this many.
const HEADERS: RangeInclusive<usize> = 1..=MAX_NAMES;

/// Settings of HTTP/1.1.
///
/// A value outside of its range is an error for which [`Error::is_builder`] holds:
/// [`TransportBuilder::build`](crate::transport::TransportBuilder::build) returns it. Without a `build`, as with a
/// [`NegotiateLayer`](crate::http::NegotiateLayer), every request fails with it before anything is connected to.
#[derive(Clone, Debug)]
pub struct Http1Config {
    max_head_size: usize,
    max_headers: usize,
    title_case_headers: bool,
}

/// Limits on the head of a response, and on its trailers.
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

    /// Limits the head of a response together with its 1xx, in bytes; trailers likewise. Default 256 KiB, as in browsers.
    /// At least 64 bytes, at most 1 GiB.
    pub fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// Limits the fields of a response head. Default 100: parsing more is slower. At least 1, at most 6,000, which a
    /// `HeaderMap` always holds: room for all of them is made for each response.
    pub fn max_headers(mut self, fields: usize) -> Self {
        self.max_headers = fields;
        self
    }

    /// Whether names are sent as `Content-Length` instead of `content-length`. Default no: both mean the same
    /// (RFC 9110 §5.1), and only a peer that does not know this needs it.
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
