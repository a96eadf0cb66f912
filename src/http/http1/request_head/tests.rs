use super::*;
use crate::{Body, fields::MAX_NAMES, options::RawTarget};

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "CONNECT", "odd"];
const URLS: [&str; 6] = [
    "http://a.example/",
    "http://a.example",
    "http://a.example/b?c=d",
    "http://a.example?only=query",
    "http://a.example/\u{e9}",
    "/path",
];
const FIELDS: [(&str, &str); 10] = [
    ("accept", "*/*"),
    ("host", "b.example"),
    ("content-length", "0"),
    ("transfer-encoding", "chunked"),
    ("connection", "close"),
    ("upgrade", "x"),
    ("trailer", "x"),
    ("proxy-authorization", "secret"),
    ("expect", "100-continue"),
    ("x-own", "1"),
];

fn shown(request: &Request<Body>, prepared: &Http1Head, host: &HeaderValue) -> String {
    let mut head = Vec::new();
    prepared.write(request, host, &mut head, false);
    let Http1Head { kind, body: BodyPlan { is_chunked, must_be_empty, .. }, .. } = prepared;
    format!("{} {kind:?} {is_chunked} {must_be_empty}", String::from_utf8_lossy(&head))
}

#[test]
fn the_quick_answer_is_the_general_one() {
    let origin = Origin::try_from(&"http://a.example/".parse().unwrap()).unwrap();
    let host = http1::usual_host(&origin).unwrap();
    let (mut quick_ones, mut all) = (0, 0);
    for (method, url) in METHODS.iter().flat_map(|it| URLS.map(|url| (it, url))) {
        for set in 0..1 << FIELDS.len() {
            let mut request = Request::builder().method(*method).uri(url);
            for (at, (name, value)) in FIELDS.iter().enumerate() {
                if set & (1 << at) != 0 {
                    request = request.header(*name, *value);
                }
            }
            let mut request = request.body(Body::empty()).unwrap();
            if set % 7 == 3 {
                request.extensions_mut().insert("*".parse::<RawTarget>().unwrap());
            }
            let recipient = Recipient { origin: &origin, forwarder: None, is_http10: false };
            let fields = SpecialFields::of(request.headers());
            all += 1;
            let Some(quick) = Http1Head::quick(&request, fields, &recipient) else { continue };
            quick_ones += 1;
            let general = Http1Head::general(&request, fields, &recipient).unwrap();
            let shown = [quick, general].map(|it| shown(&request, &it, &host));
            assert_eq!(shown[0], shown[1]);
        }
    }
    assert!(quick_ones > 100 && quick_ones < all / 10, "{quick_ones} of {all}");
}

/// Names and values.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// The decisions of the general way.
fn general(request: &Request<Body>, forwarder: Option<&Proxy>) -> Result<Http1Head, Error> {
    let origin = Origin::try_from(&"http://a.example/".parse().unwrap()).unwrap();
    let recipient = Recipient { origin: &origin, forwarder, is_http10: false };
    Http1Head::general(request, SpecialFields::of(request.headers()), &recipient)
}

fn request(fields: Fields<'_>, body: Body) -> Request<Body> {
    let mut request = Request::post("http://a.example/");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

#[test]
fn close_and_upgrade_are_seen_in_any_list() {
    let table: [(Fields<'_>, bool, bool); 6] = [
        (&[], false, false),
        (&[("connection", "close")], true, false),
        (&[("connection", "x, Close")], true, false),
        (&[("connection", "x"), ("connection", "close")], true, false),
        (&[("connection", "keep-alive")], false, false),
        (&[("connection", "upgrade"), ("upgrade", "x")], false, true),
    ];
    for (fields, closes, upgrades) in table {
        let kind = general(&request(fields, Body::empty()), None).unwrap().kind;
        assert_eq!((kind.closes, kind.upgrades), (closes, upgrades), "{fields:?}");
    }
}

#[test]
fn only_one_valid_host_is_the_callers() {
    for hosts in [&[("host", "a"), ("host", "b")][..], &[("host", "a b")]] {
        let error = general(&request(hosts, Body::empty()), None).err().unwrap();
        assert!(error.is_builder(), "{hosts:?}: {error:?}");
    }
    let own = general(&request(&[("host", "b")], Body::empty()), None).unwrap();
    assert!(matches!(own.host, Host::Own));
}

#[test]
fn a_body_that_is_declared_empty_must_prove_it() {
    let unknown = || Body::stream(futures_util::stream::empty::<Result<&str, Error>>());
    let table: [(Fields<'_>, Body, bool); 4] = [
        (&[("content-length", "0")], unknown(), true),
        (&[("content-length", "0")], Body::empty(), false),
        (&[("transfer-encoding", "chunked")], unknown(), false),
        (&[], unknown(), false),
    ];
    for (fields, body, must_be_empty) in table {
        let plan = general(&request(fields, body), None).unwrap().body;
        assert_eq!(plan.must_be_empty, must_be_empty, "{fields:?}");
    }
}

#[test]
fn the_fields_of_a_proxy_count() {
    let proxy = Proxy::new("http://proxy.example").unwrap();
    let proxy = proxy.header(HeaderName::from_static("x-proxy"), HeaderValue::from_static("1"));
    // With `Host`, one for the framing and the proxy's own.
    for (names, fits) in [(MAX_NAMES - 3, true), (MAX_NAMES - 2, false)] {
        let mut request = request(&[], Body::empty());
        for at in 0..names {
            let name = HeaderName::try_from(format!("x-{at}")).unwrap();
            request.headers_mut().append(name, HeaderValue::from_static("1"));
        }
        assert_eq!(general(&request, Some(&proxy)).is_ok(), fits, "{names}");
    }
}

#[test]
fn chunked_is_added_to_the_last_of_the_codings_and_to_nothing_else() {
    let table: [(Fields<'_>, &str); 3] = [
        (&[("accept", "a"), ("transfer-encoding", "gzip"), ("x-own", "1")], "gzip, chunked"),
        (&[("transfer-encoding", "gzip, chunked"), ("x-own", "1")], "gzip, chunked"),
        (
            &[("x-a", "1"), ("transfer-encoding", "x"), ("x-b", "1"), ("transfer-encoding", "y")],
            "x; y, chunked",
        ),
    ];
    for (fields, codings) in table {
        let request = request(fields, Body::from("hello"));
        let mut head = Vec::new();
        let host = HeaderValue::from_static("a.example");
        let prepared = general(&request, None).unwrap();
        prepared.write(&request, &host, &mut head, false);
        let mut bytes = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut bytes);
        assert!(parsed.parse(&head).unwrap().is_complete());
        let (framing, others): (Vec<&httparse::Header<'_>>, Vec<_>) =
            parsed.headers.iter().partition(|field| field.name == "transfer-encoding");
        let found: Vec<_> =
            framing.iter().map(|field| str::from_utf8(field.value).unwrap()).collect();
        assert_eq!(found.join("; "), codings);
        assert!(others.iter().all(|field| !field.value.ends_with(b"chunked")), "{parsed:?}");
    }
}

#[test]
fn what_is_for_a_proxy_reaches_no_origin() {
    let secret = [("proxy-authorization", "secret"), ("proxy-connection", "close"), ("x-own", "1")];
    let proxy = Proxy::new("http://proxy.example").unwrap();
    for (forwarder, expected) in [
        (None, "host x-own content-length"),
        (Some(&proxy), "host proxy-authorization x-own content-length"),
    ] {
        let request = request(&secret, Body::from("hello"));
        let mut head = Vec::new();
        let host = HeaderValue::from_static("a.example");
        general(&request, forwarder).unwrap().write(&request, &host, &mut head, false);
        let head = String::from_utf8(head).unwrap();
        let names: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(':')).collect();
        let mut names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        let mut expected: Vec<_> = expected.split(' ').collect();
        expected.sort_unstable();
        assert_eq!(names, expected, "{head}");
    }
}
