//! The web site that the examples talk to, in their own process.
//!
//! | path | answers with |
//! |---|---|
//! | `/` | a greeting |
//! | `/headers` | the request as it came |
//! | `/post` | the same, and how long its body was |
//! | `/bytes/N` | so many bytes, made as they are sent |
//! | `/moved` | a redirect to `/headers` |
//!
//! Whoever accepts gzip is answered in gzip.

use std::{convert::Infallible, fmt::Write as _};

use futures_util::StreamExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
};
use hyper_util::{rt::TokioExecutor, server::conn::auto, service::TowerToHyperService};
use tower::{ServiceBuilder, service_fn};
use tower_http::compression::CompressionLayer;
use tower_transport::{Body, Error};

/// What a piece of a large answer holds.
const PIECE: &[u8] = &[b'.'; 64 * 1024];

/// Speaks HTTP/1.1 or HTTP/2, whichever comes, until the client is gone.
pub(crate) async fn serve(io: impl Read + Write + Unpin + Send + 'static) {
    let site = ServiceBuilder::new().layer(CompressionLayer::new()).service(service_fn(answer));
    let server = auto::Builder::new(TokioExecutor::new());
    // A client that goes away in the middle is no affair of the server's.
    let _ = server.serve_connection(io, TowerToHyperService::new(site)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path();
    Ok(match (path, path.strip_prefix("/bytes/").map(str::parse)) {
        ("/", _) => Response::new("Hello, world".into()),
        ("/headers", _) => Response::new(seen(&request).into()),
        ("/post", _) => posted(request).await,
        ("/moved", _) => moved("/headers"),
        (_, Some(Ok(length))) => bytes(length),
        _ => status(StatusCode::NOT_FOUND),
    })
}

/// The request as it came.
fn seen<B>(request: &Request<B>) -> String {
    let (method, path) = (request.method(), request.uri().path());
    let mut text = format!("{method} {path} {:?}\n", request.version());
    if let Some(authority) = request.uri().authority() {
        let _ = writeln!(text, ":authority: {authority}");
    }
    for (name, value) in request.headers() {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

async fn posted(request: Request<Incoming>) -> Response<Body> {
    let mut text = seen(&request);
    match length(Body::new(request.into_body())).await {
        Ok(length) => {
            let _ = writeln!(text, "({length} bytes)");
            Response::new(text.into())
        }
        Err(_) => status(StatusCode::BAD_REQUEST),
    }
}

async fn length(mut body: Body) -> Result<u64, Error> {
    let mut length = 0;
    while let Some(chunk) = body.chunk().await? {
        length += chunk.len() as u64;
    }
    Ok(length)
}

fn bytes(length: u64) -> Response<Body> {
    let pieces = futures_util::stream::unfold(length, |left| async move {
        let piece = &PIECE[..left.min(PIECE.len() as u64) as usize];
        let left = left - piece.len() as u64;
        (!piece.is_empty()).then_some((Ok::<_, Infallible>(piece), left))
    });
    // What compresses asks once more at the end.
    let mut response = Response::new(Body::stream(pieces.fuse()));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

fn moved(to: &'static str) -> Response<Body> {
    let mut response = status(StatusCode::FOUND);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(to));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
