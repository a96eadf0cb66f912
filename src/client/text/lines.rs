//! Cuts text that comes in chunks into lines.

use http::HeaderValue;

use super::{Charset, TextDecoder, charset_label};
use crate::error::{Error, Kind};

/// Decodes a body as [`decode_text`](super::decode_text) does, a chunk at a time, and hands out its lines.
#[derive(Debug)]
pub(crate) struct LineDecoder {
    decoder: TextDecoder,
    /// Lines that were not handed out, and the beginning of one.
    text: String,
    /// So much of the text was handed out.
    taken: usize,
    /// So much of it was searched and holds no end of a line.
    searched: usize,
    longest: usize,
    is_over: bool,
}

impl LineDecoder {
    /// No line may be longer than this, in bytes of UTF-8.
    pub(crate) fn new(content_type: Option<&HeaderValue>, longest: usize) -> Self {
        let label = content_type.and_then(charset_label);
        let charset = label.and_then(|label| Charset::by_label(&label)).unwrap_or(Charset::UTF_8);
        let (decoder, text) = (charset.decoder(), String::new());
        Self { decoder, text, taken: 0, searched: 0, longest, is_over: false }
    }

    /// Sets how long a line may be.
    pub(crate) fn set_longest(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Takes a chunk, once there is no whole line left.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.forget_taken();
        self.decoder.push(chunk, false, &mut self.text);
    }

    /// There are no more chunks: what is left is a line, too, unless it is empty.
    pub(crate) fn finish(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.forget_taken();
            self.decoder.push(&[], true, &mut self.text);
        }
    }

    /// Whether there are no more chunks.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The next whole line, without its end, `\n` or `\r\n`.
    ///
    /// # Errors
    ///
    /// [`is_data`](Error::is_data) for a line that is too long, and for all that come after it.
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, Error> {
        let rest = &self.text[self.taken..];
        let (line, behind) = match self.text[self.searched..].find('\n') {
            Some(at) => {
                let line = &self.text[self.taken..self.searched + at];
                (line.strip_suffix('\r').unwrap_or(line), self.searched + at + 1)
            }
            None if rest.len() > self.longest => return Err(self.too_long()),
            None if self.is_over && !rest.is_empty() => (rest, self.text.len()),
            None => {
                self.searched = self.text.len();
                return Ok(None);
            }
        };
        if line.len() > self.longest {
            return Err(self.too_long());
        }
        let line = line.to_owned();
        (self.taken, self.searched) = (behind, behind);
        Ok(Some(line))
    }

    fn too_long(&self) -> Error {
        let text = format!("a line of a body has more than {} bytes", self.longest);
        Error::new(Kind::Data, text).sent(true)
    }

    fn forget_taken(&mut self) {
        self.text.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
    }
}
