//! Digest: one nonce for all, counted, until it is stale or the password was wrong.

use std::{collections::BTreeSet, thread};

use super::*;

/// As in `MD5 n1 00000001`.
fn short(value: Option<&HeaderValue>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    assert!(value.is_sensitive());
    let said = Challenge::read([value.as_bytes()]).remove(0);
    let param = |name| String::from_utf8_lossy(said.param(name).unwrap_or(b"?")).into_owned();
    match said.is("Digest") {
        true => format!("{} {} {}", param("algorithm"), param("nonce"), param("nc")),
        false => said.scheme().to_owned(),
    }
}

fn digest(nonce: &str) -> String {
    format!("Digest realm=a, nonce={nonce}, algorithm=MD5, qop=\"auth\"")
}

fn stale(nonce: &str) -> String {
    format!("{}, stale=TRUE", digest(nonce))
}

#[test]
fn digest_is_said_to_its_challenge_and_unasked_from_then_on() {
    for user in [user(), waiting_user()] {
        let said = first(&user);
        let said = next(&user, &["Basic realm=a", &digest("n1")], said.as_ref());
        assert_eq!(short(said.as_ref()), "MD5 n1 00000001");
        assert_eq!(short(first(&user).as_ref()), "MD5 n1 00000002");
        assert_eq!(short(first(&user.clone()).as_ref()), "MD5 n1 00000003");
        let target = user.first(&Method::GET, "http://example.com/");
        assert!(text(target.as_ref()).unwrap().contains("uri=\"http://example.com/\""));
    }
}

#[test]
fn the_strongest_that_is_offered_is_said() {
    let strong = "Digest realm=a, nonce=n, algorithm=SHA-512-256, qop=auth";
    let medium = "Digest realm=a, nonce=n, algorithm=SHA-256, qop=auth";
    let (weak, unknown) = (digest("n"), "Digest realm=a, nonce=n, algorithm=SHA3, qop=auth");
    let table: [(&[&str], &str); 5] = [
        (&["Basic realm=a", &weak, medium, strong], "SHA-512-256 n 00000001"),
        (&[medium, &weak, unknown, "Basic realm=a"], "SHA-256 n 00000001"),
        (&["Basic realm=a", &weak], "MD5 n 00000001"),
        (&["Basic realm=a", unknown], "Basic"),
        (&["Negotiate", unknown], "nothing"),
    ];
    for (offered, expected) in table {
        assert_eq!(short(next(&user(), offered, None).as_ref()), expected, "{offered:?}");
    }
}

/// What is said to these challenges, each after what was said before was refused, and what is said unasked after that.
fn conversation(user: &Authenticator, challenges: &[&str]) -> (String, String) {
    let mut said = first(user);
    for challenge in challenges {
        said = next(user, &[challenge], said.as_ref());
    }
    (short(said.as_ref()), short(first(user).as_ref()))
}

#[test]
fn a_stale_nonce_is_replaced_and_a_wrong_password_is_not_said_again() {
    let table: [(&[&str], &str, &str); 7] = [
        (&[&digest("n1"), &stale("n2")], "MD5 n2 00000001", "MD5 n2 00000002"),
        (&[&digest("n1"), &stale("n2"), &stale("n3")], "MD5 n3 00000001", "MD5 n3 00000002"),
        (&[&digest("n1"), &stale("n1")], "nothing", "Basic"),
        (&[&digest("n1"), &digest("n1")], "nothing", "Basic"),
        (&[&digest("n1"), &digest("n2")], "nothing", "Basic"),
        (&[&digest("n1"), &stale("n2"), &digest("n3")], "nothing", "Basic"),
        // The server has thought better of it.
        (&[&digest("n1"), "Basic realm=a"], "Basic", "Basic"),
    ];
    for (challenges, expected, unasked) in table {
        let got = conversation(&user(), challenges);
        assert_eq!(got, (expected.to_owned(), unasked.to_owned()), "{challenges:?}");
    }
}

#[test]
fn a_wrong_password_is_not_said_in_basic_instead() {
    let user = waiting_user();
    let said = next(&user, &[&digest("n1")], None);
    assert_eq!(next(&user, &["Basic realm=a", &digest("n2")], said.as_ref()), None);
    assert_eq!(first(&user), None);
}

#[test]
fn a_nonce_that_a_server_has_forgotten_is_replaced_once() {
    let user = user();
    next(&user, &[&digest("n1")], None);
    let said = first(&user);
    let said = next(&user, &[&digest("n2")], said.as_ref());
    assert_eq!(short(said.as_ref()), "MD5 n2 00000001");
    assert_eq!(next(&user, &[&digest("n3")], said.as_ref()), None);
}

#[test]
fn what_is_prepared_is_what_is_said_next_and_to_nothing_else() {
    let (user, method, target) = (user(), &Method::CONNECT, "example.com:443");
    let prepare = |field: &str, refused: Option<&HeaderValue>| {
        user.prepare(&Authorizing {
            asker: Asker::Proxy,
            method,
            target,
            challenge: &challenge(&[field]),
            refused,
        })
    };
    assert!(prepare(&digest("n1"), first(&user).as_ref()));
    let other = user.first(&Method::CONNECT, "example.com:80");
    assert_eq!(short(other.as_ref()), "MD5 n1 00000002");
    let said = first(&user);
    assert_eq!(short(said.as_ref()), "MD5 n1 00000001");
    assert!(!prepare(&digest("n2"), said.as_ref()), "the password was wrong");
}

#[test]
fn who_was_refused_does_not_forget_the_nonce_that_another_got_since() {
    let user = user();
    let late = next(&user, &[&digest("n1")], None);
    next(&user, &[&digest("n2")], None);
    assert_eq!(next(&user, &[&digest("n1")], late.as_ref()), None);
    assert_eq!(short(first(&user).as_ref()), "MD5 n2 00000002");
}

#[test]
fn a_nonce_that_was_refused_is_still_counted() {
    let user = user();
    let said = next(&user, &[&digest("n1")], None);
    assert_eq!(next(&user, &[&digest("n1")], said.as_ref()), None);
    let basic = first(&user);
    assert_eq!(short(next(&user, &[&digest("n1")], basic.as_ref()).as_ref()), "MD5 n1 00000002");
}

#[test]
fn no_count_is_used_twice_by_many_connections() {
    let user = user();
    let say = |n: usize| match n % 2 {
        0 => next(&user, &[&digest("n1")], None),
        _ => first(&user),
    };
    next(&user, &[&digest("n1")], None);
    let counts: BTreeSet<_> = thread::scope(|scope| {
        let connection = || (0..250).map(|n| short(say(n).as_ref())).collect::<Vec<_>>();
        let connections: Vec<_> = (0..4).map(|_| scope.spawn(connection)).collect();
        connections.into_iter().flat_map(|connection| connection.join().unwrap()).collect()
    });
    assert_eq!(counts.len(), 1000);
    assert_eq!(counts.last().map(String::as_str), Some("MD5 n1 000003e9"));
}

#[test]
fn what_cannot_be_said_in_basic_can_be_in_digest() {
    let mut user = Authenticator::default();
    user.set_credentials(Credentials::new("us:er", "pass\nword"));
    assert_eq!(first(&user), None);
    assert_eq!(short(next(&user, &[&digest("n1")], None).as_ref()), "MD5 n1 00000001");
}
