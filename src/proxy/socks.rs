//! What SOCKS 4 and 5 share: whom a proxy is asked for, and how their bytes go over a connection to it.

use std::{
    error::Error as StdError,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::hop::Hop;
use crate::{
    connect::{Connect, Connected, Resolve, lookup},
    error::{BoxError, Error, Kind, ProxyFault},
    events,
    io::Io,
    target::{Proxy, ProxyScheme, Target},
};

/// What one read may take at the most. No answer is longer: seven bytes and a name.
const LONGEST_ANSWER: usize = 7 + 255;

/// Whom a proxy is asked to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Address(SocketAddr),
    /// A name that the proxy resolves, and a port.
    Name(String, u16),
}

/// One side of an exchange with a proxy, without I/O.
pub(super) trait Exchange: Send {
    type Refusal: Refusal;

    /// What is to be done next.
    fn step(&mut self) -> Step;

    /// Takes what was read: at least one byte, and no more than [`Step::Read`] allowed.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Self::Refusal>;
}

/// What an [`Exchange`] wants to be done.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(super) enum Step {
    /// All of this is to be written.
    Write(Vec<u8>),
    /// Up to so many bytes may be read, because so many will come. Those behind them belong to the tunnel.
    Read(usize),
    /// The connection is there.
    Done,
}

/// An answer that is no connection.
pub(super) trait Refusal: StdError + Send + Sync + 'static {
    /// Whether it is not what the protocol allows.
    fn is_malformed(&self) -> bool;

    /// Whether it speaks of the address, so that the proxy may reach another one of the same host.
    fn is_about_the_address(&self) -> bool;

    /// Whether asking for the same again would not help.
    fn is_final(&self) -> bool;
}

/// A target, and the proxy that is asked for it.
pub(super) struct Asking {
    proxy: Proxy,
    target: Target,
}

/// Why an exchange did not come to its end.
enum Failure<R> {
    Io(io::Error),
    Refused(R),
}

impl Asking {
    pub(super) fn new(proxy: Proxy, target: Target) -> Self {
        Self { proxy, target }
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Whether the host is an address by itself.
    pub(super) fn is_for_an_address(&self) -> bool {
        self.address().is_some()
    }

    fn address(&self) -> Option<IpAddr> {
        self.target.origin.host().parse().ok()
    }

    /// Whether the proxy is one that is asked in either of these ways, and was told nothing that they have no place for.
    pub(super) fn check(&self, version: &str, schemes: [ProxyScheme; 2]) -> Result<(), Error> {
        let proxy = &self.proxy;
        if !schemes.contains(&proxy.scheme()) {
            return Err(Error::builder(format!("{version} is not what the proxy {proxy} speaks")));
        }
        proxy.check()
    }

    /// The host as the proxy is told it: an address by itself, a name as it is or, if it `resolves_here`, by its addresses
    /// in the order in which they are to be tried.
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
            // An interface of this machine means nothing to another (RFC 4007 §6).
            let message = format!("`[{host}]` has a zone, which no proxy can be told");
            return Err(Error::builder(message));
        }
        if !resolves_here {
            return Ok(vec![Destination::Name(host.to_owned(), port)]);
        }
        let addresses = lookup::addresses(resolver, host, port).await?;
        Ok(addresses.into_iter().map(Destination::Address).collect())
    }

    /// Has these exchanges one after the other, each over a connection of its own, until one succeeds or fails for another
    /// reason than the address. The connector is ready.
    pub(super) async fn connect<C: Connect<Target>, E: Exchange>(
        &self,
        connector: C,
        exchanges: Vec<E>,
    ) -> Result<Connected<C::Io>, Error> {
        let span = self.hop().told(&self.target);
        let outcome = events::instrument(span.scope(), self.first_of(connector, exchanges)).await;
        span.finish(&outcome, |_, _| ());
        outcome
    }

    async fn first_of<C: Connect<Target>, E: Exchange>(
        &self,
        mut connector: C,
        exchanges: Vec<E>,
    ) -> Result<Connected<C::Io>, Error> {
        let mut telling = None;
        for (tried, exchange) in exchanges.into_iter().enumerate() {
            if tried > 0 {
                let ready = poll_fn(|cx| connector.poll_ready(cx)).await;
                ready.map_err(|error| self.unreached(error))?;
            }
            let hop = self.hop().target;
            let connected = connector.call(hop).await.map_err(|error| self.unreached(error))?;
            self.hop().check(&connected.info)?;
            match self.exchange(connected, exchange).await {
                Ok(connected) => return Ok(connected),
                Err(Failure::Refused(refusal)) if refusal.is_about_the_address() => {
                    // That an address is of no use to the proxy tells less than that it has tried one.
                    if telling.is_none() || !refusal.is_final() {
                        telling = Some(refusal);
                    }
                }
                Err(failure) => return Err(self.failed(failure)),
            }
        }
        Err(telling.map_or_else(|| self.no_address(), |told| self.failed(Failure::Refused(told))))
    }

    async fn exchange<I: Io, E: Exchange>(
        &self,
        connected: Connected<I>,
        exchange: E,
    ) -> Result<Connected<I>, Failure<E::Refusal>> {
        let mut io = TokioIo::new(connected.io);
        speak(&mut io, exchange).await?;
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

    /// Only SOCKS 4 leaves addresses out, and a name without any is an error before.
    fn no_address(&self) -> Error {
        let error = Error::new(Kind::Connect, self.doing());
        error.because("the host has no IPv4 address, and SOCKS 4 knows no other")
    }

    fn failed<R: Refusal>(&self, failure: Failure<R>) -> Error {
        let error = |kind| Error::new(kind, self.doing());
        match failure {
            Failure::Io(cause) => error(Kind::Connect).because(cause).by_proxy(ProxyFault::Failed),
            Failure::Refused(refusal) => {
                let kind = if refusal.is_malformed() { Kind::Protocol } else { Kind::Connect };
                let is_final = refusal.is_final();
                let fault = if is_final { ProxyFault::Denied } else { ProxyFault::Failed };
                error(kind).because(refusal).by_proxy(fault)
            }
        }
    }
}

/// Does what an exchange wants, and reads nothing beyond it.
async fn speak<I: Io, E: Exchange>(
    io: &mut TokioIo<I>,
    mut exchange: E,
) -> Result<(), Failure<E::Refusal>> {
    let mut buffer = [0; LONGEST_ANSWER];
    loop {
        match exchange.step() {
            Step::Write(bytes) => write(io, &bytes).await.map_err(Failure::Io)?,
            Step::Read(most) => {
                let most = most.min(LONGEST_ANSWER);
                let read = io.read(&mut buffer[..most]).await.map_err(Failure::Io)?;
                if read == 0 {
                    return Err(Failure::Io(hung_up()));
                }
                exchange.read(&buffer[..read]).map_err(Failure::Refused)?;
            }
            Step::Done => return Ok(()),
        }
    }
}

async fn write<I: Io>(io: &mut TokioIo<I>, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}

fn hung_up() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the proxy hung up before the end of its answer")
}

/// The length of something that SOCKS counts in one byte. The text does not repeat what may be a secret.
pub(super) fn length(what: &str, text: &str) -> Result<u8, Error> {
    text.len().try_into().map_err(|_| {
        Error::builder(format!("the {what} is longer than the 255 bytes that SOCKS has room for"))
    })
}

#[cfg(test)]
pub(super) mod tests;
