//! Options that are part of the target: connections that differ in one of them are not shared.

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    net::IpAddr,
    sync::Arc,
};

/// The HTTP versions allowed for a target, which determine the ALPN offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocols {
    /// HTTP/2 or HTTP/1.1, as the server chooses by ALPN; HTTP/1.1 without TLS, and for a request with `Upgrade`.
    #[default]
    Negotiated,
    /// HTTP/1.1 only.
    Http1Only,
    /// HTTP/2 by ALPN only. A server that does not choose it is an error, and so is a target without TLS.
    Http2Only,
    /// HTTP/2 with prior knowledge: over plain text, or over TLS whatever ALPN says (RFC 9113 §3.3).
    Http2PriorKnowledge,
}

/// The name that TLS sends and verifies instead of the host of the URL.
///
/// Set it on one request as an extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerName(Arc<str>);

/// The local address of one request's connection, instead of its transport's: an extension of the request.
///
/// ```
/// use tower_transport::options::LocalAddress;
/// let request = http::Request::get("http://example.com/")
///     .extension(LocalAddress::new([127, 0, 0, 2]))
///     .body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalAddress(IpAddr);

/// A TLS configuration as part of the key: a [`TlsConfig`](crate::tls::TlsConfig), equal to its clones only.
///
/// Set it on one request as an extension, for example for another client certificate.
#[derive(Clone)]
pub struct TlsIdentity(Arc<dyn Any + Send + Sync>);

impl LocalAddress {
    /// Connects from this address of this machine; connecting fails for any other.
    pub fn new(address: impl Into<IpAddr>) -> Self {
        Self(address.into())
    }

    pub(crate) fn get(self) -> IpAddr {
        self.0
    }
}

impl ServerName {
    /// Sets the name or address. TLS validates it when it is used.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TlsIdentity {
    pub(crate) fn new(configuration: Arc<dyn Any + Send + Sync>) -> Self {
        Self(configuration)
    }

    /// The configuration, if it is a `T`.
    #[cfg(feature = "_rustls")]
    pub(crate) fn configuration<T: 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    fn address(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }
}

impl PartialEq for TlsIdentity {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.address(), other.address())
    }
}

impl Eq for TlsIdentity {}

impl Hash for TlsIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}
