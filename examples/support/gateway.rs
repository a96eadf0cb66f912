//! A reverse proxy: an axum handler that forwards each request to one upstream.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header, uri::PathAndQuery};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional, runtime::Handle};
use tower::ServiceExt;
use tower_transport::{Error, Transport, http::upgrade};

/// What each request needs: the transport and the scheme and authority of the upstream.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) transport: Transport,
    pub(crate) upstream: Uri,
}

impl Gateway {
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(forward).with_state(self)
    }
}

/// Both bodies are streamed. axum drops this future, or the response's body, when the client goes away; either cancels
/// the request to the upstream.
async fn forward(State(gateway): State<Gateway>, mut request: Request) -> Response {
    let client = hyper::upgrade::on(&mut request);
    let sent = match prepare(&gateway.upstream, request) {
        Ok(request) => gateway.transport.oneshot(request).await,
        Err(_) => return status(StatusCode::BAD_REQUEST),
    };
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        remove_hop_headers(response.headers_mut());
        return response.map(Body::new);
    }
    let mut switching = status(StatusCode::SWITCHING_PROTOCOLS);
    *switching.headers_mut() = response.headers().clone();
    Handle::current().spawn(async move {
        if let (Ok(client), Ok(upstream)) = (client.await, upgrade(response).await) {
            let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            let _ = copy_bidirectional(&mut client, &mut upstream).await;
        }
    });
    switching
}

/// Points the request at the upstream and removes the fields that were meant for this hop. `Host` follows the URI.
fn prepare(upstream: &Uri, mut request: Request) -> Result<Request, http::Error> {
    let mut parts = upstream.clone().into_parts();
    let path = request.uri().path_and_query().cloned();
    parts.path_and_query = path.or(Some(PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(parts)?;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let protocol = headers.get(header::UPGRADE).cloned();
    remove_hop_headers(headers);
    headers.remove(header::HOST);
    headers.append(header::VIA, HeaderValue::from_static("1.1 gateway"));
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    Ok(request)
}

/// RFC 9110 §7.6.1: `Connection`, the fields that it names, and those that older clients send without naming them.
fn remove_hop_headers(headers: &mut HeaderMap) {
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_owned()))
        .collect();
    let fixed =
        ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
    for name in named.iter().map(String::as_str).chain(fixed) {
        headers.remove(name);
    }
}

fn failed(error: &Error) -> Response {
    eprintln!("{error}");
    status(match error {
        error if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
        error if error.is_queue_full() => StatusCode::SERVICE_UNAVAILABLE,
        // The body of the client's request ended early, or has another length than declared.
        error if error.is_body() => StatusCode::BAD_REQUEST,
        _ => StatusCode::BAD_GATEWAY,
    })
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
