//! Writes what replaces a file: the whole of it or nothing.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

#[cfg(not(unix))]
#[path = "replacement/no_modes.rs"]
mod modes;
#[cfg(unix)]
mod modes;

/// The new content of a file. Unless it is finished, what was there stays.
///
/// Links stay, and what they lead to is replaced. A pipe or a device is written to itself; to open a pipe waits for its reader.
pub(super) struct Replacement {
    // Before the other field, so that it is closed first: some systems neither rename nor remove an open file.
    file: File,
    /// `None` for a pipe or a device.
    beside: Option<Beside>,
}

/// A file under another name, which is removed unless it is moved.
struct Beside {
    path: PathBuf,
    target: PathBuf,
}

impl Replacement {
    /// That of a file with the mode of the old one. A directory is an error.
    #[cfg(feature = "client")]
    pub(super) fn with_the_mode_of(path: &Path) -> io::Result<Self> {
        let old = metadata(path)?;
        let options = if old.is_some() { modes::private() } else { OpenOptions::new() };
        let new = Self::open(path, old.as_ref(), options)?;
        if let (Some(old), Some(_)) = (old, &new.beside) {
            modes::copy(&old, &new.file)?;
        }
        Ok(new)
    }

    /// That of a file that only its owner may read, whatever the old one was. A directory is an error.
    #[cfg(feature = "cookies")]
    pub(super) fn private(path: &Path) -> io::Result<Self> {
        Self::open(path, metadata(path)?.as_ref(), modes::private())
    }

    fn open(path: &Path, old: Option<&Metadata>, mut options: OpenOptions) -> io::Result<Self> {
        if old.is_some_and(Metadata::is_dir) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if old.is_some_and(|old| !old.is_file()) {
            return Ok(Self { file: OpenOptions::new().write(true).open(path)?, beside: None });
        }
        options.write(true).create_new(true);
        let (file, beside) = create_beside(behind_links(path)?, &options)?;
        Ok(Self { file, beside: Some(beside) })
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Waits until a file is on its disk.
    #[cfg(feature = "cookies")]
    pub(super) fn sync(&self) -> io::Result<()> {
        // A pipe has no disk, and its error says so.
        if self.beside.is_some() { self.file.sync_all() } else { Ok(()) }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        let Self { file, beside } = self;
        drop(file);
        beside.map_or(Ok(()), Beside::into_place)
    }
}

impl Beside {
    fn into_place(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // It may hold secrets; the error that led here is the one to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What is known of a file; `None` if there is none, also behind a link.
fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Where the file is, or would be, that this path leads to.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    // A link to what is not there cannot be resolved at once. Linux follows as many.
    for _ in 0..40 {
        if let Ok(found) = fs::canonicalize(&path) {
            return Ok(found);
        }
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    fs::canonicalize(path)
}

/// A new file in the same directory, under a name that no one else takes.
fn create_beside(target: PathBuf, options: &OpenOptions) -> io::Result<(File, Beside)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    for _ in 0..100 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut other = OsString::from(".");
        other.push(name);
        other.push(format!(".{}-{number}.part", std::process::id()));
        let path = target.with_file_name(other);
        match options.open(&path) {
            Ok(file) => return Ok((file, Beside { path, target })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(all(test, feature = "client", feature = "cookies"))]
mod tests;
