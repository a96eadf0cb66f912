//! A stream as a tunnel (RFC 9113 §8.5).

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use http::{Response, response::Parts};
use hyper::rt::Write;
use tokio::io::ReadBuf;

use super::{body::Http2Body, stream::StreamGuard};
use crate::{
    io::{
        copied_read,
        direct::{DirectIo, DirectRead},
        write_count::WriteCount,
    },
    upgrade::Pending,
};

/// The bytes of a stream in both directions. Dropping it before both ends are shut down resets the stream (`CANCEL`).
struct StreamTunnel {
    guard: StreamGuard,
    outward: SendStream<Bytes>,
    inward: RecvStream,
    /// Received data that did not fit the caller's buffer.
    unread: Bytes,
    /// Bytes given to h2 count as written: the driver may write them at any time.
    count: WriteCount,
}

/// The response that opened a tunnel: its bytes are in an extension, its body is empty.
pub(super) fn open(
    (mut head, stream_id): (Parts, u32),
    guard: StreamGuard,
    outward: SendStream<Bytes>,
    inward: RecvStream,
) -> Response<Http2Body> {
    let count = WriteCount::default();
    head.extensions.insert(count.clone());
    let tunnel = StreamTunnel { guard, outward, inward, unread: Bytes::new(), count };
    head.extensions.insert(Pending::new(async { Ok(DirectIo::own(Box::new(tunnel))) }));
    Response::from_parts(head, Http2Body::whole(Bytes::new()).on_stream(stream_id))
}

impl StreamTunnel {
    /// A reset stream reads as a reset connection: data may be missing.
    fn reset_error(&self, error: h2::Error) -> io::Error {
        let error = self.guard.conn().failed("using a tunnel through", error).sent(true);
        io::Error::new(io::ErrorKind::ConnectionReset, error)
    }

    fn poll_room(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(reset) = self.outward.poll_reset(cx) {
            let error = reset.map_or_else(|error| error, h2::Error::from);
            return Poll::Ready(Err(self.reset_error(error)));
        }
        self.outward.reserve_capacity(wanted);
        let room = match self.outward.capacity() {
            0 => ready!(self.outward.poll_capacity(cx)),
            room => Some(Ok(room)),
        };
        Poll::Ready(match room {
            Some(Ok(room)) => Ok(room.min(wanted)),
            Some(Err(error)) => Err(self.reset_error(error)),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }
}

impl DirectRead for StreamTunnel {
    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Empty DATA frames are skipped: a read of nothing would mean the end.
        while self.unread.is_empty() {
            match ready!(self.inward.poll_data(cx)) {
                Some(Ok(data)) => self.unread = data,
                Some(Err(error)) => return Poll::Ready(Err(self.reset_error(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..taken]);
        self.unread.advance(taken);
        // Only what the caller has read, so that a tunnel that is not read stops its peer.
        let released = self.inward.flow_control().release_capacity(taken);
        Poll::Ready(released.map_err(|error| self.reset_error(error)))
    }
}

copied_read!([] StreamTunnel);

impl Write for StreamTunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.poll_room(bytes.len(), cx))?;
        let sent = self.outward.send_data(Bytes::copy_from_slice(&bytes[..room]), false);
        Poll::Ready(match sent {
            Ok(()) => {
                self.count.add(room);
                Ok(room)
            }
            Err(error) => Err(self.reset_error(error)),
        })
    }

    /// A no-op: the driver writes as soon as it can.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Fails if the stream is shut down or reset already.
        let _ = self.outward.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for StreamTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTunnel").field("stream", &self.guard).finish_non_exhaustive()
    }
}
