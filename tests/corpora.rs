//! Replays the corpora of the fuzz targets that need the public API alone.

#![cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]

use std::{fs, path::Path};

use tower_transport::rt::Task;

#[path = "../fuzz/checks/client.rs"]
mod client;
#[path = "../fuzz/checks/no_proxy.rs"]
mod no_proxy;
#[path = "../src/tests/script.rs"]
mod script;
#[path = "../fuzz/checks/url.rs"]
mod url;

/// Checks each file of a corpus, and inputs that are near it: cut short, and with bytes turned over.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for file in fs::read_dir(folder).unwrap() {
        let input = fs::read(file.unwrap().path()).unwrap();
        check(&input);
        for at in 0..input.len().min(64) {
            check(&input[..at]);
            let mut changed = input.clone();
            changed[at] ^= 1 << (at % 8);
            check(&changed);
        }
        files += 1;
    }
    assert!(files > 0, "there is no corpus of {target}");
}

fn text(check: impl Fn(&str)) -> impl Fn(&[u8]) {
    move |input| std::str::from_utf8(input).into_iter().for_each(&check)
}

#[test]
fn the_corpus_of_servers_neither_panics_nor_hangs() {
    replay("client", |input| {
        client::check(input);
    });
}

#[test]
fn the_seeds_of_responses_are_read_to_their_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/client");
    for seed in [
        "http1_chunked",
        "http1_informational",
        "http1_length",
        "http2_ping_and_continuation",
        "http2_response",
        "http2_trailers",
        "socks4",
        "socks5",
    ] {
        let input = fs::read(folder.join(seed)).unwrap();
        assert!(client::check(&input).is_some(), "{seed}");
    }
}

#[test]
fn the_corpus_of_no_proxy_decides_alike_for_all_spellings_of_a_host() {
    replay("no_proxy", text(no_proxy::check));
}

#[test]
fn the_corpus_of_urls_can_be_sent_and_read_again() {
    replay("url", text(url::check));
}
