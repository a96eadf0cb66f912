//! What a cookie says of requests that other sites cause.

/// The `SameSite` attribute (RFC 6265bis §5.6.7).
///
/// It is kept, but nothing is decided by it: it is about pages that cause requests to other sites, and the requests of a
/// program are caused by the program. So `None` without `Secure` is kept as well, which browsers refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SameSite {
    /// Only for requests that the same site causes.
    Strict,
    /// Also for following a link from elsewhere.
    Lax,
    /// For every request.
    None,
}

impl SameSite {
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        match &*value.to_ascii_lowercase() {
            b"strict" => Some(Self::Strict),
            b"lax" => Some(Self::Lax),
            b"none" => Some(Self::None),
            _ => None,
        }
    }
}
