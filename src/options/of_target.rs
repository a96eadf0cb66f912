//! Options that are a part of the target: connections that differ in one of them are not shared.

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    net::IpAddr,
    sync::Arc,
};

/// Which versions of HTTP may be used for a target, and so what is offered by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocols {
    /// HTTP/2 or HTTP/1.1, as the server chooses by ALPN; HTTP/1.1 without TLS, and for a request with `Upgrade`.
    #[default]
    Negotiated,
    /// HTTP/1.1, and nothing else is offered.
    Http1Only,
    /// HTTP/2 chosen by ALPN. A server that does not choose it is an error, and so is a target without TLS.
    Http2Only,
    /// HTTP/2 without asking: over plain text, or over TLS whatever ALPN says (RFC 9113 §3.3).
    Http2PriorKnowledge,
}

/// The name that TLS sends and verifies, where it is not the host of the URL.
///
/// It can be set on one request as an extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerName(Arc<str>);

/// The local address that one request's connection is made from, whatever its transport says: an extension of the request.
///
/// ```
/// use tower_transport::options::LocalAddress;
/// let request = http::Request::get("http://example.com/")
///     .extension(LocalAddress::new([127, 0, 0, 2]))
///     .body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalAddress(IpAddr);

/// A TLS configuration as a part of the key: a [`TlsConfig`](crate::tls::TlsConfig), and equal to its clones alone.
///
/// It can be set on one request as an extension, for another client certificate, say.
#[derive(Clone)]
pub struct TlsIdentity(Arc<dyn Any + Send + Sync>);

impl LocalAddress {
    /// From this address, which is one of this machine's: connecting fails if it is not.
    pub fn new(address: impl Into<IpAddr>) -> Self {
        Self(address.into())
    }

    pub(crate) fn get(self) -> IpAddr {
        self.0
    }
}

impl ServerName {
    /// The name or address to send and to verify. TLS checks it when it is used.
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

    /// The configuration, for the one who knows what it is.
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
