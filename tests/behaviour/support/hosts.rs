//! Hosts on the loopback: some listen, some refuse, some never answer.

use std::{future::Future, io, net::SocketAddr, pin::Pin};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A listener on a free port of this address, and the port.
pub(crate) async fn listening(ip: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port without a listener, reserved while the socket lives.
pub(crate) fn refusing(ip: &str) -> (TcpSocket, u16) {
    let socket = bound(SocketAddr::new(ip.parse().unwrap(), 0));
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// A listener with a full backlog: Linux does not answer the next SYN.
pub(crate) struct BlackHole {
    listener: TcpListener,
    _waiting: Vec<Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>>,
}

impl BlackHole {
    pub(crate) async fn at(ip: &str, port: u16) -> Self {
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        let listener = bound(address).listen(0).unwrap();
        let mut waiting = Vec::new();
        for _ in 0..4 {
            let mut connecting: Pin<Box<dyn Future<Output = _>>> =
                Box::pin(TcpStream::connect(listener.local_addr().unwrap()));
            let _ = futures_util::poll!(&mut connecting);
            waiting.push(connecting);
        }
        Self { listener, _waiting: waiting }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    socket.bind(address).unwrap();
    socket
}
