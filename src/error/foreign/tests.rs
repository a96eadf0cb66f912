//! What is known of an error that is not ours.

use std::fmt;

use super::*;

/// A layer's own error.
#[derive(Debug)]
struct Wraps(BoxError);

impl fmt::Display for Wraps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a layer failed")
    }
}

impl StdError for Wraps {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

fn wrapped(error: impl Into<BoxError>) -> BoxError {
    Wraps(Wraps(error.into()).into()).into()
}

fn adopted(error: BoxError, foreign: ForeignError) -> Error {
    Error::adopt(error, foreign, "asking")
}

#[test]
fn an_error_inside_others_keeps_all_it_says() {
    let ours = || Error::new(Kind::Tls, "a handshake").sent(true);
    let proxy = || Error::new(Kind::Connect, "asking").by_proxy(super::super::ProxyFault::Failed);
    let boxed: BoxError = wrapped(io::Error::other(ours()));
    for error in [ours().into(), wrapped(ours()), boxed] {
        let error = adopted(error, ForeignError::LAYER);
        assert!(error.is_tls() && error.was_sent(), "{error:?}");
    }
    let error = adopted(wrapped(proxy()), ForeignError::LAYER);
    assert!(error.is_proxy() && error.is_connect() && error.is_unsent(), "{error:?}");
    assert!(error.cause::<Wraps>().is_some(), "{error:?}");
}

#[test]
fn of_a_layer_nothing_is_known_but_its_error() {
    let error = adopted("no".into(), ForeignError::LAYER);
    assert_eq!(error.kind(), Kind::Other);
    assert!(error.is_other() && !error.was_sent() && !error.is_unsent());
    assert_eq!(error.source().unwrap().to_string(), "no");
}

#[test]
fn a_timeout_is_one_by_its_type() {
    let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "late");
    for error in [timed_out().into(), wrapped(timed_out()), io::Error::other(timed_out()).into()] {
        let error = adopted(error, ForeignError::LAYER);
        assert_eq!(error.timeout_phase(), Some(Phase::Total), "{error:?}");
        assert!(!error.was_sent() && !error.is_unsent(), "{error:?}");
    }
    let error = adopted(timed_out().into(), ForeignError::CONNECTOR);
    assert!(error.timeout_phase() == Some(Phase::Connect) && error.is_unsent(), "{error:?}");
}

#[cfg(feature = "tower")]
#[test]
fn a_timeout_of_tower_or_tokio_is_one() {
    for error in [
        wrapped(tower::timeout::error::Elapsed::new()),
        Box::new(tower::timeout::error::Elapsed::new()),
    ] {
        assert!(adopted(error, ForeignError::LAYER).is_timeout());
    }
}

#[test]
fn a_shared_error_that_changes_has_the_same_causes_and_no_text_twice() {
    let shared = Error::new(Kind::Io, "asking").because("no");
    let changed = shared.clone().sent(true);
    assert!(changed.was_sent() && shared.is_unsent());
    for error in [changed, shared] {
        assert_eq!(error.to_string(), "asking");
        let source = error.source().unwrap();
        assert_eq!(source.to_string(), "no");
        assert!(source.source().is_none());
    }
}

#[test]
fn a_connector_that_fails_has_sent_nothing() {
    let error = adopted("no".into(), ForeignError::CONNECTOR);
    assert!(error.is_connect() && error.is_unsent() && !error.is_other());
}
