//! Writes a body to a file.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use crate::{
    body::Body,
    client::replacement::Replacement,
    error::{BoxError, Error, Kind},
    rt::unblock,
};

/// So much is collected before a thread is asked to write it.
const PIECE: usize = 256 * 1024;

pub(super) async fn save(mut body: Body, path: PathBuf) -> Result<u64, Error> {
    let mut unfinished = on_thread(&path, {
        let path = path.clone();
        move || Unfinished::new(&path)
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
    on_thread(&path, move || unfinished.finish()).await?;
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

/// A file that may be dropped in a task.
struct Unfinished {
    new: Option<Replacement>,
}

impl Unfinished {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { new: Some(Replacement::with_the_mode_of(path)?) })
    }

    fn write(mut self, pieces: &[Bytes]) -> io::Result<Self> {
        for piece in pieces {
            self.new.as_mut().map_or(Ok(()), |new| new.write_all(piece))?;
        }
        Ok(self)
    }

    fn finish(mut self) -> io::Result<()> {
        self.new.take().map_or(Ok(()), Replacement::finish)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Removing a file may wait for the disk, so it runs elsewhere.
        if let Some(new) = self.new.take() {
            drop(unblock(move || drop(new)));
        }
    }
}
