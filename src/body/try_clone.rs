//! Clones requests whose bodies can be cloned.

use http::Request;

use super::Body;

/// Clones a request, if its body can be cloned.
///
/// `http::Request` is `Clone` only if its body is, which [`Body`] is not: a stream can be sent once.
///
/// ```
/// use tower_transport::{Body, body::TryCloneRequest};
///
/// # fn example() -> Result<(), http::Error> {
/// let request = http::Request::put("https://www.example.com/").body(Body::from("Hello, world"))?;
/// let again = request.try_clone().expect("bytes can be sent again");
/// assert_eq!(again.uri(), request.uri());
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
pub trait TryCloneRequest: Sized {
    /// The same method, URI, version, fields and extensions, with the body by [`Body::try_clone`]; `None` if the body
    /// cannot be cloned: a stream, or bytes that were read already.
    fn try_clone(&self) -> Option<Self>;
}

impl TryCloneRequest for Request<Body> {
    fn try_clone(&self) -> Option<Self> {
        let mut clone = Self::new(self.body().try_clone()?);
        clone.method_mut().clone_from(self.method());
        clone.uri_mut().clone_from(self.uri());
        *clone.version_mut() = self.version();
        clone.headers_mut().clone_from(self.headers());
        clone.extensions_mut().clone_from(self.extensions());
        Some(clone)
    }
}
