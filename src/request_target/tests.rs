//! Tables: the request, and what each version sends.

use http::{HeaderValue, header::HOST, uri::Authority};

use super::*;

/// What is sent, or why nothing is.
type Written = Result<String, String>;

fn request(method: &str, url: &str) -> (Request<()>, Origin) {
    let request = Request::builder().method(method).uri(url).body(()).unwrap();
    let origin = Origin::try_from(request.uri()).unwrap();
    (request, origin)
}

/// The request line's target and `Host` of HTTP/1.1.
fn on_http1(request: &Request<()>, origin: &Origin) -> Written {
    let target = http1::target(request, origin).map_err(|error| error.to_string())?;
    let usual = http1::usual_host(origin).map_err(|error| error.to_string())?;
    let unusual = http1::unusual_host(request, origin).map_err(|error| error.to_string())?;
    let host = unusual.unwrap_or(usual);
    Ok(format!("{target} {}", host.to_str().unwrap()))
}

/// The `:scheme`, `:authority` and `:path` of HTTP/2; `-` for one that is not sent.
fn on_http2(request: &Request<()>, origin: &Origin) -> Written {
    let target = http2::target(request, origin).map_err(|error| error.to_string())?;
    let scheme = target.scheme_str().unwrap_or("-");
    let authority = target.authority().map_or("-", Authority::as_str);
    let path = target.path_and_query().map_or("-", PathAndQuery::as_str);
    Ok(format!("{scheme} {authority} {path}"))
}

#[test]
fn the_url_says_the_target() {
    let table = [
        ("GET", "http://a", "/ a", "http a /"),
        ("GET", "http://a/b?c#d", "/b?c a", "http a /b?c"),
        ("GET", "http://a?b", "/?b a", "http a /?b"),
        ("GET", "http://a#b", "/ a", "http a /"),
        ("GET", "http://a#?b", "/ a", "http a /"),
        ("GET", "http://a?#b", "/? a", "http a /?"),
        ("GET", "http://a?b#c", "/?b a", "http a /?b"),
        ("OPTIONS", "http://a#b", "/ a", "http a /"),
        ("GET", "http://a:", "/ a", "http a /"),
        ("GET", "https://[::1]:/b", "/b [::1]", "https [::1] /b"),
        ("CONNECT", "https://a:#b", "a:443 a:443", "- a:443 -"),
        ("GET", "http://a/^\"{}|?^{}|", "/%5E%22%7B%7D|?^{}| a", "http a /%5E%22%7B%7D|?^{}|"),
        ("GET", "http://a/\u{e9}?\u{e9}", "/%C3%A9?%C3%A9 a", "http a /%C3%A9?%C3%A9"),
        ("GET", "http://a?\u{e9}", "/?%C3%A9 a", "http a /?%C3%A9"),
        ("GET", "http://a//b/../c", "//b/../c a", "http a //b/../c"),
        ("GET", "http://a/%C3%A9?%20", "/%C3%A9?%20 a", "http a /%C3%A9?%20"),
        ("OPTIONS", "http://a", "/ a", "http a /"),
        ("GET", "http://a:80/", "/ a", "http a /"),
        ("GET", "https://a:443/", "/ a", "https a /"),
        ("GET", "https://a:80/", "/ a:80", "https a:80 /"),
        ("GET", "http://[::1]/", "/ [::1]", "http [::1] /"),
        ("GET", "http://[fe80::1%25eth0]:81/", "/ [fe80::1]:81", "http [fe80::1]:81 /"),
        ("CONNECT", "http://a", "a:80 a:80", "- a:80 -"),
        ("CONNECT", "https://a/b", "a:443 a:443", "- a:443 -"),
        (
            "CONNECT",
            "https://[fe80::1%25eth0]/",
            "[fe80::1]:443 [fe80::1]:443",
            "- [fe80::1]:443 -",
        ),
    ];
    for (method, url, http1, http2) in table {
        let (request, origin) = request(method, url);
        assert_eq!(on_http1(&request, &origin).as_deref(), Ok(http1), "{method} {url}");
        assert_eq!(on_http2(&request, &origin).as_deref(), Ok(http2), "{method} {url}");
    }
}

#[test]
fn a_raw_target_goes_before_the_url() {
    let table = [
        ("OPTIONS", "*", "* a:81", "http a:81 *"),
        ("GET", "/b/%7e?c", "/b/%7e?c a:81", "http a:81 /b/%7e?c"),
        ("GET", "/b^{}?^", "/b^{}?^ a:81", "http a:81 /b^{}?^"),
        ("GET", "http://c/d", "http://c/d c", "http a:81 /d"),
        ("GET", "http://us:er@c:82/d", "http://us:er@c:82/d c:82", "http a:81 /d"),
        ("CONNECT", "c:443", "c:443 c:443", "- c:443 -"),
    ];
    for (method, raw, http1, http2) in table {
        let (mut request, origin) = request(method, "http://a:81/b");
        request.extensions_mut().insert(raw.parse::<RawTarget>().unwrap());
        assert_eq!(on_http1(&request, &origin).as_deref(), Ok(http1), "{method} {raw}");
        assert_eq!(on_http2(&request, &origin).as_deref(), Ok(http2), "{method} {raw}");
    }
}

/// Like the table above, through a forward proxy.
fn to_a_proxy(request: &Request<()>) -> (Written, Written) {
    let (http1, http2) = (forwarded_on_http1(request), forwarded_on_http2(request));
    (http1.map_err(|error| error.to_string()), http2.map_err(|error| error.to_string()))
}

fn forwarded_on_http1(request: &Request<()>) -> Result<String, Error> {
    let origin = forwarded_to(request, &Proxy::new("http://proxy.example")?)?;
    let target = http1::forwarded_target(request, &origin)?;
    let host = http1::unusual_host(request, &origin)?.unwrap_or(http1::usual_host(&origin)?);
    Ok(format!("{target} {}", host.to_str().unwrap()))
}

fn forwarded_on_http2(request: &Request<()>) -> Result<String, Error> {
    let origin = forwarded_to(request, &Proxy::new("http://proxy.example")?)?;
    let target = http2::forwarded_target(request, &origin)?;
    let authority = target.authority().map_or("-", Authority::as_str);
    let path = target.path_and_query().map_or("-", PathAndQuery::as_str);
    Ok(format!("{} {authority} {path}", target.scheme_str().unwrap_or("-")))
}

#[test]
fn a_proxy_receives_the_whole_url() {
    let table = [
        ("GET", "http://a", "http://a/ a", "http a /"),
        ("GET", "http://a/b?c#d", "http://a/b?c a", "http a /b?c"),
        ("GET", "http://a?b", "http://a/?b a", "http a /?b"),
        ("GET", "http://a#b", "http://a/ a", "http a /"),
        ("GET", "http://a:#b", "http://a/ a", "http a /"),
        (
            "GET",
            "http://a/^\u{e9}?\u{e9}",
            "http://a/%5E%C3%A9?%C3%A9 a",
            "http a /%5E%C3%A9?%C3%A9",
        ),
        ("GET", "http://a//b/../c", "http://a//b/../c a", "http a //b/../c"),
        ("GET", "http://A.Example:80/", "http://A.Example/ A.Example", "http A.Example /"),
        ("GET", "http://a:81", "http://a:81/ a:81", "http a:81 /"),
        ("GET", "http://a:0081/", "http://a:81/ a:81", "http a:81 /"),
        ("GET", "http://[::1]:81/b", "http://[::1]:81/b [::1]:81", "http [::1]:81 /b"),
        ("GET", "http://[fe80::1%25eth0]/", "http://[fe80::1]/ [fe80::1]", "http [fe80::1] /"),
        ("OPTIONS", "http://a", "http://a/ a", "http a /"),
        ("CONNECT", "http://a/b", "a:80 a:80", "- a:80 -"),
        ("CONNECT", "https://a/b", "a:443 a:443", "- a:443 -"),
        ("CONNECT", "http://[fe80::1%25eth0]", "[fe80::1]:80 [fe80::1]:80", "- [fe80::1]:80 -"),
    ];
    for (method, url, http1, http2) in table {
        let (request, _) = request(method, url);
        assert_eq!(to_a_proxy(&request), (Ok(http1.into()), Ok(http2.into())), "{method} {url}");
    }
}

#[test]
fn a_raw_target_is_sent_to_a_proxy_as_it_is() {
    let table = [
        ("GET", "http://c/d", "http://c/d c", "http c /d"),
        ("GET", "ftp://us:er@c/d", "ftp://us:er@c/d c", "ftp c /d"),
        ("GET", "/b/%7e?c", "/b/%7e?c a:81", "http a:81 /b/%7e?c"),
        ("CONNECT", "c:443", "c:443 c:443", "- c:443 -"),
    ];
    for (method, raw, http1, http2) in table {
        let (mut request, _) = request(method, "http://a:81/b");
        request.extensions_mut().insert(raw.parse::<RawTarget>().unwrap());
        assert_eq!(to_a_proxy(&request), (Ok(http1.into()), Ok(http2.into())), "{method} {raw}");
    }
}

#[test]
fn options_for_a_whole_server_is_forwarded_over_http2_alone() {
    let (mut by_target, _) = request("OPTIONS", "http://a:81/b");
    by_target.extensions_mut().insert("*".parse::<RawTarget>().unwrap());
    let uri = Uri::builder().scheme("http").authority("a:81").path_and_query("*").build();
    let by_uri = Request::options(uri.unwrap()).body(()).unwrap();
    for request in [by_target, by_uri] {
        let (http1, http2) = to_a_proxy(&request);
        let why = "`OPTIONS *` cannot be forwarded to http://a:81 over HTTP/1.1";
        assert_eq!(http1.unwrap_err(), why);
        assert_eq!(http2.as_deref(), Ok("http a:81 *"));
    }
}

#[test]
fn private_requests_are_not_sent_to_a_proxy_unless_by_hand() {
    for url in ["https://a/", "ws://a/", "wss://a/"] {
        let (mut request, origin) = request("GET", url);
        let text = format!(
            "{origin} is not sent to the proxy http://proxy.example:80 in the clear: it needs a tunnel"
        );
        assert_eq!(to_a_proxy(&request), (Err(text.clone()), Err(text)));
        request.extensions_mut().insert("http://c/d".parse::<RawTarget>().unwrap());
        assert!(to_a_proxy(&request).0.is_ok());
    }
}

#[test]
fn a_callers_host_does_not_say_where_a_proxy_goes() {
    let (mut request, _) = request("GET", "http://a/");
    request.headers_mut().insert(HOST, HeaderValue::from_static("b.example"));
    let expected = (Ok("http://a/ a".into()), Ok("http a /".into()));
    assert_eq!(to_a_proxy(&request), expected);
}

#[test]
fn what_would_end_the_request_line_is_no_raw_target() {
    for raw in ["", "/a b", "/a\r\nb: c", "/\t", "/\0", "/caf\u{e9}", "/\u{7f}", "/a#b", "#", "?a"]
    {
        let error = raw.parse::<RawTarget>().unwrap_err();
        assert!(error.is_builder() && !error.was_sent(), "{error:?}");
    }
}

#[test]
fn a_callers_host_is_the_authority_of_http2() {
    let table = [
        ("b.example", Some("http b.example /")),
        ("b.example:81", Some("http b.example:81 /")),
        ("[::1]", Some("http [::1] /")),
        ("", None),
        ("two words", None),
        ("us:er@b", None),
        ("b/c", None),
        ("b:", Some("http b: /")),
        ("b:x", None),
        ("b:65536", None),
        ("[b]", None),
        ("::1", None),
        ("b, c", None),
        ("b,c", None),
        ("http://b", None),
    ];
    for (host, expected) in table {
        let (mut request, origin) = request("GET", "http://a/");
        request.headers_mut().insert(HOST, HeaderValue::from_static(host));
        assert_eq!(on_http2(&request, &origin).ok().as_deref(), expected, "{host}");
        assert_eq!(own_host(request.headers()).is_ok(), expected.is_some(), "{host}");
    }
}

#[test]
fn a_caller_has_one_host() {
    for other in ["b.example", "c.example"] {
        let (mut request, origin) = request("GET", "http://a/");
        request.headers_mut().append(HOST, HeaderValue::from_static("b.example"));
        request.headers_mut().append(HOST, HeaderValue::from_static(other));
        assert!(own_host(request.headers()).unwrap_err().is_builder());
        assert!(on_http2(&request, &origin).is_err());
    }
}
