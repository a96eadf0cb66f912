//! How many crates a build brings along: each feature has a budget, which is what it costs today.
//!
//! Counted as `cargo tree -e normal --prefix none | sort -u` does, this crate included, on Linux: other systems have other
//! crates for trust and sockets.

#![cfg(target_os = "linux")]

use std::{collections::BTreeSet, env, process::Command};

/// The default features, and those beside them.
const BESIDE_THE_DEFAULT: [(&str, usize); 9] = [
    ("", 53),
    ("blocking", 53),
    ("client", 54),
    ("cookies", 55),
    ("json,form", 59),
    ("gzip", 61),
    ("charset", 58),
    ("client-full", 74),
    ("smol", 79),
];

/// Builds without the default features.
const ALONE: [(&str, usize); 4] =
    [("http1", 16), ("http1,tokio", 19), ("http1,tokio,client", 20), ("http1,smol", 46)];

#[test]
fn no_build_brings_more_crates_than_it_did() {
    for (features, most) in BESIDE_THE_DEFAULT {
        check(features, most, &[]);
    }
    for (features, most) in ALONE {
        check(features, most, &["--no-default-features"]);
    }
}

/// tokio's traits and channels are in every build, as hyper and h2 need them; its runtime is not.
#[test]
fn a_build_for_smol_has_no_runtime_of_tokio() {
    let features = "smol,client-full,idna,tracing,metrics,mock,brotli,deflate,http1,http2,ring,tls";
    let tree = tree(features, &["--edges=features,no-dev", "--no-default-features"]);
    let used = |feature: &str| tree.contains(&format!("tokio feature \"{feature}\""));
    assert!(used("sync") && used("io-util"), "the tree is read wrongly: {tree}");
    for feature in ["rt", "rt-multi-thread", "net", "time", "fs", "process", "signal", "full"] {
        assert!(!used(feature), "tokio has `{feature}`: {tree}");
    }
    for name in ["hyper-util ", "mio "] {
        assert!(!tree.contains(name), "{name}is in the tree: {tree}");
    }
}

fn tree(features: &str, options: &[&str]) -> String {
    let mut tree = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"));
    tree.args(["tree", "--offline", "--prefix=none", "--features", features]);
    let output = tree.args(options).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{features}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn check(features: &str, most: usize, options: &[&str]) {
    let text = tree(features, &[&["--edges=normal"], options].concat());
    // A crate that was shown before is marked behind its version.
    let name = |line: &str| line.trim_end_matches(" (*)").to_owned();
    let crates: BTreeSet<_> = text.lines().filter(|line| !line.is_empty()).map(name).collect();
    let count = crates.len();
    assert!(count <= most, "{features} {options:?}: {count} crates, not {most}: {crates:#?}");
}
