//! A server that closes a connection instead of answering: one error, however it does so, and the name of the protocol where
//! it speaks another one.

use std::io;

use tower_transport::{Error, RequestExt, transport::TransportBuilder};

use crate::support::{
    frames::{HEADERS, PREFACE, send, settings},
    scene::{Scene, predicates},
    scripted::{
        HELLO, Script,
        Step::{self, Finish, Frame, Head, Hold, Read, Reset},
        each, first, say,
    },
    tls_peer::Authority,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
}

use Speaks::{Http1, Http2};

impl Speaks {
    fn set(self, builder: TransportBuilder) -> TransportBuilder {
        match self {
            Http1 => builder.http1_only(),
            Http2 => builder.http2_prior_knowledge(),
        }
    }

    fn plain(self, script: Script) -> Scene {
        Scene::tcp_with(script, |builder| self.set(builder))
    }

    fn private(self, script: Script) -> Scene {
        let authority = Authority::new();
        let alpn: &[&str] = if self == Http2 { &["h2"] } else { &["http/1.1"] };
        let server = authority.certify("origin.example").server(alpn);
        Scene::tls_with(script, &authority, vec![server], |builder| match self {
            Http1 => builder.http1_only(),
            Http2 => builder.http2_only(),
        })
    }

    /// Up to the head of a request.
    fn head(self) -> Vec<Step> {
        match self {
            Http1 => vec![Head],
            Http2 => vec![Read(PREFACE), send(settings(&[])), Frame(HEADERS)],
        }
    }

    /// The same on as many connections as it may try.
    fn always(self, steps: Vec<Step>) -> Script {
        each(vec![steps; 30])
    }
}

async fn error_of(scene: &Scene, method: &str) -> Error {
    scene.transport.request(method, scene.url("/")).await.unwrap_err()
}

/// The one face: an I/O error with its cause, whose text names the host and says what happened.
fn is_closed(error: &Error, scene: &Scene, case: &str) {
    let expected = if error.was_sent() { "io, sent" } else { "io, canceled" };
    if error.is_connect() && case.contains("Reset") {
        // The kernel knew of the reset before the connector had the socket.
        return assert_eq!(scene.predicates(error), "connect, io", "{case}: {error:?}");
    }
    assert_eq!(scene.predicates(error), expected, "{case}: {error:?}");
    assert!(error.to_string().contains("the server closed the connection"), "{case}: {error:?}");
    assert!(error.cause::<io::Error>().is_some(), "{case}: {error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_after_the_head_has_one_face() {
    for speaks in [Http1, Http2] {
        for private in [false, true] {
            for end in [vec![], vec![Finish], vec![Finish, Hold], vec![Reset]] {
                let steps = [speaks.head(), end.clone()].concat();
                let scene = match private {
                    true => speaks.private(speaks.always(steps)),
                    false => speaks.plain(speaks.always(steps)),
                };
                let error = error_of(&scene, "POST").await;
                let case = format!("{speaks:?}, private: {private}, {end:?}");
                is_closed(&error, &scene, &case);
                assert!(error.was_sent(), "{case}: {error:?}");
                let said = "reading the answer of";
                assert!(error.to_string().starts_with(said), "{case}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_as_soon_as_it_accepts_has_one_face() {
    for speaks in [Http1, Http2] {
        for private in [false, true] {
            for end in [vec![], vec![Finish], vec![Reset], vec![Read(1), Reset]] {
                let scene = match private {
                    true => speaks.private(speaks.always(end.clone())),
                    false => speaks.plain(speaks.always(end.clone())),
                };
                for method in ["GET", "POST"] {
                    let case = format!("{speaks:?}, private: {private}, {method}, {end:?}");
                    is_closed(&error_of(&scene, method).await, &scene, &case);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_used_connection_that_is_closed_has_the_same_face() {
    for end in [vec![Finish, Hold], vec![Reset]] {
        let steps = [vec![Head, say(HELLO), Head], end].concat();
        let scene = Http1.plain(first(steps));
        scene.get().await.unwrap();
        is_closed(&error_of(&scene, "POST").await, &scene, "used");
    }
}

#[tokio::test]
async fn a_server_of_http2_is_named_to_a_client_of_http1() {
    let hello = || send(settings(&[(3, 100), (4, 65_535)]));
    for steps in [vec![hello(), Hold], vec![Head, hello(), Hold], vec![Read(1), hello(), Finish]] {
        let scene = Http1.plain(first(steps.clone()));
        let error = error_of(&scene, "GET").await;
        assert_eq!(
            scene.predicates(&error).replace(", sent", ""),
            "protocol",
            "{steps:?}: {error:?}"
        );
        assert!(error.to_string().contains("the server speaks HTTP/2"), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_http1_is_named_to_a_client_of_http2() {
    let refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for steps in [vec![Read(PREFACE), say(refusal), Finish, Hold], vec![say(refusal), Hold]] {
        let scene = Http2.plain(Http2.always(steps.clone()));
        let error = error_of(&scene, "GET").await;
        assert_eq!(
            scene.predicates(&error).replace(", sent", ""),
            "protocol",
            "{steps:?}: {error:?}"
        );
        assert!(error.to_string().contains("the server speaks HTTP/1.1"), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_tls_is_named_to_a_client_without() {
    for speaks in [Http1, Http2] {
        let alert = Step::Say((&b"\x15\x03\x01\0\x02\x02\x46"[..]).into());
        let scene = speaks.plain(speaks.always(vec![Read(1), alert, Hold]));
        let error = error_of(&scene, "GET").await;
        assert!(error.is_protocol(), "{error:?}");
        assert!(error.to_string().contains("the server speaks TLS"), "{error}");
    }
}

#[tokio::test]
async fn tls_that_is_cut_inside_an_answer_is_io_and_not_the_peers_breach() {
    for answer in [
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    ] {
        let scene = Http1.private(first(vec![Head, say(answer)]));
        let error = error_of(&scene, "GET").await;
        assert_eq!(scene.predicates(&error), "io, sent", "{answer:?}: {error:?}");
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            assert!(!error.to_string().contains("http"), "a link in {error}");
            cause = error.source();
        }
        assert!(error.to_string().contains("without `close_notify`"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_misses_a_client_certificate_is_a_tls_error_in_either_version() {
    for speaks in [Http1, Http2] {
        for body in [0, 1_000_000] {
            let authority = Authority::new();
            let leaf = authority.certify("origin.example");
            let alpn: &[&str] = if speaks == Http2 { &["h2"] } else { &["http/1.1"] };
            let mut server = leaf.server_for_clients_of(&Authority::new());
            server.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
            let scene = Scene::tls_with(each(vec![]), &authority, vec![server], |b| b);
            let post = scene.transport.request("POST", scene.url("/")).body(vec![0; body]);
            let error = post.await.unwrap_err();
            assert!(error.is_tls(), "{speaks:?}, {body}: {} {error:?}", predicates(&error));
            assert!(error.to_string().contains("the server wants a client certificate"), "{error}");
        }
    }
}
