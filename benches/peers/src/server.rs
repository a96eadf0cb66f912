//! The server, in a process of its own: hyper over HTTP/1.1, HTTP/2 and TLS, and a proxy that opens tunnels.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::work::{ANSWER, Bulk, LARGE, Outcome, Place, address};

/// Is the server, for ever; prints where it is.
#[tokio::main(flavor = "current_thread")]
pub async fn serve() -> Outcome {
    let [plain, http2, tls, proxy] =
        [listen(0, 0).await?, listen(0, 0).await?, listen(0, 0).await?, listen(0, 0).await?];
    let (config, certificate) = identity()?;
    let port = plain.local_addr()?.port();
    for origin in 1..1000 {
        tokio::spawn(accept(listen(origin, port).await?, speak_http1));
    }
    let place = Place {
        port,
        http2_port: http2.local_addr()?.port(),
        tls_port: tls.local_addr()?.port(),
        proxy_port: proxy.local_addr()?.port(),
        certificate,
    };
    println!("{}", place.print());
    let acceptor = TlsAcceptor::from(config);
    tokio::spawn(accept(http2, speak_http2));
    tokio::spawn(accept(tls, move |stream| {
        let acceptor = acceptor.clone();
        async move { speak_http1(acceptor.accept(stream).await?).await }
    }));
    tokio::spawn(accept(proxy, open_tunnel));
    accept(plain, speak_http1).await
}

async fn listen(origin: usize, port: u16) -> Outcome<TcpListener> {
    Ok(TcpListener::bind(SocketAddr::from((address(origin), port))).await?)
}

fn identity() -> Outcome<(Arc<ServerConfig>, String)> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])?.self_signed(&key)?;
    let path = std::env::temp_dir().join(format!("peers-{}.pem", std::process::id()));
    std::fs::write(&path, certificate.pem())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), path.display().to_string()))
}

async fn accept<F>(listener: TcpListener, attend: impl Fn(TcpStream) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(attend(stream));
    }
}

async fn speak_http1<I>(stream: I) -> Outcome
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(answer);
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

async fn speak_http2(stream: TcpStream) -> Outcome {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // The client's windows decide, not these.
    builder.initial_stream_window_size(8 << 20).initial_connection_window_size(16 << 20);
    Ok(builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await?)
}

async fn answer(request: Request<Incoming>) -> Outcome<Response<Either<Full<Bytes>, Bulk>>> {
    let is_down = request.uri().path() == "/down";
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(Response::new(match is_down {
        true => Either::Right(Bulk::new(LARGE)),
        false => Either::Left(Full::from(ANSWER)),
    }))
}

/// Leads a tunnel to where the request says, without looking at more of it.
async fn open_tunnel(mut stream: TcpStream) -> Outcome {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let target = head.split(' ').nth(1).ok_or("no target")?;
    let mut server = TcpStream::connect(target).await?;
    server.set_nodelay(true)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut server).await?;
    Ok(())
}
