//! A stream that has become a tunnel (RFC 9113 §8.5).

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use http::{Response, response::Parts};
use hyper::rt::{Read, ReadBufCursor, Write};

use super::{body::Http2Body, stream::StreamGuard};
use crate::{
    io::{Io, write_count::WriteCount},
    upgrade::Pending,
};

/// Bytes in both directions inside a stream. Dropping it before both ends are shut down resets the stream (`CANCEL`).
struct Tunnel {
    guard: StreamGuard,
    outward: SendStream<Bytes>,
    inward: RecvStream,
    /// What came in one piece and was not taken in one.
    unread: Bytes,
    /// What h2 was given may go out whenever the connection's task writes, so it counts as written.
    count: WriteCount,
}

/// The answer that opened a tunnel: its bytes are in an extension, its body is empty.
pub(super) fn open(
    (mut head, stream_id): (Parts, u32),
    guard: StreamGuard,
    outward: SendStream<Bytes>,
    inward: RecvStream,
) -> Response<Http2Body> {
    let count = WriteCount::default();
    head.extensions.insert(count.clone());
    let tunnel = Tunnel { guard, outward, inward, unread: Bytes::new(), count };
    head.extensions.insert(Pending::new(async { Ok(Box::new(tunnel) as Box<dyn Io>) }));
    Response::from_parts(head, Http2Body::whole(Bytes::new()).on_stream(stream_id))
}

impl Tunnel {
    /// A stream that was reset is a connection that was: what came may not be all there is.
    fn is_reset(&self, error: h2::Error) -> io::Error {
        let error = self.guard.conn().failed("using a tunnel through", error).sent(true);
        io::Error::new(io::ErrorKind::ConnectionReset, error)
    }

    fn poll_room(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(reset) = self.outward.poll_reset(cx) {
            let error = reset.map_or_else(|error| error, h2::Error::from);
            return Poll::Ready(Err(self.is_reset(error)));
        }
        self.outward.reserve_capacity(wanted);
        let room = match self.outward.capacity() {
            0 => ready!(self.outward.poll_capacity(cx)),
            room => Some(Ok(room)),
        };
        Poll::Ready(match room {
            Some(Ok(room)) => Ok(room.min(wanted)),
            Some(Err(error)) => Err(self.is_reset(error)),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }
}

impl Read for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.inward.poll_data(cx)) {
                Some(Ok(data)) => self.unread = data,
                Some(Err(error)) => return Poll::Ready(Err(self.is_reset(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..taken]);
        self.unread.advance(taken);
        let released = self.inward.flow_control().release_capacity(taken);
        Poll::Ready(released.map_err(|error| self.is_reset(error)))
    }
}

impl Write for Tunnel {
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
            Err(error) => Err(self.is_reset(error)),
        })
    }

    /// The connection's task writes as soon as it can; there is nothing to hurry it.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // It fails if the stream is shut down or reset already.
        let _ = self.outward.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("stream", &self.guard).finish_non_exhaustive()
    }
}
