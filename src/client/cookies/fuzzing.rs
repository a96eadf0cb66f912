//! What the fuzz targets in `fuzz/` check of private parts. It exists only for them and for tests.

use http::{HeaderMap, HeaderValue, Uri, header::SET_COOKIE};

use super::{Jar, set_cookie};

/// Stores lines as `Set-Cookie` of a host. Whatever is stored is sent to that host's site alone, by the rules of its name, and
/// is the same after it was written to a file.
///
/// # Panics
///
/// If that does not hold.
pub fn set_cookie(input: &[u8]) {
    let jar = Jar::new();
    let url = Uri::from_static("https://www.example.co.uk/a/b");
    let fields = input.split(|byte| *byte == b'\n').filter_map(|line| {
        set_cookie::parse(line);
        HeaderValue::from_bytes(line).ok().map(|value| (SET_COOKIE, value))
    });
    jar.store(&url, &fields.take(20).collect::<HeaderMap>());
    for cookie in &jar {
        assert!(cookie.domain().ends_with("example.co.uk"));
        assert!(cookie.name.len() + cookie.value.len() <= set_cookie::LONGEST_PAIR);
        let is_bound = cookie.name.to_ascii_lowercase().starts_with(b"__host-");
        assert!(!is_bound || cookie.is_host_only() && cookie.is_secure() && cookie.path() == "/");
    }
    assert_eq!(jar.header_for(&Uri::from_static("https://other.co.uk/")), None);
    let plain = jar.header_for(&Uri::from_static("http://www.example.co.uk/a/b"));
    assert!(plain.is_none() || jar.iter().any(|cookie| !cookie.is_secure()));
    holds_after_writing(&jar);
}

/// Loads a `cookies.txt`. Whatever was taken is the same after it was written again.
///
/// # Panics
///
/// If that does not hold.
pub fn cookies_txt(input: &[u8]) {
    let jar = Jar::new();
    jar.load_text(input);
    holds_after_writing(&jar);
}

/// `SameSite` alone has no place in a file.
fn holds_after_writing(jar: &Jar) {
    let again = Jar::new();
    let loaded = again.load_text(&jar.to_text());
    assert!(loaded.refused.is_empty());
    let all = |jar: &Jar| {
        let cookies = jar.iter().map(|mut cookie| {
            cookie.same_site = None;
            cookie
        });
        cookies.collect::<Vec<_>>()
    };
    assert!(all(jar) == all(&again));
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay;

    #[test]
    fn the_corpus_of_set_cookie_fields_holds() {
        replay("set_cookie", super::set_cookie);
    }

    #[test]
    fn the_corpus_of_cookie_files_holds() {
        replay("cookies_txt", super::cookies_txt);
    }

    proptest::proptest! {
        #[test]
        fn fields_made_of_their_pieces_hold(
            input in "(([a-c=;, \t\"]|__[hH]ost-|__Secure-|; ?(Domain=(\\.?(www\\.)?example\\.co\\.uk\\.?|co\\.uk)|Path=/?a?|Secure|HttpOnly|Max-Age=-?[0-9]{1,12}|SameSite=Lax))\n?){0,12}",
        ) {
            super::set_cookie(input.as_bytes());
        }

        #[test]
        fn files_made_of_their_pieces_hold(
            input in "((#HttpOnly_)?\\.?[a-c.]{1,3}(\t|TRUE|FALSE|/|[0-9]{1,10}|[a-c= ]){8,14}\r?\n){0,4}",
        ) {
            super::cookies_txt(input.as_bytes());
        }
    }
}
