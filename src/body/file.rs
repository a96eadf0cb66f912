//! A body read from a file, in pieces, on other threads.

use std::{
    fs::File,
    future::Future,
    io::{self, Read, Seek, SeekFrom},
    mem,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::Body;
use crate::{
    error::{BoxError, Error, Kind},
    rt::{Unblock, unblock},
};

/// Large enough to amortise the hop to another thread, small enough for many uploads at once.
const PIECE: u64 = 64 * 1024;

/// A file, opened for its first piece.
struct FileFrames {
    path: Arc<Path>,
    /// `None` reads to the end of the file.
    left: Option<u64>,
    state: FileState,
}

enum FileState {
    Closed,
    Open(File),
    Reading(Unblock<io::Result<(File, Vec<u8>)>>),
    Done,
}

/// The kind of a file, from its metadata.
enum Shape {
    Length(u64),
    /// Like files of `/proc`, which report a length of zero.
    Unknown,
    /// Can be read once, such as a pipe.
    Once,
}

impl Body {
    /// Makes a body of a file, read in pieces of 64 KiB as it is sent, and opened again each time it is sent.
    ///
    /// Its length is determined now, and sent as `Content-Length`: of a file that grows, no more is sent; one that
    /// shrinks is an error while it is sent. A pipe, a terminal or a device has no length and can be sent only once.
    ///
    /// Reads run on the blocking threads of the tokio runtime in which the body is polled; outside of one, on those of smol
    /// (feature `smol`), or on a new thread for each piece.
    ///
    /// ```
    /// # use tower_transport::{Body, Error};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let body = Body::file("Cargo.toml").await?;
    /// assert!(body.length().is_some() && body.try_clone().is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`is_body`](Error::is_body) for a directory, and for a file that cannot be opened, with the [`io::Error`] as
    /// its cause. While it is sent, the same holds for a file that cannot be read or has become shorter.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the file.
    pub async fn file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path: Arc<Path> = path.as_ref().into();
        let asked = path.clone();
        let shape = match unblock(move || shape_of(&asked)).await {
            Ok(shape) => shape.map_err(|error| failed("opening", &path, error))?,
            Err(error) => return Err(failed("opening", &path, error)),
        };
        Ok(Self::of_file(path, shape))
    }

    /// The same, looking at the file on this thread.
    #[cfg(feature = "blocking")]
    pub(crate) fn file_here(path: &Path) -> Result<Self, Error> {
        let path: Arc<Path> = path.into();
        let shape = shape_of(&path).map_err(|error| failed("opening", &path, error))?;
        Ok(Self::of_file(path, shape))
    }

    fn of_file(path: Arc<Path>, shape: Shape) -> Self {
        let frames = move |left| {
            Self::frames(FileFrames { path: path.clone(), left, state: FileState::Closed })
        };
        match shape {
            Shape::Length(length) => Self::again(move || frames(Some(length))),
            Shape::Unknown => Self::again(move || frames(None)),
            Shape::Once => frames(None),
        }
    }

    /// A body of the rest of an open file. Its length is the number of bytes left.
    #[cfg(feature = "blocking")]
    pub(crate) fn rest_of(mut file: File) -> Result<Self, Error> {
        let path: Arc<Path> = Path::new("that was opened before").into();
        let left = rest_of(&mut file).map_err(|error| failed("looking at", &path, error))?;
        Ok(Self::frames(FileFrames { path, left, state: FileState::Open(file) }))
    }
}

/// How many bytes are left of an open file; `None` for a pipe, and for files of `/proc`, which have a length of zero.
fn rest_of(file: &mut File) -> io::Result<Option<u64>> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    let Ok(at) = file.stream_position() else { return Ok(None) };
    if metadata.len() > 0 {
        return Ok(Some(metadata.len().saturating_sub(at)));
    }
    // Only reading tells an empty file from one of `/proc`.
    if file.read(&mut [0])? == 0 {
        return Ok(Some(0));
    }
    match file.seek(SeekFrom::Start(at))? == at {
        true => Ok(None),
        // The byte that was read would be missing.
        false => Err(io::ErrorKind::NotSeekable.into()),
    }
}

fn shape_of(path: &Path) -> io::Result<Shape> {
    // Not opened before it is sent: opening a pipe waits for a writer, and closing it again ends that writer.
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Ok(Shape::Once);
    }
    Ok(rest_of(&mut File::open(path)?)?.map_or(Shape::Unknown, Shape::Length))
}

impl FileFrames {
    /// Reads the next piece on another thread, after opening the file for the first.
    fn read(&self, file: Option<File>) -> FileState {
        let (path, most) = (self.path.clone(), self.left.unwrap_or(PIECE).min(PIECE));
        FileState::Reading(unblock(move || {
            let file = match file {
                Some(file) => file,
                None => File::open(path)?,
            };
            let mut piece = Vec::with_capacity(most as usize);
            (&file).take(most).read_to_end(&mut piece)?;
            Ok((file, piece))
        }))
    }

    fn take(&mut self, file: File, piece: Vec<u8>) -> Option<Result<Frame<Bytes>, BoxError>> {
        if let Some(left) = &mut self.left {
            if piece.is_empty() {
                let why = format!("it ended {left} bytes before the length that it had");
                return Some(Err(failed("reading", &self.path, why).into()));
            }
            *left -= piece.len() as u64;
        }
        if piece.is_empty() {
            return None;
        }
        if self.left != Some(0) {
            self.state = FileState::Open(file);
        }
        Some(Ok(Frame::data(piece.into())))
    }
}

impl HttpBody for FileFrames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match mem::replace(&mut self.state, FileState::Done) {
                FileState::Done => return Poll::Ready(None),
                FileState::Closed | FileState::Open(_) if self.left == Some(0) => {
                    return Poll::Ready(None);
                }
                FileState::Closed => self.state = self.read(None),
                FileState::Open(file) => self.state = self.read(Some(file)),
                FileState::Reading(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
                        self.state = FileState::Reading(reading);
                        return Poll::Pending;
                    };
                    let path = &self.path;
                    let read = read.map_err(|error| failed("reading", path, error))?;
                    let (file, piece) = read.map_err(|error| failed("reading", path, error))?;
                    return Poll::Ready(self.take(file, piece));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0) || matches!(self.state, FileState::Done)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn failed(doing: &str, path: &Path, why: impl Into<BoxError>) -> Error {
    Error::new(Kind::Body, format!("{doing} the file {}", path.display())).because(why)
}

#[cfg(test)]
mod tests;
