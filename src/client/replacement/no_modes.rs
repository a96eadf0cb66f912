//! For systems whose files have no modes. Twin of `modes.rs`.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
};

/// Makes a file that the directory's own rules are for.
pub(super) fn private() -> OpenOptions {
    OpenOptions::new()
}

#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "cookies are private"))]
pub(super) fn copy(_: &Metadata, _: &File) -> io::Result<()> {
    Ok(())
}
