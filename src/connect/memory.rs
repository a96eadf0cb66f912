//! Connects to a listener in the same process: a test double without network and runtime.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::Write;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    sync::mpsc,
};
use tower_service::Service;

use super::{ConnectInfo, Connected, Connecting};
use crate::{
    error::{Error, Kind},
    io::{
        copied_read,
        direct::{DirectRead, DirectReader},
        write_count::{CountedWrites, WriteCount, length_of},
    },
    target::Target,
};

/// Bytes that one side may write before the other reads, like a socket's buffer.
const BUFFER: usize = 64 * 1024;

/// Connects to a [`MemoryListener`], whatever the target.
///
/// A test double: the listener receives the target and plays the server. Connecting succeeds at once, before it is
/// accepted; when the listener is dropped, connections are refused. The stream is not encrypted: without a TLS layer above
/// it, `https` requests need it [declared so](Connected::encrypted).
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower::ServiceExt;
/// use tower_transport::{connect::MemoryConnector, target::{Origin, Target}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (connector, mut listener) = MemoryConnector::pair();
/// let origin = Origin::try_from(&"http://example.com".parse()?)?;
/// let client = connector.oneshot(Target::new(origin)).await?.io.into_stream();
///
/// let (mut server, target) = listener.accept().await.ok_or("all connectors are gone")?;
/// assert_eq!(target.to_string(), "example.com:80");
/// server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
/// # drop(server);
/// # let (mut client, mut said) = (client, String::new());
/// # client.read_to_string(&mut said).await?;
/// # assert_eq!(said, "HTTP/1.1 200 OK\r\n\r\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryConnector {
    listener: mpsc::UnboundedSender<(DuplexStream, Target)>,
}

/// The stream of a [`MemoryConnector`].
///
/// It implements hyper's [`Read`](hyper::rt::Read) and [`Write`](hyper::rt::Write).
#[derive(Debug)]
pub struct MemoryIo {
    io: DuplexStream,
    writes: CountedWrites,
}

/// Receives the connections of a [`MemoryConnector`].
#[derive(Debug)]
pub struct MemoryListener {
    connections: mpsc::UnboundedReceiver<(DuplexStream, Target)>,
}

impl MemoryConnector {
    /// A connector and its listener.
    pub fn pair() -> (Self, MemoryListener) {
        let (listener, connections) = mpsc::unbounded_channel();
        (Self { listener }, MemoryListener { connections })
    }

    fn connect(&self, target: Target) -> Result<Connected<MemoryIo>, Error> {
        let (client, server) = duplex(BUFFER);
        match self.listener.send((server, target)) {
            Ok(()) => {
                let writes = CountedWrites::exact(WriteCount::default());
                let info = ConnectInfo::default().with_write_count(writes.count().clone());
                let info = info.with_reader(DirectReader::of::<MemoryIo>());
                Ok(Connected { io: MemoryIo { io: client, writes }, info })
            }
            Err(mpsc::error::SendError((_, target))) => Err(refused(&target)),
        }
    }
}

impl MemoryIo {
    /// The stream with tokio's traits instead. A [`Connected`] made of it and the same [`ConnectInfo`] counts each failed
    /// write as sent.
    pub fn into_stream(self) -> DuplexStream {
        self.writes.count().abandon();
        self.io
    }
}

impl DirectRead for MemoryIo {
    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

copied_read!([] MemoryIo);

impl Write for MemoryIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, writes } = &mut *self;
        writes.write(bytes.len(), || Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, writes } = &mut *self;
        writes.write(length_of(slices), || Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl MemoryListener {
    /// The server's side of the next connection, and its target; `None` when the last connector is gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&mut self) -> Option<(DuplexStream, Target)> {
        self.connections.recv().await
    }
}

impl Service<Target> for MemoryConnector {
    type Response = Connected<MemoryIo>;
    type Error = Error;
    type Future = Connecting<MemoryIo>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connector = self.clone();
        Connecting::new(async move { connector.connect(target) })
    }
}

fn refused(target: &Target) -> Error {
    let refusal = io::Error::from(io::ErrorKind::ConnectionRefused);
    Error::new(Kind::Connect, format!("connecting to {target}")).because(refusal)
}
