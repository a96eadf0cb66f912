//! Proxies that want to know who we are before they open a tunnel.

use std::sync::{Arc, Mutex};

use http::HeaderValue;
use tower_transport::{
    Error,
    auth::{Authorizing, Credentials},
    proxy::Proxy,
};

use crate::support::{
    proxy::{OPEN, proxy},
    scene::Scene,
    scripted::{
        Step::{self, Drain, Head, Serve, Signal},
        say,
    },
};

const WHO: &str =
    "HTTP/1.1 407 Who\r\nProxy-Authenticate: Custom n=\"1\"\r\nContent-Length: 4\r\n\r\nwho?";

/// Says something new to every challenge; and what it was asked.
fn talkative() -> (Proxy, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let proxy = proxy().authenticate({
        let asked = asked.clone();
        move |asking: &Authorizing<'_>| {
            let mut asked = asked.lock().unwrap();
            let refused = asking.refused.map(|value| value.to_str().unwrap().to_owned());
            asked.push(format!("{} {} {refused:?}", asking.method, asking.target));
            let is_asked = asking.challenge.contains_key("proxy-authenticate");
            is_asked.then(|| HeaderValue::try_from(format!("Custom {}", asked.len())).unwrap())
        }
    });
    (proxy, asked)
}

/// What was said in each `CONNECT`.
fn said(scene: &Scene) -> Vec<Option<String>> {
    let heads = scene.origin.heads().into_iter().filter(|head| head.starts_with("CONNECT "));
    let value = |head: String| {
        let (_, value) = head.split_once("proxy-authorization: ")?;
        value.lines().next().map(str::to_owned)
    };
    heads.map(value).collect()
}

fn custom(number: usize) -> Option<String> {
    Some(format!("Custom {number}"))
}

#[tokio::test(start_paused = true)]
async fn a_challenge_is_answered_on_the_same_connection() {
    let (proxy, asked) = talkative();
    let scene = Scene::tunnel_through(proxy, vec![vec![Head, say(WHO), Head, say(OPEN), Serve]]);
    assert_eq!(scene.get().await.unwrap().body(), "hello");
    assert_eq!((scene.origin.accepted(), said(&scene)), (1, vec![None, custom(2)]));
    let target = "CONNECT origin.example:80 None";
    assert_eq!(*asked.lock().unwrap(), [target, target]);
    let heads = scene.origin.heads();
    assert!(!heads.last().unwrap().contains("authorization"), "{heads:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_with_the_challenge_is_replaced() {
    for last in
        ["Connection: close\r\nContent-Length: 4", "Proxy-Connection: close\r\nConnection: close"]
    {
        let who = format!("HTTP/1.1 407 Who\r\nProxy-Authenticate: Custom\r\n{last}\r\n\r\nwho?");
        let (proxy, _) = talkative();
        let scene = Scene::tunnel_through(proxy, vec![vec![Head, say(who)]]);
        assert_eq!(scene.get().await.unwrap().body(), "hello");
        assert_eq!((scene.origin.accepted(), said(&scene)), (2, vec![None, custom(2)]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_of_http_1_0_is_asked_over_another_connection() {
    let who = "HTTP/1.0 407 Who\r\nProxy-Authenticate: Custom\r\n\r\nwho?";
    let (proxy, _) = talkative();
    let scene = Scene::tunnel_through(proxy, vec![vec![Head, say(who)]]);
    assert_eq!(scene.get().await.unwrap().body(), "hello");
    assert_eq!((scene.origin.accepted(), said(&scene)), (2, vec![None, custom(2)]));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_asked_four_times_at_the_most() {
    let (proxy, _) = talkative();
    let asking: Vec<Step> = (0..10).flat_map(|_| [Head, say(WHO)]).collect();
    let scene = Scene::tunnel_through(proxy, vec![asking]);
    let error = scene.get().await.unwrap_err();
    assert_eq!(error.proxy_status().unwrap().as_u16(), 407);
    assert_eq!(said(&scene), [None, custom(2), custom(3), custom(4)]);
    assert_eq!(error.proxy_body().unwrap(), "who?");
}

/// What comes of a proxy that knows nobody.
async fn refused(proxy: Proxy) -> (Error, Vec<Option<String>>) {
    let asking: Vec<Step> = (0..10).flat_map(|_| [Head, say(WHO)]).collect();
    let scene = Scene::tunnel_through(proxy, vec![asking]);
    let error = scene.get().await.unwrap_err();
    (error, said(&scene))
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_new_to_say_is_not_asked_again() {
    let always = |_: &Authorizing<'_>| Some(HeaderValue::from_static("Custom me"));
    let never = |_: &Authorizing<'_>| None;
    let known = proxy().credentials(Credentials::new("user", "hunter2"));
    let basic = Some("Basic dXNlcjpodW50ZXIy".to_owned());
    for (proxy, expected) in [
        (proxy(), None),
        (proxy().authenticate(never), None),
        (proxy().authenticate(always), Some("Custom me".to_owned())),
        (known, basic),
    ] {
        let (error, said) = refused(proxy).await;
        assert!(error.is_proxy() && error.is_connect() && !error.was_sent(), "{error:?}");
        assert_eq!(error.proxy_status().unwrap().as_u16(), 407);
        assert_eq!(said, [expected]);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("dXNlcjpodW50ZXIy"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_of_the_proxy_goes_before_its_credentials() {
    let own = HeaderValue::from_static("Bearer token");
    let proxy = proxy().credentials(Credentials::new("user", "password"));
    let proxy = proxy.header(http::header::PROXY_AUTHORIZATION, own);
    let scene = Scene::tunnel_through(proxy, vec![vec![Head, say(OPEN), Serve]]);
    scene.get().await.unwrap();
    assert_eq!(said(&scene), [Some("Bearer token".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_that_is_too_long_to_read_is_answered_over_another_connection() {
    let who = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Custom\r\nContent-Length: 10000000\r\n\r\n";
    let (proxy, _) = talkative();
    let endless = vec![Head, say(who), say("x".repeat(30_000)), Drain, Signal];
    let scene = Scene::tunnel_through(proxy, vec![endless]);
    assert_eq!(scene.get().await.unwrap().body(), "hello");
    assert_eq!((scene.origin.accepted(), said(&scene)), (2, vec![None, custom(2)]));
    scene.origin.signaled().await;
    scene.assert_usable().await;
}
