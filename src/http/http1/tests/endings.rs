//! How a connection ends, and what it takes along.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt;

use super::{sender::TaskEnd, *};
use crate::rt::Task;

/// Something that the connection holds, and that counts who does.
fn guarded(connection: &Http1<Body>) -> Arc<()> {
    let alive = Arc::new(());
    connection.line.meter().hold(alive.clone());
    alive
}

fn is_gone(alive: &Arc<()>) -> bool {
    Arc::strong_count(alive) == 1
}

#[tokio::test]
async fn dropping_an_idle_connection_closes_it() {
    let (connection, mut peer) = connected().await;
    drop(connection);
    assert_eq!(peer.hear_all().await, "");
}

#[tokio::test]
async fn dropping_a_connection_whose_server_reads_nothing_ends_it_at_once() {
    let (near, mut far) = tokio::io::duplex(1000);
    let mut connection = over(TokioIo::new(near), "https://example.com", &Http1Config::new()).await;
    let alive = guarded(&connection);
    let early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let request = request(Method::POST, "x".repeat(1_000_000));
    let answering = async {
        far.read_u8().await.unwrap();
        far.write_all(early).await.unwrap();
    };
    let (sent, ()) = tokio::join!(send(&mut connection, request), answering);
    read(sent.unwrap()).await.unwrap();
    settle().await;
    assert!(!is_gone(&alive));
    drop(connection);
    settle().await;
    assert!(is_gone(&alive));
}

#[tokio::test]
async fn dropping_a_connection_fails_the_body_that_is_being_read() {
    let (mut connection, mut peer) = connected().await;
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[half]).await;
    drop(connection);
    let error = read(sent.unwrap()).await.unwrap_err();
    assert!(error.is_canceled(), "{error:?}");
}

#[tokio::test]
async fn dropping_a_request_under_way_costs_the_connection() {
    let (mut connection, mut peer) = connected().await;
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    let sending = connection.call(get());
    settle().await;
    drop(sending);
    settle().await;
    assert!(!connection.is_open());
    assert!(peer.hear_all().await.starts_with("GET / "));
}

#[tokio::test]
async fn what_a_connection_holds_is_held_until_its_stream_is_gone() {
    let (mut connection, mut peer) = connected().await;
    let alive = guarded(&connection);
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    read(sent.unwrap()).await.unwrap();
    assert!(!is_gone(&alive));
    drop(connection);
    settle().await;
    assert!(is_gone(&alive));
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_takes_no_request() {
    let closing = [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ];
    for head in closing {
        let (mut connection, mut peer) = connected().await;
        let (sent, _) = ask(&mut connection, &mut peer, get(), &[head]).await;
        read(sent.unwrap()).await.unwrap();
        let error = send(&mut connection, get()).await.unwrap_err();
        assert_eq!(error.progress, Progress::Unsent, "{head}");
        assert!(error.into_error().is_canceled(), "{head}");
    }
}

/// Keeps the tasks that it is given, so that a test decides where they end.
#[derive(Clone, Default)]
struct Keeper {
    tasks: Arc<std::sync::Mutex<Vec<Task>>>,
}

impl hyper::rt::Executor<Task> for Keeper {
    fn execute(&self, task: Task) {
        self.tasks.lock().unwrap().push(task);
    }
}

/// A connection that takes a request, and its task, which is nobody's yet.
fn with_its_task() -> (Http1<Body>, Task) {
    let keeper = Keeper::default();
    let runtime = Runtime::new(keeper.clone(), hyper_util::rt::TokioTimer::new());
    let target = Target::new(Origin::try_from(&"http://example.com".parse().unwrap()).unwrap());
    let (io, config) = (TokioIo::new(tokio::io::duplex(1).0), Http1Config::new());
    let info = ConnectInfo::default().with_encryption();
    let handshake = handshake(io, info, &target, &config, &runtime).now_or_never();
    let task = keeper.tasks.lock().unwrap().pop().unwrap();
    (handshake.unwrap().unwrap(), task)
}

/// A sender, and its connection, which ends when hyper's sender is gone.
async fn sender() -> (Sender<Body>, TaskEnd<Body>, impl Future<Output = ()>) {
    let (near, far) = tokio::io::duplex(1);
    let (sender, connection) = Builder::new().handshake(TokioIo::new(near)).await.unwrap();
    let (sender, task_end) = Sender::new(sender, Arc::default());
    let ended = async move {
        connection.await.unwrap();
        drop(far);
    };
    (sender, task_end, ended)
}

#[tokio::test]
async fn a_sender_ends_with_the_task() {
    let (mut sender, task_end, ended) = sender().await;
    drop(task_end);
    assert!(sender.is_closed() && !sender.is_ready());
    assert_eq!(sender.lend("mine", |_, _| "used"), Err("mine"));
    assert!(ended.now_or_never().is_some());
}

#[tokio::test]
async fn a_sender_that_is_in_use_when_the_task_ends_ends_with_it() {
    let (mut sender, task_end, ended) = sender().await;
    assert_eq!(sender.lend(task_end, |_, end| drop(end)).ok(), Some(()));
    assert!(sender.is_closed());
    assert!(ended.now_or_never().is_some());
}

/// Where two threads wait for each other awake, so that they go on at the same time.
#[derive(Clone, Default)]
struct Meeting(Arc<AtomicUsize>);

impl Meeting {
    /// Comes, and waits until so many have come.
    fn come(&self, number: usize) {
        self.0.fetch_add(1, Ordering::SeqCst);
        for turn in 0.. {
            if self.0.load(Ordering::SeqCst) >= number {
                return;
            }
            // The other may need this very processor.
            if turn > 1000 {
                std::thread::yield_now();
            }
        }
    }
}

/// hyper leaves a request that is queued just then where it is: once in some thousand times.
#[test]
fn a_request_that_is_sent_as_the_connection_ends_has_an_outcome() {
    let (end, tasks) = std::sync::mpsc::channel::<(Task, Meeting)>();
    let ending = std::thread::spawn(move || {
        for (task, meeting) in tasks {
            meeting.come(2);
            drop(task);
            meeting.come(4);
        }
    });
    for round in 0..2_000 {
        let ((mut connection, task), meeting) = (with_its_task(), Meeting::default());
        end.send((task, meeting.clone())).unwrap();
        meeting.come(2);
        (0..round % 100).for_each(|_| std::hint::spin_loop());
        let sending = connection.call(get());
        meeting.come(4);
        let outcome = sending.now_or_never().expect("nobody else will end it");
        let error = outcome.unwrap_err();
        assert!(error.request.is_some() && error.progress == Progress::Unsent, "{error:?}");
    }
    drop(end);
    ending.join().unwrap();
}
