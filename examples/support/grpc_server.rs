//! A gRPC service without protobuf: messages are text. It echoes, or says nothing.

use std::future::pending;

use bytes::{Buf, BufMut};
use futures_util::{Stream, StreamExt};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io, net::TcpListener, task::JoinSet};
use tonic::{
    Request, Response, Status, Streaming,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Answers each message of a stream.
pub(crate) const ECHO: &str = "/example.Chat/Echo";
/// Never answers.
pub(crate) const SILENCE: &str = "/example.Chat/Silence";

/// Text as messages.
#[derive(Clone, Copy, Default)]
pub(crate) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let text = String::from_utf8(bytes.into());
        text.map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

/// The service on a free port of the loopback. It ends when this is dropped.
pub(crate) struct Server {
    /// `http://localhost:12345`
    pub(crate) url: String,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://localhost:{}", listener.local_addr()?.port());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener));
        Ok(Self { url, _tasks: tasks })
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(async move {
            let server = http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(
    request: http::Request<Incoming>,
) -> Result<http::Response<tonic::body::Body>, std::convert::Infallible> {
    if request.uri().path() == SILENCE {
        return pending().await;
    }
    let chat = tower::service_fn(|messages| async { Ok(echo(messages)) });
    Ok(tonic::server::Grpc::new(Text).streaming(chat, request).await)
}

fn echo(
    messages: Request<Streaming<String>>,
) -> Response<impl Stream<Item = Result<String, Status>>> {
    Response::new(messages.into_inner().map(|message| Ok(format!("{}!", message?))))
}
