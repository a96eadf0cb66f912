//! The layers of a whole client, each over any service of requests: one of this crate or of others.
//!
//! Each turns a `Service<http::Request<Body>, Response = http::Response<_>>` into another, has a feature of its own, and
//! takes settings for one request as [extensions](crate::options). Stack them in this order, the outermost first:
//!
//! ```text
//! Defaults > Deadline > Redirect > Retry > Auth > Cookies > Decode > Transport
//! ```
//!
//! The order matters for secrets: credentials are bound to the origin of the call above redirects, and said below them, to
//! that origin alone. So no layer adds again what a redirect took off.
//!
//! | layer | feature | what it does |
//! |---|---|---|
//! | [`RedirectLayer`] | `redirect` | follows redirects |
//! | [`AuthLayer`] | `auth` | says who we are to origins, and answers their challenges |
//! | [`CookiesLayer`] | `cookies` | keeps cookies and sends them again |
//! | [`DecodeLayer`] | `gzip`, `deflate`, `brotli`, `zstd` | decodes the bodies of responses |

use crate::error::{BoxError, Error, ForeignError, Kind};

#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "auth")]
mod bound;
#[cfg(not(feature = "auth"))]
#[path = "client/no_auth.rs"]
mod bound;
#[cfg(feature = "cookies")]
pub mod cookies;
#[cfg(feature = "_decode")]
pub mod decode;
mod kept;
#[cfg(feature = "netrc")]
pub mod netrc;
#[cfg(feature = "redirect")]
mod redirect;
mod resolve;

#[cfg(feature = "auth")]
pub use auth::{Answering, Auth, AuthLayer, AuthRequest, AuthenticateAsync, WithAuth};
#[cfg(feature = "cookies")]
#[doc(no_inline)]
pub use cookies::{Cookie, CookieOverride, CookieStore, Cookies, CookiesLayer, Jar};
#[cfg(feature = "_decode")]
#[doc(no_inline)]
pub use decode::{Coding, Decode, DecodeLayer, Decoded, Decoding};
#[cfg(feature = "netrc")]
#[doc(no_inline)]
pub use netrc::Netrc;
#[cfg(feature = "redirect")]
pub use redirect::{
    FinalUrl, NextRequest, Redirect, RedirectLayer, Redirected, Redirecting, Visited,
};

/// A foreign layer or service that has seen no request.
const UNSENT: ForeignError = ForeignError { sent: Some(false), ..ForeignError::LAYER };

/// The error of a service that is not ready.
fn not_ready(error: impl Into<BoxError>) -> Error {
    Error::adopt(error.into(), UNSENT, "waiting for the service to be ready")
}

fn polled_again() -> Error {
    Error::new(Kind::Canceled, "the request was over already")
}
