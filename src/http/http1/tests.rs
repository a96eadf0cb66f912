//! A connection against a scripted peer.

use std::{future::poll_fn, io};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::{
    Body,
    tests::{
        peer::{Peer, run_ready_tasks},
        script::{NoTimer, Script, Tasks},
    },
};

mod answers;
mod drops;
mod ended_bodies;
mod endings;
mod faults;
mod limits;
mod oracle;
mod requests;
mod turns;
mod upgrades;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A connection to `https://example.com`, and its other end.
async fn connected() -> (Http1<Body>, Peer<DuplexStream>) {
    connected_to("https://example.com", &Http1Config::default()).await
}

async fn connected_to(url: &str, config: &Http1Config) -> (Http1<Body>, Peer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1024 * 1024);
    (over(TokioIo::new(near), url, config).await, Peer::new(far))
}

async fn over<I: Io>(io: I, url: &str, config: &Http1Config) -> Http1<Body> {
    let target = Target::new(Origin::try_from(&url.parse().unwrap()).unwrap());
    handshake(io, ConnectInfo::default().with_encryption(), &target, config, &Runtime::tokio())
        .unwrap()
}

fn get() -> Request<Body> {
    request(Method::GET, Body::empty())
}

fn request(method: Method, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri("https://example.com/").body(body.into()).unwrap()
}

/// Chunks on demand, of unknown length.
fn chunks<const N: usize>(chunks: [&'static str; N]) -> Body {
    Body::stream(stream::iter(chunks).map(Ok::<_, io::Error>))
}

/// Sends a request over a ready connection.
async fn send(
    connection: &mut Http1<Body>,
    request: Request<Body>,
) -> Result<Response<Http1Body>, SendError<Request<Body>>> {
    poll_fn(|cx| connection.poll_ready(cx)).await?;
    connection.call(request).await
}

/// Sends a request, and answers with `script`.
async fn ask(
    connection: &mut Http1<Body>,
    peer: &mut Peer<DuplexStream>,
    request: Request<Body>,
    script: &[&str],
) -> (Result<Response<Http1Body>, SendError<Request<Body>>>, String) {
    let answering = async {
        let head = peer.read_head().await.unwrap();
        // A failed write means that the connection has closed; the test checks that.
        let _ = peer.write_each(script).await;
        head
    };
    tokio::join!(send(connection, request), answering)
}

async fn read(response: Response<Http1Body>) -> Result<Bytes, Error> {
    Body::new(response.into_body()).read().await
}

/// The result of `request` if the server sends `script`, write by write, and closes.
async fn exchange(
    request: Request<Body>,
    script: &[&str],
) -> Result<(Response<()>, Result<Bytes, Error>), SendError<Request<Body>>> {
    let (mut connection, mut peer) = connected().await;
    let asking = async {
        let (head, body) = send(&mut connection, request).await?.into_parts();
        let body = read(Response::new(body)).await;
        Ok((Response::from_parts(head, ()), body))
    };
    let answering = async {
        let _ = peer.answer(script).await;
        drop(peer);
    };
    tokio::join!(asking, answering).0
}

/// The error of a `GET` that the server answers with `script`.
async fn error_of(script: &[&str]) -> Error {
    match exchange(get(), script).await {
        Err(error) => error.into_error(),
        Ok((_, Err(error))) => error,
        Ok((response, Ok(body))) => panic!("{script:?} is {response:?} {body:?}"),
    }
}

/// The bytes of `request`.
async fn wire(url: &str, request: Request<Body>) -> String {
    let (mut connection, mut peer) = connected_to(url, &Http1Config::default()).await;
    let asking = async {
        let answer = send(&mut connection, request).await;
        drop(connection);
        drop(answer);
    };
    let answering = async {
        let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let head = peer.answer([last]).await.unwrap();
        head + &String::from_utf8(peer.read_to_end().await.unwrap()).unwrap()
    };
    tokio::join!(asking, answering).1
}

/// A connection to this script, and its tasks.
pub(crate) fn scripted(script: &Script) -> (Http1<Body>, Tasks) {
    let tasks = Tasks::default();
    let target = Target::new(Origin::try_from(&"https://example.com".parse().unwrap()).unwrap());
    let info = ConnectInfo::default().with_encryption();
    let runtime = Runtime::new(tasks.clone(), NoTimer);
    let connection =
        handshake(script.clone(), info, &target, &Http1Config::default(), &runtime).unwrap();
    (connection, tasks)
}
