//! The server's half of SOCKS 4a and 5, without a password.

use std::{io, net::Ipv4Addr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::peer::Peer;

/// The connection that a client asks for.
pub(crate) struct SocksAsked {
    pub(crate) version: u8,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl SocksAsked {
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The reply that opens the tunnel.
    pub(crate) fn granted(&self) -> &'static [u8] {
        match self.version {
            4 => b"\0\x5a\0\0\0\0\0\0",
            _ => b"\x05\0\0\x01\0\0\0\0\0\0",
        }
    }

    /// The reply that says that the host refuses.
    pub(crate) fn refused(&self) -> &'static [u8] {
        match self.version {
            4 => b"\0\x5b\0\0\0\0\0\0",
            _ => b"\x05\x05\0\x01\0\0\0\0\0\0",
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Reads all that a client says before it has a reply.
    pub(crate) async fn read_socks(&mut self) -> io::Result<SocksAsked> {
        let version = self.io.read_u8().await?;
        let (host, port) = match version {
            4 => self.read_socks4().await?,
            _ => self.read_socks5().await?,
        };
        let host = String::from_utf8_lossy(&host).into_owned();
        Ok(SocksAsked { version, host, port })
    }

    async fn read_socks4(&mut self) -> io::Result<(Vec<u8>, u16)> {
        let (_connect, port) = (self.io.read_u8().await?, self.io.read_u16().await?);
        let _invalid_address = self.read(4).await?;
        let _user = self.read_to_nul().await?;
        Ok((self.read_to_nul().await?, port))
    }

    async fn read_to_nul(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            match self.io.read_u8().await? {
                0 => return Ok(text),
                byte => text.push(byte),
            }
        }
    }

    async fn read_socks5(&mut self) -> io::Result<(Vec<u8>, u16)> {
        let methods = self.io.read_u8().await?;
        self.read(methods.into()).await?;
        self.write([5, 0]).await?;
        let request = self.read(4).await?;
        let host = match request[3] {
            1 => Ipv4Addr::from(self.io.read_u32().await?).to_string().into_bytes(),
            _ => {
                let length = self.io.read_u8().await?;
                self.read(length.into()).await?
            }
        };
        Ok((host, self.io.read_u16().await?))
    }
}
