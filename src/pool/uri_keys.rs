//! Finds the key of a usual request by the scheme and the authority of its URI, without building it.
//!
//! Building a key checks and splits the URI, may apply a proxy rule or extension, and hashes the host without regard to
//! case. The first request to an origin does that. Later ones with the same spelling find its key by the bytes.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

use foldhash::fast::RandomState;
use http::Uri;

use crate::rt::RuntimeId;

/// Above this many entries, and above four times the number of keys, all are dropped: a host has many spellings.
const REMEMBERED: usize = 1000;

/// The part of a request that decides its key.
#[derive(Clone, Copy)]
pub(crate) struct UriKey<'a> {
    hash: u64,
    scheme: &'a str,
    authority: &'a str,
    runtime: RuntimeId,
}

/// Maps hash to key; on a collision the later entry replaces the earlier.
pub(crate) struct UriKeys<I> {
    entries: HashMap<u64, UriEntry<I>, RandomState>,
}

/// Owns copies, because the bytes of a `Uri` may be of a foreign type whose drop must not run under a lock.
struct UriEntry<I> {
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
        // The length tells usual schemes apart; `get` compares the scheme and the runtime in full.
        state.write_usize(scheme.len());
        Some(Self { hash: state.finish(), scheme, authority, runtime })
    }
}

impl UriKey<'_> {
    /// Whether its request runs in this runtime.
    pub(crate) fn is_of(&self, runtime: RuntimeId) -> bool {
        self.runtime == runtime
    }
}

impl<I: Copy + PartialEq> UriKeys<I> {
    pub(crate) fn new() -> Self {
        Self { entries: HashMap::default() }
    }

    pub(crate) fn get(&self, uri: &UriKey<'_>) -> Option<I> {
        let UriEntry { scheme, authority, runtime, key } = self.entries.get(&uri.hash)?;
        let is_same =
            **authority == *uri.authority && **scheme == *uri.scheme && *runtime == uri.runtime;
        is_same.then_some(*key)
    }

    /// Remembers the key of such requests. `keys` is the number of keys in the state.
    pub(crate) fn insert(&mut self, uri: &UriKey<'_>, key: I, keys: usize) {
        if self.get(uri) == Some(key) {
            return;
        }
        if self.entries.len() >= REMEMBERED.max(keys.saturating_mul(4)) {
            self.entries.clear();
        }
        let (scheme, authority) = (uri.scheme.into(), uri.authority.into());
        let entry = UriEntry { scheme, authority, runtime: uri.runtime, key };
        self.entries.insert(uri.hash, entry);
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
            assert!(keys.entries.len() <= REMEMBERED);
        }
    }
}
