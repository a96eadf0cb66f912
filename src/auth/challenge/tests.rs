//! Tables: what proxies and servers really send, and what nobody should.

use proptest::prelude::*;

use super::*;

/// As in `Basic[realm=a, b]`, or `Negotiate abc=` with a token.
fn read(fields: &[&str]) -> Vec<String> {
    let challenges = Challenge::read(fields.iter().map(|field| field.as_bytes()));
    challenges.iter().map(shown).collect()
}

fn shown(challenge: &Challenge) -> String {
    if let Some(token) = challenge.token() {
        return format!("{} {token}", challenge.scheme());
    }
    let param = |(name, value): &(String, Vec<u8>)| {
        format!("{name}={}", String::from_utf8_lossy(value).escape_debug())
    };
    let params: Vec<_> = challenge.params.iter().map(param).collect();
    format!("{}[{}]", challenge.scheme(), params.join("|"))
}

#[test]
fn challenges_of_real_servers_are_read() {
    let table: [(&[&str], &[&str]); 12] = [
        (
            &["Basic realm=\"Squid proxy-caching web server\""],
            &["Basic[realm=Squid proxy-caching web server]"],
        ),
        (
            &[
                "Digest realm=\"squid\", nonce=\"6ac5d56ddf2d\", qop=\"auth\", algorithm=MD5, stale=false",
                "Basic realm=\"squid\"",
            ],
            &[
                "Digest[realm=squid|nonce=6ac5d56ddf2d|qop=auth|algorithm=MD5|stale=false]",
                "Basic[realm=squid]",
            ],
        ),
        // IIS, in one field and in several.
        (
            &["Negotiate", "NTLM", "Basic realm=\"host\""],
            &["Negotiate[]", "NTLM[]", "Basic[realm=host]"],
        ),
        (
            &["Negotiate, NTLM,Basic realm=\"host\""],
            &["Negotiate[]", "NTLM[]", "Basic[realm=host]"],
        ),
        (&["Negotiate oYG2MIGzoAMKAQ+/=="], &["Negotiate oYG2MIGzoAMKAQ+/=="]),
        (&["NTLM TlRMTVNTUAACAAAA=, Negotiate"], &["NTLM TlRMTVNTUAACAAAA=", "Negotiate[]"]),
        (
            &[
                "Digest realm=\"a\", algorithm=SHA-256, nonce=\"n/+=\", qop=\"auth, auth-int\", userhash=true",
                "Digest realm=\"a\",algorithm=MD5,nonce=\"n/+=\",qop=\"auth, auth-int\"",
            ],
            &[
                "Digest[realm=a|algorithm=SHA-256|nonce=n/+=|qop=auth, auth-int|userhash=true]",
                "Digest[realm=a|algorithm=MD5|nonce=n/+=|qop=auth, auth-int]",
            ],
        ),
        (&["Basic realm=\"a, b\""], &["Basic[realm=a, b]"]),
        (&["Basic realm=\"simple\", charset=\"UTF-8\""], &["Basic[realm=simple|charset=UTF-8]"]),
        // Apache's Digest, with parameters in one field with Basic.
        (
            &["Basic realm=\"x\", Digest realm=\"x\", nonce=\"a,b\", domain=\"/ /b\""],
            &["Basic[realm=x]", "Digest[realm=x|nonce=a,b|domain=/ /b]"],
        ),
        // RFC 9110 §11.6.1.
        (
            &[
                "Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
            ],
            &["Basic[realm=simple]", "Newauth[realm=apps|type=1|title=Login to \\\"apps\\\"]"],
        ),
        (
            &["Bearer realm=\"https://auth.example/token\",service=\"registry\""],
            &["Bearer[realm=https://auth.example/token|service=registry]"],
        ),
    ];
    for (fields, expected) in table {
        assert_eq!(read(fields), expected, "{fields:?}");
    }
}

#[test]
fn odd_spaces_commas_and_quotes_make_no_difference() {
    let table: [(&str, &[&str]); 14] = [
        (",, ,Basic\t realm = \t\"a\" ,, charset=UTF-8, ,", &["Basic[realm=a|charset=UTF-8]"]),
        ("Basic , realm=a", &["Basic[realm=a]"]),
        ("Basic,realm=a,Digest", &["Basic[realm=a]", "Digest[]"]),
        ("basic REALM=a", &["basic[realm=a]"]),
        ("Basic realm=\"\"", &["Basic[realm=]"]),
        ("Basic realm=\"a\\\\b\\\"c\\d\"", &["Basic[realm=a\\\\b\\\"cd]"]),
        // A comma is missing.
        ("Basic realm=\"a\" charset=b", &["Basic[realm=a|charset=b]"]),
        ("Basic Digest realm=a", &["Basic[]", "Digest[realm=a]"]),
        // It should have been quoted.
        ("Digest nonce=ab==, realm=u@h/p", &["Digest[nonce=ab==|realm=u@h/p]"]),
        // It looks like a parameter, but is a token, and the other way round.
        ("Basic realm=", &["Basic realm="]),
        ("Basic realm=a=", &["Basic[realm=a=]"]),
        ("A abc, B abc==,C", &["A abc", "B abc==", "C[]"]),
        ("", &[]),
        (" , ", &[]),
    ];
    for (field, expected) in table {
        assert_eq!(read(&[field]), expected, "{field:?}");
    }
}

#[test]
fn a_malformed_challenge_is_left_out_with_what_belongs_to_it() {
    let table: [(&[&str], &[&str]); 11] = [
        (&["realm=a, Basic realm=b"], &["Basic[realm=b]"]),
        (&["Digest realm=a, realm=b, nonce=c, Basic realm=d"], &["Basic[realm=d]"]),
        (&["Digest realm=, nonce=c, Basic realm=d"], &["Basic[realm=d]"]),
        (&["Digest realm=a, =, nonce=c, Basic realm=d"], &["Basic[realm=d]"]),
        (&["Digest realm=a;nonce=b"], &["Digest[realm=a;nonce=b]"]),
        (&["Digest;realm=\"a, Basic b\", Basic realm=d"], &["Basic[realm=d]"]),
        (&["\"Basic\", Digest"], &["Digest[]"]),
        (&["A abc, realm=a, Basic"], &["Basic[]"]),
        // What was begun does not end, and there is no telling what it would have swallowed.
        (&["A, Digest realm=\"a, Basic realm=b", "B"], &["A[]", "B[]"]),
        (&["Digest realm=\"a\\", "B"], &["B[]"]),
        (&["Basic re\u{e9}lm=a, B"], &["B[]"]),
    ];
    for (fields, expected) in table {
        assert_eq!(read(fields), expected, "{fields:?}");
    }
}

#[test]
fn a_parameter_is_bytes_under_a_name_in_any_case() {
    let challenges = Challenge::read([b"Basic Realm=\"caf\xe9\"".as_slice()]);
    assert!(challenges[0].is("BASIC"));
    assert_eq!(challenges[0].param("rEALM"), Some(b"caf\xe9".as_slice()));
    assert_eq!(challenges[0].param("charset"), None);
}

#[test]
fn no_more_is_read_than_any_real_server_sends() {
    let many = "A, ".repeat(10_000);
    assert_eq!(read(&[&many, "B"]).len(), MAX_CHALLENGES);
    let params: Vec<_> = (0..=MAX_PARAMS).map(|n| format!("p{n}=x")).collect();
    assert_eq!(read(&[&format!("A {}", params[1..].join(","))]).len(), 1);
    assert_eq!(read(&[&format!("A {}, B", params.join(","))]), ["B[]"]);
}

#[test]
fn what_a_server_sent_is_not_shown() {
    let challenges = Challenge::read([b"Negotiate c2VjcmV0".as_slice()]);
    assert_eq!(format!("{challenges:?}"), "[Challenge { scheme: \"Negotiate\", .. }]");
}

proptest! {
    #[test]
    fn no_field_is_too_strange(field: Vec<u8>) {
        prop_assert!(Challenge::read([&*field]).len() <= MAX_CHALLENGES);
    }

    #[test]
    fn no_field_of_the_bytes_that_matter_is_too_strange(field in "[ab=, \t\"\\\\;]{0,40}") {
        prop_assert!(Challenge::read([field.as_bytes()]).len() <= MAX_CHALLENGES);
    }

    #[test]
    fn what_was_quoted_is_read_as_it_was(realm: Vec<u8>, comma in " ?,? {1,2}") {
        let mut field = b"A x=1".to_vec();
        field.extend_from_slice(comma.as_bytes());
        field.extend_from_slice(b"realm=\"");
        for byte in &realm {
            field.extend(b"\\".iter().filter(|_| b"\"\\".contains(byte)).chain([byte]));
        }
        field.extend_from_slice(b"\", B");
        let read = Challenge::read([&*field]);
        prop_assert_eq!(read.len(), 2);
        prop_assert_eq!(read[0].param("realm"), Some(&*realm));
    }
}
