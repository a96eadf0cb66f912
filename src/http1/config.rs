//! What can be set about HTTP/1.1.

use hyper::client::conn::http1::Builder;

use crate::fields::MAX_NAMES;

/// hyper's own bound on what it buffers, in bytes; a larger head needs a larger one.
const HYPER_BUFFER: usize = 8192 + 4096 * 100;

/// hyper parses so many header fields without asking the heap for room.
const HYPER_HEADERS: usize = 100;

/// What can be set about HTTP/1.1.
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
    /// what browsers take.
    pub fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// How many fields the head of an answer may have. Default 100: more of them than that are slower to parse. At the
    /// most 6000, whatever is set.
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
            // hyper panics where there is no room for so many.
            builder.max_headers(config.max_headers.min(MAX_NAMES));
        }
        builder
    }
}
