//! Steps of HTTP/2.

use std::{io, sync::atomic::Ordering};

use super::{
    super::frames::{
        ACK, DATA, END_STREAM, Frame, HEADERS, NO_ERROR, PING, REFUSED_STREAM, frame, goaway,
        headers, hello, reset, window_update,
    },
    Buffered, ScriptedPeer, Wire,
};

impl ScriptedPeer {
    pub(super) async fn hear_frames(
        &self,
        last: u8,
        peer: &mut Buffered<impl Wire>,
    ) -> io::Result<()> {
        while self.hear_frame(peer).await?.kind != last {}
        Ok(())
    }

    pub(super) async fn serve_http2(&self, peer: &mut Buffered<impl Wire>) -> io::Result<()> {
        loop {
            let Frame { kind, flags, stream, payload } = self.hear_frame(peer).await?;
            let room = |stream| window_update(stream, payload.len() as u32);
            let answer = match kind {
                HEADERS | DATA if flags & END_STREAM != 0 => hello(stream),
                HEADERS => headers(stream, 0, &[(":status", "100")]),
                DATA if !payload.is_empty() => [room(0), room(stream)].concat(),
                PING if flags & ACK == 0 => frame(PING, ACK, 0, &[0; 8]),
                _ => continue,
            };
            peer.write(answer).await?;
        }
    }

    /// Answers some requests, refuses others, and leaves alone what comes after its GOAWAY.
    pub(super) async fn serve_some(
        &self,
        refused: usize,
        answered: usize,
        peer: &mut Buffered<impl Wire>,
    ) -> io::Result<()> {
        let (mut heard, mut left) = (0, answered);
        loop {
            let Frame { kind, flags, stream, .. } = self.hear_frame(peer).await?;
            if kind == PING && flags & ACK == 0 {
                peer.write(frame(PING, ACK, 0, &[0; 8])).await?;
            }
            if left == 0 || !matches!(kind, HEADERS | DATA) || flags & END_STREAM == 0 {
                continue;
            }
            heard += 1;
            let answer = match heard % refused {
                0 => reset(stream, REFUSED_STREAM),
                _ => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    left -= 1;
                    hello(stream)
                }
            };
            peer.write(answer).await?;
            if left == 0 {
                peer.write(goaway(stream, NO_ERROR)).await?;
            }
        }
    }

    async fn hear_frame(&self, peer: &mut Buffered<impl Wire>) -> io::Result<Frame> {
        let frame = Frame::read(&mut peer.io).await?;
        self.heard.lock().unwrap().push(format!("frame {} on {}", frame.kind, frame.stream));
        Ok(frame)
    }
}
