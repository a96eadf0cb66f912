//! What bytes say, whole and in pieces, with and without the feature `charset`.

use proptest::prelude::*;

use super::{lines::LineDecoder, *};

fn content_type(text: &'static str) -> Option<HeaderValue> {
    Some(HeaderValue::from_static(text))
}

fn text(bytes: &[u8], content_type: &'static str) -> String {
    decode_text(bytes, Some(&HeaderValue::from_static(content_type)))
}

/// The same as [`decode_text`], in two pieces.
fn in_pieces(bytes: &[u8], cut: usize, label: &str) -> String {
    let mut decoder = Charset::by_label(label).unwrap_or(Charset::UTF_8).decoder();
    let mut text = String::new();
    let (first, second) = bytes.split_at(cut % (bytes.len() + 1));
    decoder.push(first, false, &mut text);
    decoder.push(second, false, &mut text);
    decoder.push(&[], true, &mut text);
    text
}

/// All lines of chunks.
fn lines(
    chunks: &[&[u8]],
    content_type: &'static str,
    longest: usize,
) -> Result<Vec<String>, Error> {
    let content_type = HeaderValue::from_static(content_type);
    let mut decoder = LineDecoder::new(Some(&content_type), longest);
    let mut lines = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        while let Some(line) = decoder.next_line()? {
            lines.push(line);
        }
    }
    decoder.finish();
    decoder.finish();
    while let Some(line) = decoder.next_line()? {
        lines.push(line);
    }
    Ok(lines)
}

#[test]
fn without_a_charset_text_is_utf_8() {
    assert_eq!(decode_text("grün".as_bytes(), None), "grün");
    for content_type in ["text/plain", "text/plain; charset=utf-7", "text/plain; charset=\"utf-8"] {
        assert_eq!(text("grün".as_bytes(), content_type), "grün", "{content_type}");
    }
    assert_eq!(text(b"gr\xfcn", "text/plain"), "gr\u{fffd}n");
    assert_eq!(text(b"", "text/plain"), "");
}

#[test]
fn a_mark_is_no_part_of_the_text() {
    assert_eq!(text(b"\xef\xbb\xbfgr\xc3\xbcn", "text/plain"), "grün");
    assert_eq!(decode_text_with(b"\xef\xbb\xbfa", "utf-8").unwrap(), "a");
}

#[test]
fn the_strict_variant_replaces_nothing() {
    let strict = |bytes: &[u8], it| decode_text_strict(bytes, content_type(it).as_ref());
    assert_eq!(strict("grün".as_bytes(), "text/plain; charset=UTF8").unwrap(), "grün");
    assert_eq!(strict(b"\xef\xbb\xbfa", "text/plain").unwrap(), "a");
    let error = strict(b"gr\xfcn", "text/plain").unwrap_err();
    assert!(error.is_data() && error.to_string().contains("UTF-8"), "{error}");
    let error = strict(b"a", "text/plain; charset=utf-7").unwrap_err();
    assert!(error.is_data() && error.to_string().contains("utf-7"), "{error}");
}

#[test]
fn a_label_that_is_not_known_is_an_error_of_the_caller_who_gives_it() {
    assert!(decode_text_with(b"a", "utf-7").unwrap_err().is_builder());
}

#[cfg(feature = "charset")]
#[test]
fn text_is_in_the_charset_of_its_label_unless_a_mark_says_another() {
    assert_eq!(text(b"gr\xfcn", "text/plain; charset=latin1"), "grün");
    assert_eq!(text(b"\x80", "text/plain; charset=iso-8859-1"), "€", "as browsers have it");
    assert_eq!(text(b"\x93\xfa\x96\x7b", "text/html; charset=\"Shift_JIS\""), "日本");
    assert_eq!(text(b"\xff\xfea\0", "text/plain; charset=utf-8"), "a");
    assert_eq!(text(b"\xef\xbb\xbf\xc3\xbc", "text/plain; charset=latin1"), "ü");
    assert_eq!(decode_text_with(b"gr\xfcn", "latin1").unwrap(), "grün");
    let shift_jis = content_type("text/plain; charset=shift_jis");
    assert!(decode_text_strict(b"\x93", shift_jis.as_ref()).unwrap_err().is_data());
}

#[cfg(feature = "charset")]
#[test]
fn a_character_of_shift_jis_may_be_cut_by_a_chunk() {
    let bytes = b"\x93\xfa\x96\x7b\r\n\x93\xfa";
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let lines = lines(&[first, second], "text/plain; charset=shift_jis", 100).unwrap();
        assert_eq!(lines, ["日本", "日"], "{cut}");
    }
}

#[cfg(not(feature = "charset"))]
#[test]
fn without_the_feature_other_charsets_are_not_known() {
    assert_eq!(text(b"gr\xfcn", "text/plain; charset=latin1"), "gr\u{fffd}n");
    let latin1 = content_type("text/plain; charset=latin1");
    assert!(decode_text_strict(b"a", latin1.as_ref()).unwrap_err().is_data());
}

#[test]
fn lines_end_with_a_line_feed_or_with_the_text() {
    let table: [(&[&[u8]], &[&str]); 7] = [
        (&[b"a\nb\r\n", b"\nc"], &["a", "b", "", "c"]),
        (&[b"a\r", b"\nb\n"], &["a", "b"]),
        (&[b"a", b"b", b"", b"c"], &["abc"]),
        (&[b"\xef", b"\xbb\xbf\xc3", b"\xbc\n"], &["ü"]),
        (&[b"a\rb\n"], &["a\rb"]),
        (&[b"a\xc3"], &["a\u{fffd}"]),
        (&[], &[]),
    ];
    for (chunks, expected) in table {
        assert_eq!(lines(chunks, "text/plain", 100).unwrap(), expected, "{chunks:?}");
    }
}

#[test]
fn a_line_that_is_too_long_is_an_error_before_it_is_kept() {
    assert_eq!(lines(&[b"abc\n", b"d"], "text/plain", 3).unwrap(), ["abc", "d"]);
    for chunks in [&[&b"abcd\n"[..]][..], &[b"ab", b"cd"]] {
        let error = lines(chunks, "text/plain", 3).unwrap_err();
        assert!(error.is_data() && error.to_string().contains("3 bytes"), "{error}");
    }
}

proptest! {
    #[test]
    fn where_text_is_cut_makes_no_difference(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..12),
            "(\u{feff})?[aü😇日]{0,5}".prop_map(String::into_bytes),
        ],
        cut in 0_usize..12,
        label in prop_oneof!["utf-8", "shift_jis", "utf-16le", "gb18030", "iso-2022-jp", "latin1"],
    ) {
        let whole = Charset::by_label(&label).unwrap_or(Charset::UTF_8).decode(&bytes).0;
        prop_assert_eq!(in_pieces(&bytes, cut, &label), whole);
    }
}
