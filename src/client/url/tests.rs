//! What URLs are, and what is none.

use http::Uri;

use super::UriExt;
use crate::client::resolve::tests::{BASE, RFC_3986};

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

#[test]
fn the_examples_of_rfc_3986_lead_where_it_says_without_their_fragments() {
    let base = uri(BASE);
    for (reference, expected) in RFC_3986 {
        let resolved = base.resolve(reference);
        // Of a scheme that is not supported, and a path without a host.
        if ["g:h", "http:g"].contains(&reference) {
            assert!(resolved.unwrap_err().is_builder(), "{reference}");
            continue;
        }
        let without_fragment = expected.split('#').next().unwrap();
        assert_eq!(resolved.unwrap(), without_fragment, "{reference}");
    }
}

#[test]
fn a_reference_is_encoded_as_browsers_do_it() {
    let base = uri("https://a.example/x");
    let table = [
        (" two words ", "https://a.example/two%20words"),
        ("ü?ü", "https://a.example/%C3%BC?%C3%BC"),
        ("%C3%BC", "https://a.example/%C3%BC"),
        ("HTTP://B.example/", "http://B.example/"),
        ("//b.example:8443", "https://b.example:8443/"),
        ("wss://b.example/socket", "wss://b.example/socket"),
        ("//[::1]/", "https://[::1]/"),
    ];
    for (reference, expected) in table {
        assert_eq!(base.resolve(reference).unwrap().to_string(), expected, "{reference}");
    }
}

#[test]
fn what_leads_nowhere_is_an_error_without_secrets() {
    let base = uri("https://a.example/x");
    for reference in [
        "mailto:hunter2@b.example",
        "javascript:hunter2",
        "file:///etc/hunter2",
        "data:,hunter2",
        "//user:hunter2@b.example/",
        "https:///hunter2",
        "https://:443/hunter2",
        "//127.1/hunter2",
        "//b.example:99999/hunter2",
        "a\r\nhunter2",
        "\0hunter2",
    ] {
        let error = base.resolve(reference).unwrap_err();
        assert!(error.is_builder(), "{reference:?}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{reference:?}: {error:?}");
    }
    for base in ["/x", "a.example", "*"] {
        assert!(uri(base).resolve("y").unwrap_err().is_builder(), "{base}");
    }
}

#[test]
fn no_user_of_the_page_is_in_what_it_links_to() {
    let page = uri("https://me:hunter2@a.example/x");
    assert_eq!(page.resolve("y").unwrap(), "https://a.example/y");
}

#[cfg(feature = "idna")]
#[test]
fn a_host_that_is_not_ascii_is_converted() {
    let linked = uri("https://a.example/").resolve("//bücher.example:8443/ü").unwrap();
    assert_eq!(linked, "https://xn--bcher-kva.example:8443/%C3%BC");
    assert!(uri("https://a.example/").resolve("//😇..example/").unwrap_err().is_builder());
}

#[cfg(not(feature = "idna"))]
#[test]
fn without_the_feature_a_host_that_is_not_ascii_is_an_error() {
    assert!(uri("https://a.example/").resolve("//bücher.example/").unwrap_err().is_builder());
}

#[test]
fn pairs_are_appended_to_the_query() {
    let table = [
        ("http://a", "http://a/?q=a+b%26c%3D%C3%BC%2B&n="),
        ("http://a/x?", "http://a/x?q=a+b%26c%3D%C3%BC%2B&n="),
        ("http://a/x?y=1", "http://a/x?y=1&q=a+b%26c%3D%C3%BC%2B&n="),
        ("http://a/x?y&", "http://a/x?y&q=a+b%26c%3D%C3%BC%2B&n="),
        ("/x", "/x?q=a+b%26c%3D%C3%BC%2B&n="),
    ];
    for (url, expected) in table {
        let with = uri(url).with_query([("q", "a b&c=ü+"), ("n", "")]).unwrap();
        assert_eq!(with.to_string(), expected, "{url}");
    }
    let none: [(&str, &str); 0] = [];
    assert_eq!(uri("http://a/x").with_query(none).unwrap(), "http://a/x");
    let long = "x".repeat(70_000);
    assert!(uri("http://a/").with_query([("q", long)]).unwrap_err().is_builder());
}

#[test]
fn a_url_tells_whether_it_is_private_and_whose_it_is() {
    for (url, expected) in [
        ("https://a/", true),
        ("HTTPS://a/", true),
        ("wss://a/", true),
        ("WSS://a/", true),
        ("http://a/", false),
        ("ws://a/", false),
        ("/a", false),
    ] {
        assert_eq!(uri(url).is_tls(), expected, "{url}");
    }
    assert_eq!(uri("https://a").origin().unwrap(), uri("https://A:443/x").origin().unwrap());
    assert!(uri("/a").origin().unwrap_err().is_builder());
}

#[test]
fn a_query_is_encoded_alike_wherever_it_is_added() {
    use crate::{body::Body, request::RequestBuilder};
    let all: String = (0..=u8::MAX).map(char::from).chain("ä€😇".chars()).collect();
    let pairs = [(all.as_str(), all.as_str()), ("a b", "")];
    let request = http::Request::get("http://a/?x").body(Body::empty()).unwrap();
    let built = RequestBuilder::<_, ()>::of((), Ok(request)).query(&pairs).build().unwrap();
    assert_eq!(&uri("http://a/?x").with_query(pairs).unwrap(), built.uri());
    assert!(built.uri().to_string().ends_with("&a+b="));
}
