//! Tables: the fields sent with a request, the fields of its response, and the meaning of a 407.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{
    Response,
    header::{PROXY_AUTHENTICATE, RETRY_AFTER},
};

use super::*;
use crate::options::RawTarget;

type Fields<'a> = &'a [(&'static str, &'static str)];

fn request(method: &str, fields: Fields<'_>) -> Request<()> {
    let mut request = Request::builder().method(method).uri("http://a.example/b").body(()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    request
}

fn proxy(url: &str) -> Proxy {
    Proxy::new(url).unwrap()
}

/// `name: value, name: value`, in the order of the alphabet.
fn shown(headers: &HeaderMap) -> String {
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut fields: Vec<_> = headers.iter().map(field).collect();
    fields.sort();
    fields.join(", ")
}

fn for_forwarder(request: &Request<()>, proxy: &Proxy) -> Result<Option<Box<HopHeaders>>, Error> {
    let origin = Origin::try_from(request.uri()).unwrap();
    HopHeaders::for_forwarder(request, request.uri(), &origin, proxy)
}

/// The fields that a proxy gets with a request.
fn sent_to(proxy: &Proxy, fields: Fields<'_>) -> HeaderMap {
    let mut request = request("GET", fields);
    for_forwarder(&request, proxy).unwrap().unwrap().apply(request.headers_mut());
    request.into_parts().0.headers
}

/// A request target that is sent as it is.
fn raw_target(raw: Option<&str>) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    if let Some(raw) = raw {
        extensions.insert(raw.parse::<RawTarget>().unwrap());
    }
    extensions
}

#[test]
fn an_origin_receives_nothing_that_is_for_proxies() {
    let all: Fields<'_> =
        &[("accept", "*/*"), ("proxy-authorization", "x"), ("proxy-connection", "close")];
    for raw in [None, Some("/%7Epath"), Some("*")] {
        let mut got = request("GET", all);
        got.extensions_mut().extend(raw_target(raw));
        HopHeaders::for_origin(&got).unwrap().apply(got.headers_mut());
        assert_eq!(shown(got.headers()), "accept: */*", "{raw:?}");
    }
}

#[test]
fn whoever_speaks_to_a_proxy_by_hand_tells_it_what_they_like() {
    let all: Fields<'_> = &[("proxy-authorization", "x"), ("proxy-connection", "close")];
    let mut by_raw_target = request("GET", all);
    by_raw_target.extensions_mut().insert("http://b.example/".parse::<RawTarget>().unwrap());
    for request in [request("CONNECT", all), by_raw_target] {
        assert!(HopHeaders::for_origin(&request).is_none());
    }
}

#[test]
fn there_is_nearly_always_nothing_to_be_done_for_an_origin() {
    for fields in [&[] as Fields<'_>, &[("accept", "*/*"), ("authorization", "x")]] {
        assert!(HopHeaders::for_origin(&request("GET", fields)).is_none());
    }
}

#[test]
fn there_is_nothing_to_be_done_for_a_proxy_without_fields_of_its_own() {
    let silent = proxy("http://proxy.example");
    assert!(for_forwarder(&request("GET", &[("accept", "*/*")]), &silent).unwrap().is_none());
    let removed: Fields<'_> = &[("proxy-connection", "close")];
    assert_eq!(shown(&sent_to(&silent, removed)), "");
}

#[test]
fn a_proxy_receives_what_the_request_does_not_say_itself() {
    let field = |name| HeaderName::from_static(name);
    let value = HeaderValue::from_static;
    let proxy = proxy("http://me:secret@proxy.example")
        .header(field("x-tag"), value("1"))
        .header(field("x-tag"), value("2"));
    let basic = "proxy-authorization: Basic bWU6c2VjcmV0";
    let table: [(Fields<'_>, &str); 4] = [
        (&[], "x-tag: 1, x-tag: 2"),
        (&[("x-tag", "mine")], "x-tag: mine"),
        (&[("accept", "*/*")], "x-tag: 1, x-tag: 2"),
        (&[("proxy-connection", "keep-alive")], "x-tag: 1, x-tag: 2"),
    ];
    for (fields, tags) in table {
        let accept =
            if fields.iter().any(|(name, _)| *name == "accept") { "accept: */*, " } else { "" };
        assert_eq!(shown(&sent_to(&proxy, fields)), format!("{accept}{basic}, {tags}"));
    }
    let own = sent_to(&proxy, &[("proxy-authorization", "mine")]);
    assert_eq!(shown(&own), "proxy-authorization: mine, x-tag: 1, x-tag: 2");
}

#[test]
fn an_authorization_among_the_headers_goes_before_the_credentials() {
    let bearer = HeaderValue::from_static("Bearer x");
    let proxy = proxy("http://me:secret@proxy.example").header(PROXY_AUTHORIZATION, bearer);
    assert_eq!(shown(&sent_to(&proxy, &[])), "proxy-authorization: Bearer x");
}

#[test]
fn what_we_say_of_ourselves_is_kept_out_of_tables_and_logs() {
    let hook = |_: &Authorizing<'_>| Some(HeaderValue::from_static("Token secret"));
    let proxy_fields = sent_to(&proxy("http://proxy.example").authenticate(hook), &[]);
    assert!(proxy_fields[PROXY_AUTHORIZATION].is_sensitive());
}

#[test]
fn fields_that_frame_the_message_are_refused_for_proxies() {
    for name in MESSAGE_FIELDS {
        let proxy = proxy("http://me:secret@proxy.example").header(name, HeaderValue::from(1));
        let error = for_forwarder(&request("GET", &[]), &proxy).err().unwrap();
        assert!(error.is_builder() && !error.to_string().contains("secret"), "{error}");
    }
}

/// The result of a response with this status to a request with these fields.
fn outcome(proxy: &Proxy, fields: Fields<'_>, status: u16) -> Result<(), Error> {
    let request = request("GET", fields);
    let Some(hop) = for_forwarder(&request, proxy).unwrap() else { return Ok(()) };
    hop.apply(&mut HeaderMap::new());
    let answer = Response::builder().status(status).header(PROXY_AUTHENTICATE, "Token");
    let answer = answer.header(RETRY_AFTER, "3").body(()).unwrap();
    hop.authorization()
        .map_or(Ok(()), |credentials| credentials.check(answer.status(), answer.headers()))
}

#[test]
fn a_407_to_which_there_is_an_answer_is_an_error_that_says_it_all() {
    let hook = |asked: &Authorizing<'_>| {
        (!asked.challenge.is_empty()).then_some(HeaderValue::from_static("Token secret"))
    };
    let proxy = proxy("http://proxy.example:3128").authenticate(hook);
    let error = outcome(&proxy, &[], 407).unwrap_err();
    assert_eq!(
        error.to_string(),
        "forwarding a request to http://a.example through the proxy http://proxy.example:3128: \
         it wants to know who we are"
    );
    assert!(error.is_proxy() && !error.is_protocol());
    assert_eq!(error.proxy_status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    assert_eq!(error.proxy_headers().unwrap()[RETRY_AFTER], "3");
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn all_other_answers_are_for_the_caller() {
    let hook = |_: &Authorizing<'_>| Some(HeaderValue::from_static("Token secret"));
    let knowing = proxy("http://proxy.example").authenticate(hook);
    let silent = proxy("http://proxy.example").authenticate(|_: &Authorizing<'_>| None);
    let own: Fields<'_> = &[("proxy-authorization", "mine")];
    for status in [200, 401, 403, 502] {
        assert!(outcome(&knowing, &[], status).is_ok(), "{status}");
    }
    assert!(outcome(&silent, &[], 407).is_ok());
    assert!(outcome(&knowing, own, 407).is_ok(), "they know better than we who they are");
    assert!(outcome(&proxy("http://proxy.example"), &[], 407).is_ok());
}

#[test]
fn the_next_answer_is_asked_for_with_what_was_said_and_refused() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let hook = |asked: &Authorizing<'_>| {
        if asked.challenge.is_empty() {
            return Some(HeaderValue::from_static("Token 1"));
        }
        assert_eq!((asked.method, asked.target), (&Method::GET, "http://a.example/b"));
        assert_eq!(asked.refused.unwrap(), "Token 1");
        assert_eq!(asked.challenge[PROXY_AUTHENTICATE], "Token");
        ASKED.store(true, Ordering::Relaxed);
        None
    };
    outcome(&proxy("http://proxy.example").authenticate(hook), &[], 407).unwrap();
    assert!(ASKED.load(Ordering::Relaxed));
}
