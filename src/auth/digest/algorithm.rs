//! The hash functions of Digest, from the weakest to the strongest (RFC 7616 §6.1). Pure.

use std::fmt::Write;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// One of those that may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Function {
    Md5,
    Sha256,
    Sha512_256,
}

/// A function, and what the key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Algorithm {
    pub(super) function: Function,
    /// The key is made of the first nonces, too (`-sess`).
    pub(super) is_session: bool,
}

impl Algorithm {
    /// By its name, in whatever case; `None` if it is not spoken here.
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
    /// The hash of these parts with colons between them, in hexadecimal.
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
