//! The doubles play their scripts, and record what was done.

use std::{
    future::{Future, IntoFuture},
    io::ErrorKind,
    task::{Context, Poll, Waker},
    time::Duration,
};

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;
use tower_transport::{
    RequestExt, Transport,
    error::Phase,
    mock::{
        CountingConnector, NeverConnects, PausedClock, Script, ScriptedConnector, ScriptedIo,
        StrictService,
    },
    options::Timeouts,
    proxy::Proxy,
};

use crate::support::{given_runtime, origin::run_ready_tasks, targets::target};

mod play;

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const URL: &str = "http://a.example/";

fn scene<const N: usize>(scripts: [Script; N]) -> (ScriptedConnector, Transport) {
    let connector = ScriptedConnector::new(scripts);
    let transport = given_runtime::transport().connector(connector.clone()).build().unwrap();
    (connector, transport)
}

/// The bytes alone, and whose they are.
async fn bytes(script: Script) -> (ScriptedConnector, TokioIo<ScriptedIo>) {
    let connector = ScriptedConnector::new([script]);
    let connected = connector.clone().oneshot(target(URL)).await.unwrap();
    (connector, TokioIo::new(connected.io))
}

fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn clock() -> PausedClock {
    PausedClock::new(TokioExecutor::new())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn each_connection_plays_the_next_script_and_remembers_what_it_received() {
    let one = || Script::new().expect_head().respond(HELLO).close();
    let (connector, transport) = scene([one(), one()]);
    for url in ["http://a.example/one", "http://b.example/two"] {
        assert_eq!(transport.request("GET", url).await.unwrap().body(), "hello");
    }
    let targets: Vec<_> = connector.targets().iter().map(ToString::to_string).collect();
    assert_eq!(targets, ["a.example:80", "b.example:80"]);
    assert_eq!(connector.written(1), b"GET /two HTTP/1.1\r\nhost: b.example\r\n\r\n");
    assert!(connector.written(2).is_empty());
    connector.assert_done();
}

#[tokio::test]
async fn what_was_written_otherwise_is_the_cause_of_the_error() {
    let (_, transport) = scene([Script::new().expect("GET /other").respond(HELLO)]);
    let error = transport.request("GET", URL).await.unwrap_err();
    let cause: &std::io::Error = error.cause().unwrap();
    let text = "the script has expect(\"GET /other\"), but \"GET / HTTP/1.1\\r\\n";
    assert!(error.was_sent() && cause.to_string().starts_with(text), "{cause}");
}

#[tokio::test]
#[should_panic(expected = "connection 0 to a.example:80: the script has expect(\"GET /other\")")]
async fn what_was_written_otherwise_is_not_done() {
    let (connector, transport) = scene([Script::new().expect("GET /other")]);
    transport.request("GET", URL).await.unwrap_err();
    connector.assert_done();
}

#[tokio::test]
#[should_panic(expected = "the script has nothing more, but \"b\" was written")]
async fn a_byte_too_many_is_not_done() {
    let (connector, mut io) = bytes(Script::new().expect("a")).await;
    io.write_all(b"ab").await.unwrap();
    connector.assert_done();
}

#[tokio::test]
#[should_panic(expected = "not played: [expect(\"abc\"), respond(\"d\")]")]
async fn a_step_that_was_played_in_part_is_not_done() {
    let (connector, mut io) = bytes(Script::new().expect("abc").respond("d")).await;
    io.write_all(b"ab").await.unwrap();
    connector.assert_done();
}

#[test]
#[should_panic(expected = "scripts without a connection: 1")]
fn a_script_without_a_connection_is_not_done() {
    ScriptedConnector::new([Script::new()]).assert_done();
}

#[tokio::test]
#[should_panic(expected = "connection 0 to a.example:80: there is no script for it")]
async fn a_connection_without_a_script_fails_and_is_not_done() {
    let (connector, transport) = scene([]);
    assert!(transport.request("GET", URL).await.unwrap_err().is_connect());
    connector.assert_done();
}

#[tokio::test]
async fn bytes_may_be_written_in_pieces_and_too_early_and_are_read_in_pieces() {
    let (connector, mut io) = bytes(Script::new().expect("ab").respond("123").expect("cd")).await;
    for piece in ["a", "bc", "d"] {
        io.write_all(piece.as_bytes()).await.unwrap();
    }
    let mut read = [0; 3];
    assert_eq!(io.read(&mut read[..2]).await.unwrap(), 2);
    assert_eq!(io.read(&mut read[2..]).await.unwrap(), 1);
    assert_eq!(&read, b"123");
    connector.assert_done();
}

#[tokio::test]
async fn a_reader_on_another_task_is_woken_by_what_is_written() {
    let (_, io) = bytes(Script::new().expect("a").respond("1").close()).await;
    let (mut reader, mut writer) = tokio::io::split(io);
    let reading = tokio::spawn(async move {
        let mut read = String::new();
        reader.read_to_string(&mut read).await.map(|_| read)
    });
    run_ready_tasks().await;
    writer.write_all(b"a").await.unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn a_peer_that_closed_or_reset_does_so_for_both_directions() {
    let (_, mut closed) = bytes(Script::new().respond("1").close()).await;
    assert_eq!(closed.read_u8().await.unwrap(), b'1');
    assert_eq!(closed.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(closed.write(b"a").await.unwrap_err().kind(), ErrorKind::BrokenPipe);

    let (_, mut reset) = bytes(Script::new().respond("1").reset()).await;
    assert_eq!(reset.read_u8().await.unwrap(), b'1');
    assert_eq!(reset.write(b"a").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(reset.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_peer_that_stalls_takes_everything_and_says_nothing() {
    let (connector, mut io) = bytes(Script::new().stall()).await;
    io.write_all(b"anything").await.unwrap();
    let mut buffer = [0];
    assert!(is_pending(std::pin::pin!(io.read(&mut buffer))));
    connector.assert_done();
}

#[tokio::test]
async fn a_pause_lasts_until_the_clock_says_so() {
    let clock = clock();
    let script = Script::new().expect_head().pause(clock.runtime(), seconds(60)).respond(HELLO);
    let (connector, transport) = scene([script]);
    let request = tokio::spawn(transport.request("GET", URL).into_future());
    run_ready_tasks().await;
    clock.advance(seconds(59));
    run_ready_tasks().await;
    assert!(!request.is_finished());
    clock.advance(seconds(1));
    assert_eq!(request.await.unwrap().unwrap().body(), "hello");
    connector.assert_done();
}

#[tokio::test]
async fn who_never_connects_runs_into_the_timeout_of_a_paused_clock() {
    let clock = clock();
    let builder = Transport::builder().connector(NeverConnects).runtime(clock.runtime());
    let timeouts = Timeouts::none().connect(seconds(5));
    let transport = builder.timeouts(timeouts).build().unwrap();
    let request = tokio::spawn(transport.request("GET", URL).into_future());
    run_ready_tasks().await;
    clock.advance(seconds(4));
    run_ready_tasks().await;
    assert!(!request.is_finished());
    clock.advance(seconds(1));
    let error = request.await.unwrap().unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Connect));
    assert_eq!(clock.timers(), 0);
}

#[tokio::test]
async fn connections_are_counted_until_they_are_dropped() {
    let refused = Script::fail(ErrorKind::ConnectionRefused);
    let scripted = ScriptedConnector::new([refused, Script::new(), Script::new()]);
    let counting = CountingConnector::new(scripted);
    let counts = || (counting.opened(), counting.open_now(), counting.failed());
    let connect = || counting.clone().oneshot(target(URL));
    assert!(connect().await.is_err());
    let (one, other) = (connect().await.unwrap(), connect().await.unwrap());
    assert_eq!(counts(), (2, 2, 1));
    drop(one);
    assert_eq!(counts(), (2, 1, 1));
    drop(other);
    assert_eq!(counts(), (2, 0, 1));
}

#[tokio::test]
async fn timers_run_out_in_their_order() {
    let (clock, (sender, mut order)) = (clock(), tokio::sync::mpsc::unbounded_channel());
    for after in [3, 1, 2] {
        let (sleep, sender) = (clock.sleep(seconds(after)), sender.clone());
        tokio::spawn(async move {
            sleep.await;
            sender.send(after).unwrap();
        });
    }
    run_ready_tasks().await;
    clock.advance(seconds(3));
    assert_eq!([order.recv().await, order.recv().await, order.recv().await], [1, 2, 3].map(Some));
}

/// Polls nothing, but notes when it was to.
struct Noting(PausedClock, std::sync::Mutex<Vec<std::time::Instant>>);

impl std::task::Wake for Noting {
    fn wake(self: std::sync::Arc<Self>) {
        self.1.lock().unwrap().push(self.0.now());
    }
}

#[test]
fn a_timer_runs_out_at_the_time_that_it_was_set_for() {
    let clock = clock();
    let began = clock.now();
    let noting = std::sync::Arc::new(Noting(clock.clone(), Default::default()));
    let waker = Waker::from(noting.clone());
    let mut sleeps = [7, 4].map(|after| clock.sleep(seconds(after)));
    for sleep in &mut sleeps {
        assert!(std::pin::Pin::new(sleep).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    clock.advance(seconds(10));
    let noted = noting.1.lock().unwrap().clone();
    assert_eq!(noted, [began + seconds(4), began + seconds(7)]);
    assert_eq!(clock.now(), began + seconds(10));
}

#[test]
fn a_timer_that_is_dropped_or_has_no_time_left_does_not_run() {
    let clock = clock();
    let sleep = clock.sleep(seconds(1));
    assert_eq!(clock.timers(), 1);
    drop(sleep);
    assert_eq!(clock.timers(), 0);
    let mut over = std::pin::pin!(clock.sleep(Duration::ZERO));
    let polled = over.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!((clock.timers(), polled), (0, Poll::Ready(())));
}

#[test]
fn no_time_is_too_long_for_the_clock() {
    let clock = clock();
    let (began, mut sleep) = (clock.now(), std::pin::pin!(clock.sleep(Duration::MAX)));
    clock.advance(Duration::MAX);
    clock.advance(Duration::MAX);
    assert!(is_pending(sleep.as_mut()) && clock.now() > began);
}

#[cfg(feature = "_rustls")]
#[tokio::test(start_paused = true)]
async fn a_script_plays_what_is_inside_of_tls() {
    let script = Script::new().expect_head().respond(HELLO);
    let (connector, transport) = scene([script]);
    let answer = transport.request("GET", "https://a.example/").await.unwrap();
    assert_eq!(answer.body(), "hello");
    assert!(connector.written(0).starts_with(b"GET / HTTP/1.1\r\nhost: a.example\r\n"));
    connector.assert_done();
}

#[cfg(feature = "_rustls")]
#[tokio::test(start_paused = true)]
async fn a_script_below_tls_that_expects_a_head_says_at_once_that_tls_was_begun() {
    let started = tokio::time::Instant::now();
    for script in [Script::new().expect_head(), Script::new().expect("GET / HTTP/1.1\r\n")] {
        let connector = ScriptedConnector::new([script.respond(HELLO)]).below_tls();
        let transport = Transport::builder().connector(connector).build().unwrap();
        let error = transport.request("GET", "https://a.example/").await.unwrap_err();
        assert!(error.is_connect() && !error.was_sent(), "{error:?}");
        assert!(format!("{error:?}").contains("TLS was begun"), "{error:?}");
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[cfg(feature = "_rustls")]
#[tokio::test(start_paused = true)]
async fn a_script_of_a_proxy_says_at_once_that_tls_was_begun_inside_its_tunnel() {
    let started = tokio::time::Instant::now();
    let script = Script::new().expect_head().respond("HTTP/1.1 200 OK\r\n\r\n").expect_head();
    let connector = ScriptedConnector::new([script]);
    let proxy = Proxy::new("http://proxy.example").unwrap();
    let transport = Transport::builder().connector(connector).proxy(proxy).build().unwrap();
    let error = transport.request("GET", "https://a.example/").await.unwrap_err();
    assert!(format!("{error:?}").contains("TLS was begun"), "{error:?}");
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
#[should_panic(expected = "called without `poll_ready`")]
async fn a_strict_service_panics_if_it_is_called_without_being_ready() {
    let mut service = StrictService::new(tower::service_fn(async |()| Ok::<_, ()>(())));
    let _ = tower::Service::call(&mut service, ()).await;
}

#[tokio::test]
async fn a_strict_service_that_is_asked_before_each_call_serves() {
    let mut service = StrictService::new(tower::service_fn(async |()| Ok::<_, ()>(())));
    for _ in 0..2 {
        ServiceExt::<()>::ready(&mut service).await.unwrap();
        tower::Service::call(&mut service, ()).await.unwrap();
    }
    ServiceExt::<()>::ready(&mut service).await.unwrap();
    let mut clone = service.clone();
    let called = std::panic::AssertUnwindSafe(|| drop(tower::Service::call(&mut clone, ())));
    assert!(std::panic::catch_unwind(called).is_err(), "a clone is not ready");
    assert_eq!(StrictService::new("inner").into_inner(), "inner");
}
