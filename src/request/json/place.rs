//! Finds where writing JSON broke off, by what was written. Pure.

/// So much of a path is shown, and that of its end.
const SHOWN: usize = 128;

/// A level of the text that is open.
enum Level<'a> {
    /// The key as it was written, with its escapes; `None` before it.
    Object(Option<&'a str>),
    Array(usize),
}

/// The path to the end of compact JSON that broke off, as `$.prices[3].max`.
pub(super) fn path(written: &str) -> String {
    let mut path = String::from("$");
    for level in open_levels(written) {
        match level {
            Level::Object(None) => {}
            Level::Object(Some(key)) => path.extend([".", key]),
            Level::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    if path.len() <= SHOWN {
        return path;
    }
    let hidden = path.len() - SHOWN;
    let from = (hidden..path.len()).find(|at| path.is_char_boundary(*at));
    format!("…{}", &path[from.unwrap_or_default()..])
}

fn open_levels(written: &str) -> Vec<Level<'_>> {
    let (mut levels, mut text) = (Vec::new(), "");
    let mut bytes = written.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, levels.last_mut()) {
            (b'"', _) => text = string(written, at, &mut bytes),
            (b'{', _) => levels.push(Level::Object(None)),
            (b'[', _) => levels.push(Level::Array(0)),
            (b'}' | b']', _) => drop(levels.pop()),
            (b':', Some(Level::Object(key))) => *key = Some(text),
            (b',', Some(Level::Object(key))) => *key = None,
            (b',', Some(Level::Array(index))) => *index += 1,
            _ => {}
        }
    }
    levels
}

/// The rest of a string that begins with the quote at `from`, without its quotes.
fn string<'a>(
    written: &'a str,
    from: usize,
    bytes: &mut impl Iterator<Item = (usize, u8)>,
) -> &'a str {
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return &written[from + 1..at],
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    &written[from + 1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_end_of_what_was_written() {
        for (written, expected) in [
            ("", "$"),
            ("[", "$[0]"),
            ("{", "$"),
            ("{\"a\":", "$.a"),
            ("{\"\":", "$."),
            ("{\"a\":1,", "$"),
            ("{\"a\":[1,2],\"b\":[[],{\"c d\":", "$.b[1].c d"),
            ("[\"a,[{\\\"\",", "$[1]"),
            ("{\"a\\\"b\":", "$.a\\\"b"),
            ("[{\"a\":\"x\"},\"open", "$[1]"),
        ] {
            assert_eq!(path(written), expected, "{written}");
        }
    }

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        let shown = path(&format!("{{\"{}\":{{\"end\":", "ü".repeat(500)));
        assert!(shown.starts_with("…ü") && shown.ends_with("ü.end"), "{shown}");
        assert!(shown.len() <= SHOWN + "…".len());
    }
}
