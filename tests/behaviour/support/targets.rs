//! Whom tests connect to, and what went wrong.

use std::{error::Error as StdError, io, net::IpAddr};

use tower_transport::target::{Origin, Target};

/// The target of a URL.
pub(crate) fn target(url: &str) -> Target {
    Target::new(Origin::try_from(&url.parse().unwrap()).unwrap())
}

/// The addresses as a resolver takes them.
pub(crate) fn ips<const N: usize>(ips: [&str; N]) -> [IpAddr; N] {
    ips.map(|ip| ip.parse().unwrap())
}

/// The kind of the I/O error that is somewhere below an error.
pub(crate) fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let cause = error.source()?;
    match cause.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => io_kind(cause),
    }
}
