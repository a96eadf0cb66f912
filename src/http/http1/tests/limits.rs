//! Limits on heads, chunked framing and trailers, to the byte.

use super::*;
use crate::{
    http::{
        http1::{
            config::HeadLimits, failure::Http1Failure, head::Head, head_reader::HeadReader,
            wire::Wire,
        },
        prepare::RequestKind,
    },
    tests::script::{Script, run},
};

const TOO_LONG: &str = "reading the answer of example.com:443: its head is longer than allowed";

#[tokio::test]
async fn a_head_without_an_end_is_stopped() {
    let filling = format!("X: {}\r\n", "x".repeat(1000));
    let mut script = vec!["HTTP/1.1 200 OK\r\n"];
    script.extend(std::iter::repeat_n(&*filling, 1000));
    let error = error_of(&script).await;
    assert!(error.is_protocol(), "{error:?}");
    assert_eq!(error.to_string(), TOO_LONG);
}

#[tokio::test]
async fn informational_answers_without_an_end_are_stopped() {
    let informational = "HTTP/1.1 100 Continue\r\n\r\n".repeat(40);
    let script = vec![&*informational; 1000];
    let error = error_of(&script).await;
    assert!(error.is_protocol(), "{error:?}");
    assert_eq!(error.to_string(), TOO_LONG);
}

#[tokio::test]
async fn more_fields_than_allowed_are_a_protocol_error() {
    let script = ["HTTP/1.1 200 OK\r\n", &"X: y\r\n".repeat(101), "\r\n"];
    assert!(error_of(&script).await.is_protocol());
}

#[tokio::test]
async fn as_many_fields_as_allowed_are_read() {
    for fields in [1, 100, 101, 1000] {
        let config = Http1Config::default().max_headers(fields);
        for (count, fits) in [(fields, true), (fields + 1, false)] {
            let (mut connection, mut peer) = connected_to("https://example.com", &config).await;
            let head = format!("HTTP/1.1 204 No Content\r\n{}\r\n", "X: y\r\n".repeat(count));
            let (answer, _) = ask(&mut connection, &mut peer, get(), &[&head]).await;
            assert_eq!(answer.is_ok(), fits, "{count} of {fields}");
            if let Ok(response) = answer {
                assert_eq!(response.headers().get_all("x").iter().count(), count);
            }
        }
    }
}

/// Sends `piece` after the head of a chunked response, until this many bytes were taken or no more are. Returns the count.
async fn endless(beginning: &str, piece: &str, most: usize) -> (Result<Bytes, Error>, usize) {
    let (mut connection, mut peer) = connected().await;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (answer, _) = ask(&mut connection, &mut peer, get(), &[head, beginning]).await;
    let saying = async {
        let mut said = 0;
        while said < most && peer.io.write_all(piece.as_bytes()).await.is_ok() {
            said += piece.len();
        }
        // Endless input is cut off here.
        let _ = peer.io.shutdown().await;
        said
    };
    tokio::join!(read(answer.unwrap()), saying)
}

#[tokio::test]
async fn chunk_sizes_without_an_end_are_stopped() {
    let zeros = "0".repeat(64 << 10);
    let spaces = " ".repeat(64 << 10);
    for (beginning, piece) in [("", &zeros), ("5", &spaces), ("5\r\nhello\r\n", &zeros)] {
        let (outcome, said) = endless(beginning, piece, 50 << 20).await;
        let error = outcome.unwrap_err();
        assert!(error.is_protocol() && error.was_sent(), "{error:?}");
        assert_eq!(error.to_string(), "reading the response body from example.com:443");
        assert!(said < 5 << 20, "{said} bytes were taken");
    }
}

#[tokio::test]
async fn a_body_may_have_as_much_framing_in_all_as_it_likes() {
    let chunk = format!("{}64\r\n{}\r\n", "0".repeat(200), "x".repeat(100));
    let (outcome, said) = endless("", &chunk.repeat(100), 6 << 20).await;
    assert!(said >= 6 << 20, "{said} bytes were taken");
    // It was cut off between two chunks.
    assert!(outcome.unwrap_err().is_protocol());
}

#[tokio::test]
async fn empty_lines_before_a_head_are_stopped() {
    let (mut connection, mut peer) = connected().await;
    let saying = async {
        peer.read_head().await.unwrap();
        let mut said = 0;
        while said < 5 << 20 && peer.io.write_all(b"\r\n\n\r\n").await.is_ok() {
            said += 5;
        }
        said
    };
    let (outcome, said) = tokio::join!(send(&mut connection, get()), saying);
    assert!(outcome.unwrap_err().into_error().is_protocol());
    assert!(said < 5 << 20, "{said} bytes were taken");
}

/// Reads heads from such pieces up to a final one, and counts the parses. `None` if they end before.
fn read_heads(
    bytes: &[u8],
    piece: usize,
    size: usize,
) -> (Result<Option<Head>, Http1Failure>, usize) {
    let script = Script::new(b"", bytes.chunks(piece)).that_ends();
    let mut wire = Wire::new(DirectIo::new(script, None), None);
    let kind = RequestKind::default();
    let (mut reader, mut parses) = (HeadReader::default(), 0);
    let read = run(|cx| {
        loop {
            // A parse clears the map that it may use again.
            let mut recycled = http::HeaderMap::new();
            recycled.insert("x-untouched", HeaderValue::from_static("1"));
            let read =
                reader.read(&mut wire, HeadLimits { size, fields: 100 }, kind, &mut recycled);
            parses += usize::from(!recycled.contains_key("x-untouched"));
            match read {
                Ok(Some(head)) if head.status.is_informational() => {}
                Ok(None) if ready!(wire.poll_fill(cx, 1 << 20)).unwrap() > 0 => {}
                read => return Poll::Ready(read),
            }
        }
    });
    (read.unwrap(), parses)
}

/// How often a head is parsed that comes in such pieces.
fn parses(head: &[u8], piece: usize) -> usize {
    let (read, parses) = read_heads(head, piece, 256 << 10);
    assert!(read.unwrap().is_some());
    parses
}

#[test]
fn a_head_that_comes_byte_by_byte_is_not_parsed_each_time() {
    let start = "HTTP/1.1 200 OK\r\n";
    let field = |length| format!("x: {}\r\n", "y".repeat(length));
    let heads = [
        [start, &field(100_000), "\r\n"].concat(),
        [start, &field(1000).repeat(99), "\r\n"].concat(),
        [start, &field(1000).replace('\r', "").repeat(99), "\n"].concat(),
        [start, "x: y", &"\r\n z".repeat(20_000), "\r\n\r\n"].concat(),
        format!("HTTP/1.1 200 {}\r\n\r\n", "reason ".repeat(15_000)),
    ];
    for head in heads {
        for piece in [1, 2, 7] {
            let parses = parses(head.as_bytes(), piece);
            assert!(parses <= 4, "{parses} parses of {:?}... by {piece}", &head[..40]);
        }
    }
}

/// What is read counts to the byte, empty lines and 1xx included; a body that came along does not count.
#[test]
fn a_head_may_be_exactly_as_long_as_allowed() {
    let table = [
        ("", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello"),
        ("", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello"),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n\r\n", "until the end"),
        ("HTTP/1.1 100 Continue\r\n\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", ""),
    ];
    for (before, head, body) in table {
        let (bytes, size) = ([before, head, body].concat(), before.len() + head.len());
        for piece in [1, 2, size - 1, size, bytes.len()] {
            let (read, _) = read_heads(bytes.as_bytes(), piece, size);
            assert!(matches!(read, Ok(Some(_))), "{bytes:?} by {piece}: {read:?}");
            let (read, _) = read_heads(bytes.as_bytes(), piece, size - 1);
            let Err(Http1Failure::HeadTooLong { is_alone }) = read else {
                panic!("{bytes:?} by {piece}: {read:?}")
            };
            assert_eq!(is_alone, before.is_empty(), "{bytes:?} by {piece}");
        }
    }
}

#[test]
fn a_head_that_is_too_long_is_refused_before_its_end() {
    let start = "HTTP/1.1 200 OK\r\nx: ";
    for before in ["", "\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let bytes = [before, start, &"y".repeat(100)].concat();
        for piece in [1, 7, bytes.len()] {
            let (read, _) = read_heads(bytes.as_bytes(), piece, bytes.len() - 1);
            let is_alone = before.is_empty();
            assert!(
                matches!(read, Err(Http1Failure::HeadTooLong { is_alone: alone }) if alone == is_alone),
                "{bytes:?} by {piece}: {read:?}"
            );
            let (read, _) = read_heads(bytes.as_bytes(), piece, bytes.len());
            assert!(matches!(read, Ok(None)), "{bytes:?} by {piece}: {read:?}");
        }
    }
}

#[tokio::test]
async fn a_short_body_may_come_right_after_its_head() {
    for body in ["x", "xy", "hello"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let (_, read) = exchange(get(), &[&head, body]).await.unwrap();
        assert_eq!(read.unwrap(), body);
    }
}

#[tokio::test]
async fn chunked_framing_may_be_exactly_as_long_as_allowed() {
    const ALL: usize = 16 * 1024;
    let size = |zeros: usize, blanks: usize| {
        format!("{}5{}\r\nhello\r\n0\r\n\r\n", "0".repeat(zeros), " ".repeat(blanks))
    };
    let extensions = |first: usize, second: usize| {
        format!("5;{}\r\nhello\r\n0;{}\r\n\r\n", "x".repeat(first), "y".repeat(second))
    };
    let limit = Http1Config::default().limits().size;
    let trailers = |more: usize| {
        let most = 60_000;
        let field = |length: usize| format!("x: {}\r\n", "y".repeat(length - 5));
        let rest = limit - 4 * most + more;
        format!("5\r\nhello\r\n0\r\n{}{}\r\n", field(most).repeat(4), field(rest))
    };
    let table = [
        (size(ALL - 1, 0), size(ALL, 0)),
        (size(0, ALL - 1), size(0, ALL)),
        (size(100, ALL - 101), size(100, ALL - 100)),
        (extensions(ALL - 1, 0), extensions(ALL, 0)),
        (extensions(100, ALL - 101), extensions(100, ALL - 100)),
        (trailers(0), trailers(1)),
    ];
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (allowed, refused) in table {
        let (_, read) = exchange(get(), &[head, &allowed]).await.unwrap();
        assert_eq!(read.unwrap(), "hello", "{:?}", &allowed[..20]);
        assert!(error_of(&[head, &refused]).await.is_protocol(), "{:?}", &refused[..20]);
    }
}
