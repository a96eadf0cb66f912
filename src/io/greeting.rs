//! Recognizes the peer's protocol by its first bytes, if it speaks an unexpected one.

/// The peer's protocol, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Spoken {
    /// Too few bytes, or an unknown protocol.
    Unknown,
    /// A status line (RFC 9112 §4).
    Http1,
    /// A SETTINGS frame, the first frame of every HTTP/2 server (RFC 9113 §3.4).
    Http2,
    /// A TLS record: an alert, or a handshake message (RFC 8446 §5.1).
    Tls,
}

/// The bytes needed to distinguish the protocols: the length of an HTTP/2 frame header.
const GREETING_LEN: usize = 9;

/// Collects the first bytes.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    bytes: [u8; GREETING_LEN],
    length: usize,
}

impl Greeting {
    /// Whether more bytes may change the result.
    pub(crate) fn is_open(&self) -> bool {
        self.length < GREETING_LEN
    }

    /// Adds received bytes. Returns the protocol so far.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Spoken {
        let new = &bytes[..bytes.len().min(GREETING_LEN - self.length)];
        self.bytes[self.length..self.length + new.len()].copy_from_slice(new);
        self.length += new.len();
        spoken(&self.bytes[..self.length])
    }
}

fn spoken(bytes: &[u8]) -> Spoken {
    const SETTINGS: u8 = 4;
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', ..] => Spoken::Http1,
        [0x15 | 0x16, 3, 0..=4, ..] => Spoken::Tls,
        // On stream 0, without ACK, with settings of six bytes each.
        [0, high, low, SETTINGS, 0, 0, 0, 0, 0]
            if u16::from_be_bytes([*high, *low]).is_multiple_of(6) =>
        {
            Spoken::Http2
        }
        _ => Spoken::Unknown,
    }
}

impl Spoken {
    /// Its name, if known.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Http1 => Some("HTTP/1.1"),
            Self::Http2 => Some("HTTP/2"),
            Self::Tls => Some("TLS"),
        }
    }
}

impl From<u8> for Spoken {
    fn from(byte: u8) -> Self {
        match byte {
            1 => Self::Http1,
            2 => Self::Http2,
            3 => Self::Tls,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_known_by_its_first_bytes_however_they_come() {
        let table: [(&[u8], Spoken); 9] = [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Spoken::Http1),
            (b"\0\0\0\x04\0\0\0\0\0", Spoken::Http2),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", Spoken::Http2),
            (b"\x15\x03\x01\0\x02\x02\x46", Spoken::Tls),
            (b"\x16\x03\x03\x02\0\x01\0\x01", Spoken::Tls),
            (b"\0\0\0\x04\x01\0\0\0\0", Spoken::Unknown),
            (b"\0\0\x05\x04\0\0\0\0\0", Spoken::Unknown),
            (b"220 mail.example ESMTP\r\n", Spoken::Unknown),
            (b"\0\0\x12\x04", Spoken::Unknown),
        ];
        for (bytes, expected) in table {
            for piece in 1..=bytes.len() {
                let mut greeting = Greeting::default();
                let last = bytes.chunks(piece).map(|piece| greeting.take(piece)).last();
                assert_eq!(last, Some(expected), "{bytes:?} in pieces of {piece}");
            }
        }
    }
}
