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

#[path = "client/no_auth.rs"]
mod bound;
mod kept;
mod resolve;

#[cfg(feature = "redirect")]
mod redirect;

#[cfg(feature = "redirect")]
pub use redirect::{
    FinalUrl, NextRequest, Redirect, RedirectLayer, Redirected, Redirecting, Visited,
};
