//! Checks private parts, for the fuzz target in `fuzz/` and for tests.

use http::{HeaderMap, HeaderValue, Method};

use super::{Asker, Authorizing, Challenge, Credentials, authenticator::Authenticator};

const USER: &str = "user, \"name";

/// The parameters of a Digest answer (RFC 7616 §3.4).
const PARAMS: [&str; 11] = [
    "username",
    "userhash",
    "realm",
    "nonce",
    "uri",
    "algorithm",
    "cnonce",
    "nc",
    "qop",
    "response",
    "opaque",
];

/// Reads each line as a field of challenges and answers them. A challenge that is written and read again is the same. A
/// challenge changes no parameter of the answer but those that echo it.
///
/// # Panics
///
/// If that does not hold.
pub fn challenges(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for field in input.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(field) {
            headers.append(Asker::Proxy.asks(), value);
        }
    }
    let asked = Authorizing {
        asker: Asker::Proxy,
        method: &Method::GET,
        target: "/?a=\"b\", c=d",
        challenge: &headers,
        refused: None,
    };
    let challenges = asked.challenges();
    for challenge in &challenges {
        assert_eq!(Challenge::read([&*written(challenge)]), std::slice::from_ref(challenge));
    }
    let mut authenticator = Authenticator::default();
    authenticator.set_credentials(Credentials::new(USER, "password"));
    if let Some(answer) = authenticator.next(&asked) {
        check(&answer, &challenges);
    }
}

fn written(challenge: &Challenge) -> Vec<u8> {
    let mut field = challenge.scheme().as_bytes().to_vec();
    if let Some(token) = challenge.token() {
        field.push(b' ');
        field.extend_from_slice(token.as_bytes());
    }
    for (name, value) in &challenge.params {
        let separator: &[u8] = if field.len() == challenge.scheme().len() { b" " } else { b", " };
        field.extend_from_slice(separator);
        field.extend_from_slice(name.as_bytes());
        field.extend_from_slice(b"=\"");
        for byte in value {
            field.extend_from_slice(&[b'\\', *byte]);
        }
        field.push(b'"');
    }
    field
}

fn check(answer: &HeaderValue, challenges: &[Challenge]) {
    let answers = Challenge::read([answer.as_bytes()]);
    let [answer] = &*answers else { panic!("{answers:?}") };
    let is_asked = |challenge: &&Challenge| challenge.is(answer.scheme());
    if answer.is("Basic") {
        assert!(answer.token().is_some() && challenges.iter().any(|it| is_asked(&it)));
        return;
    }
    let of_the_realm = |challenge: &&Challenge| {
        challenge.param("realm").unwrap_or_default() == param(answer, "realm")
    };
    assert!(answer.params.iter().all(|(name, _)| PARAMS.contains(&&**name)), "{answer:?}");
    let is_answered = |challenge: &Challenge| {
        let same = |name| challenge.param(name) == answer.param(name);
        let hashes = challenge.param("userhash");
        let hashes = hashes.is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
        let echoes = same("nonce") && same("opaque") && same("algorithm");
        echoes && hashes == answer.param("userhash").is_some()
    };
    let mut asked = challenges.iter().filter(is_asked).filter(of_the_realm);
    assert!(asked.any(is_answered), "{answer:?}");
    assert_eq!(param(answer, "uri"), b"/?a=\"b\", c=d");
    if answer.param("userhash").is_none() {
        assert_eq!(param(answer, "username"), USER.as_bytes());
    }
}

fn param<'a>(challenge: &'a Challenge, name: &str) -> &'a [u8] {
    challenge.param(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_of_challenges_holds() {
        crate::corpus::replay("challenges", super::challenges);
    }
}
