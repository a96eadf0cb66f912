//! A form as it is sent: the heads of its parts and their contents in turn, so that no more than a piece is in memory.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{
    body::Body,
    error::{Error, Kind},
};

/// What is written in one go.
pub(super) enum FormPiece {
    /// Heads, ends, and contents that are known.
    Bytes(Bytes),
    Content(FormContent),
}

/// The content of a part that comes in chunks.
pub(super) struct FormContent {
    pub(super) body: Body,
    /// How many bytes are to come, if that is known.
    pub(super) left: Option<u64>,
    /// As error texts have it.
    pub(super) name: String,
}

impl FormPiece {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Content(content) => content.left,
        }
    }

    /// The same once more, if it can be had.
    fn again(&self) -> Option<Self> {
        Some(match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Self::Content(FormContent { body, left, name }) => Self::Content(FormContent {
                body: body.try_clone()?,
                left: *left,
                name: name.clone(),
            }),
        })
    }
}

/// The body that the pieces make: with a length if all of them know theirs, and to be sent again if all of them can be.
pub(super) fn body_of(pieces: Vec<FormPiece>) -> Body {
    let again =
        |pieces: &[FormPiece]| pieces.iter().map(FormPiece::again).collect::<Option<Vec<_>>>();
    match again(&pieces) {
        None => Body::new(FormFrames::new(pieces)),
        Some(pieces) => Body::again(move || match again(&pieces) {
            Some(pieces) => Body::new(FormFrames::new(pieces)),
            // These have not been read, so they can be had as they could before.
            None => Body::empty(),
        }),
    }
}

struct FormFrames {
    pieces: VecDeque<FormPiece>,
    /// How many bytes all of them have.
    left: Option<u64>,
}

impl FormFrames {
    fn new(pieces: Vec<FormPiece>) -> Self {
        let add = |sum: u64, piece: &FormPiece| sum.checked_add(piece.length()?);
        Self { left: pieces.iter().try_fold(0, add), pieces: pieces.into() }
    }

    /// After an error there is nothing more.
    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.pieces.clear();
        self.left = Some(0);
        Poll::Ready(Some(Err(error)))
    }

    fn take(&mut self, chunk: Bytes) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

impl FormContent {
    /// The next chunk that is not empty, or `None` at the end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            // The trailers of a part have no place in a form.
            let chunk = match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()? {
                Some(frame) => frame.into_data().unwrap_or_default(),
                None => return Poll::Ready(self.check_end().map(|()| None)),
            };
            if !chunk.is_empty() {
                return Poll::Ready(self.count(chunk.len() as u64).map(|()| Some(chunk)));
            }
        }
    }

    fn count(&mut self, length: u64) -> Result<(), Error> {
        match &mut self.left {
            Some(left) if *left < length => Err(self.wrong("longer")),
            Some(left) => {
                *left -= length;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn check_end(&self) -> Result<(), Error> {
        match self.left {
            None | Some(0) => Ok(()),
            Some(_) => Err(self.wrong("shorter")),
        }
    }

    fn wrong(&self, how: &str) -> Error {
        let text = format!("the content of the part {:?} is {how} than its length", self.name);
        Error::new(Kind::Body, text)
    }
}

impl HttpBody for FormFrames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            match self.pieces.front_mut() {
                None => return Poll::Ready(None),
                Some(FormPiece::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    self.pieces.pop_front();
                    if !bytes.is_empty() {
                        return self.take(bytes);
                    }
                }
                Some(FormPiece::Content(content)) => match ready!(content.poll_chunk(cx)) {
                    Ok(Some(chunk)) => return self.take(chunk),
                    Ok(None) => drop(self.pieces.pop_front()),
                    Err(error) => return self.fail(error),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
