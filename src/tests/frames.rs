//! The kit of frames: HTTP/2 frames as bytes, valid and invalid, and a peer that reads and writes them (RFC 9113 §4.1).

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// The bytes of the client's preface, without its first frame.
pub(crate) const PREFACE: usize = 24;

/// A received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Bytes,
}

/// A server whose every frame the test writes. It panics if the client closes where it should not.
pub(crate) struct FramePeer<S = DuplexStream> {
    pub(crate) io: S,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A literal field with a new name (RFC 7541 §6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127, "the kit packs short texts only");
        field.push(text.len() as u8);
        field.extend(text.as_bytes());
    }
    field
}

/// HEADERS with these fields and END_HEADERS.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

pub(crate) fn data(stream: u32, flags: u8, text: &str) -> Vec<u8> {
    frame(DATA, flags, stream, text.as_bytes())
}

pub(crate) fn reset(stream: u32, reason: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &reason.to_be_bytes())
}

pub(crate) fn goaway(last: u32, reason: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat())
}

pub(crate) fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// SETTINGS of these (RFC 9113 §6.5.2).
pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let one = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &settings.iter().flat_map(one).collect::<Vec<u8>>())
}

impl Frame {
    pub(crate) async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut head = [0; 9];
        io.read_exact(&mut head).await?;
        let [_, _, _, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        io.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Self { kind, flags, stream, payload: payload.into() })
    }

    /// The code of an RST_STREAM or, after its last stream id, of a GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = self.payload.len().min(8) - 4;
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn ends(&self) -> bool {
        self.flags & END_STREAM != 0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FramePeer<S> {
    /// Reads the preface, and sends nothing.
    pub(crate) async fn silent(mut io: S) -> Self {
        let mut preface = [0; PREFACE];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Self { io }
    }

    /// Writes frames as they are.
    pub(crate) async fn send(&mut self, frames: &[u8]) {
        self.io.write_all(frames).await.unwrap();
    }

    pub(crate) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload)).await;
    }

    pub(crate) async fn settings(&mut self, pairs: &[(u16, u32)]) {
        self.send(&settings(pairs)).await;
    }

    pub(crate) async fn allow_streams(&mut self, streams: u32) {
        self.settings(&[(3, streams)]).await;
    }

    /// A head or trailers.
    pub(crate) async fn fields(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) {
        self.send(&headers(stream, flags, fields)).await;
    }

    /// A response without content.
    pub(crate) async fn answer(&mut self, stream: u32, status: &str) {
        self.fields(stream, END_STREAM, &[(":status", status)]).await;
    }

    pub(crate) async fn data(&mut self, stream: u32, flags: u8, text: &str) {
        self.send(&data(stream, flags, text)).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.send(&reset(stream, code)).await;
    }

    pub(crate) async fn goaway(&mut self, last: u32, code: u32) {
        self.send(&goaway(last, code)).await;
    }

    pub(crate) async fn open_window(&mut self, stream: u32, bytes: u32) {
        self.send(&window_update(stream, bytes)).await;
    }

    /// The next frame, or `None` at the end.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        Frame::read(&mut self.io).await.ok()
    }

    /// The next frame of this kind; skips others.
    pub(crate) async fn next(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("the connection was closed");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// The stream of the next request.
    pub(crate) async fn request(&mut self) -> u32 {
        self.next(HEADERS).await.stream
    }

    /// All frames that were queued by now. h2 answers a PING before it writes anything else, so it takes two.
    pub(crate) async fn settled(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..2 {
            self.frame(PING, 0, 0, b"settled?").await;
            loop {
                let frame = self.read().await.expect("the connection was closed");
                if frame.kind == PING && &frame.payload[..] == b"settled?" {
                    break;
                }
                frames.push(frame);
            }
        }
        frames
    }

    pub(crate) async fn answer_ping(&mut self) {
        let ping = self.next(PING).await;
        self.frame(PING, ACK, 0, &ping.payload).await;
    }
}
