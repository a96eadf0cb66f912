//! A process that is forked while it has blocking handles, and one that gets signals while it waits. Alone in their process,
//! because a child has only the thread that forks.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

#[path = "parity/net.rs"]
#[allow(dead_code, reason = "the scenarios need all of it")]
mod net;
#[path = "behaviour/support/tls_peer.rs"]
#[allow(dead_code, reason = "the tests of behaviour need all of it")]
mod tls_peer;

use std::{
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use fork::{Fork, fork, waitpid};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use tower_transport::blocking::{self, Body, Transport};

use net::Origin;

/// Less than a wait for a lock that is never free, and more than a request needs on a busy machine.
const PROMPTLY: Duration = Duration::from_millis(900);

#[test]
fn a_child_is_refused_with_handles_of_its_parent_and_disturbs_none_of_them() {
    let origin = Origin::plain();
    let (url, large) = (origin.url("/"), origin.url("/large/3000000"));
    let transport = Transport::new();
    transport.request("GET", &url).send().unwrap();
    let mut body = transport.stream("GET", &large).send().unwrap().into_body();
    let first = body.chunk().unwrap().unwrap().len();
    transport.request("GET", &url).send().unwrap();

    match fork().unwrap() {
        Fork::Child => {
            let child = AssertUnwindSafe(|| in_the_child(transport, body, &url));
            process::exit(if catch_unwind(child).is_ok() { 0 } else { 1 });
        }
        Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 0, "the child failed"),
    }

    // Both connections are as they were.
    assert_eq!(first + body.read_all().unwrap().len(), 3_000_000);
    assert_eq!(transport.request("GET", &url).send().unwrap().body(), "hello");
    assert_eq!(origin.seen().accepted(), 3);
    drop((transport, body));
    origin.seen().wait_for_open(0);
}

fn in_the_child(transport: Transport, mut body: Body, url: &str) {
    let error = transport.request("GET", url).send().unwrap_err();
    assert!(error.is_closed() && error.to_string().contains("before a fork"), "{error:?}");
    assert!(body.chunk().unwrap_err().is_closed());
    assert!(transport.close().unwrap_err().is_closed());
    drop((transport.clone(), transport, body));
    let own = Transport::new();
    for _ in 0..2 {
        assert_eq!(own.request("GET", url).send().unwrap().body(), "hello");
    }
}

/// Children that are forked while a thread makes and ends runtimes, as free functions do.
#[test]
fn a_child_waits_for_no_lock_that_a_thread_of_its_parent_held() {
    let origin = Origin::plain();
    let url = origin.url("/");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                drop(Transport::new());
            }
        });
        let outcomes: Vec<_> = (0..30)
            .map(|_| match fork().unwrap() {
                Fork::Child => {
                    let began = Instant::now();
                    let child = AssertUnwindSafe(|| blocking::request("GET", &url).send().unwrap());
                    let is_well = catch_unwind(child).is_ok() && began.elapsed() < PROMPTLY;
                    process::exit(if is_well { 0 } else { 1 });
                }
                Fork::Parent(child) => waitpid(child).unwrap(),
            })
            .collect();
        is_over.store(true, Ordering::SeqCst);
        assert!(outcomes.iter().all(|status| *status == 0), "{outcomes:?}");
    });
}

/// A process that is stopped and goes on has its waits for events and for threads interrupted even without a handler.
#[test]
fn signals_that_come_while_a_blocking_request_waits_change_nothing() {
    let origin = Origin::plain();
    match fork().unwrap() {
        Fork::Child => {
            let child = AssertUnwindSafe(|| among_signals(&origin));
            process::exit(if catch_unwind(child).is_ok() { 0 } else { 1 });
        }
        Fork::Parent(child) => {
            // It has its handler now.
            origin.seen().wait_for_requests(1);
            let script = "for i in $(seq 3000); do kill -USR1 $0; kill -STOP $0; kill -CONT $0 || exit 0; sleep 0.002; done";
            let mut shell = Command::new("sh");
            shell.args(["-c", script, &child.to_string()]).stderr(Stdio::null());
            let mut signals = shell.spawn().unwrap();
            let status = waitpid(child).unwrap();
            signals.wait().unwrap();
            assert_eq!(status, 0, "the child failed");
        }
    }
}

fn among_signals(origin: &Origin) {
    let handled = count_signals();
    let transport = Transport::new();
    assert_eq!(transport.request("GET", origin.url("/")).send().unwrap().body(), "hello");
    let before = handled.load(Ordering::SeqCst);
    for round in 0..10_000 {
        let mut body =
            transport.stream("GET", origin.url("/large/300000")).send().unwrap().into_body();
        assert_eq!(io::copy(&mut body, &mut io::sink()).unwrap(), 300_000);
        let upload = transport.request("POST", origin.url("/count"));
        let counted = upload.body_reader(io::repeat(b'x').take(300_000)).send().unwrap();
        assert_eq!(counted.body(), "300000");
        if round >= 20 && handled.load(Ordering::SeqCst) > before + 20 {
            return;
        }
    }
    panic!("no signals came");
}

/// Handles a signal, and counts how often it came.
fn count_signals() -> Arc<AtomicUsize> {
    let handled = Arc::<AtomicUsize>::default();
    let (begun, begin) = mpsc::channel();
    let counting = handled.clone();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = signal(SignalKind::user_defined1()).unwrap();
            begun.send(()).unwrap();
            while signals.recv().await.is_some() {
                counting.fetch_add(1, Ordering::SeqCst);
            }
        });
    });
    begin.recv().unwrap();
    handled
}
