//! A peer that is not silent, but slow, is ended if the caller says how slow is too slow.

use http_body_util::BodyExt;
use tower_transport::{Body, RequestExt, options::Timeouts};

use super::{READ, WRITE, beginning, dictated, predicates_of, seconds, sleep, timed, upload};
use crate::support::{
    scene::Scene,
    scripted::{
        HELLO,
        Step::{self, Head, Hold, Pause, Read, Serve},
        first, say,
    },
};

/// At least ten bytes a second, judged after ten seconds.
fn scene(steps: impl Into<Vec<Step>>) -> Scene {
    let timeouts = Timeouts::default().min_throughput(10, seconds(10));
    Scene::memory_with(first(steps), |builder| builder.timeouts(timeouts))
}

/// An answer of a hundred pieces, one a second.
fn dripping(piece: &str) -> Vec<Step> {
    let mut steps = vec![Head, beginning(100 * piece.len(), "")];
    (0..100).for_each(|_| steps.extend([Pause(1), say(piece)]));
    steps.push(Serve);
    steps
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_is_ended() {
    let scene = scene(dripping("."));
    let (phase, predicates, seconds) = predicates_of(&scene, scene.get()).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((10..=13).contains(&seconds), "{seconds} s");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_just_fast_enough_is_not() {
    let scene = scene(dripping("twelve bytes"));
    let (response, seconds) = timed(scene.get()).await;
    assert_eq!((response.unwrap().body().len(), seconds), (1200, 100));
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn the_time_until_an_answer_begins_does_not_count() {
    let scene = scene([Head, Pause(25), say(HELLO), Serve]);
    assert_eq!(scene.get().await.unwrap().body(), "hello");
}

#[tokio::test(start_paused = true)]
async fn pauses_of_the_caller_do_not_count() {
    let mut steps = vec![Head, beginning(50, "")];
    (0..10).for_each(|_| steps.extend([Pause(31), say("bytes")]));
    let scene = scene(steps);
    let body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    let read = async |mut body: Body| {
        let mut chunks = 0;
        while body.chunk().await.unwrap().is_some() {
            chunks += 1;
            // All but the last half of a second of the pause.
            sleep(std::time::Duration::from_millis(30_500)).await;
        }
        chunks
    };
    sleep(std::time::Duration::from_millis(30_500)).await;
    assert_eq!(read(body).await, 10);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_taken_in_drips_is_ended() {
    let mut steps = vec![Head];
    (0..200).for_each(|_| steps.extend([Pause(1), Read(1)]));
    let scene = scene(steps);
    let (phase, predicates, seconds) =
        predicates_of(&scene, upload(&scene, vec![0; 200_000])).await;
    assert_eq!((phase, &*predicates), (WRITE, "timeout, sent"));
    // What the pipe holds went at once, and counts for the first window.
    assert!((20..=23).contains(&seconds), "{seconds} s");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_makes_the_body_in_drips_is_not() {
    let scene = scene([Serve]);
    assert_eq!(upload(&scene, dictated(10, 5)).into_future().await.unwrap().body(), "hello");
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_caller_takes_between_two_pieces_does_not_count() {
    const PIECE: usize = 100_000;
    let (chunk, end) = (Read(PIECE + "186a0\r\n\r\n".len()), Read("0\r\n\r\n".len()));
    let mut steps = vec![Head, Pause(5)];
    (0..3).for_each(|_| steps.extend([Pause(60), chunk.clone()]));
    let scene = scene([steps, vec![end, say(HELLO), Serve]].concat());
    let least = Timeouts::default().min_throughput(5000, seconds(10));
    let post = scene.transport.request("POST", scene.url("/")).timeouts(least);
    let pieces =
        dictated(3, 60).map_frame(|word| word.map_data(|_| bytes::Bytes::from(vec![0; PIECE])));
    assert_eq!(post.body(Body::new(pieces)).await.unwrap().body(), "hello");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_judged_by_the_first_limit_that_is_over() {
    let scene = scene([Head, beginning(5, "hel"), Hold]);
    let (phase, _, seconds) = predicates_of(&scene, scene.get()).await;
    assert_eq!(phase, READ);
    assert!((10..=13).contains(&seconds), "{seconds} s");
}
