//! Who may read a file. Twin of `no_modes.rs`.

use std::{
    fs::{File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
};

/// Makes a file that only its owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Gives a file the owner of the old one, if that is allowed, and its mode.
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "cookies are private"))]
pub(super) fn copy(old: &Metadata, file: &File) -> io::Result<()> {
    let mode = old.mode() & 0o777;
    let mode = match fchown(file, Some(old.uid()), Some(old.gid())) {
        Ok(()) => mode,
        // Its group is another one, which may do no more than all others.
        Err(_) => mode & (0o707 | (mode & 0o007) << 3),
    };
    file.set_permissions(Permissions::from_mode(mode))
}
