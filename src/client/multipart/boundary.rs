//! Makes unpredictable boundaries.

use std::hash::{BuildHasher, RandomState};

/// 128 bits of keyed hashes with keys of the process: content from outside cannot contain the boundary.
pub(super) fn unpredictable() -> String {
    let hash = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", hash(), hash())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_boundary_comes_twice() {
        let all: HashSet<_> = (0..1000).map(|_| unpredictable()).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|boundary| boundary.len() == 32));
    }
}
