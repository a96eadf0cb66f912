//! The hash functions of Digest, weakest first (RFC 7616 §6.1). Pure.

use std::fmt::Write;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Function {
    Md5,
    Sha256,
    Sha512_256,
}

/// A hash function, and how the key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Algorithm {
    pub(super) function: Function,
    /// The key includes the first nonces (`-sess`).
    pub(super) is_session: bool,
}

impl Algorithm {
    /// By its name, ignoring case; `None` if it is not supported.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let name = str::from_utf8(name).ok()?.to_ascii_uppercase();
        let (function, is_session) = match name.strip_suffix("-SESS") {
            Some(function) => (function, true),
            None => (&*name, false),
        };
        let function = match function {
            "MD5" => Function::Md5,
            "SHA-256" => Function::Sha256,
            "SHA-512-256" => Function::Sha512_256,
            _ => return None,
        };
        Some(Self { function, is_session })
    }
}

impl Function {
    /// The hash of these parts joined by colons, in hexadecimal.
    pub(super) fn of(self, parts: &[&[u8]]) -> String {
        let text = parts.join(&b':');
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512_256 => hex(&Sha512_256::digest(text)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
