//! A transport outlives runtimes, and may be used where there is none.

use std::{
    future::IntoFuture,
    task::{Context, Poll, Waker},
};

use tokio::runtime::{Builder, Runtime};
use tower_transport::{
    RequestExt, Transport,
    connect::MemoryConnector,
    rt::{self, Task},
};

use crate::support::origin::{Origin, run_ready_tasks};

mod several;

/// Polls a future where there is no runtime.
fn outside<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn a_request_outside_of_a_runtime_is_an_error() {
    let transport = Transport::new();
    let request = transport.request("GET", "http://a.example/").into_future();
    let error = outside(request).unwrap_err();
    assert!(error.is_canceled() && !error.was_sent(), "{error:?}");
}

#[test]
fn a_body_read_outside_of_the_runtime_gives_its_connection_back() {
    let runtime = runtime();
    let origin = Origin::new();
    let tokio = rt::Runtime::tokio();
    let transport = runtime.block_on(async { origin.http1().runtime(tokio).build().unwrap() });
    let body = runtime.block_on(async {
        let response = transport.stream("GET", "http://a.example/").await.unwrap();
        run_ready_tasks().await;
        response.into_body()
    });
    let read = std::thread::spawn(move || {
        let mut body = body;
        outside(body.read()).unwrap()
    });
    assert_eq!(read.join().unwrap(), "hello");
    runtime.block_on(run_ready_tasks());
    assert_eq!(transport.stats().idle_connections(), 1);
}

#[test]
fn a_runtime_that_ends_ends_the_wait_of_everyone() {
    let runtime = runtime();
    let never = tower::service_fn(|_: tower_transport::target::Target| {
        std::future::pending::<
            Result<
                tower_transport::connect::Connected<tower_transport::connect::MemoryIo>,
                std::io::Error,
            >,
        >()
    });
    let transport = Transport::builder().connector(never).max_connections(1).build().unwrap();
    let mut requests: Vec<_> = (0..10_000)
        .map(|n| Box::pin(transport.request("GET", format!("http://{n}.example/")).into_future()))
        .collect();
    {
        let _inside = runtime.enter();
        for request in &mut requests {
            assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    drop(runtime);
    for request in requests {
        assert!(outside(request).unwrap_err().is_canceled());
    }
    assert_eq!(transport.stats().queued, 0);
}

/// Runs a task as soon as it is there, as far as it goes, before its owner goes on.
struct Eager;

impl hyper::rt::Executor<Task> for Eager {
    fn execute(&self, task: Task) {
        let mut task = Box::pin(task);
        if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(task);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_before_the_pool_knows_it_frees_its_place() {
    let (connector, mut listener) = MemoryConnector::pair();
    tokio::spawn(async move { while listener.accept().await.is_some() {} });
    let slowly = tower::service_fn(move |target| {
        let connector = connector.clone();
        async move {
            let connected = tower::ServiceExt::oneshot(connector, target).await;
            run_ready_tasks().await;
            connected
        }
    });
    let runtime = rt::Runtime::new(Eager, hyper_util::rt::TokioTimer::new());
    let builder = Transport::builder().connector(slowly).max_connections(1).runtime(runtime);
    let transport = builder.http1_only().build().unwrap();
    for _ in 0..3 {
        let error = transport.request("GET", "http://a.example/").await.unwrap_err();
        assert!(!error.was_sent() && !error.is_timeout(), "{error:?}");
        run_ready_tasks().await;
        assert!(transport.stats().connections.is_empty());
    }
}

#[test]
fn without_a_runtime_the_text_says_so() {
    let request = Transport::new().request("GET", "http://a.example/").into_future();
    let error = outside(request).unwrap_err();
    let expected =
        "connecting to a.example:80: there is no tokio runtime here: call it inside of one";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_runtime_without_timers_is_an_error_that_says_so_and_no_panic() {
    let timerless = Builder::new_current_thread().enable_io().build().unwrap();
    let transport = Transport::new();
    let error = timerless
        .block_on(async { transport.request("GET", "http://127.0.0.1:9/").await.unwrap_err() });
    assert!(error.is_canceled() && error.is_unsent(), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
    assert!(error.to_string().contains("the tokio runtime has no timers"), "{error}");
    let error = timerless.block_on(async {
        tower_transport::request("GET", "http://127.0.0.1:9/").await.unwrap_err()
    });
    assert!(error.to_string().contains("the tokio runtime has no timers"), "{error}");
}

#[test]
fn a_runtime_without_io_is_an_error_that_says_so() {
    let blind = Builder::new_current_thread().enable_time().build().unwrap();
    let get = async { Transport::new().request("GET", "http://127.0.0.1:9/").await };
    let error = blind.block_on(get).unwrap_err();
    assert!(error.is_canceled() && error.to_string().contains("has no I/O"), "{error:?}");
}

#[test]
fn a_connection_of_another_runtime_is_no_help_where_there_are_no_timers() {
    let with_timers = runtime();
    let origin = Origin::new();
    let transport = with_timers
        .block_on(async { origin.http1().runtime(rt::Runtime::tokio()).build().unwrap() });
    with_timers.block_on(async { transport.request("GET", "http://a.example/").await.unwrap() });
    let timerless = Builder::new_current_thread().build().unwrap();
    let error = timerless.block_on(async { transport.request("GET", "http://a.example/").await });
    let error = error.unwrap_err();
    assert!(error.is_canceled() && error.is_unsent(), "{error:?}");
    assert!(error.to_string().contains("no timers"), "{error}");
    with_timers.block_on(async { transport.request("GET", "http://a.example/").await.unwrap() });
}
