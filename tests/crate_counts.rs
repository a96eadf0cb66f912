//! How many crates a build brings along: each feature has a budget, which is what it costs today.
//!
//! Counted as `cargo tree -e normal --prefix none | sort -u` does, this crate included, on Linux: other systems have other
//! crates for trust and sockets.

#![cfg(target_os = "linux")]

use std::{collections::BTreeSet, env, process::Command};

/// The default features, and those beside them.
const BESIDE_THE_DEFAULT: [(&str, usize); 7] = [
    ("", 53),
    ("client", 54),
    ("cookies", 55),
    ("json,form", 59),
    ("gzip", 61),
    ("charset", 58),
    ("client-full", 74),
];

/// Builds without the default features.
const ALONE: [(&str, usize); 3] = [("http1", 16), ("http1,tokio", 19), ("http1,tokio,client", 20)];

#[test]
fn no_build_brings_more_crates_than_it_did() {
    for (features, most) in BESIDE_THE_DEFAULT {
        check(features, most, &[]);
    }
    for (features, most) in ALONE {
        check(features, most, &["--no-default-features"]);
    }
}

fn check(features: &str, most: usize, options: &[&str]) {
    let mut tree = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"));
    tree.args(["tree", "--offline", "--edges=normal", "--prefix=none", "--features", features]);
    let output = tree.args(options).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{features}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    // A crate that was shown before is marked behind its version.
    let name = |line: &str| line.trim_end_matches(" (*)").to_owned();
    let crates: BTreeSet<_> = text.lines().filter(|line| !line.is_empty()).map(name).collect();
    let count = crates.len();
    assert!(count <= most, "{features} {options:?}: {count} crates, not {most}: {crates:#?}");
}
