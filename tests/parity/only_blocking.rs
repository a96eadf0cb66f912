//! What callers that block have beside, or do otherwise: readers and writers, threads, tasks that must not block.

use std::{
    cell::{Cell, RefCell},
    io::{self, BufRead, Cursor, Read, Write},
    rc::Rc,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use http::Response;
use tower_transport::{
    Error, ResponseExt,
    blocking::{self, Blocking, Body, Canceler, Client, StreamedResponseExt, Transport, Upload},
    options::{Protocols, Timeouts},
};

use crate::net::{Origin, wait_until};

/// Passes in a test that waits for it.
const SHORT: Duration = Duration::from_millis(60);

fn body(origin: &Origin, path: &str) -> Body {
    blocking::stream("GET", origin.url(path)).send().unwrap().into_body()
}

// Bodies.

#[test]
fn a_body_is_read_like_a_file() {
    let origin = Origin::plain();
    let mut text = String::new();
    assert_eq!(body(&origin, "/chunks").read_to_string(&mut text).unwrap(), 11);
    assert_eq!(text, "onetwothree");
    let mut one = [0; 2];
    let mut body = body(&origin, "/chunks");
    body.read_exact(&mut one).unwrap();
    assert_eq!((&one, body.read(&mut []).unwrap()), (b"on", 0));
    assert_eq!(body.chunk().unwrap().unwrap(), "e", "what is left of a chunk comes first");
    assert_eq!(body.read_all().unwrap(), "twothree");
}

#[test]
fn a_body_is_read_by_lines() {
    let origin = Origin::plain();
    let lines: Result<Vec<_>, _> = BufRead::lines(body(&origin, "/lines")).collect();
    assert_eq!(lines.unwrap(), ["one", "two", "three"]);
}

#[test]
fn a_body_is_an_iterator_of_its_chunks_which_ends_with_an_error() {
    let origin = Origin::plain();
    let chunks: Result<Vec<_>, _> = body(&origin, "/chunks").collect();
    assert_eq!(chunks.unwrap().concat(), b"onetwothree");
    let mut broken = body(&origin, "/break");
    let chunks: Vec<_> = Iterator::by_ref(&mut broken).collect();
    assert!(matches!(&chunks[..], [Ok(_), Err(error)] if error.was_sent()), "{chunks:?}");
    assert!(broken.next().is_none());
    // A reader must not take an error for the end.
    assert!(broken.chunk().is_err() && broken.read(&mut [0]).is_err());
}

#[test]
fn a_body_that_failed_is_not_taken_for_one_that_has_ended() {
    let origin = Origin::plain();
    let failed = || {
        let request = blocking::stream("GET", origin.url("/stall-body"));
        let mut response = request.timeouts(Timeouts::none().total(SHORT)).send().unwrap();
        response.body_mut().read_to_end(&mut Vec::new()).unwrap_err();
        response
    };
    let body = failed().into_body();
    assert!(!http_body::Body::is_end_stream(&body));
    let passed_on = blocking::request("PUT", origin.url("/echo")).body(body);
    let error = passed_on.send().unwrap_err();
    assert!(error.is_body() && error.cause::<Error>().unwrap().is_timeout(), "{error:?}");
    assert!(failed().text().unwrap_err().is_timeout());
    assert!(failed().lines().next().unwrap().unwrap_err().is_timeout());
}

#[test]
fn a_body_of_ones_own_keeps_its_timers_between_its_chunks() {
    let ticks = futures_util::stream::unfold(None, |interval| async {
        let new = || tokio::time::interval(Duration::from_millis(1));
        let mut interval = interval.unwrap_or_else(new);
        interval.tick().await;
        Some((Ok::<_, io::Error>("tick"), Some(interval)))
    });
    let mut body = Body::from(tower_transport::Body::stream(ticks));
    for _ in 0..3 {
        assert_eq!(body.chunk().unwrap().unwrap(), "tick");
    }
}

#[test]
fn the_error_of_a_read_carries_ours() {
    let origin = Origin::plain();
    let request = blocking::stream("GET", origin.url("/stall-body"));
    let request = request.timeouts(Timeouts::none().read(SHORT));
    let mut body = request.send().unwrap().into_body();
    let error = body.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    assert!(ours.unwrap().is_timeout());
}

#[test]
fn the_rest_of_an_open_file_is_sent_with_what_is_left_as_its_length() {
    let origin = Origin::plain();
    let mut file = std::fs::File::open("Cargo.toml").unwrap();
    let whole = file.metadata().unwrap().len();
    io::copy(&mut Read::by_ref(&mut file).take(10), &mut io::sink()).unwrap();
    let body = Body::file(file).unwrap();
    assert_eq!(body.length(), Some(whole - 10));
    let response = blocking::request("POST", origin.url("/echo")).body(body).send().unwrap();
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains(&format!("content-length: {}\n", whole - 10)), "{text}");
    assert!(Body::file(std::fs::File::open("src").unwrap()).unwrap_err().is_body());
}

#[test]
fn a_body_that_was_begun_is_passed_on_with_what_is_left_of_it() {
    let origin = Origin::plain();
    let mut begun = body(&origin, "/chunks");
    begun.read_exact(&mut [0; 2]).unwrap();
    let response = blocking::request("POST", origin.url("/echo")).body(begun).send().unwrap();
    assert!(response.body().ends_with(b"\netwothree"), "{response:?}");
    let empty = blocking::request("POST", origin.url("/echo")).body(Body::default());
    let response = empty.send().unwrap();
    assert!(response.body().windows(18).any(|it| it == b"content-length: 0\n"), "{response:?}");
}

#[test]
fn a_response_that_was_not_received_is_read_like_one_that_was() {
    let response =
        |text: &'static str| Response::new(Body::from(tower_transport::Body::from(text)));
    assert_eq!(StreamedResponseExt::text(response("text")).unwrap(), "text");
    let lines: Result<Vec<_>, _> = response("one\ntwo").lines().collect();
    assert_eq!(lines.unwrap(), ["one", "two"]);
    assert_eq!(Body::empty().read_all().unwrap(), "");
}

#[test]
fn reading_a_body_with_trailers_ends_before_them() {
    let origin = Origin::plain();
    let mut body = body(&origin, "/trailers");
    assert_eq!(body.chunk().unwrap().unwrap(), "body");
    assert_eq!(body.chunk().unwrap(), None);
}

#[test]
fn the_lines_of_a_body_that_breaks_off_end_with_the_error() {
    let origin = Origin::plain();
    let response = blocking::stream("GET", origin.url("/break")).send().unwrap();
    let lines: Vec<_> = response.lines().take(9).collect();
    assert!(matches!(&lines[..], [Err(error)] if error.was_sent()), "{lines:?}");
}

#[cfg(unix)]
#[test]
fn a_device_is_sent_to_its_end_without_a_length() {
    let body = Body::file(std::fs::File::open("/dev/null").unwrap()).unwrap();
    assert_eq!(body.length(), None);
    let origin = Origin::plain();
    let response = blocking::request("POST", origin.url("/echo")).body(body).send().unwrap();
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("transfer-encoding: chunked\n") && text.ends_with('\n'), "{text}");
}

// Readers.

#[test]
fn a_reader_may_borrow_and_belong_to_one_thread() {
    struct Shared<'a>(Rc<RefCell<Cursor<&'a [u8]>>>);
    impl Read for Shared<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.borrow_mut().read(buffer)
        }
    }
    let origin = Origin::plain();
    let content = vec![b'y'; 1_000_000];
    let reader = Rc::new(RefCell::new(Cursor::new(&content[..])));
    let request = blocking::request("POST", origin.url("/count"));
    let response = request.body_reader(Shared(reader.clone())).send().unwrap();
    assert_eq!(response.body(), "1000000");
    assert_eq!(reader.borrow().position(), 1_000_000);
}

#[test]
fn a_reader_is_held_to_its_length() {
    let (origin, transport) = (Origin::plain(), Transport::new());
    let send = |length| {
        let request = transport.request("POST", origin.url("/echo"));
        request.body_reader(&b"12345"[..]).length(length).send()
    };
    let response = send(5).unwrap();
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("content-length: 5\n") && text.ends_with("12345"), "{text}");
    for wrong in [4, 6] {
        let error = send(wrong).unwrap_err();
        assert!(error.is_body(), "{wrong}: {error:?}");
    }
    assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
}

#[test]
fn a_reader_without_bytes_is_an_empty_body() {
    let origin = Origin::plain();
    let request = blocking::request("POST", origin.url("/count"));
    assert_eq!(request.body_reader(io::empty()).send().unwrap().body(), "0");
    let request = blocking::request("POST", origin.url("/count"));
    assert_eq!(request.body_reader(io::empty()).length(0).send().unwrap().body(), "0");
}

#[test]
fn a_read_that_is_interrupted_is_repeated() {
    struct Interrupted(bool);
    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match std::mem::replace(&mut self.0, true) {
                false => Err(io::ErrorKind::Interrupted.into()),
                true => io::empty().read(buffer),
            }
        }
    }
    let origin = Origin::plain();
    let request = blocking::request("POST", origin.url("/count"));
    assert_eq!(request.body_reader(Interrupted(false)).send().unwrap().body(), "0");
}

#[test]
fn an_early_refusal_ends_the_reading() {
    struct Endless<'a>(&'a Cell<usize>);
    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.set(self.0.get() + buffer.len());
            Ok(buffer.len())
        }
    }
    for origin in [Origin::plain(), Origin::tls()] {
        let read = Cell::new(0);
        let transport = Transport::builder().tls(crate::net::trust()).build().unwrap();
        let request = transport.request("POST", origin.url("/early"));
        let response = request.body_reader(Endless(&read)).send().unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (413, &b"too large"[..]));
        assert!(read.get() > 0);
        assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
    }
}

#[test]
fn a_reader_that_panics_hurts_its_own_request_alone() {
    struct Panics(bool);
    impl Read for Panics {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(!std::mem::replace(&mut self.0, true), "an expected panic");
            buffer[0] = b'x';
            Ok(1)
        }
    }
    let (origin, transport) = (Origin::plain(), Transport::new());
    let (other, url) = (transport.clone(), origin.url("/count"));
    let panicked =
        thread::spawn(move || other.request("POST", url).body_reader(Panics(false)).send());
    assert!(panicked.join().is_err());
    origin.seen().wait_for_open(0);
    assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
}

#[test]
fn a_reader_may_send_requests_itself() {
    struct Asks<'a>(&'a Transport, String);
    impl Read for Asks<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty() {
                return Ok(0);
            }
            let url = std::mem::take(&mut self.1);
            let answer = self.0.request("GET", url).send().map_err(io::Error::other)?;
            answer.body().as_ref().read(buffer)
        }
    }
    let (origin, transport) = (Origin::plain(), Transport::new());
    let request = transport.request("POST", origin.url("/echo"));
    let response = request.body_reader(Asks(&transport, origin.url("/"))).send().unwrap();
    assert!(response.body().ends_with(b"\nhello"), "{response:?}");
}

// Writers.

fn post(origin: &Origin, path: &str) -> Upload<bytes::Bytes> {
    blocking::request("POST", origin.url(path)).writer().unwrap()
}

#[test]
fn what_is_written_arrives_and_finish_gives_the_response() {
    let origin = Origin::plain();
    let mut upload = post(&origin, "/echo");
    for row in 0..3 {
        writeln!(upload, "row {row}").unwrap();
    }
    let response = upload.finish().unwrap();
    assert!(response.body().ends_with(b"row 0\nrow 1\nrow 2\n"), "{response:?}");
    let mut upload = post(&origin, "/count");
    io::copy(&mut Read::take(io::repeat(b'x'), 1_000_000), &mut upload).unwrap();
    assert_eq!(upload.finish().unwrap().body(), "1000000");
    assert_eq!(post(&origin, "/count").finish().unwrap().body(), "0");
}

#[test]
fn an_upload_may_have_a_streamed_response() {
    let origin = Origin::plain();
    let mut upload = blocking::stream("POST", origin.url("/echo")).writer().unwrap();
    upload.write_all(b"written").unwrap();
    let mut response: Response<Body> = upload.finish().unwrap();
    let mut text = String::new();
    response.body_mut().read_to_string(&mut text).unwrap();
    assert!(text.ends_with("written"), "{text}");
}

#[test]
fn a_flush_sends_what_was_written_at_once() {
    let origin = Origin::plain();
    let mut upload = post(&origin, "/progress");
    for sent in 1..4 {
        upload.write_all(b"x").unwrap();
        upload.flush().unwrap();
        wait_until(|| origin.seen().has(&format!("progress {sent}")));
    }
    assert_eq!(upload.finish().unwrap().body(), "3");
}

#[test]
fn an_upload_that_is_dropped_breaks_off() {
    let origin = Origin::plain();
    let mut upload = post(&origin, "/count");
    upload.write_all(b"a part").unwrap();
    upload.flush().unwrap();
    origin.seen().wait_for_requests(1);
    drop(upload);
    origin.seen().wait_for_open(0);
}

#[test]
fn a_writer_of_less_than_its_length_is_an_error() {
    let origin = Origin::plain();
    let request = blocking::request("POST", origin.url("/count")).header("content-length", "10");
    let mut upload = request.writer().unwrap();
    upload.write_all(b"short").unwrap();
    assert!(upload.finish().unwrap_err().is_body());
}

#[test]
fn writing_fails_after_an_early_response_which_finish_gives() {
    let origin = Origin::plain();
    let mut upload = post(&origin, "/early");
    let error = io::copy(&mut io::repeat(b'x'), &mut upload).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let response = upload.finish().unwrap();
    assert_eq!((response.status().as_u16(), &response.body()[..]), (413, &b"too large"[..]));
}

#[test]
fn writing_fails_with_the_error_of_the_request_which_finish_gives() {
    let mut upload = blocking::request("POST", "http://127.0.0.1:1/").writer().unwrap();
    let error = io::copy(&mut io::repeat(b'x'), &mut upload).unwrap_err();
    let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    assert!(ours.unwrap().is_connect(), "{error:?}");
    assert!(upload.finish().unwrap_err().is_connect());
}

#[test]
fn a_request_that_is_not_valid_fails_before_anything_is_written() {
    let request = blocking::request("POST", "no url");
    assert!(request.writer().unwrap_err().is_builder());
}

// Cancellation.

#[test]
fn a_canceler_ends_whatever_waits_for_it_and_all_that_comes_later() {
    let (origin, canceler) = (Origin::plain(), Canceler::new());
    let transport = Transport::new();
    let request = |path| transport.stream("GET", origin.url(path)).canceler(&canceler);
    let mut body = request("/stall-body").send().unwrap().into_body();
    assert_eq!(body.chunk().unwrap().unwrap(), "beginning");
    let reading = thread::spawn(move || body.chunk());
    let mut upload =
        transport.request("POST", origin.url("/count")).canceler(&canceler).writer().unwrap();
    upload.write_all(b"x").unwrap();
    let waiting = thread::spawn({
        let request = request("/stall");
        move || request.send()
    });
    origin.seen().wait_for_requests(3);
    assert!(!canceler.is_canceled());
    canceler.cancel();
    assert!(reading.join().unwrap().unwrap_err().is_canceled());
    assert!(waiting.join().unwrap().unwrap_err().is_canceled());
    assert!(upload.finish().unwrap_err().is_canceled());
    let later = request("/").send().unwrap_err();
    assert!(later.is_canceled() && later.is_unsent());
    origin.seen().wait_for_open(0);
    assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
}

#[test]
fn what_is_canceled_after_it_was_sent_is_not_unsent() {
    let (origin, canceler) = (Origin::plain(), Canceler::new());
    let transport = Transport::new();
    let request = |path| transport.stream("GET", origin.url(path)).canceler(&canceler);
    let mut body = request("/chunks").send().unwrap().into_body();
    let (lines, checked) =
        (request("/lines").send().unwrap(), request("/status/404").send().unwrap());
    let upload = || {
        let request = transport.request("POST", origin.url("/count")).canceler(&canceler);
        let mut upload = request.writer().unwrap();
        upload.write_all(b"x").unwrap();
        upload.flush().unwrap();
        upload
    };
    let (upload, mut written) = (upload(), upload());
    origin.seen().wait_for_requests(5);
    canceler.cancel();
    written.write_all(b"x").unwrap();
    let writing = written.flush().unwrap_err().into_inner().unwrap();
    let errors = [
        body.chunk().unwrap_err(),
        lines.lines().next().unwrap().unwrap_err(),
        checked.error_for_status().unwrap_err(),
        upload.finish().unwrap_err(),
        *writing.downcast::<Error>().unwrap(),
        written.finish().unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_canceled() && error.was_sent(), "{error:?}");
    }
    let unsent = [
        request("/").send().unwrap_err(),
        request("/").body_reader(&b"x"[..]).send().unwrap_err(),
        transport.request("GET", origin.url("/")).canceler(&canceler).send().unwrap_err(),
        request("/").writer().unwrap_err(),
    ];
    for error in unsent {
        assert!(error.is_canceled() && error.is_unsent(), "{error:?}");
    }
    assert_eq!(origin.seen().lines().len(), 5, "{:?}", origin.seen().lines());
}

// Threads.

#[test]
fn a_long_wait_of_one_thread_holds_up_no_other() {
    let (origin, transport) = (Origin::plain(), Transport::new());
    let canceler = Canceler::new();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let request = transport.request("GET", origin.url("/stall")).canceler(&canceler);
            thread::spawn(move || request.send())
        })
        .collect();
    origin.seen().wait_for_requests(4);
    for _ in 0..100 {
        assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
    }
    canceler.cancel();
    for thread in waiting {
        assert!(thread.join().unwrap().unwrap_err().is_canceled());
    }
}

#[test]
fn a_reader_that_waits_for_long_holds_up_no_other_request() {
    struct Waits(mpsc::Receiver<()>);
    impl Read for Waits {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(0)
        }
    }
    let (origin, transport) = (Origin::plain(), Transport::new());
    let (go_on, waits) = mpsc::channel();
    let request = transport.request("POST", origin.url("/count"));
    let sending = thread::spawn(move || request.body_reader(Waits(waits)).send());
    origin.seen().wait_for_requests(1);
    for _ in 0..20 {
        assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
    }
    drop(go_on);
    assert_eq!(sending.join().unwrap().unwrap().body(), "0");
}

#[test]
fn a_ping_is_answered_between_calls() {
    let (origin, pongs) = crate::net::pinging();
    let transport = Transport::builder().http2_prior_knowledge().build().unwrap();
    assert_eq!(transport.request("GET", &origin).send().unwrap().status(), 200);
    // No call is under way.
    for _ in 0..3 {
        pongs.recv().unwrap();
    }
    assert_eq!(transport.stats().idle_connections(), 1);
}

#[test]
fn a_ping_is_answered_between_the_reads_of_a_body_of_the_free_function() {
    let (origin, pongs) = crate::net::pinging();
    let request = blocking::stream("GET", format!("{origin}open"));
    let response = request.extension(Protocols::Http2PriorKnowledge).send().unwrap();
    for _ in 0..3 {
        pongs.recv().unwrap();
    }
    drop(response);
}

#[test]
fn the_total_timeout_passes_while_a_body_of_the_free_function_is_read_slowly() {
    let origin = Origin::plain();
    let request = blocking::stream("GET", origin.url("/endless"));
    let request = request.timeouts(Timeouts::none().total(SHORT));
    let mut body = request.send().unwrap().into_body();
    // Each read finds data without waiting.
    let error = (0..2000).find_map(|_| {
        thread::sleep(Duration::from_millis(1));
        body.chunk().err()
    });
    assert!(error.expect("it ends").is_timeout());
}

#[test]
fn threads_that_begin_at_once_share_everything() {
    let (origin, transport) = (Origin::tls(), Transport::builder());
    let transport = transport.tls(crate::net::trust()).build().unwrap();
    let begin = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (begin, transport, url) = (begin.clone(), transport.clone(), origin.url("/"));
            thread::spawn(move || {
                begin.wait();
                transport.request("GET", url).send().unwrap().status()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 200);
    }
    assert_eq!(origin.seen().accepted(), 1, "HTTP/2 needs one connection");
}

#[test]
fn a_thread_that_ends_may_drop_what_it_holds_but_send_nothing() {
    struct Held {
        transport: Transport,
        body: Body,
        request: blocking::RequestBuilder<tower_transport::Transport>,
        outcome: mpsc::Sender<bool>,
    }
    struct AtTheEnd(Option<Held>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let Some(Held { transport, body, request, outcome }) = self.0.take() else { return };
            drop((body, transport));
            // Whether tokio's own thread-locals are gone already is not specified.
            let is_well = request.send().map_or_else(|error| error.is_builder(), |_| true);
            outcome.send(is_well).unwrap();
        }
    }
    thread_local! {
        static HELD: RefCell<AtTheEnd> = const { RefCell::new(AtTheEnd(None)) };
    }
    let origin = Origin::plain();
    let transport = Transport::new();
    let (outcome, is_well) = mpsc::channel();
    let (url, stalls) = (origin.url("/"), origin.url("/stall-body"));
    thread::spawn(move || {
        HELD.with(|_| ());
        let body = transport.stream("GET", stalls).send().unwrap().into_body();
        let request = transport.request("GET", url);
        HELD.with(|held| held.borrow_mut().0 = Some(Held { transport, body, request, outcome }));
    });
    assert!(is_well.recv().unwrap());
    origin.seen().wait_for_open(0);
}

#[test]
fn a_client_keeps_the_connections_of_the_transport_it_is_given() {
    let origin = Origin::plain();
    let transport = Transport::new();
    transport.request("GET", origin.url("/")).send().unwrap();
    let client = Client::builder().transport(transport).build().unwrap();
    client.get(origin.url("/")).send().unwrap();
    assert_eq!(origin.seen().accepted(), 1);
}

#[test]
fn the_default_client_and_the_default_transport_send_requests() {
    let origin = Origin::plain();
    assert_eq!(Client::default().get(origin.url("/")).send().unwrap().body(), "hello");
    let transport = Transport::default();
    assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
}

// Other services.

#[test]
fn a_stack_that_spawns_when_it_is_made_is_made_inside_the_runtime() {
    use tower::buffer::Buffer;
    let origin = Origin::plain();
    let buffered = Blocking::make(|| Buffer::new(tower_transport::Transport::new(), 10));
    for _ in 0..3 {
        let response = buffered.request("GET", origin.url("/")).send().unwrap();
        assert_eq!(response.body(), "hello");
    }
    assert_eq!(origin.seen().accepted(), 1);
    let upload = buffered.request("POST", origin.url("/count")).body_reader(&b"four"[..]);
    assert_eq!(upload.send().unwrap().body(), "4");
    drop(buffered);
    origin.seen().wait_for_open(0);
}

#[test]
fn a_service_that_panics_ends_the_upload_with_an_error() {
    let panics = tower::service_fn(|_: http::Request<tower_transport::Body>| async {
        let is_expected = true;
        assert!(!is_expected, "an expected panic");
        Ok::<_, Error>(Response::new(tower_transport::Body::empty()))
    });
    let mut upload = Blocking::new(panics).request("POST", "http://a/").writer().unwrap();
    let _ = upload.write_all(b"x");
    let error = upload.finish().unwrap_err();
    assert!(error.is_canceled() && error.to_string().contains("panicked"), "{error:?}");
}

// Tasks.

#[test]
fn in_a_task_every_wait_is_an_error_and_nothing_else_happens() {
    let origin = Origin::plain();
    let (transport, client) = (Transport::new(), Client::new());
    let mut body = transport.stream("GET", origin.url("/chunks")).send().unwrap().into_body();
    let mut upload = transport.request("POST", origin.url("/count")).writer().unwrap();
    upload.write_all(b"x").unwrap();
    upload.flush().unwrap();
    origin.seen().wait_for_requests(2);
    let is_refused = |error: &Error| {
        assert!(error.is_builder() && error.to_string().contains("inside an async task"));
    };
    let refused = |error: Error| {
        is_refused(&error);
        assert!(error.is_unsent(), "{error:?}");
    };
    // Of a request that the server has.
    let refused_after_sending = |error: Error| {
        is_refused(&error);
        assert!(!error.is_unsent(), "{error:?}");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let url = origin.url("/");
        refused(blocking::request("GET", &url).send().unwrap_err());
        refused(blocking::stream("GET", &url).send().unwrap_err());
        refused(transport.request("GET", &url).send().unwrap_err());
        refused(client.get(&url).send().unwrap_err());
        refused(transport.request("GET", &url).writer().unwrap_err());
        refused(transport.request("GET", &url).body_reader(&b"x"[..]).send().unwrap_err());
        refused(transport.close().unwrap_err());
        refused_after_sending(body.chunk().unwrap_err());
        let read = body.read(&mut [0]).unwrap_err();
        assert_eq!(read.kind(), io::ErrorKind::InvalidInput);
        refused_after_sending(upload.finish().unwrap_err());
    });
    assert_eq!(body.read_all().unwrap(), "onetwothree", "it is read where it may be");
    // None of the refused requests arrived.
    assert_eq!(origin.seen().lines().len(), 2, "{:?}", origin.seen().lines());
}

#[test]
fn everything_may_be_dropped_in_a_task() {
    let origin = Origin::plain();
    let transport = Transport::new();
    transport.request("GET", origin.url("/")).send().unwrap();
    let body = transport.stream("GET", origin.url("/stall-body")).send().unwrap();
    let mut upload = transport.request("POST", origin.url("/count")).writer().unwrap();
    upload.write_all(b"x").unwrap();
    upload.flush().unwrap();
    origin.seen().wait_for_requests(3);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { drop((upload, body, transport)) });
    origin.seen().wait_for_open(0);
}

#[test]
fn a_listener_that_sends_a_blocking_request_gets_an_error() {
    use tower_transport::events::{Event, EventListener};
    struct Asks(String, mpsc::Sender<Option<bool>>);
    impl EventListener for Asks {
        fn started(&self, _: &Event) {
            let outcome = blocking::request("GET", &self.0).send();
            let is_refused = outcome.err().map(|error| error.is_builder());
            let _ = self.1.send(is_refused);
        }
    }
    let origin = Origin::plain();
    let (outcomes, refused) = mpsc::channel();
    let asks = Arc::new(Asks(origin.url("/"), outcomes));
    let transport = Transport::builder().listener(asks).build().unwrap();
    assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
    drop(transport);
    let refused: Vec<_> = refused.into_iter().collect();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|it| *it == Some(true)), "{refused:?}");
}
