//! Everything together takes no longer than the total, wherever the time goes.

use futures_util::FutureExt;
use tower::ServiceExt;
use tower_transport::{Error, RequestExt, error::Phase, options::Timeouts};

use super::{beginning, failure, predicates_of, seconds, sleep, timed, upload};
use crate::support::{
    scene::Scene,
    scripted::{
        Script,
        Step::{Head, Hold, Pause, Read, Serve},
        first, say,
    },
};

const TOTAL: Option<Phase> = Some(Phase::Total);

/// A transport whose requests may take ten seconds, and be silent for twice as long.
fn ten_seconds(script: Script) -> Scene {
    Scene::memory_with(script, |builder| {
        builder.timeouts(Timeouts::default().read(seconds(20)).total(seconds(10)))
    })
}

#[tokio::test(start_paused = true)]
async fn it_ends_a_request_in_line_that_was_not_sent() {
    let scene = ten_seconds(first([Serve]));
    let held = scene.transport.stream("GET", scene.url("/")).await.unwrap();
    let get = scene.transport.request("GET", scene.url("/"));
    assert_eq!(predicates_of(&scene, get).await, failure(TOTAL, "timeout", 10));
    assert_eq!(scene.transport.stats().queued, 0);
    drop(held);
    scene.assert_usable().await;
}

#[tokio::test]
async fn without_any_time_nothing_is_sent_and_nothing_is_made() {
    let scene = Scene::memory(first([Serve]));
    let none = Timeouts::none;
    for _ in 0..2 {
        for (timeouts, phase) in
            [(none().total(seconds(0)), Phase::Total), (none().connect(seconds(0)), Phase::Connect)]
        {
            // A connection that is there needs not be made.
            if phase == Phase::Connect && scene.origin.accepted() > 0 {
                continue;
            }
            let get = scene.transport.request("GET", scene.url("/")).timeouts(timeouts);
            let error = get.await.unwrap_err();
            assert_eq!(error.timeout_phase(), Some(phase), "{error:?}");
            assert!(!error.was_sent(), "{error:?}");
        }
        let sent = scene.origin.heads().len();
        scene.get().await.unwrap();
        assert_eq!(scene.origin.heads().len(), sent + 1);
    }
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_a_request_for_which_a_connection_is_being_made() {
    let scene = Scene::memory_over(first([Serve]), |connector| {
        tower::service_fn(move |target| {
            sleep(seconds(9)).then({
                let connector = connector.clone();
                move |()| connector.oneshot(target)
            })
        })
    });
    let short = Timeouts::default().total(seconds(5));
    let get = scene.transport.request("GET", scene.url("/")).timeouts(short);
    assert_eq!(predicates_of(&scene, get).await, failure(TOTAL, "timeout", 5));
    // The dial is the pool's.
    sleep(seconds(5)).await;
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_a_request_that_is_being_sent_or_answered() {
    let scripts = [vec![Head, Hold], vec![Head, Pause(9), Read(1000), Hold]];
    for script in scripts {
        let scene = ten_seconds(first(script));
        let post = upload(&scene, vec![0; 200_000]);
        assert_eq!(predicates_of(&scene, post).await, failure(TOTAL, "timeout, sent", 10));
        scene.assert_usable().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_runs_on_from_the_line_into_the_body() {
    let slow = [Head, Pause(3), beginning(4, "b"), Pause(3), say("od"), Pause(3), say("y"), Hold];
    let scene = ten_seconds(first(slow));
    let get = scene.transport.stream("GET", scene.url("/"));
    let (mut body, _) = timed(async { get.await.unwrap().into_body() }).await;
    let held = scene
        .transport
        .stream("GET", scene.url("/"))
        .timeouts(Timeouts::default().total(seconds(8)));
    let (whole, waited) = tokio::join!(body.read(), held);
    assert_eq!((whole.unwrap(), waited.unwrap_err().timeout_phase()), ("body".into(), TOTAL));
}

#[tokio::test(start_paused = true)]
async fn it_runs_while_the_body_is_read_slowly() {
    let scene = ten_seconds(first([Head, beginning(8, "body"), Pause(5), say("body"), Hold]));
    let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "body");
    sleep(seconds(20)).await;
    assert_eq!(predicates_of(&scene, body.chunk()).await, failure(TOTAL, "timeout, sent", 0));
    assert_eq!(body.chunk().await.unwrap(), None);
    // The body is still there, and holds nothing.
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_over_in_time_is_not_ended() {
    let scene = ten_seconds(first([Head, Pause(9), beginning(5, "hello"), Serve]));
    let response = scene.transport.stream("GET", scene.url("/")).await.unwrap();
    let read = async |mut body: tower_transport::Body| body.read().await;
    assert_eq!(read(response.into_body()).await.unwrap(), "hello");
    sleep(seconds(20)).await;
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_says_what_was_going_on() {
    let scene = ten_seconds(first([Head, Hold]));
    let error: Error = scene.get().await.unwrap_err();
    let doing = format!("waiting for the answer of {}", scene.host);
    assert_eq!(error.to_string(), format!("{doing}: timed out after 10 s (total timeout)"));
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "it took more than 10 s in all");
}
