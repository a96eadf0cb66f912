//! Sends the body of a request.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::{
    request_head::{BodyPlan, put_field},
    shared::{ConnPhase, ConnShared, Uploading},
    wire::SLICES,
};
use crate::{
    error::{BoxError, Error},
    http::request_body::LengthChecked,
    io::write_count::length_of,
};

pin_project! {
    /// A request body that is being sent.
    pub(super) struct Http1Upload<B: Body> {
        #[pin]
        body: LengthChecked<B>,
        plan: BodyPlan,
        // Data too large to copy. Written together; with chunks, one batch is one chunk.
        batch: VecDeque<B::Data>,
        is_body_pending: bool,
        // The end of the body is written after the batch.
        end: BodyEnd,
    }
}

/// The progress of the body's end.
#[derive(Debug)]
enum BodyEnd {
    Pending,
    /// The body has ended, with these trailers.
    Reached(HeaderMap),
    /// It is in the output buffer.
    Written,
}

/// Why a body was not sent.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The body failed, or does not have its declared length.
    Body(Error),
    Io(io::Error),
}

/// Unwritten bytes above which the body is not polled.
const MAX_UNSENT: usize = 8 * 1024;
/// Data up to this size is copied after the head or its size line, so that both leave in one write.
const COPIED: usize = 1024;
/// A batch of this size takes no more data, as in hyper: smaller writes cost a large upload three times the CPU.
const BATCH: usize = 400 * 1024;
/// Writes in one poll, so that a fast peer does not starve other tasks.
const WRITES: usize = 32;

impl<B> Http1Upload<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    pub(super) fn new(body: LengthChecked<B>, plan: BodyPlan) -> Pin<Box<Self>> {
        Box::pin(Self {
            body,
            plan,
            batch: VecDeque::new(),
            is_body_pending: false,
            end: BodyEnd::Pending,
        })
    }

    /// Whether the caller's body is pending.
    pub(super) fn is_body_pending(&self) -> bool {
        self.is_body_pending
    }

    /// Whether the body is only polled to make sure that it is empty.
    pub(super) fn must_be_empty(&self) -> bool {
        self.plan.must_be_empty
    }

    /// Sends as much as the peer takes. Ready when all of it is written and flushed.
    pub(super) fn poll(
        mut self: Pin<&mut Self>,
        shared: &ConnShared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), UploadError>> {
        for _ in 0..WRITES {
            // Frames before the write, so that the head and the first frames leave together.
            let frames = self.as_mut().poll_batch(shared, cx).map_err(UploadError::Body)?;
            let this = self.as_mut().project();
            if this.batch.is_empty() {
                ready!(shared.lock().wire.poll_flush(cx)).map_err(UploadError::Io)?;
                match frames {
                    Poll::Ready(()) if matches!(this.end, BodyEnd::Written) => {
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(()) => continue,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for data in this.batch.iter() {
                let start = count;
                // Stops by itself when all slices are used.
                count += data.chunks_vectored(&mut slices[count..]);
                // A buffer may show only a part of itself: the next one must not follow that.
                if length_of(&slices[start..count]) < data.remaining() {
                    break;
                }
            }
            let written = shared.lock().wire.poll_write(cx, &slices[..count]);
            advance(this.batch, ready!(written).map_err(UploadError::Io)?);
            if this.batch.is_empty() && this.plan.is_chunked {
                shared.lock().wire.output().extend_from_slice(b"\r\n");
            }
        }
        // The budget of writes is used up: other tasks run first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes frames until there is enough to write, except during a chunk, whose length is already written. Pending if the
    /// body has nothing now and there is no batch.
    fn poll_batch(
        mut self: Pin<&mut Self>,
        shared: &ConnShared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if !self.batch.is_empty() && self.plan.is_chunked {
            return Poll::Ready(Ok(()));
        }
        // Refill a partly written batch: the rest alone would make ever smaller writes to a slow peer.
        let mut length: usize = self.batch.iter().map(Buf::remaining).sum();
        let mut is_pending = false;
        // Locked for each look only: the body is foreign, and its poll may take time.
        while matches!(self.end, BodyEnd::Pending)
            && length < BATCH
            && self.batch.len() < SLICES
            && shared.lock().wire.unsent() < MAX_UNSENT
        {
            let this = self.as_mut().project();
            // A complete body is not polled again: it may be waiting for the response.
            let is_complete =
                !this.plan.is_chunked && !this.plan.must_be_empty && this.body.is_complete();
            let frame = match is_complete {
                true => Poll::Ready(None),
                false => this.body.poll_frame(cx),
            };
            let Poll::Ready(frame) = frame else {
                is_pending = true;
                break;
            };
            match frame.transpose()?.map(Frame::into_data) {
                None => *this.end = BodyEnd::Reached(HeaderMap::new()),
                Some(Ok(data)) => length += self.as_mut().put_data(shared, data),
                Some(Err(frame)) => {
                    *this.end = BodyEnd::Reached(frame.into_trailers().unwrap_or_default());
                }
            }
        }
        let this = self.as_mut().project();
        *this.is_body_pending = is_pending && this.batch.is_empty();
        // The size line precedes the batch, which is one chunk.
        if this.plan.is_chunked && length > 0 {
            // Writing to a `Vec` cannot fail.
            drop(write!(shared.lock().wire.output(), "{length:x}\r\n"));
        }
        if this.batch.is_empty() {
            self.as_mut().put_end(shared);
        }
        if self.is_body_pending { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Copies short data, or adds it to the batch. Returns the bytes added to the batch.
    fn put_data(self: Pin<&mut Self>, shared: &ConnShared, mut data: B::Data) -> usize {
        let this = self.project();
        let length = data.remaining();
        // Behind a batch short data joins it, because the output buffer is written first.
        if length > COPIED || !this.batch.is_empty() {
            this.batch.push_back(data);
            return length;
        }
        if length == 0 {
            return 0;
        }
        if this.plan.is_chunked {
            drop(write!(shared.lock().wire.output(), "{length:x}\r\n"));
        }
        while data.has_remaining() {
            let piece = data.chunk();
            shared.lock().wire.output().extend_from_slice(piece);
            let copied = piece.len();
            data.advance(copied);
        }
        if this.plan.is_chunked {
            shared.lock().wire.output().extend_from_slice(b"\r\n");
        }
        0
    }

    /// Writes the end of the body, once it has ended.
    fn put_end(self: Pin<&mut Self>, shared: &ConnShared) {
        let this = self.project();
        if !matches!(this.end, BodyEnd::Reached(_)) {
            return;
        }
        let BodyEnd::Reached(trailers) = std::mem::replace(this.end, BodyEnd::Written) else {
            return;
        };
        if !this.plan.is_chunked {
            return;
        }
        let mut state = shared.lock();
        let output = state.wire.output();
        output.extend_from_slice(b"0\r\n");
        for (name, value) in &trailers {
            if this.plan.trailers.contains(name) && !is_forbidden_trailer(name) {
                put_field(output, name.as_str(), value.as_bytes());
            }
        }
        output.extend_from_slice(b"\r\n");
    }

    /// Sends the rest of a request whose response has begun with this status, whether or not the response is read.
    pub(super) fn spawn_rest(
        mut self: Pin<Box<Self>>,
        shared: &Arc<ConnShared>,
        status: StatusCode,
    ) {
        shared.lock().phase = ConnPhase::Uploading(Uploading::new(status));
        let mut unfinished = UnfinishedUpload(Some(shared.clone()));
        shared.runtime().spawn(async move {
            let Some(connection) = &unfinished.0 else { return };
            let sent = std::future::poll_fn(|cx| self.as_mut().poll_rest(connection, cx)).await;
            // Drop the body before reporting: it may hold something that others wait for.
            drop(self);
            let Some(connection) = unfinished.0.take() else { return };
            match sent {
                Ok(()) => connection.end_upload(),
                Err(UploadError::Body(error)) => connection.fail_upload(error),
                Err(UploadError::Io(_)) => {
                    connection.status.finish();
                    connection.end_upload();
                }
            }
        });
    }

    fn poll_rest(
        mut self: Pin<&mut Self>,
        shared: &ConnShared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), UploadError>> {
        let mut state = shared.lock();
        let is_over = !state.wire.is_open() || state.wire.write_failed();
        // Before the poll, so that an abort during it wakes this task.
        let old = state.register_upload(cx);
        drop(state);
        drop(old);
        let broken = || Poll::Ready(Err(UploadError::Io(io::ErrorKind::BrokenPipe.into())));
        if is_over {
            return broken();
        }
        let sent = self.as_mut().poll(shared, cx);
        let mut state = shared.lock();
        if let ConnPhase::Uploading(uploading) = &mut state.phase {
            uploading.is_body_awaited =
                uploading.is_success && self.is_body_pending && sent.is_pending();
        }
        // A failed write stays pending, and the reading side has ended already.
        match sent.is_pending() && state.wire.write_failed() {
            true => broken(),
            false => sent,
        }
    }
}

/// Closes the connection if its task is dropped, as with the caller's runtime: nothing else would send the rest.
struct UnfinishedUpload(Option<Arc<ConnShared>>);

impl Drop for UnfinishedUpload {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.abort();
        }
    }
}

/// Removes written bytes from the front.
fn advance<D: Buf>(batch: &mut VecDeque<D>, mut written: usize) {
    while let Some(data) = batch.front_mut() {
        let taken = written.min(data.remaining());
        data.advance(taken);
        written -= taken;
        if data.has_remaining() {
            return;
        }
        batch.pop_front();
    }
}

/// Fields that frame, route or authenticate a message, or describe its content, are not allowed in trailers (RFC 9110
/// §6.5.1).
fn is_forbidden_trailer(name: &HeaderName) -> bool {
    const FORBIDDEN: [HeaderName; 15] = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::MAX_FORWARDS,
        header::PROXY_AUTHORIZATION,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
    ];
    FORBIDDEN.contains(name)
}
