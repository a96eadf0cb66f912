//! The SOCKS 5 handshake (RFC 1928) with user and password (RFC 1929), without I/O.

use std::net::SocketAddr;

use crate::{
    auth::Credentials,
    error::Error,
    proxy::socks::{Destination, HandshakeStep, SocksHandshake, length},
};

use super::Socks5Error;

const VERSION: u8 = 0x05;
const CONNECT: u8 = 0x01;
const RESERVED: u8 = 0x00;
const SUCCEEDED: u8 = 0x00;

/// Authentication methods (RFC 1928 §3).
const ANONYMOUS: u8 = 0x00;
pub(super) const USER_AND_PASSWORD: u8 = 0x02;
const NONE_ACCEPTABLE: u8 = 0xFF;

/// The version of the RFC 1929 §2 subnegotiation.
const AUTH_VERSION: u8 = 0x01;

/// Address types (RFC 1928 §5).
const IPV4: u8 = 0x01;
const NAME: u8 = 0x03;
const IPV6: u8 = 0x04;

/// A handshake in progress.
pub(super) struct Socks5Handshake {
    /// The encoded credentials, sent if the proxy asks for them.
    credentials: Option<Vec<u8>>,
    request: Vec<u8>,
    state: Socks5State,
    /// The bytes read of the current reply.
    answer: Vec<u8>,
}

enum Socks5State {
    Say(Message),
    Hear(Message),
    Connected,
}

/// The messages of the client, each of which has a reply.
#[derive(Clone, Copy)]
enum Message {
    Methods,
    Credentials,
    Request,
}

impl Socks5Handshake {
    /// Requests an address or a name, with credentials if the proxy asks for them.
    pub(super) fn new(
        destination: &Destination,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Error> {
        Ok(Self {
            credentials: credentials.map(user_and_password).transpose()?,
            request: request(destination)?,
            state: Socks5State::Say(Message::Methods),
            answer: Vec::new(),
        })
    }

    /// Offers user and password first: a proxy that takes the first method it knows would otherwise never ask for
    /// them.
    fn methods(&self) -> Vec<u8> {
        match self.credentials {
            Some(_) => vec![VERSION, 2, USER_AND_PASSWORD, ANONYMOUS],
            None => vec![VERSION, 1, ANONYMOUS],
        }
    }

    fn said(&self, message: Message) -> Vec<u8> {
        match message {
            Message::Methods => self.methods(),
            Message::Credentials => self.credentials.clone().unwrap_or_default(),
            Message::Request => self.request.clone(),
        }
    }

    /// The next state once the reply is complete.
    fn after(&self, message: Message) -> Result<Option<Socks5State>, Socks5Error> {
        match message {
            Message::Methods => self.after_methods(),
            Message::Credentials => self.after_credentials(),
            Message::Request => self.after_request(),
        }
    }

    fn after_methods(&self) -> Result<Option<Socks5State>, Socks5Error> {
        match *self.answer {
            [version, ..] if version != VERSION => Err(Socks5Error::WrongVersion(version)),
            [_, ANONYMOUS] => Ok(Some(Socks5State::Say(Message::Request))),
            [_, USER_AND_PASSWORD] if self.credentials.is_some() => {
                Ok(Some(Socks5State::Say(Message::Credentials)))
            }
            [_, NONE_ACCEPTABLE] => Err(Socks5Error::NoAcceptableMethod),
            [_, method, ..] => Err(Socks5Error::MethodNotOffered(method)),
            _ => Ok(None),
        }
    }

    fn after_credentials(&self) -> Result<Option<Socks5State>, Socks5Error> {
        match *self.answer {
            [version, ..] if version != AUTH_VERSION => Err(Socks5Error::WrongAuthVersion(version)),
            [_, SUCCEEDED] => Ok(Some(Socks5State::Say(Message::Request))),
            [_, _, ..] => Err(Socks5Error::CredentialsRefused),
            _ => Ok(None),
        }
    }

    /// Reports a refusal at its code: the rest says nothing, and some proxies close instead of sending it.
    fn after_request(&self) -> Result<Option<Socks5State>, Socks5Error> {
        match *self.answer {
            [version, ..] if version != VERSION => Err(Socks5Error::WrongVersion(version)),
            [_, code, ..] if code != SUCCEEDED => Err(Socks5Error::of_code(code)),
            [_, _, _, kind, ..] if !matches!(kind, IPV4 | NAME | IPV6) => {
                Err(Socks5Error::UnknownAddressType(kind))
            }
            _ if self.answer.len() == self.reply_length() => Ok(Some(Socks5State::Connected)),
            _ => Ok(None),
        }
    }

    fn answer_length(&self, message: Message) -> usize {
        match message {
            Message::Methods | Message::Credentials => 2,
            Message::Request => self.reply_length(),
        }
    }

    /// The length of the reply as far as it is known: the shortest exceeds the five bytes that determine it.
    fn reply_length(&self) -> usize {
        match *self.answer {
            [_, _, _, IPV4, _, ..] => 4 + 4 + 2,
            [_, _, _, IPV6, _, ..] => 4 + 16 + 2,
            [_, _, _, NAME, length, ..] => 5 + usize::from(length) + 2,
            _ => 5,
        }
    }
}

impl SocksHandshake for Socks5Handshake {
    type Refusal = Socks5Error;

    fn step(&mut self) -> HandshakeStep {
        match self.state {
            Socks5State::Say(message) => {
                self.state = Socks5State::Hear(message);
                HandshakeStep::Write(self.said(message))
            }
            Socks5State::Hear(message) => {
                HandshakeStep::Read(self.answer_length(message).saturating_sub(self.answer.len()))
            }
            Socks5State::Connected => HandshakeStep::Done,
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), Socks5Error> {
        let Socks5State::Hear(message) = self.state else { return Ok(()) };
        self.answer.extend(bytes);
        if let Some(next) = self.after(message)? {
            self.answer.clear();
            self.state = next;
        }
        Ok(())
    }
}

/// RFC 1928 §4.
fn request(destination: &Destination) -> Result<Vec<u8>, Error> {
    let mut request = vec![VERSION, CONNECT, RESERVED];
    let port = match destination {
        Destination::Address(SocketAddr::V4(to)) => {
            request.push(IPV4);
            request.extend(to.ip().octets());
            to.port()
        }
        Destination::Address(SocketAddr::V6(to)) => {
            request.push(IPV6);
            request.extend(to.ip().octets());
            to.port()
        }
        Destination::Name(name, port) => {
            request.extend([NAME, length("name of the host", name)?]);
            request.extend(name.as_bytes());
            *port
        }
    };
    request.extend(port.to_be_bytes());
    Ok(request)
}

/// RFC 1929 §2. It requires a password of at least one byte, but proxies without one take an empty one.
fn user_and_password(credentials: &Credentials) -> Result<Vec<u8>, Error> {
    let (user, password) = (credentials.user(), credentials.password());
    if user.is_empty() {
        return Err(Error::builder(
            "the user for the proxy is empty, which SOCKS 5 does not allow",
        ));
    }
    let mut message = vec![AUTH_VERSION, length("user for the proxy", user)?];
    message.extend(user.as_bytes());
    message.push(length("password for the proxy", password)?);
    message.extend(password.as_bytes());
    Ok(message)
}

#[cfg(test)]
mod tests;
