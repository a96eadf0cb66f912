//! How a connection ends, and what it drops.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::FutureExt;

use super::*;

/// A value held by the connection, which counts its holders.
fn guarded(connection: &Http1<Body>) -> Arc<()> {
    let alive = Arc::new(());
    connection.shared.hold(HeldSlot::Other(Box::new(alive.clone())));
    alive
}

fn is_gone(alive: &Arc<()>) -> bool {
    Arc::strong_count(alive) == 1
}

#[tokio::test]
async fn dropping_an_idle_connection_closes_it() {
    let (connection, mut peer) = connected().await;
    drop(connection);
    assert_eq!(peer.read_to_end().await.unwrap(), b"");
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
    run_ready_tasks().await;
    assert!(!is_gone(&alive));
    drop(connection);
    run_ready_tasks().await;
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
    let mut sending = connection.call(get());
    assert!((&mut sending).now_or_never().is_none());
    run_ready_tasks().await;
    drop(sending);
    run_ready_tasks().await;
    assert!(!connection.is_open());
    assert!(peer.read_to_end().await.unwrap().starts_with(b"GET / "));
}

#[tokio::test]
async fn what_a_connection_holds_is_held_until_its_stream_is_gone() {
    let (mut connection, mut peer) = connected().await;
    let alive = guarded(&connection);
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    read(sent.unwrap()).await.unwrap();
    assert!(!is_gone(&alive));
    drop(connection);
    run_ready_tasks().await;
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

/// A spinning barrier of two threads, so that they continue at the same time.
#[derive(Clone, Default)]
struct Meeting(Arc<AtomicUsize>);

impl Meeting {
    /// Waits until this many threads have arrived.
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

#[tokio::test]
async fn a_request_that_is_sent_as_the_connection_ends_has_an_outcome() {
    let (end, cuts) = std::sync::mpsc::channel::<(AbortHandle, Meeting)>();
    let ending = std::thread::spawn(move || {
        for (cut, meeting) in cuts {
            meeting.come(2);
            cut.abort();
            meeting.come(4);
        }
    });
    for round in 0..2_000 {
        let ((mut connection, _peer), meeting) = (connected().await, Meeting::default());
        end.send((connection.abort_handle().unwrap(), meeting.clone())).unwrap();
        meeting.come(2);
        (0..round % 100).for_each(|_| std::hint::spin_loop());
        let mut sending = connection.call(get());
        let first = (&mut sending).now_or_never();
        meeting.come(4);
        let outcome = first.or_else(|| sending.now_or_never()).expect("nobody else will end it");
        let error = outcome.unwrap_err();
        assert!(error.request.is_some(), "{error:?}");
        assert!(error.progress <= Progress::Sent, "{error:?}");
        assert!(error.into_error().is_canceled());
    }
    drop(end);
    ending.join().unwrap();
}

#[tokio::test]
async fn a_request_without_a_body_comes_back_unless_an_answer_has_begun() {
    for (said, progress) in [("", Progress::Sent), ("HTTP/1.1 2", Progress::Answered)] {
        let (mut connection, mut peer) = connected().await;
        assert!(
            connection.gives_back(&get()) && !connection.gives_back(&request(Method::PUT, "x"))
        );
        let mut request = get();
        request.headers_mut().insert("x-tag", "1".parse().unwrap());
        let (sent, ()) = tokio::join!(send(&mut connection, request), async {
            peer.answer([said]).await.unwrap();
            drop(peer);
        });
        let error = sent.unwrap_err();
        assert_eq!(error.progress, progress);
        let given_back = error.request.map(|request| request.headers()["x-tag"].clone());
        assert_eq!(given_back.is_some(), progress == Progress::Sent);
    }
}

/// A stream whose drop asks the connection to hold a slot.
struct HeldAsItCloses {
    io: TokioIo<DuplexStream>,
    connection: Arc<std::sync::OnceLock<std::sync::Weak<ConnShared>>>,
    alive: Arc<()>,
    was_held: Arc<std::sync::atomic::AtomicBool>,
}

crate::io::delegate_read!([] HeldAsItCloses, io in Self { io, .. });
crate::io::delegate_write!([] HeldAsItCloses, io in Self { io, .. });

impl Drop for HeldAsItCloses {
    fn drop(&mut self) {
        let connection = self.connection.get().and_then(std::sync::Weak::upgrade).unwrap();
        connection.hold(HeldSlot::Other(Box::new(self.alive.clone())));
        // One here, one in the test, and one in the connection.
        self.was_held.store(Arc::strong_count(&self.alive) == 3, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_slot_that_comes_while_the_stream_is_dropped_is_held_until_it_is_gone() {
    let (alive, was_held, slot) = (Arc::new(()), Arc::default(), Arc::default());
    let stream = HeldAsItCloses {
        io: TokioIo::new(tokio::io::duplex(1).0),
        connection: Arc::clone(&slot),
        alive: alive.clone(),
        was_held: Arc::clone(&was_held),
    };
    let connection = over(stream, "https://example.com", &Http1Config::new()).await;
    slot.set(Arc::downgrade(&connection.shared)).unwrap();
    connection.abort_handle().unwrap().abort();
    assert!(was_held.load(Ordering::SeqCst));
    assert!(is_gone(&alive));
}
