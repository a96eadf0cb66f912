//! Uploads from a `Read`, and into a `Write`: the request runs elsewhere, and the caller's thread brings the body.

use std::{
    fmt,
    future::{poll_fn, ready},
    io::{self, Read, Write},
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::Response;
use tokio::sync::{mpsc, oneshot};

use super::{
    Blocking, RequestService, ResponseKind,
    body::into_io,
    pieces::{PieceBody, UploadPiece, UploadState},
    sending::BlockingWait,
};
use crate::{
    body::Body as AsyncBody,
    error::{Error, Kind},
    request::RequestBuilder,
    rt::BackgroundTask,
};

/// Large enough to amortise the hop to another thread.
const PIECE: usize = 64 * 1024;

/// Less room than this is not worth a read.
const SMALL: usize = 4 * 1024;

/// The pieces on their way to the request: one is sent while the next is read.
const PIECES: usize = 2;

/// A request whose body is read from a [`Read`], made by [`body_reader`](RequestBuilder::body_reader).
#[must_use = "a request is sent by `send`"]
pub struct ReaderRequest<S, A, R> {
    request: RequestBuilder<Blocking<S>, A>,
    reader: R,
    length: Option<u64>,
}

/// The body of a request that is under way, as a [`Write`], made by [`writer`](RequestBuilder::writer).
///
/// What is written is collected and sent in pieces of 64 KiB; [`flush`](Write::flush) sends what there is. At the end call
/// [`finish`](Self::finish): an upload that is dropped before is given up, and the server sees a request that breaks off.
///
/// If the response is complete before the end of the body, as a refusal is, or if the request fails, writing fails with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe), and `finish` returns the response or the error. For a streamed response a head
/// other than 2xx suffices. After a 2xx head writing goes on, and the response is buffered, up to
/// [`MaxBody`](crate::options::MaxBody): by default the limit of the client, 64 MiB without one.
///
/// A failed write ends the upload, even one that failed because it was called in an async task: its bytes are lost.
pub struct Upload<T> {
    sending: UploadTask<T>,
    piece: BytesMut,
    /// Whether the last piece was as large as they get.
    was_full: bool,
}

/// A request that runs in the background, and the channel to its body.
struct UploadTask<T> {
    waiter: BlockingWait,
    pieces: mpsc::Sender<UploadPiece>,
    state: Arc<UploadState>,
    outcome: oneshot::Receiver<Result<Response<T>, Error>>,
    /// What came before the end of the body.
    early: Option<Result<Response<T>, Error>>,
    /// Ends the request when this is dropped.
    _task: BackgroundTask,
}

impl<S, A> RequestBuilder<Blocking<S>, A> {
    /// Streams the request body from a reader. Replaces a body set before; call it last.
    ///
    /// The thread that calls `send` reads pieces of 64 KiB at the most, and at most three of them wait to be sent: two, and the one that
    /// it holds meanwhile. So the reader need be neither `Send` nor `'static`. It is read once: the request is not sent again if its
    /// connection breaks, nor to where a redirect leads. For a file use [`Body::file`](super::Body::file) or
    /// [`Body::open`](super::Body::open), which need no such thread.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), tower_transport::Error> {
    /// use tower_transport::blocking;
    ///
    /// let input = std::io::stdin().lock();
    /// let request = blocking::request("POST", "https://www.example.com/log");
    /// println!("{}", request.body_reader(input).send()?.status());
    /// # Ok(())
    /// # }
    /// ```
    pub fn body_reader<R: Read>(self, reader: R) -> ReaderRequest<S, A, R> {
        ReaderRequest { request: self, reader, length: None }
    }
}

impl<S, A, R> ReaderRequest<S, A, R> {
    /// Sets how many bytes the reader gives, which are sent as `Content-Length`. Without it HTTP/1.1 sends
    /// `Transfer-Encoding: chunked`.
    ///
    /// A reader that gives more or fewer is an error for which [`is_body`](Error::is_body) holds.
    pub fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }
}

impl<S, A, R> ReaderRequest<S, A, R>
where
    S: RequestService,
    A: ResponseKind,
    R: Read,
{
    /// Sends the request, reads its body from the reader, and waits for the response.
    ///
    /// A response that is complete before the end of the body ends the reading, with the piece that is being read. For a
    /// streamed response a head other than 2xx suffices. After a 2xx head the body is sent to its end, and the response is buffered
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// Those of the async request; [`is_body`](Error::is_body) for a reader that fails, with its error as the cause; and
    /// [`is_decode`](Error::is_decode) for a streamed response with more bytes than [`MaxBody`](crate::options::MaxBody) before the
    /// end of the body: by default the limit of the client, 64 MiB without one.
    pub fn send(self) -> Result<Response<A::Body>, Error> {
        let Self { request, mut reader, length } = self;
        let mut task = UploadTask::start(request, length)?;
        let mut buffer = BytesMut::new();
        loop {
            match read_piece(&mut reader, &mut buffer) {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => {
                    if !task.push(UploadPiece::Data(piece))? {
                        break;
                    }
                }
                Err(error) => return task.fail(error),
            }
        }
        task.finish()
    }
}

/// The next piece; empty at the end.
fn read_piece(reader: &mut impl Read, buffer: &mut BytesMut) -> io::Result<Bytes> {
    if buffer.len() < SMALL {
        *buffer = BytesMut::zeroed(PIECE);
    }
    loop {
        match reader.read(buffer) {
            // A faulty reader may report more than fits.
            Ok(read) => return Ok(buffer.split_to(read.min(buffer.len())).freeze()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl<S, A> RequestBuilder<Blocking<S>, A>
where
    S: RequestService,
    A: ResponseKind,
{
    /// Begins to send the request, whose body is then written.
    ///
    /// With a `Content-Length` as much has to be written; without one HTTP/1.1 sends `Transfer-Encoding: chunked`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::io::Write;
    /// use tower_transport::blocking;
    ///
    /// let mut upload = blocking::request("POST", "https://www.example.com/report").writer()?;
    /// for row in 0..1000 {
    ///     writeln!(upload, "{row};{}", row * row)?;
    /// }
    /// println!("{}", upload.finish()?.status());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a request that is not valid, and inside an async task; others come with
    /// [`finish`](Upload::finish).
    pub fn writer(self) -> Result<Upload<A::Body>, Error> {
        Ok(Upload {
            sending: UploadTask::start(self, None)?,
            piece: BytesMut::new(),
            was_full: false,
        })
    }
}

impl<T: Send + 'static> UploadTask<T> {
    fn start<S, A>(
        request: RequestBuilder<Blocking<S>, A>,
        length: Option<u64>,
    ) -> Result<Self, Error>
    where
        S: RequestService,
        A: ResponseKind<Body = T>,
    {
        let (over, request, max_body) = request.into_parts();
        let (pieces, receiver) = mpsc::channel(PIECES);
        let state = Arc::<UploadState>::default();
        let (body, its) = (PieceBody::new(receiver, state.clone(), length), state.clone());
        let request = request?.map(|_| AsyncBody::new(body));
        let (service, runtime) = over.into_parts()?;
        let waiter = BlockingWait::of(&request, runtime)?;
        // Nothing is started where the caller may not wait for it.
        waiter.run(ready(()))?;
        let (sender, outcome) = oneshot::channel();
        let upload_over = async move { its.over.notified().await };
        let sending = A::send(service.into_inner(), request, max_body, waiter.clone(), upload_over);
        let task = waiter.runtime().spawn(async move {
            // Without a receiver the response is dropped.
            let _ = sender.send(sending.await);
        })?;
        Ok(Self { waiter: waiter.sent(), pieces, state, outcome, early: None, _task: task })
    }

    /// Passes a piece on; `false` if the request has ended and takes none.
    fn push(&mut self, piece: UploadPiece) -> Result<bool, Error> {
        if self.early.is_some() {
            return Ok(false);
        }
        let Self { waiter, pieces, outcome, .. } = self;
        let mut sending = pin!(pieces.send(piece));
        let mut is_unwanted = false;
        let pushed = poll_fn(|cx| {
            if let Poll::Ready(outcome) = Pin::new(&mut *outcome).poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            // A request that takes no more of its body will have a response.
            if !is_unwanted {
                is_unwanted = ready!(sending.as_mut().poll(cx)).is_err();
            }
            if is_unwanted { Poll::Pending } else { Poll::Ready(None) }
        });
        let early = match waiter.run(pushed) {
            Ok(early) => early,
            Err(error) => {
                // The piece is lost: what comes after it must not be taken for the rest.
                self.early = Some(Err(error.clone()));
                return Err(error);
            }
        };
        self.early = early.map(|outcome| outcome.unwrap_or_else(|_| Err(panicked())));
        Ok(self.early.is_none())
    }

    /// Waits for the response.
    fn finish(mut self) -> Result<Response<T>, Error> {
        self.push(UploadPiece::End)?;
        match self.early {
            Some(early) => {
                // Before the pieces are dropped, which would be an upload that was given up.
                self.state.is_answered.store(early.is_ok(), Ordering::Release);
                early
            }
            None => {
                self.state.over.notify_one();
                let outcome = self.waiter.run(self.outcome)?;
                outcome.unwrap_or_else(|_| Err(panicked()))
            }
        }
    }

    /// Breaks the body off, because its source failed.
    fn fail(mut self, error: io::Error) -> Result<Response<T>, Error> {
        let failed = Error::custom(Kind::Body, "reading the body of the request").because(error);
        let is_taken = self.push(UploadPiece::Failed(failed.clone()))?;
        match self.finish() {
            // The response began before the reader failed; the failure cut it off.
            Ok(response) if is_taken && response.status().is_success() => Err(failed.sent(true)),
            outcome => outcome,
        }
    }

    /// Why nothing more can be written.
    fn broken(&self) -> io::Error {
        let kind = io::ErrorKind::BrokenPipe;
        match &self.early {
            Some(Err(error)) => io::Error::new(kind, error.clone()),
            _ => io::Error::new(kind, "the response came before the end of the body: see `finish`"),
        }
    }
}

fn panicked() -> Error {
    Error::custom(Kind::Canceled, "the request ended without an outcome: its task panicked")
}

impl<T: Send + 'static> Upload<T> {
    /// Ends the body, and waits for the response.
    ///
    /// # Errors
    ///
    /// Those of the async request; and [`is_body`](Error::is_body) where less was written than the request declares.
    pub fn finish(mut self) -> Result<Response<T>, Error> {
        self.push()?;
        self.sending.finish()
    }

    /// Sends what was collected; `false` if the request takes no more.
    fn push(&mut self) -> Result<bool, Error> {
        let piece = self.piece.split().freeze();
        match piece.is_empty() {
            true => Ok(true),
            false => {
                self.was_full = piece.len() == PIECE;
                self.sending.push(UploadPiece::Data(piece))
            }
        }
    }
}

impl<T: Send + 'static> Write for Upload<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = bytes.len().min(PIECE - self.piece.len());
        // After a full piece another is likely. What is flushed in small pieces stays small.
        if self.was_full && self.piece.is_empty() {
            self.piece.reserve(PIECE);
        }
        self.piece.extend_from_slice(&bytes[..written]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.push().map_err(into_io)? {
            true => Ok(()),
            false => Err(self.sending.broken()),
        }
    }
}

impl<S, A, R> fmt::Debug for ReaderRequest<S, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, length, .. } = self;
        let mut out = f.debug_struct("ReaderRequest");
        out.field("request", request).field("length", length).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Upload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}
