//! What the fuzz target in `fuzz/` checks of private parts. It exists only for it and for tests.

use super::{Netrc, parse};
use crate::target::Origin;

/// Reads a text as a `.netrc`. Nothing is found for a host that it does not name, and nothing over `http`.
///
/// # Panics
///
/// If that does not hold.
pub fn netrc(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (Ok(machines), Ok(netrc)) = (parse::parse(text), Netrc::parse(text)) else { return };
    let has_default = machines.iter().any(|machine| machine.host.is_none());
    let origin = |url: &'static str| Origin::try_from(&http::Uri::from_static(url)).ok();
    let (Some(plain), Some(secure)) =
        (origin("http://not-in-any.example"), origin("https://not-in-any.example"))
    else {
        return;
    };
    assert!(netrc.find(&plain).is_none());
    let is_named = text.to_ascii_lowercase().contains("not-in-any.example");
    assert!(has_default || is_named || netrc.find(&secure).is_none());
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_of_netrc_files_holds() {
        crate::corpus::replay("netrc", super::netrc);
    }
}
