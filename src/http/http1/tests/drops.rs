//! Drops a request after every turn: the connection is idle and correct, or closed, and releases its slot once.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use http_body::{Body as _, Frame};

use super::*;
use crate::tests::script::run;

/// One exchange.
struct Scene {
    request: fn() -> Request<Body>,
    /// How much of the request the peer reads before it sends anything.
    after: &'static [u8],
    says: &'static str,
    /// The peer closes after that.
    ends: bool,
    /// The bytes that the peer takes until it has sent everything.
    room: Option<usize>,
    body: &'static str,
    is_reusable: bool,
}

const SCENE: Scene = Scene {
    request: get,
    after: b"\r\n\r\n",
    says: OK,
    ends: false,
    room: None,
    body: "hello",
    is_reusable: true,
};

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn large() -> Request<Body> {
    request(Method::POST, "x".repeat(50_000))
}

fn streamed() -> Request<Body> {
    let mut request = request(Method::POST, Body::empty());
    request.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
    let frames = (0..40).map(|_| Frame::data(Bytes::from("x".repeat(2000))));
    let sum = (http::HeaderName::from_static("x-sum"), HeaderValue::from_static("1"));
    let trailers = Frame::trailers(http::HeaderMap::from_iter([sum]));
    let frames: Vec<_> = frames.chain([trailers]).map(Ok::<_, Infallible>).collect();
    *request.body_mut() = Body::new(http_body_util::StreamBody::new(stream::iter(frames)));
    request
}

fn expecting() -> Request<Body> {
    let mut request = large();
    request.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    request
}

fn upgrading() -> Request<Body> {
    let mut request = get();
    request.headers_mut().insert("upgrade", HeaderValue::from_static("other"));
    request
}

fn scenes() -> Vec<Scene> {
    let early = "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nhello";
    let early_last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let refused_last =
        "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let continued =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    vec![
        SCENE,
        Scene { says: CHUNKED, ..SCENE },
        Scene { says: EMPTY, body: "", ..SCENE },
        Scene { says: continued, ..SCENE },
        Scene { says: "HTTP/1.1 200 OK\r\n\r\nhello", ends: true, is_reusable: false, ..SCENE },
        Scene {
            says: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!",
            is_reusable: false,
            ..SCENE
        },
        Scene {
            says: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
            ..SCENE
        },
        Scene { request: large, after: b"xxx", ..SCENE },
        Scene { request: streamed, after: b"1\r\n\r\n", says: CHUNKED, ..SCENE },
        // Early answers, and bodies both ways at once.
        Scene { request: large, after: b"x", says: early, room: Some(1000), ..SCENE },
        Scene { request: streamed, after: b"x", says: early, room: Some(10_000), ..SCENE },
        Scene { request: streamed, after: b"x", says: CHUNKED, room: Some(10_000), ..SCENE },
        Scene {
            request: large,
            after: b"x",
            says: early_last,
            room: Some(1000),
            is_reusable: false,
            ..SCENE
        },
        Scene {
            request: large,
            after: b"x",
            says: refused_last,
            room: Some(1000),
            is_reusable: false,
            ..SCENE
        },
        Scene {
            request: large,
            after: b"GET /",
            says: early,
            room: Some(0),
            is_reusable: false,
            body: "none",
            ..SCENE
        },
        Scene { request: expecting, says: continued, ..SCENE },
        Scene { request: expecting, says: early, is_reusable: false, ..SCENE },
        Scene {
            request: upgrading,
            says: "HTTP/1.1 101 Other\r\n\r\nhello",
            is_reusable: false,
            ..SCENE
        },
    ]
}

/// Counts its drops.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// An exchange, poll by poll.
struct Driving {
    sending: Option<Exchange<Http1Exchange<Body>>>,
    body: Option<Http1Body>,
    upgraded: Option<crate::upgrade::Pending>,
    read: Vec<u8>,
    failure: Option<SendError<Request<Body>>>,
}

impl Driving {
    fn new(sending: Exchange<Http1Exchange<Body>>) -> Self {
        Self { sending: Some(sending), body: None, upgraded: None, read: Vec::new(), failure: None }
    }

    /// Whether it has ended; pending while it waits.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if let Some(sending) = &mut self.sending {
            let Poll::Ready(outcome) = Pin::new(sending).poll(cx) else { return Poll::Pending };
            self.sending = None;
            match outcome {
                Ok(mut response) => {
                    self.upgraded = response.extensions_mut().remove();
                    self.body = Some(response.into_body());
                }
                Err(error) => self.failure = Some(error),
            }
        } else if let Some(body) = &mut self.body {
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(frame)) => {
                    self.read.extend(frame.unwrap().into_data().unwrap_or_default());
                }
                Poll::Ready(None) => self.body = None,
            }
        }
        Poll::Ready(self.sending.is_none() && self.body.is_none())
    }
}

/// Plays a scene with cuts in the peer's bytes, and drops the request after this many turns. Whether it had ended.
fn play(scene: &Scene, cuts: &[usize], turns: usize) -> bool {
    let says = scene.says.as_bytes();
    let ends: Vec<usize> = [&[0], cuts, &[says.len()]].concat();
    let pieces = ends.windows(2).map(|cut| &says[cut[0]..cut[1]]).filter(|it| !it.is_empty());
    let mut script = Script::new(scene.after, pieces);
    if scene.ends {
        script = script.that_ends();
    }
    if let Some(room) = scene.room {
        script = script.with_room(room);
    }
    let (mut connection, tasks) = scripted(&script);
    let drops = Arc::new(AtomicUsize::new(0));
    connection.shared.hold(HeldSlot::Other(Box::new(Slot(drops.clone()))));
    let (mut driving, mut has_ended) = (Driving::new(connection.call((scene.request)())), false);
    for turn in 0..turns {
        run(|cx| {
            has_ended = driving.turn(cx) == Poll::Ready(true);
            tasks.poll(cx);
            Poll::Ready(())
        });
        // A peer that is full takes more after a while.
        if turn == 60 {
            script.take_everything();
        }
        if has_ended {
            break;
        }
    }
    if has_ended && scene.body != "none" && driving.upgraded.is_none() {
        assert_eq!(driving.read, scene.body.as_bytes());
    }
    let is_upgraded = driving.upgraded.is_some();
    drop(driving);
    script.take_everything();
    let ready = run(|cx| {
        tasks.poll(cx);
        connection.poll_ready(cx)
    });
    let is_ready = ready.expect("it waits for ever").is_ok();
    assert!(!(has_ended && is_ready) || scene.is_reusable);
    assert!(!has_ended || is_ready || !scene.is_reusable || is_upgraded, "it is not kept");
    if is_ready {
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        is_right(&mut connection, &script, &tasks);
    }
    drop(connection);
    run(|cx| -> Poll<()> {
        tasks.poll(cx);
        Poll::Pending
    });
    assert_eq!(drops.load(Ordering::SeqCst), 1, "the slot");
    assert_eq!(tasks.left(), 0, "a task is left");
    has_ended
}

/// The next request gets its own response.
fn is_right(connection: &mut Http1<Body>, script: &Script, tasks: &Tasks) {
    let was_untouched = !script.left().is_empty();
    let before = script.heard().len();
    let mut driving = Driving::new(connection.call(get()));
    let mut has_said = false;
    let ended = run(|cx| {
        tasks.poll(cx);
        loop {
            match driving.turn(cx) {
                Poll::Ready(true) => return Poll::Ready(()),
                Poll::Ready(false) => {}
                Poll::Pending => break,
            }
        }
        if script.heard().len() > before
            && !was_untouched
            && !std::mem::replace(&mut has_said, true)
        {
            script.say(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
        }
        Poll::Pending
    });
    // What the peer says to the first is now said to the second: nothing was written of the first.
    if !was_untouched {
        assert!(ended.is_some());
        assert!(driving.failure.is_none(), "{:?}", driving.failure);
        assert_eq!(driving.read, b"second");
        assert!(
            script.heard()[before..].starts_with(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n")
        );
    }
}

#[test]
fn a_request_may_be_dropped_at_every_turn() {
    for (number, scene) in scenes().iter().enumerate() {
        let whole = (0..300).find(|turns| play(scene, &[], *turns));
        assert!(whole.is_some() || scene.body == "none", "scene {number} has no end");
    }
}

#[test]
fn what_a_peer_says_may_be_cut_anywhere_and_dropped_anywhere() {
    for scene in scenes() {
        for cut in 1..scene.says.len() {
            play(&scene, &[cut], 300);
        }
        let bytewise: Vec<usize> = (1..scene.says.len()).collect();
        play(&scene, &bytewise, 500);
        for turns in (0..300).step_by(3) {
            play(&scene, &bytewise, turns);
        }
    }
}
