//! The body of a response while it is decoded.

use std::{
    any::Any,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::pipeline::{CHUNK, Pipeline};
use crate::{
    body::{Body, ResponseFrames},
    error::Error,
};

/// With less room than this left, a new buffer is taken.
const LEAST_ROOM: usize = 1024;

/// Reads no more of the coded body than is asked for: what is decoded waits for its reader.
pub(super) struct DecodingBody {
    body: Body,
    state: DecodeState,
    /// Zeros that are written over, so that small frames share a buffer.
    room: BytesMut,
    /// Coded bytes that have come.
    read: Arc<AtomicU64>,
}

enum DecodeState {
    Decoding {
        pipeline: Box<Pipeline>,
        /// Coded bytes that have come.
        input: Bytes,
        /// There are no more, but perhaps these.
        end: Option<Option<HeaderMap>>,
    },
    /// All is decoded; these are left.
    Trailers(HeaderMap),
    Done,
}

impl DecodingBody {
    pub(super) fn new(body: Body, pipeline: Pipeline, read: Arc<AtomicU64>) -> Self {
        let pipeline = Box::new(pipeline);
        let state = DecodeState::Decoding { pipeline, input: Bytes::new(), end: None };
        Self { body, state, room: BytesMut::new(), read }
    }

    /// What can be had without more of the coded body; `None` if that is needed.
    fn decode(&mut self) -> Result<Option<Option<Frame<Bytes>>>, Error> {
        let DecodeState::Decoding { pipeline, input, end } = &mut self.state else {
            return Ok(Some(self.take_trailers()));
        };
        if self.room.len() < LEAST_ROOM {
            self.room = BytesMut::zeroed(CHUNK);
        }
        let mut unread = &input[..];
        let written = pipeline.decode(&mut unread, &mut self.room);
        let used = input.len() - unread.len();
        input.advance(used);
        match written? {
            0 => {}
            written => {
                let chunk = self.room.split_to(written).freeze();
                return Ok(Some(Some(Frame::data(chunk))));
            }
        }
        let Some(trailers) = end.take() else { return Ok(None) };
        pipeline.finish()?;
        self.state = trailers.map_or(DecodeState::Done, DecodeState::Trailers);
        Ok(Some(self.take_trailers()))
    }

    fn take_trailers(&mut self) -> Option<Frame<Bytes>> {
        match std::mem::replace(&mut self.state, DecodeState::Done) {
            DecodeState::Trailers(trailers) => Some(Frame::trailers(trailers)),
            _ => None,
        }
    }

    /// Takes what has come of the coded body.
    fn take(&mut self, frame: Option<Frame<Bytes>>) {
        let DecodeState::Decoding { input, end, .. } = &mut self.state else { return };
        match frame.map(Frame::into_data) {
            Some(Ok(bytes)) => {
                self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                *input = bytes;
            }
            Some(Err(frame)) => *end = Some(frame.into_trailers().ok()),
            None => *end = Some(None),
        }
    }
}

impl HttpBody for DecodingBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        loop {
            match this.decode() {
                Ok(Some(frame)) => return Poll::Ready(frame.map(Ok)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(this.fail(error)))),
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)).transpose() {
                Ok(frame) => this.take(frame),
                Err(error) => return Poll::Ready(Some(Err(this.fail(error)))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, DecodeState::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            DecodeState::Decoding { .. } => SizeHint::default(),
            DecodeState::Trailers(_) | DecodeState::Done => SizeHint::with_exact(0),
        }
    }
}

impl DecodingBody {
    /// Gives up the rest: after an error there is nothing more, and the connection is not kept for it.
    fn fail(&mut self, error: Error) -> Error {
        (self.state, self.body, self.room) = (DecodeState::Done, Body::empty(), BytesMut::new());
        error
    }
}

impl ResponseFrames for DecodingBody {
    fn known(&self) -> Option<&dyn Any> {
        self.body.known()
    }
}
