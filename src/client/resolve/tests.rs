use proptest::prelude::*;

use super::*;

/// As RFC 3986 §5.3 puts it together again.
fn text(resolved: &Resolved<'_>) -> String {
    let Resolved { scheme, authority, path, query, fragment } = resolved;
    let part = |before: &str, part: &Option<&str>, after: &str| {
        part.map_or(String::new(), |part| format!("{before}{part}{after}"))
    };
    let (scheme, authority) = (part("", scheme, ":"), part("//", authority, ""));
    format!("{scheme}{authority}{path}{}{}", part("?", query, ""), part("#", fragment, ""))
}

fn resolved(base: &str, reference: &str) -> String {
    text(&Reference::parse(base).resolve(&Reference::parse(reference)))
}

/// The examples of RFC 3986 §5.4.1, normal, and §5.4.2, abnormal, as a strict parser has them, against [`BASE`].
pub(in crate::client) const RFC_3986: [(&str, &str); 42] = [
    ("g:h", "g:h"),
    ("g", "http://a/b/c/g"),
    ("./g", "http://a/b/c/g"),
    ("g/", "http://a/b/c/g/"),
    ("/g", "http://a/g"),
    ("//g", "http://g"),
    ("?y", "http://a/b/c/d;p?y"),
    ("g?y", "http://a/b/c/g?y"),
    ("#s", "http://a/b/c/d;p?q#s"),
    ("g#s", "http://a/b/c/g#s"),
    ("g?y#s", "http://a/b/c/g?y#s"),
    (";x", "http://a/b/c/;x"),
    ("g;x", "http://a/b/c/g;x"),
    ("g;x?y#s", "http://a/b/c/g;x?y#s"),
    ("", "http://a/b/c/d;p?q"),
    (".", "http://a/b/c/"),
    ("./", "http://a/b/c/"),
    ("..", "http://a/b/"),
    ("../", "http://a/b/"),
    ("../g", "http://a/b/g"),
    ("../..", "http://a/"),
    ("../../", "http://a/"),
    ("../../g", "http://a/g"),
    ("../../../g", "http://a/g"),
    ("../../../../g", "http://a/g"),
    ("/./g", "http://a/g"),
    ("/../g", "http://a/g"),
    ("g.", "http://a/b/c/g."),
    (".g", "http://a/b/c/.g"),
    ("g..", "http://a/b/c/g.."),
    ("..g", "http://a/b/c/..g"),
    ("./../g", "http://a/b/g"),
    ("./g/.", "http://a/b/c/g/"),
    ("g/./h", "http://a/b/c/g/h"),
    ("g/../h", "http://a/b/c/h"),
    ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
    ("g;x=1/../y", "http://a/b/c/y"),
    ("g?y/./x", "http://a/b/c/g?y/./x"),
    ("g?y/../x", "http://a/b/c/g?y/../x"),
    ("g#s/./x", "http://a/b/c/g#s/./x"),
    ("g#s/../x", "http://a/b/c/g#s/../x"),
    ("http:g", "http:g"),
];

pub(in crate::client) const BASE: &str = "http://a/b/c/d;p?q";

#[test]
fn the_examples_of_rfc_3986_come_out_as_it_says() {
    for (reference, expected) in RFC_3986 {
        assert_eq!(resolved(BASE, reference), expected, "{reference}");
    }
}

#[test]
fn what_the_rfc_has_no_example_of() {
    let table = [
        ("http://a", "g", "http://a/g"),
        ("http://a?q", "", "http://a?q"),
        ("http://a/b", "//c?d", "http://c?d"),
        ("http://a/b/", "c", "http://a/b/c"),
        ("http://a/b//c", "../d", "http://a/b/d"),
        ("http://a/b", "c:80", "c:80"),
        ("http://a/b", "1:2", "http://a/1:2"),
        ("http://a/b", ":2", "http://a/:2"),
        ("http://a/b", "HTTP://C/../d", "HTTP://C/d"),
        ("http://a/", "?a?b#c#d", "http://a/?a?b#c#d"),
        ("http://a/b", "./c:d", "http://a/c:d"),
    ];
    for (base, reference, expected) in table {
        assert_eq!(resolved(base, reference), expected, "{base} {reference}");
    }
}

#[test]
fn a_user_is_no_part_of_a_base() {
    let uri: Uri = "http://me:secret@a:81/b".parse().unwrap();
    assert_eq!(text(&Reference::of(&uri).resolve(&Reference::parse("c"))), "http://a:81/c");
}

proptest! {
    #[test]
    fn no_dots_are_left_and_resolving_again_changes_nothing(
        base in "(/[a.]{0,3}){0,4}", reference in "(/|[a.]{0,3}){0,8}[?#]?[a./]{0,3}",
    ) {
        let base = format!("http://h{base}");
        let once = resolved(&base, &reference);
        let parsed = Reference::parse(&once);
        prop_assert_eq!(parsed.scheme, Some("http"));
        let is_absolute = Reference::parse(&reference).path.starts_with('/');
        if is_absolute || !Reference::parse(&reference).path.is_empty() {
            prop_assert!(!parsed.path.split('/').any(|segment| matches!(segment, "." | "..")), "{}", once);
        }
        // A path that begins with two slashes would be read as an authority where there is none; here there is one.
        prop_assert_eq!(resolved(&once, ""), once.split('#').next().unwrap());
        let reresolved = resolved("http://other/x/y", &once);
        prop_assert!(reresolved == once || parsed.path.contains('.'), "{} {}", reresolved, once);
    }
}
