//! Calls back with how far bodies have come.

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::failing::{failed, not_ready};
use crate::{
    body::{Body, ResponseFrames},
    error::{BoxError, Error, ForeignError},
    options::{BodyProgress, OnDownload, OnUpload},
    request::{RequestBuilder, response_body},
};

#[cfg(not(feature = "_decode"))]
#[path = "progress/no_wire.rs"]
mod wire;
#[cfg(feature = "_decode")]
mod wire;

use wire::WireLength;

/// Calls [`OnUpload`] and [`OnDownload`] of each request.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_transport::{Body, RequestExt, client::ProgressLayer};
///
/// let server = service_fn(|_: Request<Body>| async {
///     Ok::<_, std::io::Error>(Response::new(Full::<bytes::Bytes>::from("Hello, world")))
/// });
/// let client = ServiceBuilder::new().layer(ProgressLayer::new()).service(server);
///
/// let read = Arc::new(AtomicU64::new(0));
/// let shown = read.clone();
/// client
///     .request("GET", "http://a.example/")
///     .on_download(move |progress| shown.store(progress.bytes(), Ordering::Relaxed))
///     .await?;
/// assert_eq!(read.load(Ordering::Relaxed), 12);
/// # Ok(())
/// # }
/// ```
///
/// Put it above all layers that send a request more than once, so that a response which redirects is not counted, and above
/// [decoding](super::DecodeLayer), so that both counts are known. A request without either extension passes through as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProgressLayer {
    _more: (),
}

/// The service of a [`ProgressLayer`]. Its responses have a [`Body`], whatever those below have.
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone, Debug)]
pub struct WithProgress<S> {
    inner: S,
}

/// Whether a request is still somebody's. Its body may outlive it in the task of a connection.
#[derive(Clone, Default)]
struct Watched(Arc<AtomicBool>);

/// Ends the calls for an upload when the request or its response is dropped.
struct EndOnDrop(Watched);

pin_project! {
    /// The future of a [`WithProgress`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the future of the inner service, and no callback is called any more.
    #[must_use = "futures do nothing unless polled"]
    pub struct CountingProgress<F> {
        #[pin]
        response: F,
        download: Option<OnDownload>,
        upload: Option<EndOnDrop>,
    }
}

impl ProgressLayer {
    /// There is nothing to set.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for ProgressLayer {
    type Service = WithProgress<S>;

    fn layer(&self, inner: S) -> WithProgress<S> {
        WithProgress { inner }
    }
}

impl<S, RB> Service<Request<Body>> for WithProgress<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
    RB: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = CountingProgress<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    fn call(&mut self, mut request: Request<Body>) -> CountingProgress<S::Future> {
        let download = request.extensions_mut().remove::<OnDownload>();
        let upload = request.extensions_mut().remove::<OnUpload>().map(|callback| {
            let watched = Watched::default();
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = uploaded(body, callback, watched.clone());
            EndOnDrop(watched)
        });
        CountingProgress { response: self.inner.call(request), download, upload }
    }
}

impl<F, RB, E> Future for CountingProgress<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
    RB: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.response.poll(cx));
        let (download, upload) = (this.download.take(), this.upload.take());
        let response = outcome.map_err(|error| failed(error, ForeignError::LAYER))?;
        let response = response.map(response_body);
        if download.is_none() && upload.is_none() {
            return Poll::Ready(Ok(response));
        }
        let (head, body) = response.into_parts();
        let wire = WireLength::of(&head.extensions);
        let total = wire.total().or(body.length());
        let counter = download.map(|callback| Counter { wire, decoded: 0, total, callback });
        let body = Body::pooled(Downloaded { body, counter, upload });
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}

/// A body that is counted while it is sent, each time anew.
fn uploaded(body: Body, callback: OnUpload, watched: Watched) -> Body {
    let counted = move |body: Body| {
        let (callback, watched) = (callback.clone(), watched.clone());
        // Bytes know their length, others may find it out while they are read.
        let total = body.length();
        Body::new(Uploaded { body, rest: Bytes::new(), bytes: 0, total, callback, watched })
    };
    match body.try_clone() {
        Some(body) => Body::again(move || counted(body.try_clone().unwrap_or_default())),
        None => counted(body),
    }
}

/// Larger chunks are cut, so that a body of one chunk makes progress, too.
const LARGEST_CHUNK: usize = 64 * 1024;

struct Uploaded {
    body: Body,
    /// Of a chunk that was cut.
    rest: Bytes,
    bytes: u64,
    total: Option<u64>,
    callback: OnUpload,
    watched: Watched,
}

/// The body of a response, counted if that was asked for.
struct Downloaded {
    body: Body,
    counter: Option<Counter>,
    upload: Option<EndOnDrop>,
}

struct Counter {
    wire: WireLength,
    decoded: u64,
    total: Option<u64>,
    callback: OnDownload,
}

impl Counter {
    fn count(&mut self, length: usize) {
        self.decoded += length as u64;
        let (decoded, total) = (self.decoded, self.total);
        let bytes = self.wire.read().unwrap_or(decoded);
        self.callback.tell(BodyProgress { bytes, decoded, total });
    }
}

impl HttpBody for Uploaded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|it| it.map(Frame::into_data))
            {
                Some(Ok(Ok(chunk))) => self.rest = chunk,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(LARGEST_CHUNK);
        let chunk = self.rest.split_to(length);
        self.count(length);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}

impl Uploaded {
    fn count(&mut self, length: usize) {
        if length == 0 || self.watched.0.load(Ordering::Relaxed) {
            return;
        }
        self.bytes += length as u64;
        let (bytes, total) = (self.bytes, self.total);
        self.callback.tell(BodyProgress { bytes, decoded: bytes, total });
    }
}

impl HttpBody for Downloaded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(length), Some(counter)) = (data_length(&frame), &mut self.counter) {
            counter.count(length);
        }
        if frame.is_none() {
            self.upload = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl ResponseFrames for Downloaded {
    fn known(&self) -> Option<&dyn Any> {
        self.body.known()
    }
}

/// How much content is in a frame, if there is any.
fn data_length(frame: &Option<Result<Frame<Bytes>, Error>>) -> Option<usize> {
    let length = frame.as_ref()?.as_ref().ok()?.data_ref()?.len();
    (length > 0).then_some(length)
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl<S, A> RequestBuilder<S, A> {
    /// Calls this with each chunk of the body that is sent, below a [`ProgressLayer`]: see [`OnUpload`].
    pub fn on_upload(self, callback: impl Fn(BodyProgress) + Send + Sync + 'static) -> Self {
        self.extension(OnUpload::new(callback))
    }

    /// Calls this with each chunk of the response that is read, below a [`ProgressLayer`]: see [`OnDownload`].
    pub fn on_download(self, callback: impl Fn(BodyProgress) + Send + Sync + 'static) -> Self {
        self.extension(OnDownload::new(callback))
    }
}

impl<F> fmt::Debug for CountingProgress<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountingProgress").finish_non_exhaustive()
    }
}
