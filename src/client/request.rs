//! What a request says to the layers of a client.

use std::time::Duration;

use super::{Auth, Client};
use crate::{
    options::{MaxBody, Redirects, Retries, TlsIdentity, TotalTimeout},
    request::{Buffered, RequestBuilder},
};

/// What goes before the settings of the client, for this request alone.
impl<S, A> RequestBuilder<Client<S>, A> {
    /// A user and a password, for the origin of this request alone (RFC 7617).
    pub fn basic_auth(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.auth(Auth::basic(user.as_ref(), password.as_ref()))
    }

    /// A token, for the origin of this request alone (RFC 6750).
    pub fn bearer_auth(self, token: impl AsRef<str>) -> Self {
        self.auth(Auth::bearer(token))
    }

    /// Credentials, for the origin of this request alone.
    pub fn auth(self, auth: Auth) -> Self {
        self.extension(auth)
    }

    /// No credentials, also where the client has some, on no hop.
    pub fn no_auth(self) -> Self {
        self.auth(Auth::none())
    }

    /// How many redirects are followed.
    pub fn redirects(self, redirects: Redirects) -> Self {
        self.extension(redirects)
    }

    /// How often it is sent again if it fails.
    pub fn retries(self, retries: Retries) -> Self {
        self.extension(retries)
    }

    /// How long it may take over all redirects, tries and pauses, to the end of the last body; `None` for any time. The other
    /// timeouts stay as they are. The body is limited over a transport or a pool of this crate; see
    /// [`TotalTimeout`].
    pub fn timeout(self, limit: impl Into<Option<Duration>>) -> Self {
        self.extension(TotalTimeout::new(limit))
    }

    /// Whom TLS trusts, and who we are to it: see [`TlsIdentity`].
    pub fn tls(self, tls: impl Into<TlsIdentity>) -> Self {
        self.extension::<TlsIdentity>(tls.into())
    }
}

impl<S: Clone> RequestBuilder<Client<S>, Buffered> {
    /// Sets the limit of the client, unless the request has one.
    pub(super) fn max_body_of(self, client: &Client<S>) -> Self {
        let limit = client.max_body();
        self.change(|request| {
            request.extensions_mut().get_or_insert::<MaxBody>(limit);
            Ok(())
        })
    }
}
