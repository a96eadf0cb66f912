//! What is written for a request.

use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;
use crate::options::RawTarget;

#[tokio::test]
async fn a_get_has_a_path_and_a_host_and_nothing_else() {
    let head = wire("https://example.com", get()).await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: example.com\r\n\r\n");
}

#[tokio::test]
async fn host_comes_first() {
    let mut request = get();
    request.headers_mut().insert("accept", "*/*".parse().unwrap());
    let head = wire("https://example.com", request).await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: example.com\r\naccept: */*\r\n\r\n");
}

#[tokio::test]
async fn a_host_that_the_caller_set_stays() {
    let mut request = get();
    request.headers_mut().insert("host", "other.example".parse().unwrap());
    let head = wire("https://example.com", request).await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: other.example\r\n\r\n");
}

#[tokio::test]
async fn a_trace_or_a_connect_with_a_body_is_refused() {
    for method in [Method::TRACE, Method::CONNECT] {
        let (mut connection, _peer) = connected().await;
        let refused = send(&mut connection, request(method, "hello")).await.unwrap_err();
        assert!(refused.into_error().is_builder());
    }
}

#[tokio::test]
async fn host_of_the_caller_comes_first() {
    let mut request = get();
    request.headers_mut().insert("accept", "*/*".parse().unwrap());
    request.headers_mut().insert("host", "other.example".parse().unwrap());
    let head = wire("https://example.com", request).await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: other.example\r\naccept: */*\r\n\r\n");
}

#[tokio::test]
async fn host_names_a_port_that_is_not_the_default() {
    let head = wire("https://example.com:8443", get()).await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: example.com:8443\r\n\r\n");
}

#[tokio::test]
async fn host_has_an_ipv6_address_in_brackets() {
    let head = wire("http://[::1]:8080", get()).await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n");
}

#[tokio::test]
async fn bytes_have_a_content_length() {
    let wire = wire("https://example.com", request(Method::POST, "Hello")).await;
    let head = "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(wire, format!("{head}Hello"));
}

#[tokio::test]
async fn a_post_without_a_body_says_so() {
    let wire = wire("https://example.com", request(Method::POST, "")).await;
    assert_eq!(wire, "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n");
}

#[tokio::test]
async fn a_stream_is_chunked() {
    let body = chunks(["Hello", "", ", world!"]);
    let wire = wire("https://example.com", request(Method::POST, body)).await;
    let head = "POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(wire, format!("{head}5\r\nHello\r\n8\r\n, world!\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_stream_is_sent_with_get_too() {
    let wire = wire("https://example.com", request(Method::GET, chunks(["Hello"]))).await;
    let head = "GET / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(wire, format!("{head}5\r\nHello\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_stream_of_declared_length_is_not_chunked() {
    let mut request = request(Method::POST, chunks(["Hel", "lo"]));
    request.headers_mut().insert("content-length", "5".parse().unwrap());
    let wire = wire("https://example.com", request).await;
    let head = "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(wire, format!("{head}Hello"));
}

#[tokio::test]
async fn announced_trailers_are_sent() {
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
    let frames =
        [Ok::<_, io::Error>(Frame::data(Bytes::from("hi"))), Ok(Frame::trailers(trailers))];
    let mut request = request(Method::PUT, Body::new(StreamBody::new(stream::iter(frames))));
    request.headers_mut().insert("trailer", "x-sum".parse().unwrap());
    let wire = wire("https://example.com", request).await;
    assert!(wire.ends_with("2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"), "{wire}");
}

#[tokio::test]
async fn a_head_request_is_one() {
    let head = wire("https://example.com", request(Method::HEAD, "")).await;
    assert_eq!(head, "HEAD / HTTP/1.1\r\nhost: example.com\r\n\r\n");
}

#[tokio::test]
async fn options_can_ask_the_server_itself() {
    let mut request = request(Method::OPTIONS, "");
    request.extensions_mut().insert("*".parse::<RawTarget>().unwrap());
    let head = wire("https://example.com", request).await;
    assert_eq!(head, "OPTIONS * HTTP/1.1\r\nhost: example.com\r\n\r\n");
}

#[tokio::test]
async fn connect_names_an_authority() {
    let head = wire("https://example.com", request(Method::CONNECT, "")).await;
    assert_eq!(head, "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n");
}

#[tokio::test]
async fn the_version_on_the_wire_is_1_1_whatever_the_request_says() {
    for version in [Version::HTTP_09, Version::HTTP_2, Version::HTTP_3] {
        let mut request = get();
        *request.version_mut() = version;
        let head = wire("https://example.com", request).await;
        assert_eq!(head, "GET / HTTP/1.1\r\nhost: example.com\r\n\r\n");
    }
}

#[tokio::test]
async fn names_can_be_title_case() {
    let config = Http1Config::new().title_case_headers(true);
    let (mut connection, mut peer) = connected_to("https://example.com", &config).await;
    let (_, head) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    assert_eq!(head, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_comes_back_as_it_was() {
    let mut request = request(Method::POST, "Hello");
    request.headers_mut().insert("content-length", "6".parse().unwrap());
    let (mut connection, _peer) = connected().await;
    let error = send(&mut connection, request).await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    let request = error.request.unwrap();
    assert_eq!(request.uri(), "https://example.com/");
    assert!(!request.headers().contains_key("host"));
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_request_line_names_a_path_in_ascii_whatever_the_url_is() {
    for (url, path) in [("https://example.com/é", "/%C3%A9"), ("https://example.com#é", "/")] {
        let request = Request::get(url).body(Body::empty()).unwrap();
        let head = wire("https://example.com", request).await;
        assert_eq!(head, format!("GET {path} HTTP/1.1\r\nhost: example.com\r\n\r\n"));
    }
}

fn coded(method: Method, body: impl Into<Body>, codings: &[&str]) -> Request<Body> {
    let mut request = request(method, body);
    for coding in codings {
        request.headers_mut().append("transfer-encoding", coding.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_body_that_is_empty_is_framed_as_none_whatever_its_codings() {
    for codings in [&["chunked"][..], &["gzip, chunked"], &["gzip", "chunked"], &["gzip"]] {
        for (method, length) in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "content-length: 0\r\n"),
            ("PUT", "content-length: 0\r\n"),
        ] {
            let request = coded(method.parse().unwrap(), "", codings);
            let wire = wire("https://example.com", request).await;
            assert_eq!(wire, format!("{method} / HTTP/1.1\r\nhost: example.com\r\n{length}\r\n"));
        }
    }
}

#[tokio::test]
async fn a_stream_that_turns_out_empty_has_its_last_chunk() {
    for method in [Method::GET, Method::POST] {
        let request = coded(method.clone(), chunks([]), &["chunked"]);
        let wire = wire("https://example.com", request).await;
        let head = "/ HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(wire, format!("{method} {head}0\r\n\r\n"));
    }
}

#[tokio::test]
async fn a_body_with_codings_is_chunked_last() {
    for codings in ["gzip, chunked", "gzip"] {
        let request = coded(Method::POST, "Hello", &[codings]);
        let wire = wire("https://example.com", request).await;
        assert!(wire.contains("\r\ntransfer-encoding: gzip, chunked\r\n"), "{wire}");
        assert!(wire.ends_with("\r\n\r\n5\r\nHello\r\n0\r\n\r\n"), "{wire}");
    }
}

#[tokio::test]
async fn codings_come_back_with_a_request_that_was_not_written() {
    let (mut connection, peer) = connected().await;
    drop(peer);
    run_ready_tasks().await;
    let request = coded(Method::POST, "", &["gzip", "chunked"]);
    let error = connection.call(request).await.unwrap_err();
    let headers = error.request.unwrap().into_parts().0.headers;
    let expected = ["gzip", "chunked"].map(|coding| ("transfer-encoding", coding));
    let left = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    assert_eq!(left.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn http_1_0_is_sent_no_codings() {
    let (mut connection, mut peer) = connected().await;
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    ask(&mut connection, &mut peer, get(), &[old]).await.0.unwrap();
    let refused = send(&mut connection, coded(Method::POST, "hi", &["chunked"])).await.unwrap_err();
    assert_eq!(refused.progress, Progress::Unsent);
    let request = coded(Method::POST, "", &["chunked"]);
    let (sent, head) = ask(&mut connection, &mut peer, request, &[old]).await;
    assert!(sent.is_ok() && !head.contains("chunked"), "{head}");
}

#[tokio::test]
async fn values_by_the_ten_thousand_are_sent_behind_the_host() {
    let mut request = get();
    for _ in 0..25_000 {
        request.headers_mut().append("x", "1".parse().unwrap());
    }
    let wire = wire("https://example.com", request).await;
    assert!(wire.starts_with("GET / HTTP/1.1\r\nhost: example.com\r\nx: 1\r\n"), "{wire:.200}");
    assert_eq!(wire.matches("\r\nx: 1").count(), 25_000);
}

#[tokio::test]
async fn a_request_that_comes_back_is_untouched() {
    let proxy = crate::target::Proxy::new("http://me:secret@proxy.example")
        .unwrap()
        .header("x-tag".parse().unwrap(), "1".parse().unwrap());
    for forwarder in [None, Some(proxy)] {
        let (mut connection, peer) = connected_to("http://example.com", &Http1Config::new()).await;
        if let Some(proxy) = forwarder {
            connection.info = connection.info.clone().with_forwarder(proxy);
        }
        drop(peer);
        let mut request = Request::put("http://example.com/a?b").version(Version::HTTP_2);
        for (name, value) in [("proxy-authorization", "mine"), ("accept", "a"), ("accept", "b")] {
            request = request.header(name, value);
        }
        let error = connection.call(request.body(Body::empty()).unwrap()).await.unwrap_err();
        let (head, _) = error.request.unwrap().into_parts();
        assert_eq!(
            (head.uri, head.version),
            ("http://example.com/a?b".parse().unwrap(), Version::HTTP_2)
        );
        let fields = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let expected: [(&str, &[u8]); 3] =
            [("proxy-authorization", b"mine"), ("accept", b"a"), ("accept", b"b")];
        assert_eq!(fields.collect::<Vec<_>>(), expected);
    }
}

/// Data in pieces that shows only one of them at a time, as [`bytes::Buf`] allows.
struct Pieces(std::collections::VecDeque<&'static [u8]>);

impl bytes::Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().copied().unwrap_or_default()
    }

    fn advance(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let piece = self.0.front_mut().expect("no more than there is");
            let taken = bytes.min(piece.len());
            *piece = &piece[taken..];
            bytes -= taken;
            if piece.is_empty() {
                self.0.pop_front();
            }
        }
    }
}

#[tokio::test]
async fn data_in_pieces_is_sent_in_its_order() {
    static A: [u8; 900] = [b'a'; 900];
    static B: [u8; 900] = [b'b'; 900];
    static C: [u8; 2000] = [b'c'; 2000];
    let sent: String = [&A[..], &B, &C].concat().into_iter().map(char::from).collect();
    for length in [Some(sent.len()), None] {
        let frames = [&[&A[..], &B[..]][..], &[&C[..]]].map(|pieces| {
            Ok::<_, io::Error>(Frame::data(Pieces(pieces.iter().copied().collect())))
        });
        let (near, far) = tokio::io::duplex(1024 * 1024);
        let target =
            Target::new(Origin::try_from(&"https://example.com".parse().unwrap()).unwrap());
        let info = ConnectInfo::default().with_encryption();
        let mut connection: Http1<_> = handshake(
            TokioIo::new(near),
            info,
            &target,
            &Http1Config::default(),
            &Runtime::tokio(),
        )
        .unwrap();
        let mut request =
            Request::post("https://example.com/").body(StreamBody::new(stream::iter(frames)));
        if let (Some(length), Ok(request)) = (length, &mut request) {
            request.headers_mut().insert("content-length", length.into());
        }
        let mut peer = Peer::new(far);
        poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
        let sending = connection.call(request.unwrap());
        let (_, head) = tokio::join!(sending, peer.answer([OK]));
        drop(connection);
        let head = head.unwrap();
        let all = String::from_utf8(peer.read_to_end().await.unwrap()).unwrap();
        match length {
            Some(_) => assert!(all == sent, "{head}"),
            None => {
                let data: String = all.split("\r\n").skip(1).step_by(2).collect();
                assert!(data == sent, "{head}");
            }
        }
    }
}
