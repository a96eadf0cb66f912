//! What the tour needs to be watched: headings, a progress bar, a file that goes away.

use std::{borrow::Cow, error::Error, fmt::Display, path::PathBuf};

use http::{Response, header::CONTENT_LENGTH};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

pub(crate) fn heading(text: &str) {
    println!("\n── {text} {}", "─".repeat(76_usize.saturating_sub(text.chars().count())));
}

pub(crate) fn called(code: impl Display) {
    println!("  {code}");
}

/// The status, and what there is of a body.
pub(crate) fn came_back<B>(response: &Response<B>, body: impl AsRef<[u8]>) {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.map(|length| format!(", {length} bytes")).unwrap_or_default();
    println!("  → {} by {:?}{length}", response.status(), response.version());
    text(body.as_ref()).lines().for_each(|line| println!("    {line}"));
}

pub(crate) fn text(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body)
}

/// Hidden where nobody watches: then only the line after it is printed.
pub(crate) fn progress_bar(length: u64) -> ProgressBar {
    let style = "    {bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// The most memory that this process ever had, where the system tells.
pub(crate) fn peak_memory() -> Option<BinaryBytes> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(BinaryBytes(kib * 1024))
}

/// A file that is gone afterwards.
pub(crate) struct Temporary {
    pub(crate) path: PathBuf,
}

impl Temporary {
    pub(crate) fn new() -> Self {
        let name = format!("tower-transport-quickstart-{}.bin", std::process::id());
        Self { path: std::env::temp_dir().join(name) }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(crate) fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}, because: {cause}"))
}
