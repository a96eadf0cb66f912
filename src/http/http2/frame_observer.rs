//! Parses the frame headers of a connection for facts that h2 does not expose.
//!
//! These are: the number of 1xx heads of a stream, the peer's remaining window, its SETTINGS, the acknowledgement of ours, and
//! whether HEADERS or DATA have come.
//! Frame headers (RFC 9113 §4.1) suffice, so no field is decompressed here.

use std::{
    io,
    ops::RangeInclusive,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::ConnState;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// `:status` 200, 204, 206, 304, 400, 404 or 500 as the first field of a head (RFC 7541 §6.1 and appendix A). The static
/// table has no 1xx.
const FINAL_STATUS: RangeInclusive<u8> = 0x88..=0x8e;

/// `PRI * HTTP/2.0` and its two lines (RFC 9113 §3.4): sent before the first frame.
const PREFACE: usize = 24;

/// The socket of a connection, observing the frames.
pub(super) struct FrameObserver<I> {
    io: I,
    inward: FrameScanner,
    outward: FrameScanner,
    /// Whether the peer's SETTINGS have begun to arrive.
    is_reading_settings: bool,
    state: Arc<ConnState>,
}

/// Finds frame headers in one direction, however the bytes are split.
struct FrameScanner {
    /// The bytes of an incomplete header, including the payload of a WINDOW_UPDATE.
    partial: [u8; Self::LONGEST],
    len: usize,
    /// Bytes up to the next header.
    skip: usize,
}

/// The observed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FrameHeader {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
    /// Of a WINDOW_UPDATE.
    increment: u32,
    /// The first payload byte of HEADERS.
    first: Option<u8>,
}

impl<I> FrameObserver<I> {
    pub(super) fn new(io: I, state: Arc<ConnState>) -> Self {
        let (inward, outward) = (FrameScanner::after(0), FrameScanner::after(PREFACE));
        Self { io, inward, outward, is_reading_settings: false, state }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        let state = &self.state;
        let (mut data, mut has_settings, mut has_answer) = (0, false, false);
        let is_reading_settings = &mut self.is_reading_settings;
        self.inward.scan(bytes, |frame| {
            // A frame begins where the one before has ended.
            has_settings |= *is_reading_settings;
            *is_reading_settings = frame.kind == SETTINGS && frame.flags & ACK == 0;
            has_answer |= matches!(frame.kind, HEADERS | DATA);
            match frame.kind {
                DATA => data += u64::from(frame.length),
                HEADERS if frame.flags & END_STREAM == 0 && !frame.is_final_head() => {
                    state.unanswered().count_head(frame.stream)
                }
                SETTINGS if frame.flags & ACK != 0 => state.settings_acknowledged(),
                _ => {}
            }
        });
        if has_answer {
            state.answer_received();
        }
        if data > 0 {
            state.window().shrink(data);
        }
        // Not before they are whole: h2 has applied no part of them.
        if has_settings || self.is_reading_settings && self.inward.skip == 0 {
            self.is_reading_settings = false;
            state.settings_received();
        }
    }

    fn has_written(&mut self, bytes: &[u8]) {
        let state = &self.state;
        self.outward.scan(bytes, |frame| match frame.kind {
            WINDOW_UPDATE if frame.stream == 0 => state.window().grow(frame.increment),
            HEADERS => state.headers_written(frame.stream, frame.flags & END_STREAM != 0),
            DATA if frame.flags & END_STREAM != 0 => state.unanswered().sent(frame.stream),
            _ => {}
        });
    }
}

impl FrameScanner {
    /// Length of a header.
    const SHORT: usize = 9;
    /// Length of a header with the first payload byte.
    const WITH_STATUS: usize = 10;
    /// Length of a header with the payload of a WINDOW_UPDATE.
    const LONGEST: usize = 13;

    fn after(skip: usize) -> Self {
        Self { partial: [0; Self::LONGEST], len: 0, skip }
    }

    /// Scans `bytes`, and calls `visit` for each frame once enough of it is known.
    fn scan(&mut self, mut bytes: &[u8], mut visit: impl FnMut(FrameHeader)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }
            // Most headers come in one piece and need no copy.
            if let (0, Some(partial)) = (self.len, bytes.first_chunk()) {
                // May hold bytes of the next frame: `read` uses only what kind and length allow.
                let header = FrameHeader::read(partial);
                self.skip = Self::SHORT + header.length as usize;
                visit(header);
                continue;
            }
            let needed = self.needed();
            let taken = (needed - self.len).min(bytes.len());
            self.partial[self.len..][..taken].copy_from_slice(&bytes[..taken]);
            self.len += taken;
            bytes = &bytes[taken..];
            // Asked again: once the kind is known, more may be needed.
            if self.len == self.needed() {
                let header = FrameHeader::read(&self.partial);
                // `len` bytes were consumed, of which all beyond the header belong to the payload.
                self.skip = header.length as usize + Self::SHORT - self.len;
                self.len = 0;
                visit(header);
            }
        }
    }

    /// Bytes of the frame that must be known. More once its type is known.
    fn needed(&self) -> usize {
        if self.len < Self::SHORT {
            return Self::SHORT;
        }
        match (self.partial[3], &self.partial[..3]) {
            (WINDOW_UPDATE, [0, 0, 4]) => Self::LONGEST,
            (HEADERS, length) if *length != [0, 0, 0] => Self::WITH_STATUS,
            _ => Self::SHORT,
        }
    }
}

impl FrameHeader {
    /// Parses a header and the payload bytes that [`FrameScanner::needed`] asks for.
    fn read(
        &[a, b, c, kind, flags, s0, s1, s2, s3, i0, i1, i2, i3]: &[u8; FrameScanner::LONGEST],
    ) -> Self {
        let length = u32::from_be_bytes([0, a, b, c]);
        let is_update = kind == WINDOW_UPDATE && length == 4;
        let increment = if is_update { [i0, i1, i2, i3] } else { [0; 4] };
        // The highest bit of both is reserved.
        let reserved = !(1 << 31);
        Self {
            length,
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & reserved,
            increment: u32::from_be_bytes(increment) & reserved,
            first: (kind == HEADERS && length > 0).then_some(i0),
        }
    }

    /// Whether HEADERS are certainly no 1xx, judged without decompression.
    fn is_final_head(&self) -> bool {
        let is_bare = self.flags & (PADDED | PRIORITY) == 0;
        is_bare && self.first.is_some_and(|first| FINAL_STATUS.contains(&first))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for FrameObserver<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        this.has_read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for FrameObserver<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, bytes))?;
        this.has_written(&bytes[..written.min(bytes.len())]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, slices))?;
        let mut left = written;
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            this.has_written(part);
            left -= part.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::to_be_bytes(payload.len() as u32);
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn a_head_is_final_where_its_first_field_is_a_final_status_of_the_table() {
        let is_final = |flags, payload: &[u8]| {
            let (mut frames, mut found) = (FrameScanner::after(0), Vec::new());
            frames.scan(&frame(HEADERS, flags, 3, payload), |it| found.push(it.is_final_head()));
            found
        };
        for (first, status) in [(0x88, 200), (0x8e, 500), (0x87, 0), (0x8f, 0), (0x48, 0)] {
            assert_eq!(is_final(4, &[first, 0]), [status > 0], "{first}");
        }
        // Padding or a priority comes before the field.
        assert_eq!(is_final(4 | PADDED, &[0x88, 0]), [false]);
        assert_eq!(is_final(4 | PRIORITY, &[0x88, 0, 0, 0, 0]), [false]);
        assert_eq!(is_final(0, &[]), [false], "its fields come in CONTINUATION");
    }

    #[test]
    fn frames_are_found_however_their_bytes_are_cut() {
        let update = |bytes: u32| frame(WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes());
        let bytes = [
            b"the preface".to_vec(),
            frame(SETTINGS, 0, 0, &[0; 12]),
            update(7),
            frame(HEADERS, 4, 3, &[0x88]),
            frame(DATA, 1, 3, b"hello"),
            frame(SETTINGS, ACK, 0, &[]),
            // Too short to say how much: an error of the connection, which is h2's to find.
            frame(WINDOW_UPDATE, 0, 5, &[1]),
            update(u32::MAX),
        ]
        .concat();
        let expected = [
            (12, SETTINGS, 0, 0, 0),
            (4, WINDOW_UPDATE, 0, 0, 7),
            (1, HEADERS, 4, 3, 0),
            (5, DATA, 1, 3, 0),
            (0, SETTINGS, 1, 0, 0),
            (1, WINDOW_UPDATE, 0, 5, 0),
            (4, WINDOW_UPDATE, 0, 0, (1 << 31) - 1),
        ];
        for size in 1..=bytes.len() {
            let (mut frames, mut found) = (FrameScanner::after(11), Vec::new());
            for piece in bytes.chunks(size) {
                frames.scan(piece, |it| {
                    found.push((it.length, it.kind, it.flags, it.stream, it.increment))
                });
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
