//! Nothing asks for the fragment of a URL in a build without redirects. Twin of `fragment.rs`.

use super::IntoUrl;

#[derive(Clone)]
pub(crate) enum UrlFragment {}

impl UrlFragment {
    pub(crate) fn of(_: &impl IntoUrl) -> Option<Self> {
        None
    }
}
