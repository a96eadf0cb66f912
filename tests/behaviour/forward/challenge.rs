//! The proxy wants to know who we are.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode};
use tower_transport::{
    Body, RequestExt,
    auth::{Authenticate, Authorizing},
    connect::{ConnectInfo, MemoryConnector},
};

use crate::support::{
    forwarding::{PROXY, proxy, scripted, through, token},
    origin::run_ready_tasks,
    peer::Peer,
    scene::predicates,
    scripted::{
        HELLO, Script,
        Step::{self, Answer, Head, Read, Serve, Turn, Wait},
        first, say,
    },
};

const WHO: &str = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Token\r\nContent-Length: 7\r\n\r\n";
const ASKED: &str =
    "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Token\r\nContent-Length: 7\r\n\r\nrefused";

/// The first request is asked who we are, the others are answered.
fn asking(with: impl Into<Vec<Step>>) -> Script {
    let mut steps = vec![Head];
    steps.extend(with.into());
    steps.push(Serve);
    first(steps)
}

/// Says something else whenever it is asked.
fn inventive() -> impl Authenticate {
    let said = AtomicUsize::new(0);
    move |_: &Authorizing<'_>| {
        let token = format!("Token {}", said.fetch_add(1, Ordering::Relaxed));
        HeaderValue::try_from(token).ok()
    }
}

/// Says the same whatever it is asked.
fn stubborn() -> impl Authenticate {
    |_: &Authorizing<'_>| Some(HeaderValue::from_static("Token secret"))
}

#[tokio::test]
async fn it_is_answered_by_the_same_request_over_the_same_connection() {
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), asking([say(ASKED)]));
    let response = client.request("GET", "http://a.example/").await.unwrap();
    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, &b"hello"[..]));
    let info = ConnectInfo::of(&response).unwrap();
    assert_eq!((origin.accepted(), info.served()), (1, 2));
    let line = "GET http://a.example/ HTTP/1.1\r\nhost: a.example\r\n";
    let with_credentials = format!("{line}proxy-authorization: Token secret\r\n\r\n");
    assert_eq!(origin.heads(), [format!("{line}\r\n"), with_credentials]);
}

#[tokio::test]
async fn what_was_learnt_is_said_unasked_from_then_on() {
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), asking([say(ASKED)]));
    for _ in 0..3 {
        client.request("GET", "http://a.example/").await.unwrap();
    }
    assert_eq!((origin.accepted(), origin.heads().len()), (1, 4));
}

#[tokio::test]
async fn a_refusal_that_comes_in_pieces_is_read_away() {
    let script = asking([say(WHO), Turn, Turn, say("ref"), Turn, Turn, say("used")]);
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), script);
    assert_eq!(client.request("GET", "http://a.example/").await.unwrap().status(), 200);
    assert_eq!(origin.accepted(), 1);
}

#[tokio::test]
async fn a_refusal_in_chunks_is_read_away() {
    let chunks = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Token\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\nref\r\n4\r\nused\r\n0\r\n\r\n";
    let script = asking([say(chunks)]);
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), script);
    assert_eq!(client.request("GET", "http://a.example/").await.unwrap().status(), 200);
    assert_eq!(origin.accepted(), 1);
}

#[tokio::test]
async fn a_refusal_that_is_long_or_endless_or_the_last_costs_the_connection() {
    let refusal = |rest: &str| format!("HTTP/1.1 407 Who?\r\nProxy-Authenticate: Token\r\n{rest}");
    let long = refusal("Content-Length: 1000000\r\n\r\nrefused");
    let many = format!("{}{}", refusal("Transfer-Encoding: chunked\r\n\r\n"), "400\r\n");
    let many = format!("{many}{}\r\n", "x".repeat(0x400));
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let many = [vec![say(many)], vec![say(chunk); 80], vec![Wait]].concat();
    let table = [
        vec![say(long), Wait],
        many,
        vec![say(refusal("Connection: close\r\nContent-Length: 0\r\n\r\n"))],
        vec![say(refusal("\r\nto the end")), Step::Finish],
    ];
    for with in table {
        let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), asking(with));
        assert_eq!(client.request("GET", "http://a.example/").await.unwrap().status(), 200);
        assert_eq!((origin.accepted(), origin.heads().len()), (2, 2));
    }
}

/// It is not waited for longer than a new connection takes.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_dribbles_costs_the_connection() {
    let script = asking([say(WHO), Wait]);
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), script);
    let began = tokio::time::Instant::now();
    assert_eq!(client.request("GET", "http://a.example/").await.unwrap().status(), 200);
    assert_eq!(origin.accepted(), 2);
    assert!(began.elapsed().as_millis() <= 200, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_post_is_sent_again_exactly_once_with_its_body() {
    let script = asking([Read(5), say(ASKED), Head, Read(5), say(HELLO)]);
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), script);
    let response = client.request("POST", "http://a.example/").body("12345").await.unwrap();
    assert_eq!(response.body(), "hello");
    client.request("GET", "http://a.example/next").await.unwrap();
    assert_eq!(
        (origin.requests_starting("POST"), origin.requests_starting("GET"), origin.accepted()),
        (2, 1, 1)
    );
    assert!(origin.heads()[1].contains("content-length: 5\r\n"));
}

#[tokio::test]
async fn a_body_by_a_function_is_sent_again() {
    let body = "2\r\n12\r\n3\r\n345\r\n0\r\n\r\n".len();
    let script = asking([Read(body), say(ASKED), Head, Read(body), say(HELLO)]);
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), script);
    let body = Body::again(|| Body::iter(["12", "345"]));
    let response = client.request("POST", "http://a.example/").body(body).await.unwrap();
    assert_eq!((response.body().as_ref(), origin.requests_starting("POST")), (&b"hello"[..], 2));
}

#[tokio::test]
async fn a_body_that_cannot_be_had_again_is_an_error_that_says_why() {
    let chunks = || Body::stream(stream::iter([Ok::<_, std::io::Error>("12345")]));
    let body = "5\r\n12345\r\n0\r\n\r\n".len();
    let script = asking([Read(body), say(ASKED)]);
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), script);
    let error = client.request("POST", "http://a.example/").body(chunks()).await.unwrap_err();
    assert_eq!(predicates(&error), "sent");
    assert_eq!(error.proxy_status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    assert!(error.is_proxy());
    assert_eq!(error.proxy_headers().unwrap()["proxy-authenticate"], "Token");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    run_ready_tasks().await;
    assert_eq!(
        client.request("POST", "http://a.example/").body(chunks()).await.unwrap().body(),
        "hello"
    );
    assert_eq!((origin.requests_starting("POST"), origin.accepted()), (2, 1));
}

#[tokio::test]
async fn a_refusal_to_which_nothing_better_can_be_said_is_the_answer() {
    let own =
        HeaderMap::from_iter([("proxy-authorization".parse().unwrap(), "x".parse().unwrap())]);
    let table = [
        (proxy(PROXY), HeaderMap::new()),
        (proxy("http://me:secret@proxy.example"), HeaderMap::new()),
        (proxy(PROXY).authenticate(|_: &Authorizing<'_>| None), HeaderMap::new()),
        (proxy(PROXY).authenticate(stubborn()), own),
    ];
    for (proxy, headers) in table {
        let (client, origin) = scripted(&proxy, asking([say(ASKED)]));
        let response = client.request("GET", "http://a.example/").headers(headers).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (407, &b"refused"[..]));
        assert_eq!(client.request("GET", "http://a.example/").await.unwrap().status(), 200);
        assert_eq!((origin.accepted(), origin.heads().len()), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_never_content_is_not_asked_for_ever() {
    let script: Script = Box::new(|_| vec![vec![Head, say(ASKED)]; 100].concat());
    let (client, origin) = scripted(&proxy(PROXY).authenticate(inventive()), script);
    let error = client.request("GET", "http://a.example/").await.unwrap_err();
    assert_eq!(error.proxy_status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    assert_eq!((origin.heads().len(), origin.accepted()), (10, 1));
}

#[tokio::test]
async fn idle_connections_to_a_proxy_that_asks_are_kept() {
    let script: Script = Box::new(|_| vec![Answer, Head, say(ASKED), Serve]);
    let (client, origin) = scripted(&proxy(PROXY).authenticate(token()), script);
    let get = || client.request("GET", "http://a.example/").into_future();
    let (one, other) = tokio::join!(get(), get());
    assert!(one.is_ok() && other.is_ok());
    run_ready_tasks().await;
    assert_eq!(get().await.unwrap().status(), 200);
    assert_eq!((client.stats().connections.len(), origin.accepted()), (2, 2));
}

/// Says something when it is asked, and nothing unasked, like Negotiate.
fn when_asked() -> impl Authenticate {
    |request: &Authorizing<'_>| {
        let asked = request.challenges().into_iter().any(|asked| asked.is("Token"));
        (asked && request.refused.is_none()).then(|| HeaderValue::from_static("Token secret"))
    }
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_are_all_answered_by_a_proxy_that_asks_and_hangs_up() {
    let (connector, mut listener) = MemoryConnector::pair();
    let heads = Arc::new(AtomicUsize::new(0));
    let counted = heads.clone();
    tokio::spawn(async move {
        while let Some((io, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut peer = Peer::new(io);
                while let Ok(head) = peer.read_head().await {
                    counted.fetch_add(1, Ordering::SeqCst);
                    if !head.contains("proxy-authorization: Token secret") {
                        let who = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Token\r\nConnection: close\r\n\r\n";
                        return peer.write(who).await.unwrap();
                    }
                    peer.write(HELLO).await.unwrap();
                }
            });
        }
    });
    let client = through(&proxy(PROXY).authenticate(when_asked()), connector);
    let requests = (0..20).map(|n| {
        let request = client.request("GET", format!("http://a.example/{}", n / 2));
        async move { request.await.unwrap().status() }
    });
    for status in futures_util::future::join_all(requests).await {
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(heads.load(Ordering::SeqCst), 40);
}
