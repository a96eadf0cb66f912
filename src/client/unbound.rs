//! Redirects in a build without authentication: there are no credentials to be bound. Twin of `bound.rs`.

use http::Request;

use crate::target::Origin;

pub(super) fn bind(_: &mut Request<()>, _: &Origin) {}
