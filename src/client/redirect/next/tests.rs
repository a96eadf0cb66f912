use proptest::prelude::*;

use super::*;

/// Where it leads, and the fragment.
fn next(base: &str, location: &[u8]) -> Result<(String, Option<String>), String> {
    let next = resolve(&base.parse().unwrap(), location).map_err(|why| why.to_string())?;
    Ok((next.uri.to_string(), next.fragment))
}

#[test]
fn a_location_is_resolved_whatever_its_bytes_are() {
    let table: [(&[u8], &str); 18] = [
        (b"/b", "http://a.example/b"),
        (b"b?c", "http://a.example/x/b?c"),
        (b"?c", "http://a.example/x/y?c"),
        (b"", "http://a.example/x/y?z"),
        (b"//b.example", "http://b.example/"),
        (b"HTTPS://B.example:443/c", "https://B.example:443/c"),
        (b"http://b.example:/c", "http://b.example:/c"),
        (b"http://b.example?q", "http://b.example/?q"),
        (b"  /b \t", "http://a.example/b"),
        (b"/two words", "http://a.example/two%20words"),
        (b"/\xe9t\xe9", "http://a.example/%E9t%E9"),
        ("/été?ü".as_bytes(), "http://a.example/%C3%A9t%C3%A9?%C3%BC"),
        (b"/%zz%", "http://a.example/%zz%"),
        (b"/%2e%2e/b", "http://a.example/%2e%2e/b"),
        (b"http://me:secret@b.example/", "http://b.example/"),
        (b"http://me@x@b.example/", "http://b.example/"),
        (b"//me:secret@b.example", "http://b.example/"),
        (b"http://[::1]:8080/", "http://[::1]:8080/"),
    ];
    for (location, expected) in table {
        let (uri, fragment) = next("http://a.example/x/y?z", location).unwrap();
        assert_eq!((uri.as_str(), fragment), (expected, None), "{}", location.escape_ascii());
    }
}

#[test]
fn only_a_path_a_query_or_nothing_stays_with_the_host() {
    let base = "http://a.example/x".parse().unwrap();
    let table: [(&[u8], bool); 6] = [
        (b"/b", true),
        (b"b", true),
        (b"?c", true),
        (b"", true),
        (b"//a.example/b", false),
        (b"http://a.example/b", false),
    ];
    for (location, is_relative) in table {
        let next = resolve(&base, location).unwrap();
        assert_eq!(next.is_relative, is_relative, "{}", location.escape_ascii());
    }
}

#[test]
fn a_url_without_a_scheme_redirects_nowhere() {
    let why = next("/x/y", b"/b").unwrap_err();
    assert_eq!(why, "the URL that redirects has no scheme");
}

#[test]
fn a_location_that_leads_nowhere_is_refused_without_being_repeated() {
    let huge = [b"/".to_vec(), vec![b'a'; 1 << 20]].concat();
    let table: [(&[u8], &str); 20] = [
        (b"ftp://b.example/", "the scheme `ftp` is not followed"),
        (b"file:///etc/passwd", "the scheme `file`"),
        (b"gopher://b.example/_secret", "the scheme `gopher`"),
        (b"javascript:secret", "the scheme `javascript`"),
        (b"mailto:secret@b.example", "the scheme `mailto`"),
        (b"ws://b.example/", "the scheme `ws`"),
        (b"http:b", "no host"),
        (b"http:/b", "no host"),
        (b"http:///b", "no host"),
        (b"https://:443", "no host"),
        (b"//:443", "no host"),
        (b"http:\\\\b.example\\", "no host"),
        (b"http://b.example:99999/", "not a port"),
        (b"http://b.example:0/", "not a port"),
        (b"http://127.1/", "not an IPv4 address"),
        (b"http://[::1/", "authority"),
        (b"http://b\\c/", "invalid"),
        (b"/a\0b", "control character"),
        (b"/a\r\nset-cookie: a", "control character"),
        (&huge, "too long"),
    ];
    for (location, why) in table {
        let error = next("http://a.example/", location).unwrap_err();
        assert!(
            error.contains(why),
            "{}: {error}",
            location[..20.min(location.len())].escape_ascii()
        );
        assert!(!error.contains("secret"), "{error}");
    }
}

#[cfg(not(feature = "idna"))]
#[test]
fn a_host_that_is_not_ascii_is_refused() {
    assert!(next("http://a/", "https://😇/".as_bytes()).is_err());
}

#[cfg(feature = "idna")]
#[test]
fn a_host_that_is_not_ascii_is_converted_or_refused() {
    let (uri, _) = next("http://a/", "https://😇/".as_bytes()).unwrap();
    assert!(uri.starts_with("https://xn--"), "{uri}");
    assert!(next("http://a/", "https://\u{2028}/".as_bytes()).is_err());
    let (uri, _) = next("http://a/", "https://bücher.example:8443/".as_bytes()).unwrap();
    assert_eq!(uri, "https://xn--bcher-kva.example:8443/");
}

#[test]
fn a_fragment_is_not_sent() {
    let (uri, fragment) = next("http://a/", b"/b?c#d#e").unwrap();
    assert_eq!((uri.as_str(), fragment.as_deref()), ("http://a/b?c", Some("d#e")));
}

#[test]
fn the_method_and_the_body_are_what_the_status_makes_of_them() {
    let table = [
        (301, "POST", "GET", false),
        (302, "POST", "GET", false),
        (301, "PUT", "PUT", true),
        (302, "DELETE", "DELETE", true),
        (302, "GET", "GET", true),
        (303, "POST", "GET", false),
        (303, "PUT", "GET", false),
        (303, "HEAD", "HEAD", false),
        (303, "GET", "GET", false),
        (307, "POST", "POST", true),
        (308, "PATCH", "PATCH", true),
        (301, "HEAD", "HEAD", true),
    ];
    for (status, before, after, keeps_body) in table {
        let status = StatusCode::from_u16(status).unwrap();
        let before = before.parse().unwrap();
        let (method, keeps) = method(status, &before);
        assert_eq!((method.as_str(), keeps), (after, keeps_body), "{status} {before}");
    }
}

#[test]
fn five_statuses_redirect() {
    let all = (100..600).filter(|&code| is_redirect(StatusCode::from_u16(code).unwrap()));
    assert_eq!(all.collect::<Vec<_>>(), [301, 302, 303, 307, 308]);
}

#[test]
fn several_locations_are_one_if_they_are_equal() {
    let headers = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LOCATION, HeaderValue::from_static(value));
        }
        headers
    };
    assert_eq!(location(&headers(&[])).unwrap(), None);
    assert_eq!(location(&headers(&["/a", "/a"])).unwrap().unwrap(), "/a");
    assert!(location(&headers(&["/a", "/b"])).is_err());
}

#[test]
fn only_harmless_fields_cross() {
    let mut headers = HeaderMap::new();
    for name in [
        "accept",
        "accept-language",
        "user-agent",
        "range",
        "content-type",
        "cache-control",
        "te",
        "if-range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "idempotency-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "host",
        "origin",
        "referer",
        "x-trace",
        "x-secret",
    ] {
        headers.insert(name, HeaderValue::from_static("1"));
    }
    headers.append("accept", HeaderValue::from_static("2"));
    headers.get_mut("x-secret").unwrap().set_sensitive(true);
    let also = ["x-trace", "x-secret"].map(HeaderName::from_static);
    strip_secrets(&mut headers, &also);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    let harmless = [
        "accept",
        "accept-language",
        "cache-control",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
        "te",
        "user-agent",
    ];
    assert_eq!(left, [&harmless[..], &["x-trace"]].concat());
    assert_eq!(headers.get_all("accept").iter().count(), 2);
}

#[test]
fn what_is_said_of_a_body_goes_with_it() {
    let mut headers = HeaderMap::new();
    for name in [
        "content-type",
        "content-length",
        "content-encoding",
        "content-disposition",
        "transfer-encoding",
        "expect",
        "trailer",
        "digest",
        "repr-digest",
        "last-modified",
        "accept",
        "x-a",
    ] {
        headers.insert(name, HeaderValue::from_static("1"));
    }
    strip_body(&mut headers);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>().len(), 2);
}

proptest! {
    /// Whatever a server says, there is an answer, and no URL that could not be sent.
    #[test]
    fn any_location_leads_to_a_url_or_is_refused(location in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(next) = resolve(&"https://a.example/b/c?d".parse().unwrap(), &location) {
            prop_assert!(matches!(next.uri.scheme_str(), Some("http" | "https")));
            prop_assert!(!next.uri.authority().unwrap().as_str().contains('@'));
            prop_assert!(next.uri.path().starts_with('/'));
            prop_assert!(next.uri.to_string().is_ascii());
        }
    }

    #[test]
    fn pieces_of_urls_lead_to_a_url_or_are_refused(
        location in "((http|https|HTTP|ftp)?:)?(//)?([ab.@:\\[\\]]{0,5})(/|\\.|\\.\\.|[a%é ]){0,6}(\\?[a=&é]{0,3})?(#[a]{0,2})?"
    ) {
        if let Ok(next) = resolve(&"https://a.example/b/c?d".parse().unwrap(), location.as_bytes()) {
            prop_assert_eq!(Origin::try_from(&next.uri).unwrap(), next.origin);
        }
    }
}
