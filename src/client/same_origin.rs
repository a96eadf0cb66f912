//! Whether two URLs mean the same server, so that what one was told the other may be told. Pure.

use crate::target::{Origin, Scheme};

/// Whether the fields of a request may be sent there as well: the same origin, or the same host by its usual TLS port.
pub(super) fn is_same(from: &Origin, to: &Origin) -> bool {
    let plain = (from.scheme(), from.port()) == (Scheme::Http, 80);
    let private = (to.scheme(), to.port()) == (Scheme::Https, 443);
    from == to || plain && private && from.host().eq_ignore_ascii_case(to.host())
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    #[test]
    fn secrets_are_kept_for_the_same_origin_and_its_usual_tls_alone() {
        let origin = |url: &str| Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap();
        let table = [
            ("http://a", "http://A:80", true),
            ("https://a:443", "https://a", true),
            ("http://a", "https://a", true),
            ("http://a:80", "https://A:443", true),
            ("https://a", "http://a", false),
            ("http://a", "https://a:8443", false),
            ("http://a:8080", "https://a", false),
            ("http://a:443", "https://a", false),
            ("http://a", "http://a:81", false),
            ("http://a", "http://b", false),
            ("http://a", "http://b.a", false),
            ("http://b.a", "http://a", false),
            ("http://a", "http://a.", false),
            ("http://127.0.0.1", "http://[::1]", false),
        ];
        for (from, to, same) in table {
            assert_eq!(is_same(&origin(from), &origin(to)), same, "{from} {to}");
        }
    }
}
