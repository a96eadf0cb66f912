//! What a request says to the layers of a client.

use super::Client;

/// The options of a request over a client, which are the same for callers that block.
macro_rules! client_options {
    ($client:ty) => {
        /// Options of one request. They override the settings of the client.
        impl<S, A> $crate::request::RequestBuilder<$client, A> {
            /// A user and a password, for the origin of this request alone (RFC 7617). A user with a colon needs
            /// [`Auth::digest`]($crate::client::Auth::digest).
            pub fn basic_auth(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
                self.auth($crate::client::Auth::basic(user.as_ref(), password.as_ref()))
            }

            /// A token, for the origin of this request alone (RFC 6750).
            pub fn bearer_auth(self, token: impl AsRef<str>) -> Self {
                self.auth($crate::client::Auth::bearer(token))
            }

            /// Credentials, for the origin of this request alone.
            pub fn auth(self, auth: $crate::client::Auth) -> Self {
                self.extension(auth)
            }

            /// Sends no credentials on any hop, even if the client has some.
            pub fn no_auth(self) -> Self {
                self.auth($crate::client::Auth::none())
            }

            /// Leaves out a header field of the client's [defaults]($crate::client::DefaultsLayer::header). One that the request says
            /// itself stays.
            pub fn no_header(self, name: impl $crate::request::IntoHeaderName) -> Self {
                self.change(|request| {
                    let omitted = request.extensions().get::<$crate::client::OmittedHeaders>();
                    let omitted =
                        omitted.cloned().unwrap_or_default().with(name.into_header_name()?);
                    request.extensions_mut().insert(omitted);
                    Ok(())
                })
            }

            /// How many redirects are followed.
            pub fn redirects(self, redirects: $crate::options::Redirects) -> Self {
                self.extension(redirects)
            }

            /// How many times it is sent at most, the first time included.
            pub fn retries(self, retries: $crate::options::Retries) -> Self {
                self.extension(retries)
            }

            /// How long it may take over all redirects, tries and pauses, to the end of the last body; `None` for any time. The other
            /// timeouts stay as they are. The body is limited over a transport or a pool of this crate; see
            /// [`TotalTimeout`](crate::options::TotalTimeout).
            pub fn timeout(self, limit: impl Into<Option<std::time::Duration>>) -> Self {
                self.extension($crate::options::TotalTimeout::new(limit))
            }

            /// Sets the trusted roots and the client certificate: see [`TlsIdentity`](crate::options::TlsIdentity).
            pub fn tls(self, tls: impl Into<$crate::options::TlsIdentity>) -> Self {
                self.extension::<$crate::options::TlsIdentity>(tls.into())
            }
        }
    };
}

#[cfg(feature = "blocking")]
pub(crate) use client_options;

client_options!(Client<S>);
