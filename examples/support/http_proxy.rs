//! An HTTP proxy in this process that forwards, opens tunnels, and requires credentials.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use http::{
    Method, Request, Response, StatusCode,
    header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::JoinSet,
};
use tower::Service;
use tower_transport::{Body, Transport};

/// `user:password`, as Basic has it.
const AUTHORIZATION: &str = "Basic dXNlcjpwYXNzd29yZA==";

/// A proxy on a free port of the loopback. It ends when this is dropped.
pub(crate) struct HttpProxy {
    /// `127.0.0.1:12345`
    pub(crate) address: String,
    log: Log,
    _tasks: JoinSet<()>,
}

type Log = Arc<Mutex<Vec<String>>>;

impl HttpProxy {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (log, mut tasks) = (Log::default(), JoinSet::new());
        tasks.spawn(accept(listener, log.clone()));
        Ok(Self { address, log, _tasks: tasks })
    }

    /// The request lines received since the last call.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn accept(listener: TcpListener, log: Log) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let log = log.clone();
        connections.spawn(async move {
            let answer = service_fn(|request| answer(request, log.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            // A client that disconnects is no error of the proxy.
            let _ = connection.with_upgrades().await;
        });
    }
}

async fn answer(request: Request<Incoming>, log: Log) -> Result<Response<Body>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let authorization = request.headers().get(PROXY_AUTHORIZATION);
    if authorization.is_none_or(|value| value != AUTHORIZATION) {
        return Ok(who_are_you());
    }
    Ok(match *request.method() {
        Method::CONNECT => tunnel(request).await,
        _ => forward(request).await.unwrap_or_else(|_| status(StatusCode::BAD_GATEWAY)),
    })
}

async fn forward(mut request: Request<Incoming>) -> Result<Response<Body>, tower_transport::Error> {
    request.headers_mut().remove(PROXY_AUTHORIZATION);
    Transport::new().call(request).await
}

async fn tunnel(request: Request<Incoming>) -> Response<Body> {
    let Some(authority) = request.uri().authority() else { return status(StatusCode::BAD_REQUEST) };
    let Ok(mut origin) = TcpStream::connect(authority.as_str()).await else {
        return status(StatusCode::BAD_GATEWAY);
    };
    Handle::current().spawn(async move {
        if let Ok(client) = upgrade::on(request).await {
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut origin).await;
        }
    });
    status(StatusCode::OK)
}

fn who_are_you() -> Response<Body> {
    let mut response = status(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    let challenge = http::HeaderValue::from_static("Basic realm=\"example\"");
    response.headers_mut().insert(PROXY_AUTHENTICATE, challenge);
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
