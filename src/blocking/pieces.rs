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

/// Shared by the caller's thread and the body.
#[derive(Default)]
pub(super) struct UploadState {
    /// The caller has the response: the rest of the body is not sent.
    pub(super) is_answered: AtomicBool,
    /// Notified when the last piece is queued, or when the body is dropped.
    pub(super) over: Notify,
}

/// A request body that the caller's thread feeds.
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
            // Pending, so that the response can be read. The engine drops this body when the response ends.
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
