//! Turns a head into a response, and decides what becomes of the connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::Body;
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    Http1Body,
    body::{BodyFraming, Http1BodyReader},
    exchange::Http1Exchange,
    failure::Http1Failure,
    head::{Framing, Head},
    shared::{ConnShared, HeldSlot},
    upload::Http1Upload,
};
use crate::{
    error::BoxError,
    http::{exchange::Extras, prepare::RequestKind},
    io::{
        copied_read, delegate_write,
        direct::{DirectIo, DirectRead},
    },
    upgrade::Pending,
};

/// The response of an exchange. `upload` is the unsent rest of the request.
pub(super) fn respond<B>(
    exchange: &mut Http1Exchange<B>,
    head: Head,
    upload: Option<Pin<Box<Http1Upload<B>>>>,
    extras: &Extras,
) -> Result<Response<Http1Body>, Http1Failure>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    if head.framing == Framing::Upgrade {
        return upgrade_response(exchange, head, upload.is_some());
    }
    let is_body_held = extras.is_body_held();
    let is_last = note_connection(exchange, &head, is_body_held);
    let shared = exchange.shared.clone();
    // Neither a body that the peer has not asked for is sent, nor the rest of one that it refuses and closes the connection
    // (RFC 9112 §9.5): it would provoke a reset, which may cost the response (§9.6).
    let is_unwanted = is_body_held || is_last && !head.status.is_success();
    if let Some(upload) = upload.filter(|_| !is_unwanted) {
        // Before any `end_response`, which waits for the rest only while the phase is uploading.
        upload.spawn_rest(&shared, head.status);
    }
    let framing = match (head.framing, &head.body) {
        (Framing::Empty | Framing::Length(0), _) | (_, Some(_)) => None,
        (Framing::Length(length), None) => Some(BodyFraming::Length(length)),
        (Framing::Chunked, None) => Some(BodyFraming::Chunked(Box::default())),
        (Framing::Close | Framing::Upgrade, None) => Some(BodyFraming::Close),
    };
    let body = match framing {
        Some(framing) => {
            Http1Body::incoming(Http1BodyReader::new(shared, framing, exchange.stall.take()))
        }
        None => {
            let mut state = shared.lock();
            state.stall = exchange.stall.take();
            shared.end_response(state);
            Http1Body::whole(head.body.unwrap_or_default())
        }
    };
    Ok(response((head.status, head.version, head.headers, head.reason), body))
}

/// Applies what the response says about the connection. Returns whether it is its last.
fn note_connection<B: Body>(exchange: &Http1Exchange<B>, head: &Head, is_body_held: bool) -> bool {
    let status = &exchange.shared.status;
    if head.version == Version::HTTP_10 {
        status.mark_http10();
    }
    if let Some(seconds) = head.keep_alive {
        status.set_keep_alive(seconds);
    }
    let is_last = !head.keeps_alive
        || exchange.kind.closes
        || is_body_held
        || head.framing == Framing::Close
        || is_refused_tunnel(exchange.kind, head.status);
    if is_last {
        status.finish();
    }
    is_last
}

/// Whether a tunnel was refused for good. After a 407 the client may ask again, often over the same connection only.
fn is_refused_tunnel(kind: RequestKind, status: StatusCode) -> bool {
    kind.is_connect && status != StatusCode::PROXY_AUTHENTICATION_REQUIRED
}

/// Hands the stream out with the response, together with its slot.
fn upgrade_response<B: Body>(
    exchange: &Http1Exchange<B>,
    head: Head,
    is_uploading: bool,
) -> Result<Response<Http1Body>, Http1Failure> {
    // The new protocol's first bytes would be read as the rest of the request.
    if is_uploading || exchange.shared.lock().wire.unsent() > 0 {
        let why = "the server switched protocols before it had the request";
        return Err(Http1Failure::Malformed(why));
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !exchange.kind.upgrades {
        let why = "the server switched protocols without being asked";
        return Err(Http1Failure::Malformed(why));
    }
    let stream = exchange.shared.upgrade().ok_or(Http1Failure::Aborted)?;
    let parts = (head.status, head.version, head.headers, head.reason);
    let mut response = response(parts, Http1Body::whole(Bytes::new()));
    let stream = DirectIo::own(Box::new(stream));
    response.extensions_mut().insert(Pending::new(std::future::ready(Ok(stream))));
    Ok(response)
}

type ResponseParts = (StatusCode, Version, HeaderMap, Option<Bytes>);

fn response(
    (status, version, headers, reason): ResponseParts,
    body: Http1Body,
) -> Response<Http1Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = headers;
    let reason = reason.and_then(|reason| hyper::ext::ReasonPhrase::try_from(reason).ok());
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    response
}

impl ConnShared {
    /// Takes the stream for another protocol. `None` if the connection was aborted.
    fn upgrade(&self) -> Option<UpgradedStream> {
        if !self.status.upgrade() {
            return None;
        }
        let mut state = self.lock();
        let early = state.wire.take_unread();
        Some(UpgradedStream { early, io: state.wire.take_io()?, _slot: state.take_slot() })
    }
}

/// The stream of a connection after an upgrade.
struct UpgradedStream {
    /// Bytes received right after the head.
    early: BytesMut,
    io: DirectIo,
    /// Last, so that it is dropped after the stream.
    _slot: Option<HeldSlot>,
}

impl DirectRead for UpgradedStream {
    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return AsyncRead::poll_read(Pin::new(&mut self.io), cx, buffer);
        }
        let length = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..length]);
        self.early.advance(length);
        Poll::Ready(Ok(()))
    }
}

copied_read!([] UpgradedStream);

delegate_write!([] UpgradedStream, io in Self { io, .. });
