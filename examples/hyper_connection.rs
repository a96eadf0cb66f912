//! hyper's own HTTP/1.1 connection under the pool, for its hooks `hyper::upgrade::on` and `hyper::ext::on_informational`:
//! `cargo run --example hyper_connection`.
//!
//! Where [`upgrade`](tower_transport::http::upgrade) and `OnInformational` are enough, the transport's own connection does
//! more. This connection loses, because hyper does not report it or to keep the example short:
//!
//! * an end that the kernel has and the runtime has not heard of yet is not seen before a request is written, so more requests
//!   fail as [`Sent`](Progress::Sent), which are repeated only if they are idempotent;
//! * limits of waiting (`Timeouts`) other than the pool's, the size of heads, proxies, and what `ConnectInfo` knows;
//! * an upgraded connection no longer counts as one of the pool's, and a pool that is closed waits for the others.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, Uri, header::HOST};
use hyper::{body::Incoming, client::conn::http1, ext::on_informational, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    runtime::Handle,
};
use tower::{Layer, Service, ServiceExt};
use tower_transport::{
    Body,
    error::BoxError,
    pool::{Connection, PoolLayer, Progress, SendError},
};

struct HyperConnection {
    sender: http1::SendRequest<Body>,
}

impl Service<Request<Body>> for HyperConnection {
    type Response = Response<Incoming>;
    type Error = SendError<Request<Body>>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(cx).map_err(|error| SendError::after(Progress::Unsent, error))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // hyper writes what it is given: the path alone, and the host as a field.
        let url = request.uri().clone();
        let path = url.path_and_query().map_or("/", |path| path.as_str()).parse::<Uri>();
        let host = url.authority().map(|host| HeaderValue::from_str(host.as_str()));
        let (Ok(path), Some(Ok(host))) = (path, host) else {
            let error = SendError::after(Progress::Answered, format!("{url} is no URL of a host"));
            return Box::pin(std::future::ready(Err(error)));
        };
        *request.uri_mut() = path;
        let own_host = request.headers_mut().insert(HOST, host);
        let sending = self.sender.try_send_request(request);
        Box::pin(async move {
            sending.await.map_err(|mut error| match error.take_message() {
                // It goes to another connection as it came.
                Some(mut request) => {
                    *request.uri_mut() = url;
                    request.headers_mut().remove(HOST);
                    request.headers_mut().extend(own_host.map(|host| (HOST, host)));
                    SendError::unsent(error.into_error(), request)
                }
                None => SendError::after(Progress::Sent, error.into_error()),
            })
        })
    }
}

impl Connection<Request<Body>> for HyperConnection {
    fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

async fn connect(host: String) -> Result<HyperConnection, BoxError> {
    println!("connecting to {host}");
    let (ours, theirs) = duplex(64 * 1024);
    let server = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(theirs), service_fn(answer))
        .with_upgrades();
    let (sender, connection) = http1::handshake(TokioIo::new(ours)).await?;
    // Whoever waits for an answer learns of errors.
    Handle::current().spawn(async { drop(server.await) });
    Handle::current().spawn(async { drop(connection.with_upgrades().await) });
    Ok(HyperConnection { sender })
}

/// Says back what it hears: a body, or the bytes of another protocol. Reading a body sends the `100 Continue` for it.
async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    if !request.headers().contains_key("upgrade") {
        let heard = Body::new(request.into_body()).read().await?;
        return Ok(Response::new(heard.into()));
    }
    let upgrading = hyper::upgrade::on(&mut request);
    Handle::current().spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgrading.await?));
        tokio::io::copy(&mut reader, &mut writer).await?;
        Ok::<_, BoxError>(())
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
    response.headers_mut().insert("upgrade", HeaderValue::from_static("echo"));
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let by_host = |request: &Request<Body>| Ok(request.uri().host().unwrap_or_default().to_owned());
    let pool = PoolLayer::keyed(by_host).layer(tower::service_fn(connect));

    let mut expecting = Request::post("http://example.com/").body(Body::from("hello"))?;
    expecting.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    on_informational(&mut expecting, |response| println!("  first {}", response.status()));
    let response = pool.clone().oneshot(expecting).await?;
    let status = response.status();
    println!("{status} {:?}", Body::new(response.into_body()).read().await?);

    let upgrade = Request::get("http://example.com/")
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Body::empty())?;
    let response = pool.clone().oneshot(upgrade).await?;
    println!("{}", response.status());
    let mut echo = TokioIo::new(hyper::upgrade::on(response).await?);
    echo.write_all(b"anybody there?").await?;
    let mut heard = [0; 14];
    echo.read_exact(&mut heard).await?;
    println!("{:?}", str::from_utf8(&heard)?);

    assert_eq!(pool.stats().opened, 1, "both went over the same connection");
    Ok(())
}
