//! The layers in a build without authentication: there are no credentials to be bound.

#![allow(dead_code, reason = "not every layer is built")]

use http::Request;

use crate::{body::Body, target::Origin};

/// Credentials of a client.
#[derive(Clone, Default)]
pub(super) struct DefaultAuth;

impl DefaultAuth {
    pub(super) fn apply(&self, _: &mut Request<Body>, _: Option<&Origin>) {}
}

pub(super) fn bind(_: &mut Request<()>, _: &Origin) {}
