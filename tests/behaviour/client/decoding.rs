//! Decoding over services and over a transport: what it asks for, what it hands on, and what becomes of the connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Frame;
use tower::{Layer, ServiceExt};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    auth::Authorizing,
    client::{Auth, AuthLayer, Decode, DecodeLayer, Decoded, Decoding, RedirectLayer, RetryLayer},
    connect::ConnectInfo,
    mock::{Script, ScriptedConnector},
    options::Retries,
    target::Origin,
};

use super::site::*;

const GZIP: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xf3H\xcd\xc9\xc9\xd7Q(\xcf/\xcaI\x01\0\xc2\xa9\x9a\xe7\x0c\0\0\0";
const RAW_DEFLATE: &[u8] = b"\xf3H\xcd\xc9\xc9\xd7Q(\xcf/\xcaI\x01\0";
const ZLIB: &[u8] = b"\x78\x9c\xf3H\xcd\xc9\xc9\xd7Q(\xcf/\xcaI\x01\0\x1b\xd4\x04\x69";

fn coded(coding: &str, body: &'static [u8]) -> Answer {
    let response = Response::builder().header("content-encoding", coding);
    response.body(Full::new(Bytes::from_static(body))).unwrap()
}

/// A transport whose only connection plays this, below the layer.
fn over(script: Script) -> Decode<Transport> {
    let transport = Transport::builder().connector(ScriptedConnector::new([script]));
    DecodeLayer::new().layer(transport.build().unwrap())
}

fn respond(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n{fields}\r\n");
    [head.as_bytes(), body].concat()
}

fn chunked(pieces: &[&[u8]], end: &str) -> Vec<u8> {
    let chunks = pieces
        .iter()
        .map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    [chunks.collect::<Vec<_>>().concat(), end.as_bytes().to_vec()].concat()
}

#[tokio::test]
async fn a_foreign_body_is_decoded_over_a_strict_service() {
    for (coding, body) in
        [("gzip", GZIP), ("x-gzip", GZIP), ("deflate", ZLIB), ("deflate", RAW_DEFLATE)]
    {
        let site = Site::new(move |_| coded(coding, body));
        let client = DecodeLayer::new().layer(site.strict());
        let response = send(&client, get("http://a.example/")).await.unwrap();
        assert_eq!(response.into_body().read().await.unwrap(), "Hello, world", "{coding}");
    }
}

#[tokio::test]
async fn a_dropped_request_leaves_nothing_behind() {
    let make = || {
        let site = Site::new(|_| coded("gzip", GZIP));
        (DecodeLayer::new().layer(site.strict()), site)
    };
    at_every_poll(make, || get("http://a.example/")).await;
}

#[tokio::test]
async fn each_hop_accepts_codings_and_the_caller_may_turn_them_off_for_all() {
    let site = Site::new(|request| match request.uri().path() {
        "/1" => redirect(302, "/2"),
        _ => coded("gzip", GZIP),
    });
    let client = RedirectLayer::new().layer(DecodeLayer::new().layer(site.strict()));
    let response = send(&client, get("http://a.example/1")).await.unwrap();
    assert_eq!(response.into_body().read().await.unwrap(), "Hello, world");
    let has_field = |site: &Site| {
        let seen = site.seen();
        seen.iter()
            .map(|request| request.headers().contains_key("accept-encoding"))
            .collect::<Vec<_>>()
    };
    assert_eq!(has_field(&site), [true, true]);
    let mut request = get("http://a.example/1");
    request.extensions_mut().insert(Decoding::off());
    let response = send(&client, request).await.unwrap();
    assert_eq!(response.into_body().read().await.unwrap(), GZIP);
    assert_eq!(has_field(&site), [false, false]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_result_may_have_a_body_that_is_not_in_its_coding() {
    for status in [302, 401, 503] {
        for (coding, body) in [("gzip", "moved"), ("br", ""), ("gzip, deflate", "moved")] {
            let count = AtomicU32::new(0);
            let site = Site::new(move |_| match count.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    let basic = ("www-authenticate", "Basic realm=\"a\"");
                    answer(status, &[("location", "/2"), basic, ("content-encoding", coding)], body)
                }
                _ => coded("gzip", GZIP),
            });
            let decoded = DecodeLayer::new().layer(site.strict());
            let with_auth = AuthLayer::new().layer(decoded);
            let repeated = RetryLayer::new(Retries::new(2)).layer(with_auth);
            let client = RedirectLayer::new().layer(repeated);
            let mut request = get("http://a.example/1");
            request.extensions_mut().insert(Auth::by(|asked: &Authorizing<'_>| {
                let is_asked = !asked.challenges().is_empty();
                is_asked.then(|| HeaderValue::from_static("Basic YTpi"))
            }));
            let response = send(&client, request).await.unwrap();
            let body = response.into_body().read().await.unwrap();
            assert_eq!((body, site.seen().len()), ("Hello, world".into(), 2), "{status} {coding}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_service_below_stays_what_it_is() {
    let site = Site::failing(|_| Err(Error::custom(tower_transport::error::Kind::Dns, "looking")));
    let error = send(&DecodeLayer::new().layer(site.strict()), get("http://a.example/")).await;
    assert!(error.unwrap_err().is_dns());
}

#[tokio::test]
async fn a_decoded_response_knows_its_connection_and_gives_it_back_at_its_end() {
    let pieces = chunked(&[&GZIP[..7], &GZIP[7..]], "0\r\n\r\n");
    let script = Script::new()
        .expect_head()
        .respond(respond("transfer-encoding: chunked\r\n", &pieces))
        .expect_head()
        .respond(respond(&format!("content-length: {}\r\n", GZIP.len()), GZIP));
    let client = over(script);
    for (served, length) in [(1, None), (2, Some(GZIP.len() as u64))] {
        let response = client.stream("GET", "http://a.example/").await.unwrap();
        assert_eq!(ConnectInfo::of(&response).unwrap().served(), served);
        assert_eq!(response.extensions().get::<Decoded>().unwrap().length(), length);
        assert_eq!(response.into_body().read().await.unwrap(), "Hello, world");
    }
}

#[tokio::test]
async fn trailers_pass() {
    let body = chunked(&[GZIP], "0\r\nx-sum: 7\r\n\r\n");
    let script =
        Script::new().expect_head().respond(respond("transfer-encoding: chunked\r\n", &body));
    let mut body = over(script).stream("GET", "http://a.example/").await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "Hello, world");
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["x-sum"], "7");
    assert!(body.frame().await.unwrap().is_none());
}

#[tokio::test]
async fn what_breaks_below_is_reported_as_that_and_what_is_cut_off_as_it_is() {
    let cut = |body: Vec<u8>| Script::new().expect_head().respond(body).close();
    let broken = over(cut(respond("content-length: 1000\r\n", GZIP)));
    let error = broken.request("GET", "http://a.example/").await.unwrap_err();
    assert!(!error.is_decode() && (error.is_io() || error.is_protocol()), "{error:?}");
    for end in 1..GZIP.len() {
        let script = cut(respond(&format!("content-length: {end}\r\n"), &GZIP[..end]));
        let error = over(script).request("GET", "http://a.example/").await.unwrap_err();
        assert!(error.is_decode() && error.was_sent(), "{end} {error:?}");
    }
    // Without a length the end of the connection is that of the body, and nothing else shows that some is missing.
    let error = over(cut(respond("", &GZIP[..20]))).request("GET", "http://a.example/").await;
    assert!(error.unwrap_err().is_decode());
}

#[tokio::test]
async fn head_and_304_keep_their_fields() {
    let script = Script::new()
        .expect_head()
        .respond(respond("content-length: 32\r\n", b""))
        .expect_head()
        .respond("HTTP/1.1 304 Not Modified\r\ncontent-encoding: gzip\r\n\r\n");
    let client = over(script);
    for method in ["HEAD", "GET"] {
        let response = client.request(method, "http://a.example/").await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert_eq!(*response.body(), "");
    }
}

#[tokio::test]
async fn an_undecoded_body_of_a_transport_passes_as_it_is() {
    let script =
        Script::new().expect_head().respond("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let response = over(script).stream("GET", "http://a.example/").await.unwrap();
    assert_eq!(response.body().length(), Some(2), "nothing is around it");
    assert!(ConnectInfo::of(&response).is_some());
    let body: Body = response.into_body();
    assert_eq!(format!("{body:?}"), "Body(frames)");
}

/// The start of a gzip file of a gibibyte of zeros: a literal, then matches of 258 bytes, in fixed codes (RFC 1951 §3.2.6).
fn bomb() -> Bytes {
    let matches = "1100010100000".repeat((1 << 30) / 258);
    let bits = ["110", "00110000", &matches].concat();
    let byte =
        |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit == b'1'));
    let head = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03".iter().copied();
    head.chain(bits.as_bytes().chunks(8).map(byte)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bomb_in_a_redirect_a_challenge_or_a_failure_is_not_decoded_to_give_it_up() {
    let bomb = bomb();
    for status in [302, 401, 503] {
        let decoded = Arc::new(AtomicUsize::new(0));
        let (bomb, is_first) = (bomb.clone(), AtomicBool::new(true));
        let site = Site::new(move |_| {
            if !is_first.swap(false, Ordering::SeqCst) {
                return ok();
            }
            let response = Response::builder().status(status).header("content-encoding", "gzip");
            let challenge = "Digest realm=\"x\", nonce=\"y\", qop=\"auth\"";
            let response = response.header("location", "/to").header("www-authenticate", challenge);
            response.body(Full::new(bomb.clone())).unwrap()
        });
        let counted = decoded.clone();
        let below = DecodeLayer::new().limit(None).layer(site.strict());
        let below = below.map_response(move |response: Response<Body>| {
            let counted = counted.clone();
            let count = move |frame: Frame<Bytes>| {
                counted.fetch_add(frame.data_ref().map_or(0, Bytes::len), Ordering::SeqCst);
                frame
            };
            response.map(|body| BodyExt::map_frame(body, count))
        });
        let origin = Origin::try_from(&http::Uri::from_static("http://a.example/")).unwrap();
        let auth = AuthLayer::new().for_origin(origin, Auth::digest("user", "secret"));
        let below = RetryLayer::new(Retries::new(2)).layer(auth.layer(below));
        let client = RedirectLayer::new().layer(below);
        let response = send(&client, get("http://a.example/")).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!((&body[..], site.seen().len()), (&b"ok"[..], 2), "{status}");
        let decoded = decoded.load(Ordering::SeqCst);
        assert!((1..160 << 10).contains(&decoded), "{decoded} bytes after a {status}");
    }
}
