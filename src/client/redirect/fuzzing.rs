//! What the fuzz target `location` checks of private parts. It exists only for it and for tests.

use super::next::resolve;
use crate::target::Origin;

/// Whatever a server says, there is a URL that can be sent, or an error.
pub fn location(input: &[u8]) {
    let Ok(next) = resolve(&"https://a.example/b/c?d".parse().unwrap_or_default(), input) else {
        return;
    };
    assert!(matches!(next.uri.scheme_str(), Some("http" | "https")));
    assert!(!next.uri.authority().is_some_and(|authority| authority.as_str().contains('@')));
    assert!(next.uri.path().starts_with('/') && next.uri.to_string().is_ascii());
    assert!(Origin::try_from(&next.uri).is_ok_and(|origin| origin == next.origin));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_of_locations_holds() {
        crate::corpus::replay("location", super::location);
    }
}
