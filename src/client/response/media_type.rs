//! Takes a media type apart (RFC 9110 §8.3.1). Pure.

/// The type itself, without parameters.
pub(super) fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

/// The first parameter of this name, whatever the case, without its quotes.
pub(super) fn parameter(text: &str, name: &str) -> Option<String> {
    let (_, mut rest) = text.split_once(';')?;
    loop {
        let (said, after) = rest.split_once('=')?;
        let said = said.rsplit(';').next().unwrap_or_default().trim();
        let (value, after) = value(after.trim_start());
        if said.eq_ignore_ascii_case(name) {
            return Some(value).filter(|value| !value.is_empty());
        }
        rest = after;
    }
}

/// A token or a quoted string (RFC 9110 §5.6.4), and what follows it. One without its closing quote ends with the text.
pub(super) fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return (value, &quoted[at + 1..]),
            _ => {
                is_escaped = false;
                value.push(c);
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_as_it_is_written() {
        for (text, expected) in [
            ("text/html; charset=UTF-8", Some("UTF-8")),
            ("text/html;charset=\"utf-8\"", Some("utf-8")),
            ("text/html; Charset = utf-8 ; x=1", Some("utf-8")),
            ("text/html; x=\"a;charset=b\"; charset=c", Some("c")),
            ("text/html; x=\"\\\"\"; charset=c", Some("c")),
            ("text/html; charset=\"utf-8", Some("utf-8")),
            ("text/html; charset=", None),
            ("text/html; charset", None),
            ("text/html; y; charset=c", Some("c")),
            ("charset=c", None),
            ("", None),
        ] {
            assert_eq!(parameter(text, "charset").as_deref(), expected, "{text}");
        }
        assert_eq!(essence(" text/html ; charset=x"), "text/html");
    }
}
