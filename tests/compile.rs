//! Mistakes of users, each a file of `tests/compile`, and what the compiler says of them.
//!
//! A file says in its first lines what the message contains: not all of it, which changes with the compiler, and within how
//! many bytes it is to be. The files are
//! checked against the library that these tests were built with, so nothing is built anew.

#![cfg(all(feature = "http1", feature = "tokio"))]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

#[test]
fn each_mistake_is_reported_with_what_is_missing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let is_of = |file: &PathBuf, feature: &str| {
        file.file_name().is_some_and(|it| it.to_string_lossy().starts_with(feature))
    };
    files.retain(|file| cfg!(feature = "client") || !is_of(file, "client_"));
    files.retain(|file| cfg!(feature = "blocking") || !is_of(file, "blocking_"));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let output = check(&file);
        let message = String::from_utf8_lossy(&output.stderr);
        // The compiler names a type by its path where `blocking` has one of the same name.
        let message = message.replace("tower_transport::Client<", "Client<");
        let fits = text.starts_with("// compiles");
        assert_eq!(output.status.success(), fits, "{}: {message}", file.display());
        for expected in text.lines().map_while(|line| line.strip_prefix("// says: ")) {
            assert!(message.contains(expected), "{}: {message}", file.display());
        }
        // A type of many layers is no help where it is written out.
        let within = text.lines().find_map(|line| line.strip_prefix("// within: "));
        let within = within.map_or(usize::MAX, |bytes| bytes.parse().unwrap());
        let length = message.len();
        assert!(length <= within, "{}: {length} bytes\n{message}", file.display());
    }
}

/// Has the compiler look at a file, without making anything of it.
fn check(file: &Path) -> Output {
    let libraries = env::current_exe().unwrap().parent().unwrap().to_owned();
    let outputs = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut rustc = Command::new(env::var("RUSTC").unwrap_or_else(|_| "rustc".into()));
    rustc.args(["--edition=2024", "--crate-type=bin", "--emit=metadata"]);
    rustc.arg("--out-dir").arg(outputs);
    rustc.arg("-L").arg(format!("dependency={}", libraries.display()));
    for library in ["tower_transport", "tower_layer", "tower_service"] {
        let path = newest(&libraries, library);
        rustc.arg("--extern").arg(format!("{library}={}", path.display()));
    }
    rustc.arg(file).output().unwrap()
}

/// The library that was built last: cargo has just seen to it that it is up to date, whatever features older ones have.
fn newest(folder: &Path, library: &str) -> PathBuf {
    let prefix = format!("lib{library}-");
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let libraries = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".rlib")
    });
    libraries.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap()
}
