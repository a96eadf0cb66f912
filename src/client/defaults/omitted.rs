//! The fields that one request goes without.

use std::sync::Arc;

use http::HeaderName;

/// Header fields of a [`DefaultsLayer`](super::DefaultsLayer) that one request goes without: an extension.
///
/// What the request says itself stays.
///
/// ```
/// use http::header::USER_AGENT;
/// use tower_transport::client::OmittedHeaders;
///
/// let omitted = OmittedHeaders::new([USER_AGENT]);
/// let request = http::Request::get("http://example.com/").extension(omitted).body(());
/// ```
#[derive(Clone, Debug, Default)]
pub struct OmittedHeaders {
    names: Arc<[HeaderName]>,
}

impl OmittedHeaders {
    /// Omits the fields of these names.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Self {
        Self { names: names.into_iter().collect() }
    }

    /// The same, and this one.
    #[cfg(feature = "client")]
    pub(crate) fn with(&self, name: HeaderName) -> Self {
        Self::new(self.names.iter().cloned().chain([name]))
    }

    pub(super) fn contains(&self, name: &HeaderName) -> bool {
        self.names.contains(name)
    }
}
