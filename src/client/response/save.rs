//! Writes a body to a file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

use crate::{
    body::Body,
    error::{BoxError, Error, Kind},
    rt::unblock,
};

/// So much is collected before a thread is asked to write it.
const PIECE: usize = 256 * 1024;

pub(super) async fn save(mut body: Body, path: PathBuf) -> Result<u64, Error> {
    let mut unfinished = on_thread(&path, {
        let path = path.clone();
        move || Unfinished::beside(&path)
    })
    .await?;
    let (mut saved, mut pieces, mut size) = (0, Vec::new(), 0);
    while let Some(chunk) = body.chunk().await? {
        saved += chunk.len() as u64;
        size += chunk.len();
        pieces.push(chunk);
        if size >= PIECE {
            unfinished = write(&path, unfinished, std::mem::take(&mut pieces)).await?;
            size = 0;
        }
    }
    let unfinished = write(&path, unfinished, pieces).await?;
    let finished = path.clone();
    on_thread(&path, move || unfinished.finish(&finished)).await?;
    Ok(saved)
}

async fn write(path: &Path, file: Unfinished, pieces: Vec<Bytes>) -> Result<Unfinished, Error> {
    on_thread(path, move || file.write(&pieces)).await
}

async fn on_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match unblock(work).await {
        Ok(done) => done.map_err(|error| failed(path, error)),
        Err(error) => Err(failed(path, error)),
    }
}

fn failed(path: &Path, error: impl Into<BoxError>) -> Error {
    let text = format!("saving the body to {}", path.display());
    Error::new(Kind::Io, text).because(error).sent(true)
}

/// A file under another name, which is removed unless it is finished.
struct Unfinished {
    file: Option<File>,
    path: PathBuf,
}

impl Unfinished {
    fn beside(path: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        for _ in 0..100 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let mut other = std::ffi::OsString::from(".");
            other.push(name);
            other.push(format!(".{}-{number}.part", std::process::id()));
            let path = path.with_file_name(other);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file: Some(file), path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn write(mut self, pieces: &[Bytes]) -> io::Result<Self> {
        for piece in pieces {
            self.file.as_mut().map_or(Ok(()), |file| file.write_all(piece))?;
        }
        Ok(self)
    }

    fn finish(mut self, path: &Path) -> io::Result<()> {
        // It is closed before it is renamed: some systems rename no open file.
        drop(self.file.take());
        let renamed = fs::rename(&self.path, path);
        if renamed.is_ok() {
            self.path = PathBuf::new();
        }
        renamed
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let (file, path) = (self.file.take(), std::mem::take(&mut self.path));
        // Removing a file may wait for the disk, so it runs elsewhere; its error cannot be reported.
        drop(unblock(move || {
            drop(file);
            let _ = fs::remove_file(path);
        }));
    }
}
