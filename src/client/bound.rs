//! Binds the credentials of a request to its origin, before a redirect leads it to another. Twin of `unbound.rs`.

use http::Request;

use super::auth::{Auth, AuthInUrl};
use crate::target::Origin;

/// Binds what the request has as an extension, or in its URL, of which it is taken out.
pub(super) fn bind(request: &mut Request<()>, origin: &Origin) {
    let in_url = AuthInUrl::take(request.uri_mut()).ok().flatten();
    let extensions = request.extensions_mut();
    match (extensions.get_mut::<Auth>(), in_url) {
        (Some(auth), _) => auth.bind(origin),
        (None, Some(in_url)) => drop(extensions.insert(in_url.bound_to(origin.clone()))),
        (None, None) => {}
    }
}
