//! Finds the key of a usual request by the scheme and the authority of its URI, without making one.
//!
//! To make a key, a URI is checked and taken apart, an extension or a rule may choose a proxy, and the host is hashed without
//! regard to case. That is done for the first request to an origin. Those which follow and are spelled in the same way find the
//! key that it had by their bytes.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

use foldhash::fast::RandomState;
use http::Uri;

use crate::rt::RuntimeId;

/// More entries than this, and than four times the number of keys, are forgotten together: a host can be spelled in many ways.
const REMEMBERED: usize = 1000;

/// What a request says of its key.
#[derive(Clone, Copy)]
pub(crate) struct UriKey<'a> {
    hash: u64,
    scheme: &'a str,
    authority: &'a str,
    runtime: RuntimeId,
}

/// By the hash: of two that are hashed alike, the later is remembered.
pub(crate) struct UriKeys<I> {
    found: HashMap<u64, Entry<I>, RandomState>,
}

/// Copies, because the bytes of a URI may be of a foreign type, which is not to be dropped under a lock.
struct Entry<I> {
    scheme: Box<str>,
    authority: Box<str>,
    runtime: RuntimeId,
    key: I,
}

impl<'a> UriKey<'a> {
    pub(crate) fn new(uri: &'a Uri, runtime: RuntimeId, hasher: &RandomState) -> Option<Self> {
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
        let mut state = hasher.build_hasher();
        state.write(authority.as_bytes());
        state.write_usize(scheme.len());
        Some(Self { hash: state.finish(), scheme, authority, runtime })
    }
}

impl UriKey<'_> {
    /// Whether it is of a request in this runtime.
    pub(crate) fn is_of(&self, runtime: RuntimeId) -> bool {
        self.runtime == runtime
    }
}

impl<I: Copy + PartialEq> UriKeys<I> {
    pub(crate) fn new() -> Self {
        Self { found: HashMap::default() }
    }

    pub(crate) fn get(&self, uri: &UriKey<'_>) -> Option<I> {
        let Entry { scheme, authority, runtime, key } = self.found.get(&uri.hash)?;
        let is_same =
            **authority == *uri.authority && **scheme == *uri.scheme && *runtime == uri.runtime;
        is_same.then_some(*key)
    }

    /// Remembers that requests like this one have this key, one of so many.
    pub(crate) fn insert(&mut self, uri: &UriKey<'_>, key: I, keys: usize) {
        if self.get(uri) == Some(key) {
            return;
        }
        if self.found.len() >= REMEMBERED.max(keys.saturating_mul(4)) {
            self.found.clear();
        }
        let (scheme, authority) = (uri.scheme.into(), uri.authority.into());
        let entry = Entry { scheme, authority, runtime: uri.runtime, key };
        self.found.insert(uri.hash, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_the_same_bytes_alone() {
        let hasher = RandomState::default();
        let mut keys = UriKeys::new();
        let here = RuntimeId::default();
        let uri: Uri = "http://a.example:81/x".parse().unwrap();
        keys.insert(&UriKey::new(&uri, here, &hasher).unwrap(), 7, 1);
        let table = [
            ("http://a.example:81/y?z", Some(7)),
            ("https://a.example:81/x", None),
            ("http://A.example:81/x", None),
            ("http://a.example:82/x", None),
            ("http://user@a.example:81/x", None),
        ];
        for (uri, expected) in table {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(keys.get(&UriKey::new(&uri, here, &hasher).unwrap()), expected, "{uri}");
        }
        assert!(UriKey::new(&Uri::from_static("/x"), here, &hasher).is_none());
    }

    #[test]
    fn a_host_that_is_spelled_in_many_ways_is_not_remembered_for_ever() {
        let (hasher, here, mut keys) =
            (RandomState::default(), RuntimeId::default(), UriKeys::new());
        for number in 0..REMEMBERED * 3 {
            let uri: Uri = format!("http://a{number}.example/").parse().unwrap();
            keys.insert(&UriKey::new(&uri, here, &hasher).unwrap(), number, 1);
            assert!(keys.found.len() <= REMEMBERED);
        }
    }
}
