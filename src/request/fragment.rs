//! The fragment of a request's URL, for layers that follow redirects. Twin of `no_fragment.rs`.

use std::sync::Arc;

use super::IntoUrl;

/// The fragment of a request's URL, as an extension: redirects without one of their own inherit it (RFC 9110 §10.2.2).
#[derive(Clone)]
pub(crate) struct UrlFragment(pub(crate) Arc<str>);

impl UrlFragment {
    pub(crate) fn of(url: &impl IntoUrl) -> Option<Self> {
        url.fragment().map(|fragment| Self(fragment.into()))
    }
}
