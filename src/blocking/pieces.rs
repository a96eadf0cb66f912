//! The body of an upload, in pieces from the caller's thread.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{Notify, mpsc};

use crate::error::{Error, Kind};

pub(super) enum UploadPiece {
    Data(Bytes),
    Failed(Error),
    /// A channel that closes without `End` is an aborted upload.
    End,
}

/// What both ends of the pieces tell each other beside them.
#[derive(Default)]
pub(super) struct UploadState {
    /// The response is there, so that the rest of the body is not wanted.
    pub(super) is_answered: AtomicBool,
    /// The last piece is on its way, or no piece is taken any more.
    pub(super) over: Notify,
}

/// The body of such a request.
pub(super) struct PieceBody {
    pieces: mpsc::Receiver<UploadPiece>,
    state: Arc<UploadState>,
    left: Option<u64>,
    has_ended: bool,
}

impl http_body::Body for PieceBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.poll_recv(cx));
        Poll::Ready(match piece {
            Some(UploadPiece::Data(data)) => {
                Some(self.count(data.len()).map(|()| Frame::data(data)))
            }
            Some(UploadPiece::Failed(error)) => Some(Err(error)),
            Some(UploadPiece::End) => {
                self.has_ended = true;
                None
            }
            // The engine ends this upload with its response, which is to be read.
            None if self.state.is_answered.load(Ordering::Acquire) => return Poll::Pending,
            None => Some(Err(given_up("the upload was dropped before its end"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl PieceBody {
    pub(super) fn new(
        pieces: mpsc::Receiver<UploadPiece>,
        state: Arc<UploadState>,
        left: Option<u64>,
    ) -> Self {
        Self { pieces, state, left, has_ended: false }
    }

    /// Takes these bytes off the length.
    fn count(&mut self, length: usize) -> Result<(), Error> {
        if let Some(left) = &mut self.left {
            let too_many = || given_up("the reader gives more bytes than its length");
            *left = left.checked_sub(length as u64).ok_or_else(too_many)?;
        }
        Ok(())
    }
}

impl Drop for PieceBody {
    fn drop(&mut self) {
        self.state.over.notify_one();
    }
}

fn given_up(why: &'static str) -> Error {
    Error::custom(Kind::Body, "the body of the request").because(why)
}
