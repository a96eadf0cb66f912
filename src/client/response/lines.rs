//! The lines of a body as it comes.

use std::fmt;

use bytes::{Buf, BytesMut};

use crate::{
    body::Body,
    error::{Error, Kind},
};

/// More in one line is no text.
const LONGEST: usize = 1 << 20;

/// The lines of a body, as they come: each ends with `\n`, `\r\n`, or with the body.
pub struct Lines {
    body: Body,
    read: BytesMut,
    /// So many bytes of what was read have no end of a line.
    searched: usize,
    longest: usize,
    is_over: bool,
}

impl Lines {
    pub(super) fn new(body: Body) -> Self {
        Self { body, read: BytesMut::new(), searched: 0, longest: LONGEST, is_over: false }
    }

    /// How many bytes a line may have, 1 MiB by default: so much is kept in memory.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// The next line without its end, as UTF-8, with U+FFFD in place of what is none; `None` after the last.
    ///
    /// # Errors
    ///
    /// Those of the body; and [`is_data`](Error::is_data) for a line that is too long. There are no more lines after an error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the line comes with the next call.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            let unsearched = &self.read[self.searched..];
            let end =
                unsearched.iter().position(|byte| *byte == b'\n').map(|at| at + self.searched);
            if end.unwrap_or(self.read.len()) > self.longest {
                return Err(self.too_long());
            }
            if let Some(end) = end {
                let line = self.read.split_to(end);
                self.read.advance(1);
                self.searched = 0;
                return Ok(Some(text(&line)));
            }
            self.searched = self.read.len();
            if self.is_over {
                let rest = self.read.split();
                self.searched = 0;
                return Ok((!rest.is_empty()).then(|| text(&rest)));
            }
            match self.body.chunk().await {
                Ok(Some(chunk)) => self.read.extend_from_slice(&chunk),
                Ok(None) => self.is_over = true,
                Err(error) => {
                    self.end();
                    return Err(error);
                }
            }
        }
    }

    fn too_long(&mut self) -> Error {
        let text = format!("reading a line of more than {} bytes", self.longest);
        self.end();
        Error::new(Kind::Data, text).sent(true)
    }

    fn end(&mut self) {
        (self.body, self.read, self.searched, self.is_over) =
            (Body::empty(), BytesMut::new(), 0, true);
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("body", &self.body).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(chunks: &'static [&'static str]) -> Vec<String> {
        let mut lines = Lines::new(Body::iter(chunks.iter().copied())).max_line(8);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        assert_eq!(lines.next().await.unwrap(), None);
        all
    }

    #[tokio::test]
    async fn a_line_ends_wherever_chunks_do() {
        assert_eq!(lines(&["a\nb", "c\r", "\n\n", "é"]).await, ["a", "bc", "", "é"]);
        assert_eq!(lines(&["12345678\n", "12345678"]).await, ["12345678", "12345678"]);
        assert!(lines(&[]).await.is_empty());
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_an_error_and_the_end() {
        for chunks in [&["1234", "56789"][..], &["123456789\nx"]] {
            let mut lines = Lines::new(Body::iter(chunks.iter().copied())).max_line(8);
            assert!(lines.next().await.unwrap_err().is_data());
            assert_eq!(lines.next().await.unwrap(), None);
        }
    }
}
