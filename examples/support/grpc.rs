//! What tonic needs of a transport, to be copied: the status of an error, and the deadline of a call.

use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, combinators::MapErr};
use tonic::{Code, Status};
use tower::{Service, ServiceBuilder};
use tower_transport::{Body, Error, Transport, error::Phase, options::Timeouts};

/// The body of an answer, whose errors tonic understands.
pub(crate) type GrpcBody = MapErr<Body, fn(Error) -> Status>;

/// A transport as tonic's clients want it: `Grpc::with_origin(grpc(transport), origin)`, or the same with a generated client.
pub(crate) fn grpc(
    transport: Transport,
) -> impl Service<
    Request<tonic::body::Body>,
    Response = Response<GrpcBody>,
    Error = Status,
    Future: Send,
> + Clone {
    let status_of_body = |body: Body| body.map_err(status as fn(Error) -> Status);
    ServiceBuilder::new()
        .map_request(with_deadline)
        .map_response(move |response: Response<Body>| response.map(status_of_body))
        .map_err(status)
        .service(transport)
}

/// The error as gRPC names it. tonic makes `Unknown` of every error that it does not know.
pub(crate) fn status(error: Error) -> Status {
    let code = match error.timeout_phase() {
        Some(Phase::Pool | Phase::Connect) => Code::Unavailable,
        Some(_) => Code::DeadlineExceeded,
        None if error.is_queue_full() => Code::ResourceExhausted,
        // One that ended before anything was written was not cancelled by the caller.
        None if error.is_canceled() && !error.is_io() => Code::Cancelled,
        None if error.is_builder() || error.is_unsupported() => Code::Internal,
        None => match error.cause::<h2::Error>().and_then(h2::Error::reason) {
            Some(h2::Reason::CANCEL) => Code::Cancelled,
            Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
            Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
            Some(h2::Reason::REFUSED_STREAM | h2::Reason::NO_ERROR) => Code::Unavailable,
            Some(_) => Code::Internal,
            None if error.is_body() => Code::Internal,
            // A connection that broke is no mistake in the protocol, and nor is a way that could not be gone.
            None if error.is_protocol() && error.was_sent() && !error.is_io() => Code::Internal,
            None => Code::Unavailable,
        },
    };
    // A stream of the caller may have failed with a status of its own.
    let code = error.cause::<Status>().map_or(code, Status::code);
    let mut status = Status::new(code, error.to_string());
    status.set_source(std::sync::Arc::new(error));
    status
}

/// Bounds the call by its `grpc-timeout`, which is all that `Request::set_timeout` sets. A stream may be silent, so there is
/// no other limit on reading and writing: keep-alive PINGs find a dead peer.
fn with_deadline<B>(mut request: Request<B>) -> Request<B> {
    let timeouts = Timeouts::default().read(None).write(None).total(deadline(request.headers()));
    request.extensions_mut().get_or_insert(timeouts);
    request
}

/// At most eight digits and a unit: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let is_number = digits.len() <= 8 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}
