//! Variables and the routes that they mean, among them those that Go's `httpproxy` is tested with.

use http::Uri;

use super::*;

type Vars<'a> = &'a [(&'a str, &'a str)];

fn environment(vars: Vars<'_>) -> Environment {
    Environment::new(|name| {
        vars.iter().find(|(var, _)| *var == name).map(|(_, text)| (*text).to_owned())
    })
}

fn asked(vars: Vars<'_>, url: &str) -> Option<Result<Route, Error>> {
    environment(vars).route(&Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap())
}

/// The proxy, `direct`, or the error.
fn route(vars: Vars<'_>, url: &str) -> String {
    match asked(vars, url) {
        Some(Ok(Route::Proxies(proxies))) if proxies.len() == 1 => proxies[0].to_string(),
        Some(Ok(Route::Direct)) | None => "direct".to_owned(),
        Some(Err(error)) => format!("error: {error}"),
        other => panic!("{other:?}"),
    }
}

fn check(table: &[(Vars<'_>, &str, &str)]) {
    for (vars, url, expected) in table {
        assert_eq!(route(vars, url), *expected, "{vars:?} for {url}");
    }
}

/// A proxy is shown with its port. What Go does about the scheme `ftp` has no counterpart.
#[test]
fn routes_are_chosen_as_in_go() {
    let plain = "http://example.com";
    let (proxy, direct) = ("http://proxy:80", "direct");
    let both = [("HTTP_PROXY", "http.proxy.tld"), ("HTTPS_PROXY", "secure.proxy.tld")];
    let secure = [("HTTP_PROXY", "http.proxy.tld"), ("HTTPS_PROXY", "https://secure.proxy.tld")];
    let except = |list| [("NO_PROXY", list), ("HTTP_PROXY", "proxy")];
    check(&[
        (&[("HTTP_PROXY", "127.0.0.1:8080")], plain, "http://127.0.0.1:8080"),
        (
            &[("HTTP_PROXY", "cache.corp.example.com:1234")],
            plain,
            "http://cache.corp.example.com:1234",
        ),
        (&[("HTTP_PROXY", "cache.corp.example.com")], plain, "http://cache.corp.example.com:80"),
        (&[("HTTP_PROXY", "localhost")], plain, "http://localhost:80"),
        (
            &[("HTTP_PROXY", "https://cache.corp.example.com")],
            plain,
            "https://cache.corp.example.com:443",
        ),
        (&[("HTTP_PROXY", "http://127.0.0.1:8080")], plain, "http://127.0.0.1:8080"),
        (&[("HTTP_PROXY", "https://127.0.0.1:8080")], plain, "https://127.0.0.1:8080"),
        (&[("HTTP_PROXY", "socks5://127.0.0.1")], plain, "socks5://127.0.0.1:1080"),
        (&both, "http://insecure.tld/", "http://http.proxy.tld:80"),
        (&both, "https://secure.tld/", "http://secure.proxy.tld:80"),
        (&secure, "https://secure.tld/", "https://secure.proxy.tld:443"),
        (&[("HTTP_PROXY", "http.proxy.tld")], "https://secure.tld/", direct),
        (
            &[("HTTPS_PROXY", "https://secure.proxy.tld"), ("REQUEST_METHOD", "GET")],
            "https://secure.tld/",
            "https://secure.proxy.tld:443",
        ),
        (&[], plain, direct),
        (&except("example.com"), "http://example.com/", direct),
        (&except(".example.com"), "http://example.com/", proxy),
        (&except("ample.com"), "http://example.com/", proxy),
        (&except("example.com"), "http://foo.example.com/", direct),
        (&except(".foo.com"), "http://example.com/", proxy),
        (&except("example.com"), "http://[1000::%25.example.com]:123", proxy),
        (&except("xn--fsq092h.com"), "http://www.xn--fsq092h.com", direct),
        (&except(":1"), plain, proxy),
    ]);
}

#[cfg(feature = "idna")]
#[test]
fn names_that_are_not_ascii_are_excepted_as_in_go() {
    let except = |list| [("NO_PROXY", list), ("HTTP_PROXY", "proxy")];
    check(&[
        (&except(".示例.com"), "http://www.xn--fsq092h.com", "direct"),
        (&except("示例.com"), "http://www.xn--fsq092h.com", "direct"),
    ]);
}

/// Go goes directly, but with an error, if `HTTP_PROXY` is set.
#[test]
fn a_script_of_a_cgi_server_does_not_look_at_the_proxy_that_a_client_can_set() {
    let (http, all) = (("HTTP_PROXY", "http://10.1.2.3:8080"), ("ALL_PROXY", "all.proxy"));
    let lower = ("http_proxy", "http://10.1.2.3:8080");
    let cgi = ("REQUEST_METHOD", "PUT");
    check(&[
        (&[http, cgi], "http://example.com", "direct"),
        (&[lower, cgi], "ws://example.com", "direct"),
        (&[http, cgi, all], "http://example.com", "http://all.proxy:80"),
        (&[("HTTP_PROXY", "no URL"), cgi], "http://example.com", "direct"),
        (&[http, ("REQUEST_METHOD", "")], "http://example.com", "http://10.1.2.3:8080"),
    ]);
}

#[test]
fn upper_case_goes_before_lower_case_unless_it_is_empty() {
    check(&[
        (&[("http_proxy", "lower")], "http://a", "http://lower:80"),
        (&[("https_proxy", "lower")], "https://a", "http://lower:80"),
        (&[("all_proxy", "lower")], "http://a", "http://lower:80"),
        (&[("http_proxy", "lower"), ("HTTP_PROXY", "upper")], "http://a", "http://upper:80"),
        (&[("https_proxy", "lower"), ("HTTPS_PROXY", "")], "https://a", "http://lower:80"),
        (&[("all_proxy", "lower"), ("ALL_PROXY", "upper")], "https://a", "http://upper:80"),
        (&[("all_proxy", "p"), ("no_proxy", "a")], "https://a", "direct"),
        (&[("all_proxy", "p"), ("no_proxy", "a"), ("NO_PROXY", "b")], "https://a", "http://p:80"),
        (&[("HTTP_PROXY", ""), ("http_proxy", "")], "http://a", "direct"),
    ]);
}

#[test]
fn the_proxy_for_all_is_for_schemes_without_their_own() {
    let all = ("ALL_PROXY", "socks5h://all");
    check(&[
        (&[all], "http://a", "socks5h://all:1080"),
        (&[all], "wss://a", "socks5h://all:1080"),
        (&[all, ("http_proxy", "own")], "http://a", "http://own:80"),
        (&[all, ("http_proxy", "own")], "https://a", "socks5h://all:1080"),
        (&[all, ("HTTPS_PROXY", "own")], "https://a", "http://own:80"),
        (&[all, ("HTTPS_PROXY", "")], "https://a", "socks5h://all:1080"),
    ]);
}

#[test]
fn a_web_socket_takes_the_proxy_of_its_requests() {
    let vars = [("HTTP_PROXY", "plain"), ("HTTPS_PROXY", "secure"), ("WS_PROXY", "ws")];
    check(&[(&vars, "ws://a", "http://plain:80"), (&vars, "wss://a", "http://secure:80")]);
}

#[test]
fn this_computer_is_never_asked_through_a_proxy() {
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.255.255.254",
        "[::1]",
        "[::1%25lo]",
        "[::ffff:127.0.0.1]",
    ] {
        assert_eq!(route(&[("ALL_PROXY", "proxy")], &format!("https://{host}:8443")), "direct");
        assert_eq!(route(&[("ALL_PROXY", "no URL")], &format!("http://{host}")), "direct");
    }
}

#[test]
fn a_value_that_is_no_proxy_fails_the_requests_that_need_it_and_is_not_repeated() {
    for value in
        ["foo://secret", "http://", "me:secret", "secret!", "http://a/secret", " ", "\u{fffd}"]
    {
        for (name, url) in
            [("HTTP_PROXY", "http://a"), ("https_proxy", "wss://a"), ("ALL_PROXY", "https://a")]
        {
            let vars = [(name, value), ("NO_PROXY", "b")];
            let error = asked(&vars, url).unwrap().unwrap_err();
            assert!(error.is_builder() && error.to_string().contains(name), "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            assert_eq!(route(&vars, "https://b"), "direct");
        }
    }
    let vars = [("HTTP_PROXY", "foo://a"), ("HTTPS_PROXY", "good"), ("ALL_PROXY", "foo://b")];
    assert_eq!(route(&vars, "https://a"), "http://good:80");
}

#[test]
fn variables_show_no_password() {
    let vars =
        [("HTTP_PROXY", "http://me:secret@a"), ("ALL_PROXY", "secret://"), ("NO_PROXY", "b")];
    let text = format!("{:?}", environment(&vars));
    assert!(text.contains("http://***@a:80") && !text.contains("secret"), "{text}");
}
