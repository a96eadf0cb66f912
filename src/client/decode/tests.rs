//! Bodies in every coding and chain of two: whole, cut, broken, too large.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use tower::{ServiceExt, service_fn};

use super::{
    encode::{ALL, br_with_window, encode, zstd_with_window},
    *,
};

/// Answers every request with this coding and these pieces of a body.
async fn answer(
    layer: DecodeLayer,
    request: Request<Body>,
    coding: &str,
    pieces: Vec<Vec<u8>>,
) -> Result<Response<Body>, Error> {
    let coding = if coding == "raw" { "deflate" } else { coding };
    let mut response = Response::builder().header("content-encoding", coding).header("x", "y");
    if let [piece] = &pieces[..] {
        response = response.header("content-length", piece.len());
    }
    let frames = pieces
        .into_iter()
        .map(|piece| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(piece))));
    let response = Mutex::new(Some(response.body(StreamBody::new(stream::iter(frames))).unwrap()));
    let service = service_fn(|_: Request<Body>| {
        std::future::ready(Ok::<_, Infallible>(response.lock().unwrap().take().unwrap()))
    });
    layer.layer(service).oneshot(request).await
}

fn get() -> Request<Body> {
    Request::get("http://example.com/").body(Body::empty()).unwrap()
}

/// What a body of these pieces is read as.
async fn read(coding: &str, pieces: Vec<Vec<u8>>) -> Result<Bytes, Error> {
    answer(DecodeLayer::new().limit(1 << 20), get(), coding, pieces).await?.into_body().read().await
}

fn text() -> Vec<u8> {
    (0..30_000u32).flat_map(|n| format!("line {} ", n * n).into_bytes()).collect()
}

/// The list of codings as a field has it: the last is the outermost.
fn chain(codings: &[&str], bytes: &[u8]) -> (String, Vec<u8>) {
    let coded = codings.iter().fold(bytes.to_vec(), |bytes, coding| encode(coding, &bytes));
    (codings.join(", ").replace("raw", "deflate"), coded)
}

/// Every coding, and every chain of two.
fn chains() -> Vec<Vec<&'static str>> {
    let pairs = ALL.iter().flat_map(|one| ALL.iter().map(|other| vec![*one, *other]));
    ALL.iter().map(|one| vec![*one]).chain(pairs).collect()
}

#[tokio::test]
async fn every_coding_and_every_chain_of_two_is_decoded() {
    let text = text();
    for codings in chains() {
        let (field, coded) = chain(&codings, &text);
        let pieces = coded.chunks(1000).map(<[u8]>::to_vec).collect();
        let decoded = read(&field, pieces).await.unwrap();
        assert!(decoded == text, "{codings:?}");
    }
}

#[tokio::test]
async fn the_fields_move_to_an_extension_and_the_others_stay() {
    for (codings, field) in [(&["gzip"][..], "gzip"), (&["deflate", "br"], "deflate, br")] {
        let (_, coded) = chain(codings, b"text");
        let length = coded.len() as u64;
        let response = answer(DecodeLayer::new(), get(), field, vec![coded]).await.unwrap();
        assert_eq!(response.headers().len(), 1, "{:?}", response.headers());
        let decoded = response.extensions().get::<Decoded>().unwrap();
        assert_eq!((decoded.coding().to_str().unwrap(), decoded.length()), (field, Some(length)));
        assert_eq!(response.body().length(), None);
    }
}

#[tokio::test]
async fn what_a_response_said_is_equal_however_much_of_it_was_read() {
    let said = async |coding: &str, text: &[u8], reads: bool| {
        let coded = vec![encode(coding, text)];
        let response = answer(DecodeLayer::new(), get(), coding, coded).await.unwrap();
        let decoded = response.extensions().get::<Decoded>().unwrap().clone();
        if reads {
            response.into_body().read().await.unwrap();
            assert_eq!(Some(decoded.read()), decoded.length());
        }
        decoded
    };
    let first = said("gzip", b"text", false).await;
    assert_eq!(first, said("gzip", b"text", true).await);
    assert_ne!(first, said("br", b"text", false).await);
    assert_ne!(first, said("gzip", b"a longer text", false).await);
}

#[tokio::test]
async fn the_error_of_a_body_says_what_is_wrong_with_it() {
    let whole = encode("gzip", b"text");
    let cut = whole[..whole.len() - 1].to_vec();
    let surplus = [&encode("deflate", b"text")[..], b"more"].concat();
    for (coding, coded, why) in [
        ("gzip", b"no gzip at all".to_vec(), "the bytes are not in this coding"),
        ("gzip", cut, "its end is missing"),
        ("deflate", surplus, "bytes follow its end"),
    ] {
        let error = read(coding, vec![coded]).await.unwrap_err();
        let is_broken = error.cause::<std::io::Error>().is_some();
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), why);
        assert_eq!(is_broken, why.contains("not in this coding"), "{error:?}");
        assert!(error.is_decode() && error.was_sent(), "{error:?}");
    }
}

#[tokio::test]
async fn a_frame_of_zstd_has_the_content_size_that_it_declares_wherever_it_is_cut() {
    let empty: &[u8] = b"\x28\xb5\x2f\xfd\x20\x05\x01\x00\x00";
    let short: &[u8] = b"\x28\xb5\x2f\xfd\x20\x05\x08\x00\x00x\x01\x00\x00";
    for frame in [empty, short] {
        for cut in 0..frame.len() {
            let (first, second) = frame.split_at(cut);
            let read = read("zstd", vec![first.to_vec(), second.to_vec()]).await;
            assert!(read.unwrap_err().is_decode(), "{cut}");
        }
    }
    let right: &[u8] = b"\x28\xb5\x2f\xfd\x20\x01\x09\0\0x\x28\xb5\x2f\xfd\x20\x02\x11\0\0yz";
    for cut in 0..right.len() {
        let (first, second) = right.split_at(cut);
        let read = read("zstd", vec![first.to_vec(), second.to_vec()]).await;
        assert_eq!(read.unwrap(), "xyz", "{cut}");
    }
}

#[tokio::test]
async fn all_members_of_gzip_and_all_frames_of_zstd_are_decoded() {
    for coding in ["gzip", "zstd"] {
        let members = [encode(coding, b"one, "), encode(coding, b""), encode(coding, b"two")];
        let all = members.concat();
        assert_eq!(read(coding, vec![all.clone()]).await.unwrap(), "one, two", "{coding}");
        let bytes = all.iter().map(|byte| vec![*byte]).collect();
        assert_eq!(read(coding, bytes).await.unwrap(), "one, two", "{coding}");
    }
    let skippable = [b"\x50\x2a\x4d\x18\x04\0\0\0skip", &encode("zstd", b"text")[..]].concat();
    assert_eq!(read("zstd", vec![skippable]).await.unwrap(), "text");
}

#[tokio::test]
async fn bytes_behind_the_end_are_an_error() {
    for coding in ALL {
        for surplus in [&b"x"[..], b"\0", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
            let coded = encode(coding, b"text");
            for pieces in
                [vec![[&coded[..], surplus].concat()], vec![coded.clone(), surplus.to_vec()]]
            {
                let error = read(coding, pieces).await.unwrap_err();
                assert!(error.is_decode() && error.was_sent(), "{coding} {error:?}");
            }
        }
    }
    for coding in ["deflate", "raw", "br"] {
        let twice = encode(coding, b"text").repeat(2);
        assert!(read(coding, vec![twice]).await.unwrap_err().is_decode(), "{coding}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_anywhere_is_an_error() {
    for codings in chains() {
        let (field, coded) = chain(&codings, b"some text, some text");
        for end in 1..coded.len() {
            let error = read(&field, vec![coded[..end].to_vec()]).await;
            let error = error.expect_err(&format!("{codings:?} cut at {end} of {}", coded.len()));
            assert!(error.is_decode() && error.was_sent(), "{codings:?} {end} {error:?}");
        }
    }
}

#[tokio::test]
async fn what_was_decoded_before_the_cut_comes_before_the_error() {
    let text = text();
    for coding in ALL {
        let coded = encode(coding, &text);
        let pieces = vec![coded[..coded.len() / 2].to_vec()];
        let layer = DecodeLayer::new();
        let mut body = answer(layer, get(), coding, pieces).await.unwrap().into_body();
        let mut read = Vec::new();
        let error = loop {
            match body.chunk().await {
                Ok(chunk) => read.extend_from_slice(&chunk.expect("an error")),
                Err(error) => break error,
            }
        };
        assert!(error.is_decode() && text.starts_with(&read), "{coding}");
        assert!(read.len() > 1000, "{coding} {}", read.len());
        assert!(body.chunk().await.unwrap().is_none(), "an error is the end");
    }
}

#[tokio::test]
async fn an_empty_body_has_nothing_to_decode() {
    for codings in chains() {
        let field = codings.join(", ").replace("raw", "deflate");
        let response = answer(DecodeLayer::new(), get(), &field, vec![]).await.unwrap();
        assert_eq!(response.into_body().read().await.unwrap(), "", "it is known late to be empty");
        let (_, coded) = chain(&codings, b"");
        assert_eq!(read(&field, vec![coded]).await.unwrap(), "", "{codings:?}");
    }
}

#[tokio::test]
async fn frames_are_16_kib_at_the_most() {
    for codings in chains() {
        let (field, coded) = chain(&codings, &[b'x'; 300_000]);
        let mut body =
            answer(DecodeLayer::new(), get(), &field, vec![coded]).await.unwrap().into_body();
        let mut total = 0;
        while let Some(chunk) = body.chunk().await.unwrap() {
            assert!(chunk.len() <= 16 * 1024, "{codings:?} {}", chunk.len());
            total += chunk.len();
        }
        assert_eq!(total, 300_000, "{codings:?}");
    }
}

#[tokio::test]
async fn the_limit_holds_for_every_coding_and_chain() {
    for codings in chains() {
        for (length, is_allowed) in [(100_000, true), (100_001, false), (1 << 20, false)] {
            let (field, coded) = chain(&codings, &vec![0; length]);
            let layer = DecodeLayer::new().limit(100_000);
            let mut body = answer(layer, get(), &field, vec![coded]).await.unwrap().into_body();
            let (mut total, mut outcome) = (0, Ok(()));
            loop {
                match body.chunk().await {
                    Ok(Some(chunk)) => total += chunk.len(),
                    Ok(None) => break,
                    Err(error) => break outcome = Err(error),
                }
            }
            assert!(total <= 100_000 && outcome.is_ok() == is_allowed, "{codings:?} {length}");
            if let Err(error) = outcome {
                assert!(error.is_decode() && error.to_string().contains("100000"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_bomb_that_is_empty_at_last_is_one() {
    // Each member is empty, so that the decoder behind has nothing to count.
    let inner = encode("gzip", b"").repeat(100_000);
    let coded = encode("zstd", &inner);
    let layer = DecodeLayer::new().limit(100_000);
    let body = answer(layer, get(), "gzip, zstd", vec![coded]).await.unwrap().into_body();
    assert!(body.collect().await.unwrap_err().is_decode());
}

#[test]
fn a_bomb_takes_no_more_memory_than_its_limit_and_a_mebibyte() {
    const LIMIT: usize = 4 << 20;
    // What this encoder of brotli takes. The memory of zstd is C's, so the counter does not see it.
    let window = |codings: &[&str]| if codings.contains(&"br") { 4 << 20 } else { 0 };
    for codings in chains() {
        let (field, coded) = chain(&codings, &vec![0; 2 * LIMIT]);
        for (is_kept, most) in [(false, LIMIT), (true, LIMIT + window(&codings))] {
            let response = Response::builder().header("content-encoding", &field);
            let response = response.body(Body::from(coded.clone())).unwrap();
            let used = allocation_counter::measure(|| {
                let body = decode(response, LIMIT as u64).unwrap().into_body();
                let outcome = futures_util::FutureExt::now_or_never(read_out(body, is_kept));
                assert!(outcome.unwrap().is_decode());
            });
            assert!(used.bytes_max <= (most + (1 << 20)) as u64, "{codings:?} {}", used.bytes_max);
        }
    }
}

/// The error at the end, of a reader that keeps all that came, or nothing.
async fn read_out(mut body: Body, is_kept: bool) -> Error {
    let mut kept = Vec::new();
    loop {
        match body.chunk().await {
            Ok(chunk) => kept.extend(chunk.filter(|_| is_kept)),
            Err(error) => return error,
        }
    }
}

/// How many bytes a body decodes to, and the most memory taken while they are dropped as they come.
fn most_memory(coding: &str, coded: Vec<u8>) -> (usize, u64) {
    let response = Response::builder().header("content-encoding", coding);
    let response = response.body(Body::from(coded)).unwrap();
    let mut decoded = 0;
    let used = allocation_counter::measure(|| {
        let mut body = decode(response, u64::MAX).unwrap().into_body();
        let read = async {
            while let Ok(Some(chunk)) = body.chunk().await {
                decoded += chunk.len();
            }
        };
        futures_util::FutureExt::now_or_never(read).unwrap();
    });
    (decoded, used.bytes_max)
}

#[test]
fn the_memory_of_a_decoder_is_bounded_whatever_its_coding_and_its_length() {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const WHOLE: usize = 20 << 20;
    let zeros = vec![0; WHOLE];
    for (coding, coded) in [("gzip", encode("gzip", &zeros)), ("deflate", encode("raw", &zeros))] {
        let (decoded, used) = most_memory(coding, coded);
        assert!(decoded == WHOLE && used < 128 * KIB, "{coding} {decoded} {used}");
    }
    let (decoded, used) = most_memory("br", br_with_window(24, &zeros));
    assert!((16 * MIB..24 * MIB + 512 * KIB).contains(&used), "{used}");
    assert_eq!(decoded, WHOLE);
    // Promises a block of 16 MiB with a window of as much, and has one byte of it.
    let (_, used) = most_memory("br", b"\xcf\xff\xff\xffa".to_vec());
    assert!((16 * MIB..16 * MIB + 512 * KIB).contains(&used), "{used}");
}

#[tokio::test]
async fn every_window_of_br_is_decoded_and_no_larger_one() {
    let text = &text()[..50_000];
    for log in 10..=24 {
        assert!(read("br", vec![br_with_window(log, text)]).await.unwrap() == text, "{log}");
    }
    // The header of a large window (not in RFC 7932): seven bits, one that is zero, and six for a window of 2^10 to 2^30.
    for log in 10..=30u8 {
        let large = vec![0x11, log, 0, 0, 0];
        let error = read("br", vec![large]).await.unwrap_err();
        assert!(error.is_decode() && format!("{error:?}").contains("more memory"), "{error:?}");
    }
}

#[tokio::test]
async fn a_window_over_8_mib_is_refused() {
    let text = text();
    assert!(read("zstd", vec![zstd_with_window(23, &text)]).await.unwrap() == text);
    for log in [24, 27] {
        assert!(read("zstd", vec![zstd_with_window(log, &text)]).await.unwrap_err().is_decode());
    }
    // A header that declares 2 GiB, and one of a large window of brotli.
    let zstd = b"\x28\xb5\x2f\xfd\x00\xa8\x01\0\0";
    assert!(read("zstd", vec![zstd.to_vec()]).await.unwrap_err().is_decode());
    for brotli in [b"\x11\x1e\x00", b"\x91\x1e\x00"] {
        let error = read("br", vec![brotli.to_vec()]).await.unwrap_err();
        assert!(error.is_decode() && format!("{error:?}").contains("more memory"), "{error:?}");
    }
}

#[tokio::test]
async fn headers_that_are_none_are_an_error() {
    let all_flags = [b"\x1f\x8b\x08\xff\0\0\0\0\0\0".to_vec(), vec![0xff; 100]].concat();
    let table: [(&str, &[u8]); 12] = [
        ("gzip", b"plain text, not coded"),
        ("gzip", b"\x1f"),
        ("gzip", b"\x1f\x8b\x09\0\0\0\0\0\0\0\0"),
        ("gzip", &all_flags),
        ("deflate", b"plain text, not coded"),
        ("deflate", b"\x78"),
        ("deflate", b"\x78\x9c"),
        ("deflate", b"\x07"),
        ("br", b"\x80"),
        ("br", b"plain text, not coded"),
        ("zstd", b"plain text, not coded"),
        ("zstd", b"\x28"),
    ];
    for (coding, bytes) in table {
        let error = read(coding, vec![bytes.to_vec()]).await;
        assert!(error.expect_err(coding).is_decode(), "{coding} {bytes:?}");
    }
    let mut broken = encode("gzip", b"text");
    let at = broken.len() - 8;
    broken[at] ^= 1;
    assert!(read("gzip", vec![broken]).await.unwrap_err().is_decode(), "the checksum");
}

#[tokio::test]
async fn more_than_two_codings_are_an_error_and_unknown_ones_stay() {
    let error = answer(DecodeLayer::new(), get(), "gzip, gzip, gzip", vec![b"x".to_vec()]).await;
    let error = error.unwrap_err();
    assert!(error.is_decode() && error.was_sent() && error.to_string().contains("two codings"));
    for field in ["compress", "gzip, x-own", "x-own, gzip", "invalid header"] {
        let response =
            answer(DecodeLayer::new(), get(), field, vec![b"raw".to_vec()]).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], field);
        assert_eq!(response.headers()["content-length"], "3");
        assert!(response.extensions().get::<Decoded>().is_none());
        assert_eq!(response.into_body().read().await.unwrap(), "raw");
    }
}

/// Answers with a coded body under this status, and records what was accepted.
async fn exchange(
    request: Request<Body>,
    status: u16,
    body: &'static [u8],
) -> (Option<String>, Response<Body>) {
    let seen = Arc::new(Mutex::new(None));
    let accepted = seen.clone();
    let service = service_fn(move |request: Request<Body>| {
        let accept = request.headers().get("accept-encoding");
        *accepted.lock().unwrap() = accept.map(|value| value.to_str().unwrap().to_owned());
        let response = Response::builder().status(status).header("content-encoding", "gzip");
        std::future::ready(response.body(Full::new(Bytes::from_static(body))))
    });
    let response = DecodeLayer::new().layer(service).oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap().take();
    (seen, response)
}

#[tokio::test]
async fn a_body_that_is_no_coded_one_or_a_part_of_one_stays_as_it_is() {
    let method = |method: &str| {
        Request::builder().method(method).uri("http://a/").body(Body::empty()).unwrap()
    };
    let mut off = get();
    off.extensions_mut().insert(Decoding::off());
    let table = [
        (get(), 204, &b""[..]),
        (get(), 304, b""),
        (get(), 206, b"part"),
        (get(), 101, b"other"),
        (get(), 200, b""),
        (method("HEAD"), 200, b""),
        (method("HEAD"), 200, b"a server that does not know HEAD"),
        (method("CONNECT"), 200, b"tunnel"),
        (off, 200, b"raw"),
    ];
    for (request, status, body) in table {
        let shown = format!("{} {status}", request.method());
        let (_, response) = exchange(request, status, body).await;
        assert_eq!(response.headers()["content-encoding"], "gzip", "{shown}");
        assert_eq!(response.into_body().read().await.unwrap(), body, "{shown}");
    }
}

#[tokio::test]
async fn a_request_says_what_can_be_decoded_unless_it_says_something_itself() {
    let with = |name: &'static str, value: &'static str| {
        let mut request = get();
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        request
    };
    let mut off = get();
    off.extensions_mut().insert(Decoding::off());
    let connect = Request::connect("a:443").body(Body::empty()).unwrap();
    let table = [
        (get(), Some("gzip, deflate, br, zstd")),
        (Request::head("http://a/").body(Body::empty()).unwrap(), Some("gzip, deflate, br, zstd")),
        (with("accept-encoding", "identity"), Some("identity")),
        (with("accept-encoding", ""), Some("")),
        (with("range", "bytes=0-9"), None),
        (off, None),
        (connect, None),
    ];
    for (request, expected) in table {
        let shown = format!("{request:?}");
        let (seen, _) = exchange(request, 204, b"").await;
        assert_eq!(seen.as_deref(), expected, "{shown}");
    }
}

#[tokio::test]
async fn one_request_may_have_another_limit() {
    let coded = encode("gzip", &[0; 2000]);
    for (limit, is_allowed) in [(Some(1999), false), (Some(2000), true), (None, true)] {
        let mut request = get();
        request.extensions_mut().insert(Decoding::limit(limit));
        let layer = DecodeLayer::new().limit(10);
        let body = answer(layer, request, "gzip", vec![coded.clone()]).await.unwrap().into_body();
        assert_eq!(body.collect().await.is_ok(), is_allowed, "{limit:?}");
    }
}

#[tokio::test]
async fn trailers_come_after_what_was_decoded() {
    let coded = encode("br", b"text");
    let trailers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("7"))]);
    let frames = [
        Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(coded))),
        Ok(http_body::Frame::trailers(trailers.clone())),
    ];
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    let response = Response::builder().header("content-encoding", "br").body(body).unwrap();
    let mut body = decode(response, 100).unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "text");
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    assert_eq!(body.length(), Some(0));
    assert!(body.frame().await.unwrap().is_none() && body.is_end_stream());
}

#[tokio::test]
async fn no_more_of_the_coded_body_is_read_than_is_asked_for() {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let member = encode("gzip", &[7; 40_000]);
    let pieces = futures_util::StreamExt::map(stream::iter(0..100), move |_| {
        *count.lock().unwrap() += 1;
        Ok::<_, Infallible>(member.clone())
    });
    let response =
        Response::builder().header("content-encoding", "gzip").body(Body::stream(pieces)).unwrap();
    let mut body = decode(response, u64::MAX).unwrap().into_body();
    assert_eq!(*asked.lock().unwrap(), 0, "nothing is read before it is asked for");
    for (total, pieces) in [(16_384, 1), (32_768, 1), (40_000, 1), (56_384, 2)] {
        body.chunk().await.unwrap().unwrap();
        assert_eq!(*asked.lock().unwrap(), pieces, "{total}");
    }
}

#[tokio::test]
async fn the_error_of_a_broken_connection_is_the_error() {
    let coded = encode("zstd", &text());
    let frames = [Ok(Bytes::from(coded[..1000].to_vec())), Err("reset")];
    let body = Body::stream(stream::iter(frames));
    let response = Response::builder().header("content-encoding", "zstd").body(body).unwrap();
    let error = decode(response, u64::MAX).unwrap().into_body().collect().await.unwrap_err();
    assert!(!error.is_decode() && format!("{error:?}").contains("reset"), "{error:?}");
}

#[tokio::test]
async fn a_body_that_is_coded_twice_and_empty_at_last_is_no_endless_work_without_a_limit() {
    let members = encode("gzip", b"").repeat(200_000);
    let coded = encode("gzip", &members);
    let pieces = coded.chunks(256).map(<[u8]>::to_vec).collect();
    let layer = DecodeLayer::new().limit(None);
    let response = answer(layer, get(), "gzip, gzip", pieces).await.unwrap();
    let decoded = response.extensions().get::<Decoded>().unwrap().clone();
    let error = response.into_body().read().await.unwrap_err();
    assert!(error.is_decode() && error.was_sent(), "{error:?}");
    let (read, all) = (decoded.read(), coded.len() as u64);
    assert!(read < all / 2, "{read} of {all}");
}

#[tokio::test]
async fn a_body_that_is_coded_twice_with_little_in_each_member_is_read() {
    let members = encode("gzip", b"a").repeat(100_000);
    let layer = DecodeLayer::new().limit(None);
    let response = answer(layer, get(), "gzip, gzip", vec![encode("gzip", &members)]).await;
    let read = response.unwrap().into_body().read().await.unwrap();
    assert_eq!(read, "a".repeat(100_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_split_of_the_coded_bytes_gives_the_same_decoded_bytes(
        text in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..3000),
        repeated in 1usize..40,
        codings in prop::sample::select(chains()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        room in prop_oneof![Just(1usize), 1..200usize, Just(16384usize)],
    ) {
        let text = text.repeat(repeated);
        let (_, coded) = chain(&codings, &text);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(coded.len() + 1)).collect();
        cuts.extend([0, coded.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &coded[cut[0]..cut[1]]).collect();
        let name = |coding: &str| Coding::read(coding.replace("raw", "deflate").as_bytes()).unwrap();
        let second = (codings.len() > 1).then(|| name(codings[0]));
        let last = name(codings.last().unwrap());
        let (decoded, outcome) = fuzzing::run(last, second, &pieces, room);
        prop_assert!(outcome.is_ok() && decoded == text, "{:?} {:?}", codings, outcome);
    }
}
