//! Common to SOCKS 4 and 5: destinations, and handshakes over a connection to the proxy.

use std::{
    error::Error as StdError,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::hop::Hop;
use crate::{
    connect::{Connect, Connected, Resolve, lookup},
    error::{BoxError, Error, Kind, ProxyFault},
    events,
    io::{Io, foreign::HyperIo},
    target::{Proxy, ProxyScheme, Target},
};

/// The most one read takes. No reply is longer: seven bytes and a name.
const MAX_REPLY: usize = 7 + 255;

/// The destination a proxy is asked to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Address(SocketAddr),
    /// A name that the proxy resolves, and a port.
    Name(String, u16),
}

/// The client's side of a handshake with a proxy, without I/O.
pub(super) trait SocksHandshake: Send {
    type Refusal: SocksRefusal;

    /// The next step.
    fn step(&mut self) -> HandshakeStep;

    /// Receives bytes read: at least one, and at most as many as [`HandshakeStep::Read`] allowed.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Self::Refusal>;
}

/// The next I/O of a [`SocksHandshake`].
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(super) enum HandshakeStep {
    /// Write all of these bytes.
    Write(Vec<u8>),
    /// Read up to so many bytes, which are certain to come. The bytes after them belong to the tunnel.
    Read(usize),
    /// The connection to the destination is open.
    Done,
}

/// A reply that refuses the connection, or is malformed.
pub(super) trait SocksRefusal: StdError + Send + Sync + 'static {
    /// Whether the reply violates the protocol.
    fn is_malformed(&self) -> bool;

    /// Whether it concerns the address, so that another address of the same host may work.
    fn is_about_the_address(&self) -> bool;

    /// Whether the same request would fail again.
    fn is_final(&self) -> bool;
}

/// A target, and the proxy asked for it.
pub(super) struct SocksRequest {
    proxy: Proxy,
    target: Target,
}

/// Why a handshake failed.
enum SocksFailure<R> {
    Io(io::Error),
    Refused(R),
}

impl SocksRequest {
    pub(super) fn new(proxy: Proxy, target: Target) -> Self {
        Self { proxy, target }
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Whether the host is an IP address.
    pub(super) fn is_for_an_address(&self) -> bool {
        self.address().is_some()
    }

    fn address(&self) -> Option<IpAddr> {
        self.target.origin.host().parse().ok()
    }

    /// Checks that the proxy speaks one of these schemes, and that all of its settings apply to them.
    pub(super) fn check(&self, version: &str, schemes: [ProxyScheme; 2]) -> Result<(), Error> {
        let proxy = &self.proxy;
        if !schemes.contains(&proxy.scheme()) {
            return Err(Error::builder(format!("the proxy {proxy} does not use {version}")));
        }
        proxy.check()
    }

    /// The destinations to try in order: an IP address as it is; a name as it is or, if it `resolves_here`, its
    /// addresses.
    pub(super) async fn destinations<R: Resolve>(
        &self,
        resolver: R,
        resolves_here: bool,
    ) -> Result<Vec<Destination>, Error> {
        let (host, port) = (self.target.origin.host(), self.target.origin.port());
        if let Some(address) = self.address() {
            return Ok(vec![Destination::Address(SocketAddr::new(address, port))]);
        }
        if host.contains('%') {
            // A zone names an interface of this machine, which means nothing to another host (RFC 4007 §6).
            let message = format!("`[{host}]` has a zone, which cannot be sent to a proxy");
            return Err(Error::builder(message));
        }
        if !resolves_here {
            return Ok(vec![Destination::Name(host.to_owned(), port)]);
        }
        let addresses = lookup::addresses(resolver, host, port).await?;
        Ok(addresses.into_iter().map(Destination::Address).collect())
    }

    /// Runs these handshakes in order, each over its own connection, until one succeeds or fails for a reason other
    /// than the address. The connector is ready.
    pub(super) async fn connect<C: Connect<Target>, H: SocksHandshake>(
        &self,
        connector: C,
        handshakes: Vec<H>,
    ) -> Result<Connected<C::Io>, Error> {
        let span = self.hop().start_span(&self.target);
        let outcome = events::instrument(span.scope(), self.first_of(connector, handshakes)).await;
        span.finish(&outcome, |_, _| ());
        outcome
    }

    async fn first_of<C: Connect<Target>, H: SocksHandshake>(
        &self,
        mut connector: C,
        handshakes: Vec<H>,
    ) -> Result<Connected<C::Io>, Error> {
        let mut refusal_to_report = None;
        for (tried, handshake) in handshakes.into_iter().enumerate() {
            if tried > 0 {
                let ready = poll_fn(|cx| connector.poll_ready(cx)).await;
                ready.map_err(|error| self.unreached(error))?;
            }
            let hop = self.hop().target;
            let connected = connector.call(hop).await.map_err(|error| self.unreached(error))?;
            self.hop().check(&connected.info)?;
            match self.handshake(connected, handshake).await {
                Ok(connected) => return Ok(connected),
                Err(SocksFailure::Refused(refusal)) if refusal.is_about_the_address() => {
                    // A failed attempt says more than an address type the proxy does not support.
                    if refusal_to_report.is_none() || !refusal.is_final() {
                        refusal_to_report = Some(refusal);
                    }
                }
                Err(failure) => return Err(self.failed(failure)),
            }
        }
        Err(refusal_to_report.map_or_else(
            || self.no_address(),
            |refusal| self.failed(SocksFailure::Refused(refusal)),
        ))
    }

    async fn handshake<I: Io, H: SocksHandshake>(
        &self,
        connected: Connected<I>,
        handshake: H,
    ) -> Result<Connected<I>, SocksFailure<H::Refusal>> {
        let mut io = HyperIo::new(connected.io);
        speak(&mut io, handshake).await?;
        let info = connected.info.with_proxy(self.proxy.clone());
        Ok(Connected { io: io.into_inner(), info })
    }

    fn doing(&self) -> String {
        let (proxy, target) = (self.hop(), self.target.origin.authority_form());
        format!("asking the proxy {proxy} for a connection to {target}")
    }

    fn hop(&self) -> Hop {
        Hop::to(&self.proxy, &self.target)
    }

    fn unreached(&self, error: impl Into<BoxError>) -> Error {
        self.hop().unreachable(error)
    }

    /// Only SOCKS 4 skips addresses; a name without any address failed before.
    fn no_address(&self) -> Error {
        let error = Error::new(Kind::Connect, self.doing());
        error.because("the host has no IPv4 address, and SOCKS 4 supports no other")
    }

    fn failed<R: SocksRefusal>(&self, failure: SocksFailure<R>) -> Error {
        let error = |kind| Error::new(kind, self.doing());
        match failure {
            SocksFailure::Io(cause) => {
                error(Kind::Connect).because(cause).by_proxy(ProxyFault::Failed)
            }
            SocksFailure::Refused(refusal) => {
                let kind = if refusal.is_malformed() { Kind::Protocol } else { Kind::Connect };
                let is_final = refusal.is_final();
                let fault = if is_final { ProxyFault::Denied } else { ProxyFault::Failed };
                error(kind).because(refusal).by_proxy(fault)
            }
        }
    }
}

/// Performs the I/O of a handshake, and reads nothing beyond it.
async fn speak<I: Io, H: SocksHandshake>(
    io: &mut HyperIo<I>,
    mut handshake: H,
) -> Result<(), SocksFailure<H::Refusal>> {
    let mut buffer = [0; MAX_REPLY];
    loop {
        match handshake.step() {
            HandshakeStep::Write(bytes) => write(io, &bytes).await.map_err(SocksFailure::Io)?,
            HandshakeStep::Read(most) => {
                let most = most.min(MAX_REPLY);
                let read = io.read(&mut buffer[..most]).await.map_err(SocksFailure::Io)?;
                if read == 0 {
                    return Err(SocksFailure::Io(unexpected_eof()));
                }
                handshake.read(&buffer[..read]).map_err(SocksFailure::Refused)?;
            }
            HandshakeStep::Done => return Ok(()),
        }
    }
}

async fn write<I: Io>(io: &mut HyperIo<I>, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}

fn unexpected_eof() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the proxy hung up before the end of its answer")
}

/// A length that SOCKS encodes in one byte. The error omits the text, which may be a secret.
pub(super) fn length(what: &str, text: &str) -> Result<u8, Error> {
    text.len().try_into().map_err(|_| {
        Error::builder(format!("the {what} is longer than the 255 bytes that SOCKS has room for"))
    })
}

#[cfg(test)]
pub(super) mod tests;
