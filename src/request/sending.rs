//! The futures of an awaited request, written out because each is boxed at its full size.

use std::{
    any::TypeId,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Extensions, Request, Response, Uri, response::Parts};
use http_body::{Body as _, Frame};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{described, response_body, sent};
use crate::{
    body::Body,
    connect::HasConnectInfo,
    error::{BoxError, Error, ForeignError, Kind},
    events::shown,
    options::MaxBody,
    transport::Transport,
};

pin_project! {
    /// Waits for a service to be ready, then sends a request over it.
    pub(crate) struct SendRequest<S>
    where
        S: Service<Request<Body>>,
    {
        service: S,
        // The URI of the request, for the text of an error.
        uri: Option<Box<Uri>>,
        #[pin]
        state: SendState<S::Future>,
    }
}

pin_project! {
    /// Request and future share their space: small boxes are faster to allocate.
    #[project = SendStateProj]
    enum SendState<F> {
        Unsent { request: Option<Result<Request<Body>, Error>> },
        Sent { #[pin] response: F },
        Over,
    }
}

impl<S: Service<Request<Body>>> SendRequest<S> {
    pub(crate) fn new(service: S, request: Result<Request<Body>, Error>) -> Self {
        Self { service, uri: None, state: SendState::Unsent { request: Some(request) } }
    }
}

impl<S, RB> Future for SendRequest<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let SendStateProj::Unsent { request } = this.state.as_mut().project() {
            if let Some(Ok(request)) = request {
                // A layer that is not ready has not received the request.
                let unsent = ForeignError { sent: Some(false), ..ForeignError::LAYER };
                let ready = ready!(this.service.poll_ready(cx));
                ready.map_err(|error| described(error.into(), unsent, request.uri()))?;
            }
            let request = request.take().unwrap_or_else(|| Err(Error::polled_again()))?;
            // A transport's errors need no description.
            if this.uri.is_none() && TypeId::of::<S>() != TypeId::of::<Transport>() {
                *this.uri = Some(Box::new(request.uri().clone()));
            }
            let response = this.service.call(request);
            this.state.set(SendState::Sent { response });
        }
        let SendStateProj::Sent { response } = this.state.as_mut().project() else {
            return Poll::Ready(Err(Error::polled_again()));
        };
        let outcome = ready!(response.poll(cx));
        this.state.set(SendState::Over);
        Poll::Ready(match outcome {
            Ok(response) => Ok(response.map(response_body)),
            Err(error) => {
                let uri = this.uri.take().map(|uri| *uri).unwrap_or_default();
                Err(described(error.into(), ForeignError::LAYER, &uri))
            }
        })
    }
}

pin_project! {
    /// Sends a request, and reads the response's body to its end.
    pub(crate) struct Buffering<S>
    where
        S: Service<Request<Body>>,
    {
        #[pin]
        sending: SendRequest<S>,
        head: Option<Parts>,
        body: Body,
        read: CollectedBody,
        // How many bytes more may come.
        room: u64,
    }
}

/// The chunks read of a body: a single chunk is not copied.
#[derive(Default)]
enum CollectedBody {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl<S: Service<Request<Body>>> Buffering<S> {
    pub(crate) fn new(
        service: S,
        request: Result<Request<Body>, Error>,
        max_body: Option<MaxBody>,
    ) -> Self {
        let room = max_body.map_or(u64::MAX, MaxBody::limit);
        let is_limited = room != u64::MAX;
        let uri = request.as_ref().ok().filter(|_| is_limited).map(|it| it.uri().clone().into());
        let mut sending = SendRequest::new(service, request);
        sending.uri = uri;
        Self { sending, head: None, body: Body::empty(), read: CollectedBody::None, room }
    }
}

impl<S, RB> Future for Buffering<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Bytes>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.head.is_none() {
            let (mut head, body) = ready!(this.sending.as_mut().poll(cx))?.into_parts();
            if let Some(info) = body.connect_info() {
                head.extensions.insert(info.clone());
            }
            // What is known to be too large is not begun.
            if body.size_hint().lower() > *this.room {
                let uri = this.sending.project().uri.take();
                return Poll::Ready(Err(too_large(*this.room, uri, &head.extensions)));
            }
            (*this.head, *this.body) = (Some(head), body);
        }
        while let Some(frame) = ready!(Pin::new(&mut *this.body).poll_frame(cx)) {
            let frame = match frame {
                Ok(frame) if !spend(this.room, &frame) => {
                    let limit = *this.room + this.read.len() as u64;
                    let uri = this.sending.as_mut().project().uri.take();
                    let head = this.head.take();
                    let extensions = head.map(|head| head.extensions).unwrap_or_default();
                    Err(too_large(limit, uri, &extensions))
                }
                frame => frame,
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(chunk)) => this.read.push(chunk),
                Ok(Err(_trailers)) => {}
                Err(error) => {
                    // A partial body must not be returned if this is polled again.
                    (*this.head, *this.read, *this.body) =
                        (None, CollectedBody::None, Body::empty());
                    return Poll::Ready(Err(error));
                }
            }
        }
        let read = std::mem::take(this.read).into_bytes();
        *this.body = Body::empty();
        let head = this.head.take().ok_or_else(Error::polled_again)?;
        Poll::Ready(Ok(Response::from_parts(head, read)))
    }
}

impl CollectedBody {
    fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        match self {
            Self::None => *self = Self::One(chunk),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + chunk.len());
                all.extend_from_slice(first);
                all.extend_from_slice(&chunk);
                *self = Self::Many(all);
            }
            Self::Many(all) => all.extend_from_slice(&chunk),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(chunk) => chunk.len(),
            Self::Many(all) => all.len(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(chunk) => chunk,
            Self::Many(all) => all.freeze(),
        }
    }
}

/// Whether there was room for the frame.
fn spend(room: &mut u64, frame: &Frame<Bytes>) -> bool {
    let length = frame.data_ref().map_or(0, |chunk| chunk.len() as u64);
    let rest = room.checked_sub(length);
    *room = rest.unwrap_or(*room);
    rest.is_some()
}

/// The error names the request that was sent last, which may be another than the caller's after a redirect.
fn too_large(limit: u64, uri: Option<Box<Uri>>, extensions: &Extensions) -> Error {
    let url = sent::url_of(extensions).cloned().or(uri.map(|uri| *uri)).map(|url| shown(&url));
    let of = url.as_ref().map_or(String::new(), |url| format!(" of {url}"));
    let text = format!(
        "reading the response body{of}: it is larger than its limit, {limit} bytes (`max_body`)"
    );
    let error = Error::new(Kind::Decode, text).sent(true);
    match url {
        Some(url) => error.with_url(url),
        None => error,
    }
}
