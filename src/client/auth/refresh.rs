//! Credentials that are obtained asynchronously, such as refreshed tokens.

use std::{fmt, future::Future, pin::Pin};

use http::{HeaderMap, HeaderValue, Method};

use crate::{
    auth::{Asker, Authorizing, Challenge},
    error::BoxError,
    target::Origin,
};

/// Obtains credentials asynchronously, from a token service for example.
///
/// A closure implements it. This one keeps a token, and gets another once one was refused; requests that come meanwhile wait
/// for the same:
///
/// ```
/// use std::sync::Arc;
/// use http::HeaderValue;
/// use tokio::sync::Mutex;
/// use tower_transport::{client::{Auth, AuthRequest}, error::BoxError};
///
/// # async fn new_token() -> Result<HeaderValue, BoxError> { Ok(HeaderValue::from_static("Bearer 1")) }
/// let token = Arc::new(Mutex::new(None::<HeaderValue>));
/// let auth = Auth::by_async(move |request: AuthRequest| {
///     let token = token.clone();
///     async move {
///         let mut token = token.lock().await;
///         if token.is_none() || token.as_ref() == request.refused() {
///             *token = Some(new_token().await?);
///         }
///         Ok(token.clone())
///     }
/// });
/// ```
pub trait AuthenticateAsync: Send + Sync + 'static {
    /// The value of `Authorization`, or `None` to send nothing, or nothing more: then the 401 is the response.
    ///
    /// It is called before a request is sent, and after each 401, three times at most. A refused value that is returned again
    /// acts as `None`. An error fails the request.
    ///
    /// # Cancellation
    ///
    /// The future is dropped with the request that it is for.
    fn authorize(
        &self,
        request: AuthRequest,
    ) -> impl Future<Output = Result<Option<HeaderValue>, BoxError>> + Send;
}

impl<F, Fut> AuthenticateAsync for F
where
    F: Fn(AuthRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<HeaderValue>, BoxError>> + Send,
{
    fn authorize(
        &self,
        request: AuthRequest,
    ) -> impl Future<Output = Result<Option<HeaderValue>, BoxError>> + Send {
        self(request)
    }
}

/// What is to be authorized, for [`AuthenticateAsync`].
#[derive(Clone)]
pub struct AuthRequest {
    pub(super) origin: Origin,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) challenge: HeaderMap,
    pub(super) refused: Option<HeaderValue>,
    pub(super) refusals: usize,
}

impl AuthRequest {
    /// The origin that the request is for.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The target of the request, as it stands in the request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The challenges of the 401; none before there is one.
    pub fn challenges(&self) -> Vec<Challenge> {
        let Self { method, target, challenge, refused, .. } = self;
        let refused = refused.as_ref();
        Authorizing { asker: Asker::Origin, method, target, challenge, refused }.challenges()
    }

    /// What was said and refused, if anything was.
    pub fn refused(&self) -> Option<&HeaderValue> {
        self.refused.as_ref()
    }

    /// How many 401 this request has had.
    pub fn refusals(&self) -> usize {
        self.refusals
    }
}

/// A wait for credentials. Boxed: it is seldom, and the trait of an object has no other.
pub(super) type Refreshing =
    Pin<Box<dyn Future<Output = Result<Option<HeaderValue>, BoxError>> + Send>>;

/// [`AuthenticateAsync`] as an object.
pub(super) trait Refresh: Send + Sync {
    fn refresh(self: std::sync::Arc<Self>, request: AuthRequest) -> Refreshing;
}

impl<A: AuthenticateAsync> Refresh for A {
    fn refresh(self: std::sync::Arc<Self>, request: AuthRequest) -> Refreshing {
        Box::pin(async move { self.authorize(request).await })
    }
}

impl fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRequest")
            .field("origin", &self.origin)
            .field("method", &self.method)
            .field("refusals", &self.refusals)
            .finish_non_exhaustive()
    }
}
