//! Digest is not built in.

use super::*;

#[test]
fn a_challenge_that_is_not_built_in_is_not_answered() {
    let digest = "Digest realm=a, nonce=n";
    assert_eq!(next(&user(), &[digest], None), None);
    assert_eq!(next(&waiting_user(), &[digest, "Basic realm=a"], None), None);
    assert_eq!(text(next(&user(), &[digest, "Basic realm=a"], None).as_ref()), Some(BASIC));
}
