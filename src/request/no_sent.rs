//! Without a client nothing records what was sent. Twin of `sent.rs`.

use http::{Extensions, Uri};

pub(super) fn url_of(_: &Extensions) -> Option<&Uri> {
    None
}
