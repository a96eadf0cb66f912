//! Tables: the examples of the RFCs, and what each parameter of a challenge changes.

use super::*;

const DOE: &str = "J\u{e4}s\u{f8}n Doe";

fn read(challenge: &str) -> Vec<Challenge> {
    Challenge::read([challenge.as_bytes()])
}

/// What is answered to this challenge with this cnonce, for the first time.
fn answer(
    challenge: &str,
    cnonce: fn() -> String,
    user: (&str, &str),
    uri: &str,
) -> Option<String> {
    let offer = DigestChallenge::strongest(&read(challenge))?;
    let mut nonces = Nonces { new_cnonce: cnonce, ..Nonces::default() };
    said(nonces.use_nonce(offer, None)?, user, uri)
}

fn said(turn: NonceUse, (user, password): (&str, &str), uri: &str) -> Option<String> {
    let credentials = Credentials::new(user, password);
    let value = turn.answer(&credentials, b"GET", uri.as_bytes())?;
    assert!(value.is_sensitive());
    Some(String::from_utf8(value.as_bytes().to_vec()).unwrap())
}

/// What the user is called in the answer to a challenge with this in it.
fn username(user: &str, extra: &str) -> Option<String> {
    let challenge = format!("Digest realm=\"r\", nonce=n{extra}");
    let said = answer(&challenge, || "c".to_owned(), (user, "p"), "/")?;
    let (username, _) = said.strip_prefix("Digest ")?.split_once(", ")?;
    Some(username.to_owned())
}

#[test]
fn the_examples_of_the_rfcs_are_answered_as_they_are_there() {
    // RFC 2617 §3.5; RFC 7616 §3.9.1, both; §3.9.2 with what erratum 4897 makes of it.
    let table = [
        (
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
            (|| "0a4f113b".to_owned()) as fn() -> String,
            ("Mufasa", "Circle Of Life"),
            "/dir/index.html",
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             uri=\"/dir/index.html\", cnonce=\"0a4f113b\", nc=00000001, qop=auth, \
             response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        ),
        (
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            || "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned(),
            ("Mufasa", "Circle of Life"),
            "/dir/index.html",
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", algorithm=SHA-256, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", nc=00000001, qop=auth, \
             response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        ),
        (
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            || "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned(),
            ("Mufasa", "Circle of Life"),
            "/dir/index.html",
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", algorithm=MD5, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", nc=00000001, qop=auth, \
             response=\"8ca523f5e9506fed4657c9700eebdbec\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        ),
        (
            "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
             nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", \
             charset=UTF-8, userhash=true",
            || "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v".to_owned(),
            (DOE, "Secret, or not?"),
            "/doe.json",
            "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\", userhash=true, \
             realm=\"api@example.org\", nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", uri=\"/doe.json\", \
             algorithm=SHA-512-256, cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v\", nc=00000001, qop=auth, \
             response=\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\", \
             opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\"",
        ),
    ];
    for (challenge, cnonce, user, uri, expected) in table {
        assert_eq!(answer(challenge, cnonce, user, uri).as_deref(), Some(expected));
    }
}

#[test]
fn each_parameter_of_a_challenge_changes_its_part_of_the_answer() {
    let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    let begin = format!(
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"{nonce}\", uri=\"/dir/index.html\", "
    );
    // Computed by Python's hashlib.
    let table = [
        ("", "response=\"670fd8c2df070c60b045671b8b24ff02\""),
        (", qop=\"\"", "response=\"670fd8c2df070c60b045671b8b24ff02\""),
        (
            ", algorithm=md5-SESS, qop=AUTH",
            "algorithm=md5-SESS, cnonce=\"0a4f113b\", nc=00000001, qop=auth, response=\"8e3825c57e897f5a0dec6c2d4e5059d0\"",
        ),
        (
            ", algorithm=\"SHA-256-sess\", qop=auth",
            "algorithm=SHA-256-sess, cnonce=\"0a4f113b\", nc=00000001, qop=auth, \
             response=\"b8822e12417cb7750f4e2b8515f0dcf25b7dd26993e80bee1426201446a7f59b\"",
        ),
        // RFC 2069 knows no cnonce, but the key of a session is made of it.
        (
            ", algorithm=MD5-sess",
            "algorithm=MD5-sess, cnonce=\"0a4f113b\", response=\"4726bc10c33fa6cb357eb27807b1cce8\"",
        ),
        (", opaque=\"a\\\"b\"", "response=\"670fd8c2df070c60b045671b8b24ff02\", opaque=\"a\\\"b\""),
    ];
    for (extra, end) in table {
        let challenge = format!("Digest realm=\"testrealm@host.com\", nonce={nonce}{extra}");
        let user = ("Mufasa", "Circle Of Life");
        let said = answer(&challenge, || "0a4f113b".to_owned(), user, "/dir/index.html");
        assert_eq!(said, Some(format!("{begin}{end}")), "{extra}");
    }
}

#[test]
fn a_challenge_that_cannot_be_answered_is_none() {
    let table = [
        "Digest realm=r, nonce=n, qop=auth-int",
        "Digest realm=r, nonce=n, algorithm=SHA-512",
        "Digest realm=r, nonce=n, algorithm=MD5-sess-sess",
        "Digest realm=r",
        "Digest nonce=n",
        "Digest",
        "Digest bm9uY2U=",
        "Basic realm=r, nonce=n",
    ];
    for challenge in table {
        assert!(DigestChallenge::strongest(&read(challenge)).is_none(), "{challenge}");
    }
}

#[test]
fn the_strongest_algorithm_is_chosen_and_of_equals_the_first() {
    let digest = |algorithm| format!("Digest realm=r, nonce=n, algorithm={algorithm}");
    let table: [(&[&str], &[u8]); 5] = [
        (&["MD5", "SHA-256", "SHA-512-256"], b"SHA-512-256"),
        (&["SHA-512-256", "SHA-256", "MD5"], b"SHA-512-256"),
        (&["MD5", "SHA-256", "SHA-1024"], b"SHA-256"),
        (&["MD5-sess", "MD5"], b"MD5-sess"),
        (&["MD5", "MD5-sess"], b"MD5"),
    ];
    for (offered, chosen) in table {
        let offered: Vec<_> = offered.iter().map(digest).collect();
        let offer = DigestChallenge::strongest(&read(&offered.join(", "))).unwrap();
        assert_eq!(offer.algorithm_name.as_deref(), Some(chosen), "{offered:?}");
    }
}

#[test]
fn a_user_is_said_as_the_server_can_read_it() {
    let table = [
        ("Mufasa", "", "username=\"Mufasa\""),
        ("a \"b\" \\c", "", "username=\"a \\\"b\\\" \\\\c\""),
        (DOE, "", "username=\"J\u{e4}s\u{f8}n Doe\""),
        (DOE, ", charset=utf-8", "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe"),
        ("Mufasa", ", charset=UTF-8", "username=\"Mufasa\""),
        ("a\r\nb", "", "username*=UTF-8''a%0D%0Ab"),
        ("r", ", userhash=TRUE", "username=\"098f582168e76686817de25f27334ac9\""),
        ("r", ", userhash=false", "username=\"r\""),
    ];
    for (user, extra, expected) in table {
        assert_eq!(username(user, extra).as_deref(), Some(expected), "{user:?} {extra}");
    }
}

#[test]
fn what_does_not_fit_into_a_field_is_not_said() {
    let answer = |uri| answer("Digest realm=r, nonce=n", unpredictable, ("user", "password"), uri);
    assert!(answer("/\n").is_none());
    assert!(answer("/").is_some());
}

#[test]
fn a_realm_goes_back_byte_by_byte() {
    let challenges = Challenge::read([b"Digest realm=\"caf\xe9\", nonce=n".as_slice()]);
    let turn = Nonces::default()
        .use_nonce(DigestChallenge::strongest(&challenges).unwrap(), None)
        .unwrap();
    let value = turn.answer(&Credentials::new("user", "password"), b"GET", b"/").unwrap();
    let has_it = value.as_bytes().windows(12).any(|part| part == b"realm=\"caf\xe9\"");
    assert!(has_it, "{:?}", value.as_bytes());
}

#[test]
fn a_nonce_is_counted_whoever_uses_it_and_whatever_comes_between() {
    let offer = |nonce: &str| {
        DigestChallenge::strongest(&read(&format!("Digest realm=r, nonce={nonce}"))).unwrap()
    };
    let mut nonces = Nonces::default();
    let mut count = |nonce| {
        let turn = match nonce {
            Some(nonce) => nonces.use_nonce(offer(nonce), None),
            None => nonces.reuse_nonce(),
        };
        turn.map(|turn| {
            (String::from_utf8(turn.offer.nonce.clone()).unwrap(), turn.nc(), turn.cnonce)
        })
    };
    assert!(count(None).is_none());
    let table = [
        (Some("a"), "a", "00000001"),
        (None, "a", "00000002"),
        (Some("b"), "b", "00000001"),
        (Some("a"), "a", "00000003"),
        (None, "a", "00000004"),
        (Some("b"), "b", "00000002"),
    ];
    let mut cnonces = std::collections::BTreeSet::new();
    for (step, (nonce, expected, nc)) in table.into_iter().enumerate() {
        let (used, counted, cnonce) = count(nonce).unwrap();
        assert_eq!((&*used, &*counted), (expected, nc), "step {step}");
        cnonces.insert(cnonce);
    }
    assert_eq!(cnonces.len(), 2);
}

#[test]
fn no_more_nonces_are_known_than_come_back_and_no_count_runs_over() {
    let mut nonces = Nonces::default();
    for n in 0..10 * MAX_NONCES {
        let offer =
            DigestChallenge::strongest(&read(&format!("Digest realm=r, nonce={n}"))).unwrap();
        nonces.use_nonce(offer, None).unwrap();
    }
    assert_eq!(nonces.known.len(), MAX_NONCES);
    nonces.known.last_mut().unwrap().count = u32::MAX - 1;
    assert_eq!(nonces.reuse_nonce().unwrap().nc(), "ffffffff");
    assert!(nonces.reuse_nonce().is_none());
}

#[test]
fn a_client_nonce_is_never_the_same() {
    let made: std::collections::BTreeSet<_> = (0..1000).map(|_| unpredictable()).collect();
    assert_eq!(made.len(), 1000);
    assert!(made.iter().all(|cnonce| cnonce.len() == 32));
}
