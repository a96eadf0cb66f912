//! A whole client, and its layers, each over any service of requests: one of this crate or of others.
//!
//! `Client` (feature `client`) has them all, over a [`Transport`](crate::Transport) or another service; the rest of this
//! module is for stacks of your own.
//!
//! Each layer turns a `Service<http::Request<Body>, Response = http::Response<_>>` into another, has a feature of its own, and
//! takes settings for one request as [extensions](crate::options). Stack them in this order, the outermost first:
//!
//! ```text
//! Progress > Defaults > Deadline > Redirect > Retry > Auth > Cookies > Decode > Transport
//! ```
//!
//! The order matters for secrets: credentials are bound to the origin of the call above redirects, and sent below them, to
//! that origin only. So no layer adds again what a redirect removed.
//!
//! | layer | feature | what it does |
//! |---|---|---|
//! | [`ProgressLayer`] | `progress` | reports the progress of bodies to callbacks |
//! | [`DefaultsLayer`] | `defaults` | sets a base URL and header fields; can refuse all but `https` |
//! | [`DeadlineLayer`] | `deadline` | limits the whole time of a request |
//! | [`RedirectLayer`] | `redirect` | follows redirects |
//! | [`RetryLayer`] | `retry` | sends failed requests again |
//! | [`AuthLayer`] | `auth` | sends credentials to origins, and answers their challenges |
//! | [`CookiesLayer`] | `cookies` | keeps cookies and sends them again |
//! | [`DecodeLayer`] | `gzip`, `deflate`, `brotli`, `zstd` | decodes the bodies of responses |
//!
//! And what requests are made of:
//!
//! | part | feature | what it does |
//! |---|---|---|
//! | [`Form`] | `multipart` | a body of fields and files |
//! | [`UriExt`] | each of them | references, queries and origins of URLs |

#[cfg(feature = "auth")]
mod auth;
#[cfg(all(feature = "auth", feature = "redirect"))]
mod bound;
#[cfg(all(not(feature = "auth"), feature = "redirect"))]
#[path = "client/unbound.rs"]
mod bound;
#[cfg(feature = "client")]
mod builder;
#[cfg(feature = "cookies")]
pub mod cookies;
#[cfg(feature = "deadline")]
mod deadline;
#[cfg(feature = "_decode")]
pub mod decode;
#[cfg(all(feature = "auth", feature = "defaults"))]
mod default_auth;
#[cfg(all(not(feature = "auth"), feature = "defaults"))]
#[path = "client/no_default_auth.rs"]
mod default_auth;
#[cfg(feature = "defaults")]
mod defaults;
#[cfg(any(feature = "auth", feature = "redirect", feature = "retry"))]
mod discard;
#[cfg(any(
    feature = "auth",
    feature = "deadline",
    feature = "_decode",
    feature = "defaults",
    feature = "progress",
    feature = "redirect",
    feature = "retry"
))]
mod failing;
#[cfg(any(feature = "auth", feature = "redirect", feature = "retry"))]
mod kept;
#[cfg(feature = "multipart")]
pub mod multipart;
#[cfg(feature = "netrc")]
pub mod netrc;
#[cfg(feature = "progress")]
mod progress;
#[cfg(any(feature = "auth", feature = "redirect", feature = "retry"))]
mod ready;
#[cfg(feature = "redirect")]
mod redirect;
#[cfg(any(feature = "client", feature = "cookies"))]
mod replacement;
#[cfg(feature = "client")]
pub(crate) mod request;
mod resolve;
#[cfg(feature = "client")]
pub(crate) mod response;
#[cfg(feature = "retry")]
mod retry;
#[cfg(any(feature = "auth", feature = "redirect"))]
mod same_origin;
#[cfg(any(feature = "defaults", feature = "redirect"))]
mod secrets;
#[cfg(feature = "client")]
mod sent;
#[cfg(any(test, feature = "client"))]
mod text;
mod url;
#[cfg(any(feature = "auth", feature = "defaults", feature = "redirect", feature = "retry"))]
mod user_info;
#[cfg(feature = "client")]
mod whole;

#[doc(no_inline)]
pub use crate::target::Origin;
#[cfg(feature = "auth")]
pub use auth::{Answering, Auth, AuthLayer, AuthRequest, AuthenticateAsync, WithAuth};
#[cfg(feature = "client")]
pub use builder::{ClientBuilder, CookiesOver, DecodeOver};
#[cfg(feature = "cookies")]
#[doc(no_inline)]
pub use cookies::{Cookie, CookieOverride, CookieStore, Cookies, CookiesLayer, Jar};
#[cfg(feature = "deadline")]
pub use deadline::{DeadlineLayer, UntilDeadline, WithDeadline};
#[cfg(feature = "_decode")]
#[doc(no_inline)]
pub use decode::{Coding, Decode, DecodeLayer, Decoded, Decoding};
#[cfg(feature = "defaults")]
pub use defaults::{Defaults, DefaultsLayer, OmittedHeaders, WithDefaults};
#[cfg(feature = "multipart")]
#[doc(no_inline)]
pub use multipart::{Form, MultipartExt, Part};
#[cfg(feature = "netrc")]
#[doc(no_inline)]
pub use netrc::Netrc;
#[cfg(feature = "progress")]
pub use progress::{CountingProgress, ProgressLayer, WithProgress};
#[cfg(feature = "redirect")]
pub use redirect::{
    FinalUrl, NextRequest, Redirect, RedirectLayer, Redirected, Redirecting, Visited,
};
#[cfg(feature = "client")]
pub use response::{Lines, Link, Links, Reading, ResponseExt, StreamedResponseExt, WholeBody};
#[cfg(feature = "retry")]
pub use retry::{Repeating, Retry, RetryLayer};
#[cfg(feature = "client")]
pub use sent::{RecordSent, RecordingSent, Sent};
pub use url::UriExt;
#[cfg(feature = "client")]
pub use whole::{Client, ClientFuture, ClientStack};

#[cfg(all(any(test, fuzzing), feature = "redirect"))]
#[doc(hidden)]
pub use redirect::fuzzing;
