//! Takes a media type apart (RFC 9110 §8.3.1). Pure.

/// The type itself, without parameters.
pub(super) fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
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
    fn a_value_is_a_token_or_a_quoted_string() {
        for (text, expected, rest) in [
            ("a; b", "a", "; b"),
            ("a , b", "a", ", b"),
            ("\"a, b;\"; c", "a, b;", "; c"),
            ("\"a\\\"b\"c", "a\"b", "c"),
            ("\"open", "open", ""),
            ("", "", ""),
        ] {
            assert_eq!(value(text), (expected.to_owned(), rest), "{text}");
        }
        assert_eq!(essence(" text/html ; charset=x"), "text/html");
    }
}
