//! The layers of a whole client, each over any service of requests: one of this crate or of others.
//!
//! Each turns a `Service<http::Request<Body>, Response = http::Response<_>>` into another, has a feature of its own, and
//! takes settings for one request as [extensions](crate::options). Stack them in this order, the outermost first:
//!
//! ```text
//! Defaults > Deadline > Redirect > Retry > Auth > Cookies > Decode > Transport
//! ```

#[cfg(feature = "cookies")]
pub mod cookies;
#[cfg(feature = "_decode")]
pub mod decode;
