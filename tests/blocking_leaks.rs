//! Blocking requests leave no thread and no socket. Alone in its process, because it counts those of the process.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

#[path = "parity/net.rs"]
#[allow(dead_code, reason = "the scenarios need all of it")]
mod net;
#[path = "behaviour/support/tls_peer.rs"]
#[allow(dead_code, reason = "the tests of behaviour need all of it")]
mod tls_peer;

use std::{fs, thread};

use tower_transport::blocking::{self, Transport};

use net::{Origin, wait_until};

const THREADS: usize = 64;
const REQUESTS: usize = 10_000;

fn count(of: &str) -> usize {
    fs::read_dir(format!("/proc/self/{of}")).unwrap().count()
}

#[test]
fn ten_thousand_requests_on_64_threads_leave_no_thread_and_no_socket() {
    let origins = [Origin::plain(), Origin::tls()];
    // The threads of the servers, and what is read once.
    for origin in &origins {
        let transport = Transport::builder().tls(net::trust()).build().unwrap();
        transport.request("GET", origin.url("/")).send().unwrap();
        drop(transport);
        origin.seen().wait_for_open(0);
    }
    wait_until(|| {
        !fs::read_dir("/proc/self/task").unwrap().any(|task| {
            let name = fs::read_to_string(task.unwrap().path().join("comm"));
            name.is_ok_and(|name| name.starts_with("tower-transport"))
        })
    });
    let (threads, files) = (count("task"), count("fd"));

    let transport = Transport::builder().tls(net::trust()).build().unwrap();
    let callers: Vec<_> = (0..THREADS)
        .map(|caller| {
            let urls = |path| [origins[0].url(path), origins[1].url(path)];
            // A server that answers before it has read a body closes the connection after it, as hyper does.
            let (transport, urls, uploads) = (transport.clone(), urls("/"), urls("/count"));
            thread::spawn(move || {
                for request in (caller..REQUESTS).step_by(THREADS) {
                    let (url, upload) = (&urls[request % 2], &uploads[request % 2]);
                    match request % 5 {
                        0 => drop(transport.stream("GET", url).send().unwrap()),
                        1 => {
                            let body = transport.request("POST", upload).body_reader(&b"body"[..]);
                            assert_eq!(body.send().unwrap().status(), 200);
                        }
                        _ => assert_eq!(
                            transport.request("GET", url).send().unwrap().body(),
                            "hello"
                        ),
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(blocking::request("GET", origins[0].url("/")).send().unwrap().body(), "hello");
    assert!(count("task") > threads, "the background thread is one of the process");
    drop(transport);

    wait_until(|| (count("task"), count("fd")) == (threads, files));
    client_of_the_last_transport(&origins[0]);
    wait_until(|| (count("task"), count("fd")) == (threads, files));
}

/// A client keeps the connections of a transport whose last handle it is given. Here because each handle of the process keeps
/// the runtime.
fn client_of_the_last_transport(origin: &Origin) {
    let accepted = origin.seen().accepted();
    let transport = Transport::new();
    transport.request("GET", origin.url("/")).send().unwrap();
    let client = blocking::Client::builder().transport(transport).build().unwrap();
    client.get(origin.url("/")).send().unwrap();
    assert_eq!(origin.seen().accepted(), accepted + 1);
}
