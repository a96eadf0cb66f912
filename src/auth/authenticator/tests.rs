//! Conversations: what is said, what is answered, and what is said to that.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::atomic::{AtomicUsize, Ordering},
};

use http::header::PROXY_AUTHENTICATE;

use super::*;

#[cfg(feature = "digest")]
mod digest;
#[cfg(not(feature = "digest"))]
mod no_digest;

const BASIC: &str = "Basic dXNlcjpwYXNzd29yZA==";

fn user() -> Authenticator {
    let mut authenticator = Authenticator::default();
    authenticator.set_credentials(Credentials::new("user", "password"));
    authenticator
}

fn waiting_user() -> Authenticator {
    let mut authenticator = user();
    authenticator.set_preemptive(false);
    authenticator
}

fn scheme(authenticate: impl Authenticate) -> Authenticator {
    let mut authenticator = Authenticator::default();
    authenticator.set_scheme(Arc::new(authenticate));
    authenticator
}

/// Says a token for each step of its challenge, like Negotiate, and nothing unasked.
fn negotiate(request: &Authorizing<'_>) -> Option<HeaderValue> {
    let asked = request.challenges().into_iter().find(|asked| asked.is("Negotiate"))?;
    let step = format!("Negotiate {}+", asked.token().unwrap_or("c"));
    HeaderValue::try_from(step).ok()
}

fn first(authenticator: &Authenticator) -> Option<HeaderValue> {
    authenticator.first(&Method::CONNECT, "example.com:443")
}

fn next(
    authenticator: &Authenticator,
    fields: &[&str],
    refused: Option<&HeaderValue>,
) -> Option<HeaderValue> {
    let challenge = &challenge(fields);
    let (method, target) = (&Method::CONNECT, "example.com:443");
    authenticator.next(&Authorizing { asker: Asker::Proxy, method, target, challenge, refused })
}

/// Prepares the answer to this challenge for a request that is sent again.
fn prepare(authenticator: &Authenticator, target: &str, fields: &[&str]) -> bool {
    let (method, challenge) = (&Method::CONNECT, &challenge(fields));
    let asker = Asker::Proxy;
    authenticator.prepare(&Authorizing { asker, method, target, challenge, refused: None })
}

fn challenge(fields: &[&str]) -> HeaderMap {
    let fields = fields.iter().map(|field| (PROXY_AUTHENTICATE, field.parse().unwrap()));
    fields.collect()
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    assert!(value.is_none_or(HeaderValue::is_sensitive));
    value.map(|value| value.to_str().unwrap())
}

#[test]
fn nobody_says_nothing() {
    let nobody = Authenticator::default();
    assert!(!nobody.can_answer());
    assert_eq!(first(&nobody), None);
    assert_eq!(next(&nobody, &["Basic realm=a", "Digest realm=a, nonce=n"], None), None);
}

#[test]
fn a_user_is_said_unasked_in_basic_and_not_once_more() {
    let user = user();
    let said = first(&user);
    assert_eq!(text(said.as_ref()), Some(BASIC));
    assert_eq!(next(&user, &["Basic realm=a"], said.as_ref()), None);
    assert_eq!(next(&user, &["Negotiate", "NTLM"], said.as_ref()), None);
    assert_eq!(next(&user, &[], said.as_ref()), None);
}

#[test]
fn a_user_who_waits_is_said_in_basic_once_that_was_asked_for() {
    let user = waiting_user();
    assert_eq!(first(&user), None);
    let said = next(&user, &["basic realm=\"a, b\", charset=UTF-8"], None);
    assert_eq!(text(said.as_ref()), Some(BASIC));
    assert_eq!(text(first(&user.clone()).as_ref()), Some(BASIC));
    assert_eq!(next(&user, &["Basic realm=a"], said.as_ref()), None);
}

#[test]
fn a_user_is_said_in_basic_again_whatever_else_is_remembered_for_another_request() {
    // A scheme that answers nothing of it does not stand in the way.
    let mut user = waiting_user();
    user.set_scheme(Arc::new(negotiate));
    assert_eq!(first(&user), None);
    assert_eq!(text(next(&user, &["Basic realm=a"], None).as_ref()), Some(BASIC));
    assert_eq!(text(first(&user).as_ref()), Some(BASIC));
    let user = waiting_user();
    let challenge = &challenge(&["Basic realm=a"]);
    let (method, target) = (&Method::GET, "/other");
    let other = Authorizing { asker: Asker::Proxy, method, target, challenge, refused: None };
    assert!(user.prepare(&other));
    for _ in 0..2 {
        assert_eq!(text(first(&user).as_ref()), Some(BASIC));
    }
    assert_eq!(text(user.first(&Method::GET, "/other").as_ref()), Some(BASIC));
}

#[test]
fn a_user_who_waits_is_not_said_in_basic_where_digest_is_offered() {
    let unanswerable = "Digest realm=a, nonce=n, qop=auth-int";
    let user = waiting_user();
    assert_eq!(next(&user, &["Basic realm=a", unanswerable], None), None);
    let user = self::user();
    assert_eq!(text(next(&user, &["Basic realm=a", unanswerable], None).as_ref()), Some(BASIC));
}

#[test]
fn a_user_who_cannot_be_said_in_basic_is_not() {
    let mut user = Authenticator::default();
    user.set_credentials(Credentials::new("us:er", "password"));
    assert_eq!(first(&user), None);
    assert_eq!(next(&user, &["Basic realm=a"], None), None);
}

#[test]
fn a_scheme_of_the_users_goes_step_by_step() {
    let user = scheme(negotiate);
    assert_eq!(first(&user), None);
    let one = next(&user, &["Basic realm=a, Negotiate"], None);
    assert_eq!(text(one.as_ref()), Some("Negotiate c+"));
    let two = next(&user, &["Negotiate s"], one.as_ref());
    assert_eq!(text(two.as_ref()), Some("Negotiate s+"));
    assert_eq!(next(&user, &["Negotiate s"], two.as_ref()), None);
    assert_eq!(next(&user, &["Basic realm=a"], None), None);
}

#[test]
fn an_answer_that_is_prepared_is_said_once_to_the_same_request() {
    let user = scheme(negotiate);
    assert!(prepare(&user, "example.com:443", &["Negotiate"]));
    let clone = user.clone();
    assert_eq!(clone.first(&Method::CONNECT, "example.org:443"), None);
    assert_eq!(clone.first(&Method::GET, "example.com:443"), None);
    assert_eq!(text(first(&clone).as_ref()), Some("Negotiate c+"));
    assert_eq!(first(&user), None);
}

#[test]
fn each_of_many_requests_has_the_answer_that_was_prepared_for_it() {
    let user = scheme(negotiate);
    let targets = ["a:443", "b:443", "a:443"];
    for (target, challenge) in
        targets.into_iter().zip(["Negotiate 1", "Negotiate 2", "Negotiate 3"])
    {
        assert!(prepare(&user, target, &[challenge]));
    }
    let said = |target| user.first(&Method::CONNECT, target);
    let all = ["b:443", "a:443", "a:443", "a:443"].map(said);
    let all = all.each_ref().map(|value| text(value.as_ref()));
    assert_eq!(all, [Some("Negotiate 2+"), Some("Negotiate 1+"), Some("Negotiate 3+"), None]);
}

#[test]
fn answers_that_nobody_takes_are_no_more_than_128() {
    let user = scheme(negotiate);
    for n in 0..=MAX_PREPARED {
        assert!(prepare(&user, &format!("a{n}:443"), &["Negotiate"]));
    }
    let is_said = |n: usize| user.first(&Method::CONNECT, &format!("a{n}:443")).is_some();
    assert_eq!([0, 1, MAX_PREPARED].map(is_said), [false, true, true]);
    assert_eq!(user.memory().prepared.len(), MAX_PREPARED - 2);
}

#[test]
fn a_scheme_of_the_users_goes_before_the_credentials() {
    let mut user = user();
    user.set_scheme(Arc::new(negotiate));
    assert_eq!(first(&user), None, "a password must not overtake a scheme that waits");
    let one = next(&user, &["Basic realm=a", "Negotiate"], None);
    assert_eq!(text(one.as_ref()), Some("Negotiate c+"));
    let two = next(&user, &["Basic realm=a", "Negotiate"], one.as_ref());
    assert_eq!(text(two.as_ref()), Some(BASIC));
}

#[test]
fn a_scheme_may_ask_for_what_it_answers() {
    let calls = Arc::new(AtomicUsize::new(0));
    let slot = Arc::new(Mutex::new(None::<Authenticator>));
    let (called, own) = (Arc::clone(&calls), Arc::clone(&slot));
    // It would wait for ever if the memory were locked while it is called.
    let user = scheme(move |request: &Authorizing<'_>| {
        let depth = called.fetch_add(1, Ordering::Relaxed);
        let own = own.lock().unwrap().clone()?;
        if depth == 0 { own.first(request.method, request.target) } else { None }
    });
    *slot.lock().unwrap() = Some(user.clone());
    assert_eq!(first(&user), None);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    *slot.lock().unwrap() = None;
}

#[test]
fn who_is_somebody_else_remembers_nothing() {
    let user = waiting_user();
    next(&user, &["Basic realm=a"], None);
    let mut other = user.clone();
    other.set_credentials(Credentials::new("other", "password"));
    assert_eq!(first(&other), None);
    assert_eq!(text(first(&user).as_ref()), Some(BASIC));
}

#[test]
fn equal_are_those_who_say_the_same_whatever_they_remember() {
    let negotiating = scheme(negotiate);
    let mut also_negotiating = user();
    also_negotiating.set_scheme(Arc::new(negotiate));
    let mut other = user();
    other.set_credentials(Credentials::new("user", "other"));
    let different = [
        Authenticator::default(),
        user(),
        other,
        waiting_user(),
        negotiating,
        also_negotiating,
        scheme(negotiate),
    ];
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for (i, one) in different.iter().enumerate() {
        for (j, other) in different.iter().enumerate() {
            assert_eq!(one == other, i == j, "{i} and {j}");
        }
        let before = one.clone();
        next(one, &["Basic realm=a", "Negotiate"], None);
        assert!(*one == before && hasher.hash_one(one) == hasher.hash_one(&before));
    }
    let hash = |user: &Authenticator| hasher.hash_one(user);
    assert!(user() == user() && hash(&user()) == hash(&user()));
}

#[test]
fn no_secret_is_shown() {
    let user = user();
    let said = next(&user, &["Basic realm=a"], None);
    let challenge =
        HeaderMap::from_iter([(PROXY_AUTHENTICATE, "Negotiate c2VjcmV0".parse().unwrap())]);
    let unmarked = HeaderValue::from_static(BASIC);
    let request = Authorizing {
        asker: Asker::Proxy,
        method: &Method::GET,
        target: "/",
        challenge: &challenge,
        refused: Some(&unmarked),
    };
    let shown = format!("{user:?} {said:?} {request:?} {:?}", user.credentials());
    for secret in ["password", "dXNlcj", "c2VjcmV0", "user"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
