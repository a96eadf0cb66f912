//! Sets the options of one socket, and connects it to one address.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    sync::Arc,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};

use crate::{
    connect::socket::{TcpSocket, smol, tokio},
    rt::Reactor,
};

type CustomOptions = dyn Fn(&SockRef<'_>) -> io::Result<()> + Send + Sync;

/// Options of a socket before it connects.
#[derive(Clone)]
pub(super) struct SocketOptions {
    pub(super) nodelay: bool,
    pub(super) keepalive: Option<Duration>,
    pub(super) custom: Option<Arc<CustomOptions>>,
}

/// The local address with any port, and with the zone of the peer if it is link-local: an [`IpAddr`] has none, and without
/// it the kernel does not know the address (RFC 4007 §6).
fn address_to_bind(local: IpAddr, peer: SocketAddr) -> SocketAddr {
    match (local, peer) {
        (IpAddr::V6(local), SocketAddr::V6(peer)) if local.is_unicast_link_local() => {
            SocketAddrV6::new(local, 0, 0, peer.scope_id()).into()
        }
        _ => SocketAddr::new(local, 0),
    }
}

fn is_self_connect(local: SocketAddr, peer: SocketAddr) -> bool {
    (local.ip(), local.port()) == (peer.ip(), peer.port())
}

/// A connected socket with the addresses of both sides.
pub(super) struct ConnectedSocket {
    pub(super) stream: TcpSocket,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { nodelay: true, keepalive: Some(Duration::from_secs(60)), custom: None }
    }
}

impl SocketOptions {
    /// Connects one socket. Dropping the future closes it.
    pub(super) async fn connect(
        &self,
        reactor: Reactor,
        local: Option<IpAddr>,
        address: SocketAddr,
    ) -> io::Result<ConnectedSocket> {
        let set = |socket: &SockRef<'_>| self.set(socket, local, address);
        let stream: TcpSocket = match reactor {
            Reactor::Tokio => tokio::connect_tcp(address, set).await?,
            Reactor::Smol => smol::connect_tcp(address, set).await?,
        };
        let socket = SockRef::from(&stream);
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        // The connected address is the peer's, without a system call, except for the unspecified address of this host.
        let peer = match address.ip().is_unspecified() {
            true => socket.peer_addr().ok().and_then(|peer| peer.as_socket()),
            false => Some(address),
        };
        // If the kernel picks the destination port as the local port, and there is no listener, the socket connects to
        // itself: TCP's simultaneous open (RFC 9293 §3.5). A request would come back as its own response.
        if local.zip(peer).is_some_and(|(local, peer)| is_self_connect(local, peer)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(ConnectedSocket { stream, local, peer })
    }

    fn set(&self, socket: &SockRef<'_>, local: Option<IpAddr>, peer: SocketAddr) -> io::Result<()> {
        socket.set_tcp_nodelay(self.nodelay)?;
        if let Some(every) = self.keepalive {
            let every = every.max(Duration::from_secs(1));
            let probes = TcpKeepalive::new().with_time(every).with_interval(every);
            socket.set_tcp_keepalive(&probes)?;
        }
        if let Some(local) = local {
            socket.bind(&address_to_bind(local, peer).into())?;
        }
        self.custom.as_ref().map_or(Ok(()), |custom| custom(socket))
    }
}

impl fmt::Debug for SocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOptions")
            .field("nodelay", &self.nodelay)
            .field("keepalive", &self.keepalive)
            .field("custom", &self.custom.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
