//! Scripts on streams of one's own.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower_transport::connect::MemoryConnector;

use super::*;

/// The outcome of a script whose client writes this, and then closes if it `leaves`.
async fn played(script: Script, written: &str, leaves: bool) -> (io::Result<()>, DuplexStream) {
    let (mut client, mut server) = duplex(1 << 16);
    client.write_all(written.as_bytes()).await.unwrap();
    if leaves {
        client.shutdown().await.unwrap();
    }
    (script.play(&mut server).await, client)
}

#[tokio::test]
async fn a_script_is_played_on_a_stream_and_another_behind_it() {
    let (connector, mut listener) = MemoryConnector::pair();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answers = || Script::new().expect_head().respond(HELLO);
        answers().play(&mut stream).await?;
        answers().close().play(&mut stream).await
    });
    let transport = given_runtime::transport().connector(connector).build().unwrap();
    for _ in 0..2 {
        assert_eq!(transport.request("GET", URL).await.unwrap().body(), "hello");
    }
    server.await.unwrap().unwrap();
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
async fn what_was_written_instead_is_shown() {
    let script = Script::new().expect("GET").respond("HTTP");
    for (written, shown) in [("POST", ["GET", "POST"]), ("GET /", ["nothing more", " /"])] {
        let (outcome, _client) = played(script.clone(), written, false).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(shown.iter().all(|text| error.to_string().contains(text)), "{error}");
    }
}

#[tokio::test]
async fn a_script_on_a_stream_whose_tls_is_not_accepted_says_so() {
    let (outcome, _client) = played(Script::new().expect_head(), "\x16\x03\x01", false).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let texts = ["TLS was begun", "`Script::play`"];
    assert!(texts.iter().all(|text| error.to_string().contains(text)), "{error}");
}

#[tokio::test]
async fn the_steps_that_a_client_did_not_stay_for_are_listed() {
    let (outcome, _client) = played(Script::new().expect_head().respond("late"), "GET", true).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), "not played: [expect_head(), respond(\"late\")]");
}

#[tokio::test]
async fn a_stalling_script_takes_everything_until_the_client_closes() {
    let script = Script::new().expect("a").stall();
    played(script, "a and all the rest", true).await.0.unwrap();
}

#[tokio::test]
async fn a_closing_script_ends_the_stream() {
    let (outcome, mut client) = played(Script::new().respond("bye").close(), "", false).await;
    outcome.unwrap();
    let mut read = String::new();
    client.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "bye");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_waited_for() {
    let clock = clock();
    let script = Script::new().pause(clock.runtime(), seconds(5)).respond("late");
    let (_client, mut server) = duplex(1 << 16);
    let mut playing = Box::pin(script.play(&mut server));
    assert!(is_pending(playing.as_mut()));
    clock.advance(seconds(5));
    playing.await.unwrap();
}

#[tokio::test]
async fn what_only_a_connector_can_play_is_refused() {
    for script in [Script::new().reset(), Script::fail(ErrorKind::ConnectionRefused)] {
        let (outcome, _client) = played(script, "", true).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[cfg(all(feature = "http2", feature = "_rustls"))]
#[tokio::test]
async fn a_script_is_what_is_inside_of_tls_in_a_tunnel() {
    use tower_transport::tls::TlsConfig;

    use crate::support::tls_peer::{Authority, accept};

    let authority = Authority::new();
    let leaf = authority.certify("origin.example");
    let (connector, mut listener) = MemoryConnector::pair();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        Script::new()
            .expect("CONNECT origin.example:443 HTTP/1.1\r\nhost: origin.example:443\r\n\r\n")
            .respond("HTTP/1.1 200 OK\r\n\r\n")
            .play(&mut stream)
            .await?;
        let mut inside = accept(leaf.server(&["http/1.1"]), stream).await?;
        let answer = Script::new().expect_head().respond(HELLO).stall();
        answer.play(&mut inside).await
    });
    let transport = given_runtime::transport()
        .connector(connector)
        .proxy("http://proxy.example:8080".parse::<Proxy>().unwrap())
        .tls(TlsConfig::roots_pem(authority.pem()).unwrap())
        .build()
        .unwrap();
    let response = transport.request("GET", "https://origin.example/").await.unwrap();
    assert_eq!(response.body(), "hello");
    drop(transport);
    server.await.unwrap().unwrap();
}
