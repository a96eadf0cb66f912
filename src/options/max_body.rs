//! The largest body that is read whole.

/// Limits the size of a response's body that is read whole, decoded, in bytes: an extension of one request.
///
/// A longer body is an error for which [`is_decode`](crate::Error::is_decode) holds, as soon as that is known. A streamed
/// body has no limit, but for what comes of it before the end of a blocking upload.
///
/// ```
/// use tower_transport::options::MaxBody;
/// let request = http::Request::get("http://example.com/").extension(MaxBody::new(1 << 20)).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxBody {
    /// The greatest number is none.
    limit: u64,
}

impl MaxBody {
    /// At most this many bytes; `None` is no limit.
    pub fn new(bytes: impl Into<Option<u64>>) -> Self {
        Self { limit: bytes.into().unwrap_or(u64::MAX) }
    }

    pub(crate) fn limit(self) -> u64 {
        self.limit
    }
}

impl Default for MaxBody {
    /// 64 MiB: more than a body that is read whole should have, and a few of them still fit into memory.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}
