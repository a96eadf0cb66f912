//! Targets and errors of tests.

use std::{
    convert::Infallible,
    error::Error as StdError,
    io,
    net::{IpAddr, SocketAddr},
};

use tower::service_fn;
use tower_transport::{
    connect::{Name, Resolve},
    target::{Origin, Target},
};

/// The target of a URL.
pub(crate) fn target(url: &str) -> Target {
    Target::new(Origin::try_from(&url.parse().unwrap()).unwrap())
}

/// The addresses as a resolver takes them.
pub(crate) fn ips<const N: usize>(ips: [&str; N]) -> [IpAddr; N] {
    ips.map(|ip| ip.parse().unwrap())
}

/// A resolver that must not be used.
pub(crate) fn never_asked() -> impl Resolve + Clone + Send + 'static {
    service_fn(|name: Name| async move {
        assert_eq!(name.as_str(), "nobody may ask");
        Ok::<[SocketAddr; 0], Infallible>([])
    })
}

/// The kind of the I/O error among the causes of an error.
pub(crate) fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let cause = error.source()?;
    match cause.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => io_kind(cause),
    }
}
