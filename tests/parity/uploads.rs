//! Uploads whose response comes before their end.

use std::io::{self, Read, Write};

use tower_transport::{
    blocking::{Blocking, Client, RequestBuilder, Transport},
    connect::ConnectInfo,
    transport::Streamed,
};

use crate::net::{Origin, trust, wait_until};

type Post = RequestBuilder<tower_transport::Transport, Streamed>;

/// A streamed `POST`, over HTTP/1.1 and over HTTP/2.
fn posts(plain: &Origin, tls: &Origin, path: &str) -> [Post; 2] {
    let transport = Transport::builder().tls(trust()).build().unwrap();
    [transport.stream("POST", plain.url(path)), transport.stream("POST", tls.url(path))]
}

#[test]
fn an_early_refusal_of_a_streamed_request_is_read_to_its_end() {
    for request in posts(&Origin::refusing(), &Origin::tls(), "/refuse/1000000") {
        let response = request.body_reader(io::repeat(b'x')).send().unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(response.into_body().read_all().unwrap().len(), 1_000_000);
    }
}

#[test]
fn writing_fails_after_an_early_refusal_of_a_streamed_request_which_is_read_to_its_end() {
    for request in posts(&Origin::refusing(), &Origin::tls(), "/refuse/1000000") {
        let mut upload = request.writer().unwrap();
        let error = io::copy(&mut io::repeat(b'x'), &mut upload).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let response = upload.finish().unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(response.into_body().read_all().unwrap().len(), 1_000_000);
    }
}

/// Gives a byte once the server has all before it.
struct OneByOne<'a>(&'a Origin, usize);

impl Read for OneByOne<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let given = self.1;
        if given > 0 {
            wait_until(|| self.0.seen().has(&format!("progress {given}")));
        }
        if given == 20 {
            return Ok(0);
        }
        self.1 += 1;
        buffer[0] = b'x';
        Ok(1)
    }
}

#[test]
fn an_early_success_lets_the_upload_go_on() {
    let (plain, tls) = (Origin::plain(), Origin::tls());
    for (request, origin) in posts(&plain, &tls, "/counting").into_iter().zip([&plain, &tls]) {
        let mut response = request.body_reader(OneByOne(origin, 0)).send().unwrap();
        assert_eq!(response.status(), 200);
        assert!(ConnectInfo::of(&response).is_some(), "it knows its connection");
        assert_eq!(response.body_mut().read_all().unwrap(), "counted 20");
    }
    for (request, origin) in posts(&plain, &tls, "/counting").into_iter().zip([&plain, &tls]) {
        let mut upload = request.writer().unwrap();
        let mut reader = OneByOne(origin, 0);
        while reader.read(&mut [0]).unwrap() > 0 {
            upload.write_all(b"x").unwrap();
            upload.flush().unwrap();
        }
        assert_eq!(upload.finish().unwrap().into_body().read_all().unwrap(), "counted 20");
    }
}

/// Fails at the end of bytes that the server has: so the response has come before.
struct Fails<'a>(OneByOne<'a>);

impl Read for Fails<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the source failed")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_reader_that_fails_after_an_early_success_is_an_error() {
    let (plain, tls) = (Origin::plain(), Origin::tls());
    for (request, origin) in posts(&plain, &tls, "/counting").into_iter().zip([&plain, &tls]) {
        let error = request.body_reader(Fails(OneByOne(origin, 0))).send().unwrap_err();
        assert!(error.is_body() && error.to_string().contains("reading the body"), "{error:?}");
    }
}

/// A service that sends each piece back as it comes, and takes none while its response is not read.
fn echo() -> Blocking<
    impl tower::Service<
        http::Request<tower_transport::Body>,
        Response = http::Response<tower_transport::Body>,
        Error = std::convert::Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static,
> {
    Blocking::new(tower::service_fn(|request: http::Request<tower_transport::Body>| async {
        Ok(http::Response::new(request.into_body()))
    }))
}

#[test]
fn a_response_that_comes_as_the_upload_goes_is_kept_up_to_a_limit() {
    let request = echo().stream("POST", "http://any.example/");
    let response = request.body_reader(io::repeat(b'x').take(10_000_000)).send().unwrap();
    assert_eq!(response.into_body().read_all().unwrap().len(), 10_000_000);
    let request = echo().stream("POST", "http://any.example/");
    let error = request.body_reader(io::repeat(b'x')).send().unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("before the end"), "{error:?}");
}

#[test]
fn a_write_that_fails_ends_the_upload_so_that_no_piece_is_missing() {
    let origin = Origin::plain();
    let mut upload = Transport::new().request("POST", origin.url("/count")).writer().unwrap();
    upload.write_all(b"before").unwrap();
    upload.flush().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(async { upload.write_all(&[b'x'; 64 * 1024]) });
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    upload.write_all(b"after").unwrap();
    assert_eq!(upload.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert!(upload.finish().unwrap_err().is_builder());
    origin.seen().wait_for_open(0);
}

#[test]
fn the_limit_of_a_client_holds_for_a_streamed_response_until_its_upload_is_over() {
    let length = 100_000;
    for (max_body, is_kept) in [(Some(length / 2), false), (Some(length * 2), true), (None, true)] {
        let echo = tower::service_fn(|request: http::Request<tower_transport::Body>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(request.into_body()))
        });
        let client = Client::builder().max_body(max_body).build_over(echo).unwrap();
        let url = "http://any.example/";
        for request in [client.stream("POST", url), client.post(url).streamed()] {
            let request = request.try_clone().unwrap();
            let sent = request.body_reader(io::repeat(b'x').take(length)).send();
            assert_eq!(sent.is_ok(), is_kept, "{max_body:?} {sent:?}");
            if let Err(error) = sent {
                assert!(error.is_decode(), "{error:?}");
            }
        }
    }
}
