//! Credentials of a client, bound to an origin before a redirect leaves it. Twin of `no_default_auth.rs`.

use http::{Request, header::AUTHORIZATION};

use super::{
    auth::{Auth, AuthInUrl},
    secrets::Stripped,
    user_info::without_user_info,
};
use crate::{body::Body, target::Origin};

/// Credentials of a client.
#[derive(Clone, Default)]
pub(super) struct DefaultAuth {
    auth: Option<Auth>,
}

impl DefaultAuth {
    pub(super) fn of(auth: Auth) -> Self {
        Self { auth: Some(auth) }
    }

    /// Adds them to a request without credentials, bound to the origin of the base URL, or else to the request's own origin.
    pub(super) fn apply(&self, request: &mut Request<Body>, base: Option<&Origin>) {
        let Some(auth) = &self.auth else { return };
        let authority = request.uri().authority();
        let says_itself = request.headers().contains_key(AUTHORIZATION)
            || request.extensions().get::<Auth>().is_some()
            || request.extensions().get::<AuthInUrl>().is_some()
            || authority.is_some_and(|authority| authority.as_str().contains('@'));
        // Without a base they are for the origin of the first request, which a redirect has left.
        let is_stripped = request.extensions().get::<Stripped>().is_some();
        if says_itself || is_stripped && base.is_none() {
            return;
        }
        let own = || Origin::try_from(&*without_user_info(request.uri())).ok();
        // A URL without an origin is refused below, where it is told why.
        if let Some(origin) = base.cloned().or_else(own) {
            request.extensions_mut().insert(auth.clone().bound_to(origin));
        }
    }
}
