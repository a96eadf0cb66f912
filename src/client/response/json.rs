//! Reads a body as JSON, and says where that fails.

use http::Extensions;
use serde_core::de::DeserializeOwned;

use super::url_in;
use crate::{
    error::{Error, Kind},
    events::shown,
};

/// The bytes shown around a mistake.
const AROUND: usize = 64;

pub(super) fn read<T: DeserializeOwned>(body: &[u8], extensions: &Extensions) -> Result<T, Error> {
    let json = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(json).map_err(|error| failed(json, error, extensions))
}

fn failed(json: &[u8], error: serde_json::Error, extensions: &Extensions) -> Error {
    let url = url_in(extensions).map(shown);
    let of = url.as_ref().map_or(String::new(), |url| format!(" of {url}"));
    let place = match json.is_empty() {
        true => "the body is empty".to_owned(),
        false => {
            let around = around(json, error.line(), error.column());
            format!("line {}, near `{around}`", error.line())
        }
    };
    let text = format!("reading the body{of} as JSON: {place}");
    let error = Error::new(Kind::Data, text).because(error).sent(true);
    match url {
        Some(url) => error.with_url(url),
        None => error,
    }
}

/// The text around a place, on one line. Lines and columns count from one, columns in bytes.
fn around(json: &[u8], line: usize, column: usize) -> String {
    let mut lines = json.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.by_ref().take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let at = (before + column.saturating_sub(1)).min(json.len());
    let from = at.saturating_sub(AROUND / 2);
    let until = (from + AROUND).min(json.len());
    let text = String::from_utf8_lossy(&json[from..until]);
    // Those cut in two at either end would be shown as what is not in the body.
    text.trim_matches('\u{FFFD}').replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> Error {
        read::<Vec<u8>>(json.as_bytes(), &Extensions::new()).unwrap_err()
    }

    #[test]
    fn an_error_names_the_line_and_shows_the_text_around() {
        let error = error("[1,\n2,\n \"three\",\n4]");
        let text = "reading the body as JSON: line 3, near `[1, 2,  \"three\", 4]`";
        assert_eq!(error.to_string(), text);
        assert!(error.is_data() && error.was_sent());
    }

    #[test]
    fn no_more_than_64_bytes_are_shown() {
        for json in
            [format!("[{}x]", "1,".repeat(500)), "é".repeat(900), format!("[1{}", " ".repeat(99))]
        {
            let text = error(&json).to_string();
            let shown = text.split('`').nth(1).unwrap();
            assert!(shown.len() <= AROUND && !shown.is_empty(), "{shown}");
        }
        assert_eq!(error("").to_string(), "reading the body as JSON: the body is empty");
        assert!(error(&"[".repeat(1_000_000)).is_data());
    }
}
