//! Compares the public methods of the twins, read from the source: whatever one world has, the other has too.
//!
//! Builders of requests, transports and clients are one type for both, so that their settings cannot differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A type, and the file and the beginnings of the `impl` blocks or traits that hold its methods, in each world.
struct Twin {
    name: &'static str,
    asynchronous: &'static [(&'static str, &'static str)],
    blocking: &'static [(&'static str, &'static str)],
}

const TWINS: [Twin; 7] = [
    Twin {
        name: "free functions",
        asynchronous: &[("unpooled.rs", "")],
        blocking: &[("blocking.rs", "")],
    },
    Twin {
        name: "Transport",
        asynchronous: &[
            ("transport.rs", "impl Transport {"),
            ("request.rs", "pub trait RequestExt"),
        ],
        blocking: &[("blocking/transport.rs", "impl Transport {")],
    },
    Twin {
        name: "TransportBuilder",
        asynchronous: &[("transport/builder.rs", "impl TransportBuilder {")],
        blocking: &[("blocking/transport.rs", "impl TransportBuilder<Transport> {")],
    },
    Twin {
        name: "Client",
        asynchronous: &[
            ("client/whole.rs", "impl Client {"),
            ("client/whole.rs", "impl<S> Client<S> {"),
            ("client/whole.rs", "impl<S: Clone> Client<S> {"),
            ("client/builder/cookies.rs", "impl<S> crate::client::Client<S> {"),
        ],
        blocking: &[
            ("blocking/client.rs", "impl Client {"),
            ("blocking/client.rs", "impl<S> Client<S> {"),
            ("blocking/client.rs", "impl<S: Clone> Client<S> {"),
        ],
    },
    Twin {
        name: "ClientBuilder",
        asynchronous: &[("client/builder.rs", "impl ClientBuilder {")],
        blocking: &[("blocking/client.rs", "impl ClientBuilder<Client> {")],
    },
    Twin {
        name: "StreamedResponseExt",
        asynchronous: &[
            ("client/response/streamed.rs", "pub trait StreamedResponseExt"),
            ("client/response/lines.rs", "impl Lines {"),
        ],
        blocking: &[
            ("blocking/response.rs", "pub trait StreamedResponseExt"),
            ("blocking/response.rs", "impl Lines {"),
        ],
    },
    Twin {
        name: "Body",
        asynchronous: &[
            ("body.rs", "impl Body {"),
            ("body/file.rs", "impl Body {"),
            ("body/repeatable.rs", "impl Body {"),
        ],
        blocking: &[("blocking/body.rs", "impl Body {")],
    },
];

/// What one world alone has, and why.
const DIFFERENCES: [(&str, &str, &str); 9] = [
    ("Body", "read", "`Read::read` has the name: `read_all`"),
    ("Body", "read_all", "`Body::read` of the async one"),
    ("Body", "open", "`file` of the async one, which has no open files"),
    ("Body", "new", "of another body: an async one, which a request takes as well"),
    ("Body", "stream", "a request takes an async body: `body_stream` is for both"),
    ("Body", "iter", "a request takes an async body"),
    ("Body", "again", "a request takes an async body"),
    ("Body", "try_clone", "a request takes an async body"),
    ("StreamedResponseExt", "next", "`Lines` is an `Iterator`"),
];

/// What the request builder has for one world alone, and why.
const ONLY_BLOCKING: [(&str, &str); 4] = [
    ("body_reader", "a stream is for both; only a thread that blocks may be held by a reader"),
    ("writer", "the same"),
    ("canceler", "an async request is canceled by dropping its future"),
    ("send", "in both: of a future, or of the response"),
];

#[test]
fn twins_have_the_same_methods() {
    let mut used = BTreeSet::new();
    for twin in TWINS {
        let (one, other) = (methods(twin.asynchronous), methods(twin.blocking));
        assert!(!one.is_empty() && !other.is_empty(), "{} has no methods", twin.name);
        for method in one.symmetric_difference(&other) {
            let known = DIFFERENCES.iter().any(|it| (it.0, it.1) == (twin.name, method));
            assert!(known, "`{}::{method}` is in one world alone", twin.name);
            used.insert((twin.name, method.clone()));
        }
    }
    for (twin, method, _) in DIFFERENCES {
        assert!(used.contains(&(twin, method.to_owned())), "`{twin}::{method}` does not differ");
    }
}

#[test]
fn settings_are_those_of_one_type() {
    for (file, block, least) in [
        ("transport/builder.rs", "impl<T> TransportBuilder<T> {", 25),
        ("client/builder.rs", "impl<C> ClientBuilder<C> {", 24),
        ("request.rs", "impl<S, A> RequestBuilder<S, A> {", 7),
    ] {
        let shared = methods(&[(file, block)]);
        assert!(shared.len() >= least, "{file} has {} settings: {shared:?}", shared.len());
    }
    let options = source("client/request.rs");
    let clients = ["client/request.rs", "blocking/client.rs"]
        .map(|file| source(file).lines().filter(|line| line.contains("client_options!(")).count());
    assert!(options.contains("macro_rules! client_options") && clients == [1, 1], "{clients:?}");
}

#[test]
fn request_builders_differ_in_their_last_words_alone() {
    let mut own = BTreeMap::new();
    for (file, text) in blocking_sources() {
        for block in blocks(&text, "RequestBuilder<Blocking<S>") {
            own.extend(public_functions(&block).into_iter().map(|name| (name, file.clone())));
        }
    }
    let known: BTreeSet<_> = ONLY_BLOCKING.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(own.keys().cloned().collect::<BTreeSet<_>>(), known, "{own:?}");
}

fn methods(places: &[(&str, &str)]) -> BTreeSet<String> {
    let of = |&(file, beginning): &(&str, &str)| match beginning {
        // Functions that are in no block.
        "" => source(file).lines().filter_map(|line| function(line, "pub fn ")).collect(),
        _ => {
            let text = source(file);
            let found = blocks(&text, beginning);
            assert!(!found.is_empty(), "{file} has no `{beginning}`");
            found.iter().flat_map(|block| public_functions(block)).collect::<Vec<_>>()
        }
    };
    places.iter().flat_map(of).collect()
}

/// The blocks whose first line holds this, each to the line with its closing brace.
fn blocks(text: &str, beginning: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = (0..lines.len()).filter(|&at| {
        let is_block = lines[at].starts_with("impl") || lines[at].starts_with("pub trait");
        is_block && lines[at].contains(beginning)
    });
    starts
        .map(|at| {
            lines[at..]
                .iter()
                .take_while(|line| **line != "}")
                .fold(String::new(), |all, it| all + it + "\n")
        })
        .collect()
}

/// Those of a trait are all public.
fn public_functions(block: &str) -> Vec<String> {
    let begins = match block.starts_with("pub trait") {
        true => "    fn ",
        false => "    pub fn ",
    };
    let asynchronous = begins.replace("fn ", "async fn ");
    block
        .lines()
        .filter_map(|line| function(line, begins).or_else(|| function(line, &asynchronous)))
        .collect()
}

fn function(line: &str, begins: &str) -> Option<String> {
    let rest = line.strip_prefix(begins)?;
    Some(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

fn source(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap()
}

fn blocking_sources() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/blocking");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}
