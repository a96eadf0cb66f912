//! A site that checks the sum behind a request, and puts one behind its answer.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    service::service_fn,
};
use hyper_util::{rt::TokioExecutor, server::conn::auto};
use tower_transport::Body;

/// Speaks HTTP/1.1 or HTTP/2, whichever comes, until the client is gone.
pub(crate) async fn serve(io: impl Read + Write + Unpin + Send + 'static) {
    let server = auto::Builder::new(TokioExecutor::new());
    // A client that goes away in the middle is no affair of the server's.
    let _ = server.serve_connection(io, service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let received = request.into_body().collect().await?;
    let said = received.trailers().and_then(|trailers| trailers.get("x-sum")?.to_str().ok());
    let said = said.unwrap_or("nothing").to_owned();
    let sum = format!("{} of {said}", received.to_bytes().len());

    let mut trailers = HeaderMap::new();
    trailers.extend(
        HeaderValue::from_str(&sum).ok().map(|sum| (http::HeaderName::from_static("x-sum"), sum)),
    );
    let frames = [Frame::data(Bytes::from("thanks")), Frame::trailers(trailers)];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
    Ok(response)
}
