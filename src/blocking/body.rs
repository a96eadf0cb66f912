//! Bodies that are read, and made, without async.

use std::{
    fmt,
    fs::File,
    future::poll_fn,
    io::{self, BufRead, Read},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body as _, Frame, SizeHint};

use super::sending::BlockingWait;
use crate::{
    body::Body as AsyncBody,
    connect::{ConnectInfo, HasConnectInfo},
    error::{Error, Kind},
    rt::{BlockingRuntime, Held},
};

/// The body of a response, or of a request, for callers that block: the twin of [`Body`](crate::Body).
///
/// It is `Read` and `BufRead`, and an iterator of its chunks as they come:
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::{fs::File, io};
/// use tower_transport::blocking;
///
/// let mut body = blocking::stream("GET", "https://www.example.com/large").send()?.into_body();
/// io::copy(&mut body, &mut File::create("large")?)?;
///
/// for chunk in blocking::stream("GET", "https://www.example.com/large").send()?.into_body() {
///     println!("{} bytes", chunk?.len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// The error of a read is an [`io::Error`] with an [`Error`] inside, by [`get_ref`](io::Error::get_ref). Where both `Read` and
/// `Iterator` are in scope, name the trait of a method that both have: `Read::take(body, 10)`.
///
/// Dropping it before its end abandons the rest, as [`Body`](crate::Body) says. Trailers are skipped by all but
/// [`frame`](Self::frame).
pub struct Body {
    inner: Held<AsyncBody>,
    /// Of the request that it is the response to, or of the first read.
    waiter: Option<BlockingWait>,
    /// The part of a chunk that was not read yet.
    piece: Bytes,
    /// An error ends it: each further read reports it again.
    failure: Option<Error>,
    /// The iterator has ended, by an error or by itself.
    is_over: bool,
}

impl Body {
    /// An empty body.
    pub fn empty() -> Self {
        AsyncBody::empty().into()
    }

    /// Makes a body of the rest of an open file, from where it stands, which is sent once: with what is left as its length.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::{fs::File, io::{Seek, SeekFrom}};
    /// use tower_transport::blocking::{self, Body};
    ///
    /// let mut file = File::open("Cargo.toml")?;
    /// file.seek(SeekFrom::Start(10))?;
    /// let body = Body::file(file)?;
    /// assert_eq!(body.length(), Some(std::fs::metadata("Cargo.toml")?.len() - 10));
    /// let request = blocking::request("PUT", "https://www.example.com/rest").body(body);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It is read in pieces of 64 KiB as it is sent, on a thread for blocking work. Of a file that grows, no more is sent; one that
    /// shrinks is an error. A pipe or a device has no length.
    ///
    /// # Errors
    ///
    /// [`is_body`](Error::is_body) for a directory, and for a file that cannot be looked at, with the [`io::Error`] as its cause.
    pub fn file(file: File) -> Result<Self, Error> {
        AsyncBody::rest_of(file).map(Self::from)
    }

    /// Makes a body of the file of this name, opened again each time it is sent: [`Body::file`](crate::Body::file) without async.
    ///
    /// # Errors
    ///
    /// [`is_body`](Error::is_body) for a directory, and for a file that cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        AsyncBody::file_here(path.as_ref()).map(Self::from)
    }

    pub(super) fn of_response(body: AsyncBody, waiter: BlockingWait) -> Self {
        let runtime = waiter.runtime().clone();
        Self { waiter: Some(waiter.sent()), ..Self::new(Held::new(body, Some(runtime))) }
    }

    /// Waits for what comes of it.
    #[cfg(feature = "client")]
    pub(super) fn waiter(&self) -> Result<BlockingWait, Error> {
        match &self.waiter {
            Some(waiter) => Ok(waiter.clone()),
            None => Ok(BlockingWait::new(BlockingRuntime::get()?)),
        }
    }

    fn new(inner: Held<AsyncBody>) -> Self {
        Self { inner, waiter: None, piece: Bytes::new(), failure: None, is_over: false }
    }

    /// The number of bytes left, if known: for a response, from its `Content-Length`.
    pub fn length(&self) -> Option<u64> {
        // One that failed may claim that nothing is left.
        let length = self.inner.get().length().filter(|_| self.failure.is_none())?;
        Some(length + self.piece.len() as u64)
    }

    /// Reads the next chunk; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the async body; and [`is_builder`](Error::is_builder) in an async task, after which it can be read elsewhere.
    pub fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.frame()?.map(Frame::into_data) {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => return Ok(Some(chunk)),
                Some(Err(_trailers)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Reads the next chunk or, last, the trailers (RFC 9110 §6.5); `None` at the end.
    ///
    /// # Errors
    ///
    /// As those of [`chunk`](Self::chunk).
    pub fn frame(&mut self) -> Result<Option<Frame<Bytes>>, Error> {
        if !self.piece.is_empty() {
            return Ok(Some(Frame::data(std::mem::take(&mut self.piece))));
        }
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let waiter = match &mut self.waiter {
            Some(waiter) => waiter,
            // Kept: what the body holds may be bound to this runtime.
            none => none.insert(BlockingWait::new(BlockingRuntime::get()?)),
        };
        let body = self.inner.get_mut();
        let mut frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        // That it was called in the wrong place, or canceled, is no failure of the body.
        let frame = waiter.run_unless_ready(&mut frame)?.transpose();
        self.failure = frame.as_ref().err().cloned();
        frame
    }

    /// Reads the rest into one piece. There is no limit: check [`length`](Self::length) first, or read chunks.
    ///
    /// # Errors
    ///
    /// As those of [`chunk`](Self::chunk); what was read is lost.
    pub fn read_all(&mut self) -> Result<Bytes, Error> {
        let Some(first) = self.chunk()? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk()? else { return Ok(first) };
        let mut all = [first, second].concat();
        while let Some(chunk) = self.chunk()? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut available = self.fill_buf()?;
        let read = available.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            self.piece = self.chunk().map_err(into_io)?.unwrap_or_default();
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount.min(self.piece.len()));
    }
}

impl Iterator for Body {
    type Item = Result<Bytes, Error>;

    /// The next chunk; nothing after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.chunk().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// An I/O error that carries ours.
pub(super) fn into_io(error: Error) -> io::Error {
    let kind = match error.kind() {
        Kind::Timeout(_) => io::ErrorKind::TimedOut,
        Kind::Builder => io::ErrorKind::InvalidInput,
        Kind::Protocol | Kind::Decode | Kind::Data => io::ErrorKind::InvalidData,
        Kind::Unsupported => io::ErrorKind::Unsupported,
        _ => error.cause::<io::Error>().map_or(io::ErrorKind::Other, io::Error::kind),
    };
    // Standard functions call a read again that was interrupted, for ever.
    let kind = if kind == io::ErrorKind::Interrupted { io::ErrorKind::Other } else { kind };
    io::Error::new(kind, error)
}

impl From<AsyncBody> for Body {
    fn from(body: AsyncBody) -> Self {
        Self::new(Held::new(body, None))
    }
}

impl From<Body> for AsyncBody {
    /// As the body of a request: that of a response is passed on as it comes.
    fn from(body: Body) -> Self {
        match body.inner.runtime() {
            None if body.waiter.is_none() && body.piece.is_empty() && body.failure.is_none() => {
                body.inner.into_inner()
            }
            _ => Self::new(body),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    /// For a request that passes it on.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.piece.is_empty() {
            let piece = std::mem::take(&mut self.piece);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        // After an error the async body may say that it has ended.
        if let Some(failure) = &self.failure {
            return Poll::Ready(Some(Err(failure.clone())));
        }
        Pin::new(self.inner.get_mut()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.failure.is_none() && self.inner.get().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.length() {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}

impl HasConnectInfo for Body {
    fn connect_info(&self) -> Option<&ConnectInfo> {
        self.inner.get().connect_info()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocking::{:?}", self.inner.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Phase;

    #[test]
    fn the_kind_of_an_io_error_says_what_ours_is() {
        let broken = |kind| Error::custom(Kind::Io, "reading").because(io::Error::from(kind));
        for (error, kind) in [
            (Error::custom(Kind::Timeout(Phase::Read), "reading"), io::ErrorKind::TimedOut),
            (Error::custom(Kind::Builder, "reading"), io::ErrorKind::InvalidInput),
            (Error::custom(Kind::Protocol, "reading"), io::ErrorKind::InvalidData),
            (Error::custom(Kind::Decode, "reading"), io::ErrorKind::InvalidData),
            (Error::custom(Kind::Data, "reading"), io::ErrorKind::InvalidData),
            (Error::custom(Kind::Unsupported, "reading"), io::ErrorKind::Unsupported),
            (Error::custom(Kind::Canceled, "reading"), io::ErrorKind::Other),
            (broken(io::ErrorKind::ConnectionReset), io::ErrorKind::ConnectionReset),
            // A reader would call again for ever.
            (broken(io::ErrorKind::Interrupted), io::ErrorKind::Other),
        ] {
            let ours = error.kind();
            let error = into_io(error);
            assert_eq!(error.kind(), kind, "{error:?}");
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            assert_eq!(inner.map(Error::kind), Some(ours));
        }
    }
}
