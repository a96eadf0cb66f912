//! A whole exchange: what a server says, and where it is cut, make no client panic, hang or see two different answers.
#![no_main]

use std::pin::pin;

use http::{Method, Request};
use http_body::Body as _;
use tower_service::Service;
use tower_transport::{
    Body,
    http::fuzzing,
    rt::{Runtime, Task},
};

#[path = "../../src/tests/script.rs"]
mod script;

use script::{NoTimer, Script, Tasks, run};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    check(input);
});

/// Who asks, whether there is an end, where it is cut, and the bytes.
fn check(input: &[u8]) -> Option<()> {
    let ([asking, flags], rest) = input.split_first_chunk()?;
    let (cuts, bytes) = rest.split_at_checked(usize::from(flags >> 1) % 4)?;
    let ends = flags & 1 == 1;
    let cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (bytes.len() + 1)).collect();
    let (whole, cut) = (exchange(*asking, bytes, &[], ends), exchange(*asking, bytes, &cuts, ends));
    // A head that comes in pieces is parsed only when it may be complete.
    let waits = |outcome: &Outcome| outcome.as_ref().is_err_and(|waits| *waits);
    if ends || !(waits(&whole) || waits(&cut)) {
        assert_eq!(whole, cut);
    }
    Some(())
}

/// Status, fields, body, trailers, how it ended, and whether the connection can be used again; or no answer, and whether it
/// is waited for.
type Outcome = Result<(u16, Vec<(String, Vec<u8>)>, Vec<u8>, bool, &'static str, bool), bool>;

fn exchange(asking: u8, bytes: &[u8], cuts: &[usize], ends: bool) -> Outcome {
    let mut cuts = [cuts, &[0, bytes.len()]].concat();
    cuts.sort_unstable();
    let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
    let script = Script::new(b"\r\n\r\n", pieces.filter(|piece| !piece.is_empty()));
    if ends {
        script.hang_up();
    }
    let tasks = Tasks::default();
    let outcome = outcome(asking, script, &tasks);
    tasks.end();
    outcome
}

fn outcome(asking: u8, script: Script, tasks: &Tasks) -> Outcome {
    let runtime = Runtime::new(tasks.clone(), NoTimer);
    let mut connection = fuzzing::connect(script, &runtime).expect("a connection");
    let mut sending = Box::pin(connection.call(request(asking)));
    let sent = run(|cx| {
        tasks.poll(cx);
        sending.as_mut().poll(cx)
    });
    let response = sent.ok_or(true)?.map_err(|_| false)?;
    let (head, mut body) = response.into_parts();
    let (mut data, mut has_trailers) = (Vec::new(), false);
    let end = loop {
        let frame = run(|cx| {
            tasks.poll(cx);
            pin!(&mut body).poll_frame(cx)
        });
        match frame {
            None => break "waits",
            Some(None) => break "whole",
            Some(Some(Err(_))) => break "cut",
            Some(Some(Ok(frame))) => match frame.data_ref() {
                Some(piece) => data.extend_from_slice(piece),
                None => has_trailers = true,
            },
        }
    };
    let ready = run(|cx| {
        tasks.poll(cx);
        connection.poll_ready(cx)
    });
    let fields =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let is_ready = matches!(ready, Some(Ok(())));
    Ok((head.status.as_u16(), fields.collect(), data, has_trailers, end, is_ready))
}

fn request(asking: u8) -> Request<Body> {
    let (method, uri, body) = match asking % 5 {
        1 => (Method::HEAD, "https://example.com/", ""),
        2 => (Method::POST, "https://example.com/", "body\r\n\r\n"),
        3 => (Method::CONNECT, "example.com:443", ""),
        _ => (Method::GET, "https://example.com/", ""),
    };
    let request = Request::builder().method(method).uri(uri);
    let request = if asking % 5 == 4 { request.header("upgrade", "other") } else { request };
    request.body(body.into()).expect("a request")
}
