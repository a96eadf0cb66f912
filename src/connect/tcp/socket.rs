//! One socket: what it is told before it connects, and connecting it to one address.

use std::{
    fmt,
    io::{self, Read},
    mem::MaybeUninit,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

use crate::connect::socket::Kernel;

type More = dyn Fn(&TcpSocket) -> io::Result<()> + Send + Sync;

/// What a socket is told before it connects.
#[derive(Clone)]
pub(super) struct SocketOptions {
    pub(super) nodelay: bool,
    pub(super) keepalive: Option<Duration>,
    pub(super) more: Option<Arc<More>>,
}

fn is_one(local: SocketAddr, peer: SocketAddr) -> bool {
    (local.ip(), local.port()) == (peer.ip(), peer.port())
}

/// A socket that is connected, and the addresses of both sides.
pub(super) struct ConnectedSocket {
    pub(super) stream: TcpStream,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { nodelay: true, keepalive: Some(Duration::from_secs(60)), more: None }
    }
}

impl SocketOptions {
    /// Connects one socket. Dropping the future closes it.
    pub(super) async fn connect(
        &self,
        local: Option<IpAddr>,
        address: SocketAddr,
    ) -> io::Result<ConnectedSocket> {
        let stream = self.open(local, address)?.connect(address).await?;
        let local = stream.local_addr().ok();
        // What is connected to is the peer, and needs no system call, but for the address that stands for this host.
        let peer = match address.ip().is_unspecified() {
            true => stream.peer_addr().ok(),
            false => Some(address),
        };
        // A socket that the kernel gave the very port it connects to meets itself, if nobody listens there: TCP's
        // simultaneous open (RFC 9293 §3.5). It would answer a request with that request.
        if local.zip(peer).is_some_and(|(local, peer)| is_one(local, peer)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(ConnectedSocket { stream, local, peer })
    }

    fn open(&self, local: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        socket.set_nodelay(self.nodelay)?;
        if let Some(every) = self.keepalive {
            let every = every.max(Duration::from_secs(1));
            let probes = TcpKeepalive::new().with_time(every).with_interval(every);
            SockRef::from(&socket).set_tcp_keepalive(&probes)?;
        }
        if let Some(local) = local {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        if let Some(more) = &self.more {
            more(&socket)?;
        }
        Ok(socket)
    }
}

impl Kernel for TcpStream {
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*SockRef::from(self)).read(buffer)
    }

    fn is_quiet(&self) -> bool {
        let seen = SockRef::from(self).peek(&mut [MaybeUninit::uninit()]);
        seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl fmt::Debug for SocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOptions")
            .field("nodelay", &self.nodelay)
            .field("keepalive", &self.keepalive)
            .field("more", &self.more.is_some())
            .finish()
    }
}
