//! Request and response bodies: bytes, or frames that are streamed.

use std::{
    any::Any,
    fmt,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use self::repeatable::Repeat;
use crate::{
    cast::cast,
    error::{BoxError, Error, ForeignError, Kind},
    lock,
};

mod file;
mod repeatable;
mod try_clone;

pub use try_clone::TryCloneRequest;

/// The body of a request or of a response.
///
/// Bytes and text, owned or `'static`, convert into one; other bodies do by [`Body::new`]. As a [`Stream`] of chunks it can be read by
/// `http_body_util::BodyDataStream`.
///
/// A body of bytes knows its length and can be sent again, and so can [a file](Self::file) and a body made [by a
/// function](Self::again). A body made [from a stream](Self::stream), [an iterator](Self::iter) or [another
/// body](Self::new) can be sent once, and has a length only if that body reports one.
///
/// ```
/// # use tower_transport::Body;
/// # async fn example(mut body: Body) -> Result<(), tower_transport::Error> {
/// while let Some(chunk) = body.chunk().await? {
///     println!("{} bytes", chunk.len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping a response body before its end abandons the rest: on HTTP/2 the stream is reset; on HTTP/1.1 a small rest
/// is drained in the background so that the connection can be reused, and a large one closes the connection.
#[derive(Default)]
pub struct Body {
    source: Source,
}

#[derive(Default)]
enum Source {
    #[default]
    Empty,
    Full(Bytes),
    Again(Repeat),
    Frames {
        body: BoxedFrames,
        /// Marks a response body, whose request was sent.
        is_response: bool,
    },
    Response(Box<dyn ResponseFrames>),
}

/// The response body of a pool, in one box.
pub(crate) trait ResponseFrames:
    HttpBody<Data = Bytes, Error = Error> + Unpin + Send + Sync
{
    /// The `ConnectInfo` of its connection.
    fn known(&self) -> Option<&dyn Any>;
}

/// The mutex is never contended: it makes a body `Sync` that is only `Send`.
type BoxedFrames = Mutex<Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>>;

impl Body {
    /// An empty body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Wraps any other body. A [`Body`] is returned unchanged.
    ///
    /// Errors of the body become [`Error`]s: one of this crate is unchanged, any other is the source of one for which
    /// [`is_other`](Error::is_other) holds.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        match cast(body) {
            Ok(ours) => ours,
            Err(body) if body.is_end_stream() => Self::empty(),
            Err(body) => Self::frames(ForeignBody { body }),
        }
    }

    /// The body of a response from a pool.
    pub(crate) fn pooled(body: impl ResponseFrames + 'static) -> Self {
        Self { source: Source::Response(Box::new(body)) }
    }

    /// The `ConnectInfo` of the connection, for the body of a response.
    pub(crate) fn known(&self) -> Option<&dyn Any> {
        match &self.source {
            Source::Response(body) => body.known(),
            _ => None,
        }
    }

    /// Wraps the body of a response, so that its errors state that the request was sent. A layer's own body does not
    /// tell.
    pub(crate) fn response<B>(body: B) -> Self
    where
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let mut body = Self::new(body);
        if let Source::Frames { is_response, .. } = &mut body.source {
            *is_response = true;
        }
        body
    }

    fn frames(body: impl HttpBody<Data = Bytes, Error = BoxError> + Send + 'static) -> Self {
        let body: BoxedFrames = Mutex::new(Box::pin(body));
        Self { source: Source::Frames { body, is_response: false } }
    }

    /// Makes a body of chunks from a stream. HTTP/1.1 sends them with `Transfer-Encoding: chunked`.
    ///
    /// Errors are converted as by [`new`](Self::new).
    pub fn stream<S, D, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self::frames(StreamBody { stream })
    }

    /// Makes a body of chunks from an iterator, such as a `Vec` of `Bytes`. It can be sent once, and HTTP/1.1 sends
    /// it with `Transfer-Encoding: chunked`.
    ///
    /// The iterator runs in the task that sends the request, so it must not block. If it is `Clone`,
    /// [`again`](Self::again) makes a body that can be sent again:
    ///
    /// ```
    /// # use tower_transport::Body;
    /// let lines = ["one\n", "two\n"];
    /// let body = Body::again(move || Body::iter(lines));
    /// assert!(body.try_clone().is_some());
    /// ```
    pub fn iter<I>(chunks: I) -> Self
    where
        I: IntoIterator<Item: Into<Bytes>, IntoIter: Send + 'static>,
    {
        Self::frames(IterBody { chunks: chunks.into_iter() })
    }

    /// The number of bytes left, if known: for a response, from its `Content-Length`.
    pub fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Reads the next chunk; `None` at the end. Skips trailers; see [`frame`](Self::frame) for them.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the chunk comes with the next call.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.frame().await?.map(Frame::into_data) {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => return Ok(Some(chunk)),
                Some(Err(_trailers)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Reads the next chunk or, last, the trailers (RFC 9110 §6.5); `None` at the end.
    ///
    /// ```
    /// # use tower_transport::Body;
    /// # async fn example(mut body: Body) -> Result<(), tower_transport::Error> {
    /// while let Some(frame) = body.frame().await? {
    ///     match frame.into_data() {
    ///         Ok(chunk) => println!("{} bytes", chunk.len()),
    ///         Err(frame) => println!("{:?}", frame.into_trailers()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the frame comes with the next call.
    pub async fn frame(&mut self) -> Result<Option<Frame<Bytes>>, Error> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await.transpose()
    }

    /// Reads the rest into one piece. There is no limit: check [`length`](Self::length) first, or read chunks.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses the bytes it has read.
    pub async fn read(&mut self) -> Result<Bytes, Error> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut all = BytesMut::with_capacity(first.len() + second.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// Clones the body, if possible: unread bytes, or a body made [by a function](Self::again), from its beginning.
    pub fn try_clone(&self) -> Option<Self> {
        match &self.source {
            Source::Empty => Some(Self::empty()),
            Source::Full(bytes) => Some(bytes.clone().into()),
            Source::Again(repeat) => Some(repeat.again()),
            Source::Response(body) if body.is_end_stream() => Some(Self::empty()),
            Source::Frames { .. } | Source::Response(_) => None,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.source = Source::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Source::Again(repeat) => repeat.poll_frame(cx),
            Source::Frames { body, is_response } => {
                let body = lock::get_mut(body);
                let frame = ready!(body.as_mut().poll_frame(cx));
                Poll::Ready(
                    frame.map(|frame| frame.map_err(|error| read_error(error, *is_response))),
                )
            }
            Source::Response(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Full(bytes) => bytes.is_empty(),
            Source::Again(repeat) => repeat.body().is_end_stream(),
            Source::Frames { body, .. } => lock::lock(body).is_end_stream(),
            Source::Response(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Again(repeat) => repeat.body().size_hint(),
            Source::Frames { body, .. } => lock::lock(body).size_hint(),
            Source::Response(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Empty => f.write_str("Body(empty)"),
            Source::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Source::Again(_) => f.write_str("Body(repeatable)"),
            Source::Response(body) if body.is_end_stream() => f.write_str("Body(empty)"),
            Source::Frames { .. } | Source::Response(_) => f.write_str("Body(frames)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { source: Source::Full(bytes) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl<const N: usize> From<&'static [u8; N]> for Body {
    fn from(bytes: &'static [u8; N]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        text.as_bytes().into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

/// Clones a body of a type known to allow it: ours, and text.
pub(crate) fn replay<B: 'static>(body: &B) -> Option<B> {
    let mut again: Option<B> = None;
    let (body, slot) = (body as &dyn Any, &mut again as &mut dyn Any);
    if let (Some(body), Some(slot)) = (body.downcast_ref::<Body>(), slot.downcast_mut()) {
        *slot = body.try_clone();
    } else if let (Some(text), Some(slot)) = (body.downcast_ref::<String>(), slot.downcast_mut()) {
        *slot = Some(text.clone());
    }
    again
}

pin_project! {
    /// Adapts the types of a foreign body.
    struct ForeignBody<B> {
        #[pin]
        body: B,
    }
}

impl<B> HttpBody for ForeignBody<B>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        use bytes::Buf;
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err(error.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    struct StreamBody<S> {
        #[pin]
        stream: S,
    }
}

impl<S, D, E> HttpBody for StreamBody<S>
where
    S: Stream<Item = Result<D, E>>,
    D: Into<Bytes>,
    E: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let chunk = ready!(self.project().stream.poll_next(cx));
        Poll::Ready(chunk.map(|chunk| match chunk {
            Ok(chunk) => Ok(Frame::data(chunk.into())),
            Err(error) => Err(error.into()),
        }))
    }
}

/// A body of an iterator's chunks.
struct IterBody<I> {
    chunks: I,
}

/// No field is pinned.
impl<I> Unpin for IterBody<I> {}

impl<I> HttpBody for IterBody<I>
where
    I: Iterator<Item: Into<Bytes>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.chunks.next().map(|chunk| Ok(Frame::data(chunk.into()))))
    }
}

/// Converts the error of a possibly foreign body. If it is of a response, the request was sent, whatever the error
/// states.
fn read_error(error: BoxError, is_response: bool) -> Error {
    match is_response {
        true => Error::adopt(error, ForeignError::LAYER, "reading the response body").sent(true),
        false => Error::adopt(error, ForeignError::LAYER, "reading a body"),
    }
}

/// Converts the error of a request's body, unless it is an [`Error`] already.
pub(crate) fn failed(error: impl Into<BoxError>) -> Error {
    let foreign = ForeignError { kind: Kind::Body, phase: None, sent: Some(false) };
    Error::adopt(error.into(), foreign, "reading the body of the request")
}
