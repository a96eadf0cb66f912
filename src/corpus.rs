//! Replays the corpora of the fuzz targets in ordinary tests.

use std::{fs, path::Path};

/// Checks each file of the corpus. The published package has none.
pub(crate) fn replay(target: &str, check: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let folder = fuzz.join("corpus").join(target);
    assert!(folder.is_dir() || !fuzz.exists(), "there is no corpus of {target}");
    for file in fs::read_dir(folder).into_iter().flatten() {
        check(&fs::read(file.unwrap().path()).unwrap());
    }
}
