//! TLS in bad weather: nothing is sent to whom is not trusted, and the next request works.

use std::{error::Error as _, time::Duration};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use tower_transport::{
    RequestExt,
    options::{ServerName, Timeouts},
    tls::TlsConfig,
    transport::TransportBuilder,
};

use crate::support::{
    frames::each_http2,
    scene::{Scene, predicates},
    scripted::{
        HELLO, Script,
        Step::{self, Finish, Head, Hold, Read, Reset, Serve},
        each, first, say,
    },
    tls_peer::{Authority, Leaf},
};

/// What a GET comes to when the first server is the one that `bad` makes, and its text after the host.
///
/// Nothing of the request is ever heard there, and the second server is a good one.
async fn refused(bad: impl FnOnce(&Authority) -> ServerConfig) -> (String, String) {
    let authority = Authority::new();
    let good = authority.certify("origin.example").server(&[]);
    let servers = vec![bad(&authority), good];
    let scene = Scene::tls_with(each(vec![]), &authority, servers, |builder| builder);
    let error = scene.get().await.unwrap_err();
    let (predicates, text) = (scene.predicates(&error), error.to_string());
    assert!(scene.origin.heads().is_empty());
    scene.assert_usable().await;
    let why = text.rsplit(": ").next().unwrap_or_default().to_owned();
    (predicates, why)
}

fn certified(
    change: impl FnOnce(&mut CertificateParams),
) -> impl FnOnce(&Authority) -> ServerConfig {
    |authority| authority.certify_as("origin.example", change).server(&[])
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused() {
    let untrusted = "the certificate is not from an issuer that is trusted";
    let other = |authority: &Authority| authority.certify("other.example").server(&[]);
    let expired = certified(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = certified(|params| params.not_before = date_time_ymd(2999, 1, 1));
    let client = certified(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let stranger = |_: &Authority| Authority::new().certify("origin.example").server(&[]);
    let own = |_: &Authority| Leaf::self_signed("origin.example").server(&[]);
    for (outcome, why) in [
        (refused(other).await, "the certificate is not valid for this name"),
        (refused(expired).await, "the certificate has expired"),
        (refused(early).await, "the certificate is not valid yet"),
        (refused(client).await, "the certificate is not one for servers"),
        (refused(stranger).await, untrusted),
        (refused(own).await, untrusted),
    ] {
        assert_eq!(outcome, ("connect, tls".to_owned(), why.to_owned()));
    }
}

#[tokio::test]
async fn the_rustls_error_is_the_cause() {
    let authority = Authority::new();
    let server = authority.certify("other.example").server(&[]);
    let scene = Scene::tls_with(each(vec![]), &authority, vec![server], |builder| builder);
    let error = scene.get().await.unwrap_err();
    assert!(error.source().unwrap().is::<rustls::Error>(), "{error:?}");
}

#[tokio::test]
async fn a_connection_verified_for_one_name_is_not_used_for_another() {
    let authority = Authority::new();
    let server = authority.certify("origin.example").server(&[]);
    let scene = Scene::tls_with(each(vec![]), &authority, vec![server], |builder| builder);
    scene.get().await.unwrap();
    let request = scene.transport.request("GET", scene.url("/"));
    let error = request.extension(ServerName::new("other.example")).await.unwrap_err();
    assert_eq!(predicates(&error), "connect, tls");
    assert_eq!(scene.origin.heads().len(), 1);
}

#[tokio::test]
async fn plain_text_where_tls_was_expected_is_a_tls_error() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail.example ESMTP\r\n", "\0\0\0\0\0\0"]
    {
        let scene = Scene::tcp(Box::new(move |_| vec![Read(1), say(answer), Finish, Hold]));
        let scene = scene.under("https");
        let error = scene.get().await.unwrap_err();
        assert_eq!(scene.predicates(&error), "connect, tls", "{error:?}");
    }
}

#[tokio::test]
async fn an_end_or_a_reset_inside_the_handshake_is_a_tls_error() {
    for death in [vec![Finish, Hold], vec![Reset]] {
        let steps = [vec![Read(1)], death].concat();
        let scene = Scene::tcp(Box::new(move |_| steps.clone())).under("https");
        let error = scene.get().await.unwrap_err();
        assert_eq!(scene.predicates(&error), "connect, tls, io", "{error:?}");
    }
}

#[tokio::test]
async fn tls_where_plain_text_was_expected_is_a_protocol_error() {
    let scene = Scene::tls(first([Serve])).under("http");
    let error = scene.get().await.unwrap_err();
    assert_eq!(scene.predicates(&error), "protocol, sent", "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_in_the_handshake_ends_with_the_connect_timeout() {
    let timeouts = Timeouts::none().connect(Duration::from_secs(3));
    let silent = Box::new(|_| vec![Hold]);
    let scene = Scene::memory_with(silent, |builder| builder.timeouts(timeouts));
    let before = tokio::time::Instant::now();
    let error = scene.transport.request("GET", "https://origin.example/").await.unwrap_err();
    assert_eq!(predicates(&error), "timeout, connect");
    assert!(error.to_string().contains("origin.example:443"), "{error}");
    assert_eq!(before.elapsed().as_secs(), 3);
}

/// What a GET comes to when the server has this ALPN.
async fn agreed(
    alpn: &[&str],
    script: Script,
    settings: fn(TransportBuilder) -> TransportBuilder,
) -> String {
    let authority = Authority::new();
    let server = authority.certify("origin.example").server(alpn);
    let scene = Scene::tls_with(script, &authority, vec![server], settings);
    match scene.get().await {
        Ok(response) => String::from_utf8_lossy(response.body()).into_owned(),
        Err(error) => scene.predicates(&error),
    }
}

#[tokio::test]
async fn what_alpn_agrees_on_is_spoken() {
    let http1 = || first([Serve]);
    let http2 = || each_http2(vec![]);
    assert_eq!(agreed(&["h2", "http/1.1"], http2(), |b| b).await, "hello");
    assert_eq!(agreed(&["http/1.1"], http1(), |b| b).await, "hello");
    assert_eq!(agreed(&[], http1(), |b| b).await, "hello");
    assert_eq!(agreed(&["h2", "http/1.1"], http1(), |b| b.http1_only()).await, "hello");
    assert_eq!(agreed(&["h2"], http2(), |b| b.http2_only()).await, "hello");
}

#[tokio::test]
async fn what_alpn_cannot_agree_on_is_a_tls_error() {
    let never = || first([Hold]);
    assert_eq!(agreed(&["h2"], never(), |b| b.http1_only()).await, "connect, tls");
    assert_eq!(agreed(&["http/1.1"], never(), |b| b.http2_only()).await, "connect, tls");
    assert_eq!(agreed(&[], never(), |b| b.http2_only()).await, "connect, tls");
    assert_eq!(agreed(&["spdy/3"], never(), |b| b).await, "connect, tls");
}

/// What a GET over TLS comes to when the server says this and is gone, without `close_notify`.
async fn cut_off(steps: Vec<Step>) -> String {
    let scene = Scene::tls(first(steps));
    let outcome = match scene.get().await {
        Ok(response) => String::from_utf8_lossy(response.body()).into_owned(),
        Err(error) => scene.predicates(&error),
    };
    scene.assert_usable().await;
    outcome
}

#[tokio::test]
async fn a_body_that_only_the_end_delimits_needs_close_notify() {
    let unframed = "HTTP/1.1 200 OK\r\n\r\nhello";
    assert_eq!(cut_off(vec![Head, say(unframed)]).await, "io, sent");
    assert_eq!(cut_off(vec![Head, say(unframed), Finish]).await, "hello");
}

#[tokio::test]
async fn a_body_that_says_its_length_does_not_need_close_notify() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(cut_off(vec![Head, say(HELLO)]).await, "hello");
    assert_eq!(cut_off(vec![Head, say(chunked)]).await, "hello");
}

#[tokio::test]
async fn an_end_inside_an_answer_over_tls_is_truncation() {
    // Without `close_notify` anyone may have cut it; with it, the server has.
    for (end, expected) in [(vec![], "io, sent"), (vec![Finish], "protocol, sent")] {
        for answer in ["HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"] {
            let outcome = cut_off([vec![Head, say(answer)], end.clone()].concat()).await;
            assert_eq!(outcome.replace("io, protocol", "protocol"), expected, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_misses_a_client_certificate_is_a_tls_error() {
    let authority = Authority::new();
    let server = authority.certify("origin.example").server_for_clients_of(&Authority::new());
    let scene = Scene::tls_with(each(vec![]), &authority, vec![server], |builder| builder);
    let error = scene.get().await.unwrap_err();
    assert!(error.is_tls(), "{error:?}");
}

/// Why a certificate is refused, by roots that are given and by the platform's verifier with them on top.
async fn both_verifiers(authority: &Authority, leaf: Leaf) -> [String; 2] {
    let mut said = [String::new(), String::new()];
    for (said, given) in said.iter_mut().zip([true, false]) {
        let server = leaf.server(&[]);
        let scene = Scene::tls_with(each(vec![]), authority, vec![server], |builder| match given {
            true => builder,
            false => builder.tls(TlsConfig::platform().add_roots_pem(authority.pem()).unwrap()),
        });
        let error = scene.get().await.unwrap_err();
        assert_eq!(scene.predicates(&error), "connect, tls", "{error:?}");
        *said = error.to_string().split_once(": ").unwrap().1.to_owned();
    }
    said
}

#[tokio::test]
async fn a_certificate_that_is_none_of_a_server_is_refused_in_plain_words_by_either_verifier() {
    let authority = Authority::new();
    let ca = |params: &mut CertificateParams| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    for (leaf, expected) in [
        (authority.certify_as("origin.example", ca), "self-signed, or that of an authority (CA)"),
        (authority.certify_as("origin.example", client), "the certificate is not one for servers"),
        (Leaf::self_signed_ca("origin.example"), "self-signed"),
    ] {
        for said in both_verifiers(&authority, leaf).await {
            assert!(said.contains(expected), "{said} does not say {expected}");
        }
    }
    let limited = Authority::for_names_under("inside.example");
    for said in both_verifiers(&limited, limited.certify("origin.example")).await {
        assert!(said.contains("name constraints"), "{said}");
    }
}
