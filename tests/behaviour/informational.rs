//! The 1xx responses before a response, reported to a callback.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use tower_transport::{RequestExt, options::OnInformational};

use crate::support::{
    scene::Scene,
    scripted::{
        HELLO, Script, Step,
        Step::{Answer, Finish, Head, Serve, Turn},
        each, first, say,
    },
};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nLink: </b.js>\r\n\r\n";

/// Records the 1xx responses.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn listener(&self) -> OnInformational {
        let notes = self.clone();
        OnInformational::new(move |answer| {
            let links = answer.headers().get_all("link").iter();
            let links: Vec<_> = links.filter_map(|link| link.to_str().ok()).collect();
            notes.add(format!("{} {}", answer.status().as_u16(), links.join(" ")));
        })
    }

    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Says these to the first request, and answers it.
fn hinting(pieces: &[&str]) -> Script {
    let pieces = pieces.iter().flat_map(|piece| [Turn, say(*piece)]);
    first([Head].into_iter().chain(pieces).chain([say(HELLO), Serve]).collect::<Vec<_>>())
}

/// Sends a request whose 1xx are written down, and then its answer.
async fn noted(scene: &Scene) -> Vec<String> {
    let notes = Notes::default();
    let request = scene.transport.request("GET", scene.url("/")).extension(notes.listener());
    notes.add(request.await.unwrap().status().as_str());
    notes.take()
}

/// The listener panics: the task that awaits the request does, and nobody else notices.
async fn panics_alone(scene: Scene) {
    let listener = OnInformational::new(|answer| panic!("received {}", answer.status()));
    let request = scene.transport.request("GET", scene.url("/")).extension(listener);
    let error = tokio::spawn(request.into_future()).await.unwrap_err();
    assert_eq!(*error.into_panic().downcast::<String>().unwrap(), "received 103 Early Hints");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn every_1xx_is_reported_before_the_answer() {
    let script = ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n", HINTS];
    let scene = Scene::memory(hinting(&script));
    assert_eq!(noted(&scene).await, ["100 ", "102 ", "103 </a.css> </b.js>", "200"]);
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_one_read_with_the_answer_is_reported_before_it() {
    let scene = Scene::memory(first([Head, say([HINTS, HINTS, HELLO].concat()), Serve]));
    let hints = "103 </a.css> </b.js>";
    assert_eq!(noted(&scene).await, [hints, hints, "200"]);
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_reported_when_it_comes() {
    let scene = Scene::memory(first([Head, say(HINTS), Step::Wait, say(HELLO), Serve]));
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let listener = OnInformational::new(move |answer| {
        sender.lock().unwrap().take().unwrap().send(answer.status()).unwrap();
    });
    let request = scene.transport.request("GET", scene.url("/")).extension(listener);
    let asking = tokio::spawn(request.into_future());
    assert_eq!(receiver.await.unwrap(), StatusCode::EARLY_HINTS);
    assert!(!asking.is_finished());
    scene.origin.go();
    assert_eq!(asking.await.unwrap().unwrap().body(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_switch_of_protocols_is_an_answer_and_not_reported() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let scene = Scene::memory(first([Head, say(HINTS), say(switch)]));
    let notes = Notes::default();
    let request = scene.transport.request("GET", scene.url("/")).extension(notes.listener());
    let response = request.header("connection", "upgrade").header("upgrade", "x").await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(notes.take(), ["103 </a.css> </b.js>"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_sent_again_goes_on_listening() {
    let scene = Scene::memory(each(vec![
        vec![Answer, Head, Finish],
        vec![Head, say(HINTS), say(HELLO), Serve],
    ]));
    scene.get().await.unwrap();
    assert_eq!(noted(&scene).await, ["103 </a.css> </b.js>", "200"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_1xx_is_an_error() {
    let scene = Scene::memory(hinting(&[&HINTS.repeat(50_000)]));
    let notes = Notes::default();
    let request = scene.transport.request("GET", scene.url("/")).extension(notes.listener());
    let error = request.await.unwrap_err();
    assert_eq!(scene.predicates(&error), "io, protocol, sent");
    assert!(notes.take().len() < 10_000, "a head has 256 KiB");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_costs_its_own_request() {
    panics_alone(Scene::memory(hinting(&[HINTS]))).await;
}

#[cfg(feature = "http2")]
mod http2 {
    use super::*;
    use crate::support::{
        frames::{HEADERS, NO_ERROR, goaway, headers, hello, open, send},
        scripted::Step::{Frame, ServeHttp2},
    };

    fn hint(stream: u32) -> Vec<u8> {
        headers(stream, 0, &[(":status", "103"), ("link", "</a.css>")])
    }

    fn hinting(pieces: impl IntoIterator<Item = Vec<u8>>) -> Scene {
        let pieces = pieces.into_iter().flat_map(|piece| [Turn, send(piece)]);
        let answer = [send(hello(1)), ServeHttp2];
        let steps = open().into_iter().chain([Frame(HEADERS)]).chain(pieces).chain(answer);
        Scene::http2_in_memory(vec![steps.collect()])
    }

    #[tokio::test(start_paused = true)]
    async fn every_1xx_is_reported_before_the_answer() {
        let proceed = headers(1, 0, &[(":status", "100")]);
        let scene = hinting([proceed, hint(1), hint(1)]);
        assert_eq!(noted(&scene).await, ["100 ", "103 </a.css>", "103 </a.css>", "200"]);
        scene.assert_usable().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_sent_again_goes_on_listening() {
        let leaves = [open(), vec![Frame(HEADERS), send(goaway(0, NO_ERROR)), Step::Hold]].concat();
        let stays = [open(), vec![Frame(HEADERS), send(hint(1)), send(hello(1)), ServeHttp2]];
        let scene = Scene::http2_in_memory(vec![leaves, stays.concat()]);
        assert_eq!(noted(&scene).await, ["103 </a.css>", "200"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_1xx_is_an_error() {
        let scene = hinting((0..65).map(|_| hint(1)));
        let notes = Notes::default();
        let request = scene.transport.request("GET", scene.url("/")).extension(notes.listener());
        let error = request.await.unwrap_err();
        assert_eq!(scene.predicates(&error), "protocol, sent");
        assert_eq!(notes.take().len(), 64);
        scene.assert_usable().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_panics_costs_its_own_request() {
        panics_alone(hinting([hint(1)])).await;
    }
}
