//! Credentials in a URL, whose password may be in a `.netrc`.

use std::sync::Arc;

use http::Uri;
use percent_encoding::percent_decode_str;

use super::credentials::{Auth, take_from_url};
use crate::{error::Error, target::Origin};

/// What a URL says, which is taken out of it; then an extension of the requests that redirects lead to.
#[derive(Clone)]
pub(in crate::client) struct AuthInUrl {
    pub(super) auth: Auth,
    /// A user whose password is not said. One that is empty is said.
    pub(super) user: Option<Arc<str>>,
}

impl AuthInUrl {
    #[inline]
    pub(in crate::client) fn take(uri: &mut Uri) -> Result<Option<Self>, Error> {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        // As bytes, which is cheaper: nearly all have none.
        if !authority.as_bytes().contains(&b'@') {
            return Ok(None);
        }
        let user = user_alone(authority);
        Ok(take_from_url(uri)?.map(|auth| Self { auth, user }))
    }

    #[cfg_attr(not(feature = "redirect"), allow(dead_code, reason = "nothing leads elsewhere"))]
    pub(in crate::client) fn bound_to(self, origin: Origin) -> Self {
        Self { auth: self.auth.bound_to(origin), ..self }
    }
}

fn user_alone(authority: &str) -> Option<Arc<str>> {
    let (user, _) = authority.rsplit_once('@')?;
    if user.contains(':') {
        return None;
    }
    percent_decode_str(user).decode_utf8().ok().map(Arc::from)
}
