//! Defaults in a build without authentication: there are no credentials. Twin of `default_auth.rs`.

use http::Request;

use crate::{body::Body, target::Origin};

/// Credentials of a client.
#[derive(Clone, Default)]
pub(super) struct DefaultAuth;

impl DefaultAuth {
    pub(super) fn apply(&self, _: &mut Request<Body>, _: Option<&Origin>) {}
}
