//! The lines of a body as it comes.

use std::fmt;

use http::HeaderValue;

use crate::{body::Body, client::text::lines::LineDecoder, error::Error};

/// More in one line is no text.
const LONGEST: usize = 1 << 20;

/// The lines of a body, as they come: each ends with `\n`, `\r\n`, or with the body.
pub struct Lines {
    body: Body,
    decoder: LineDecoder,
}

impl Lines {
    pub(super) fn new(body: Body, content_type: Option<&HeaderValue>) -> Self {
        Self { body, decoder: LineDecoder::new(content_type, LONGEST) }
    }

    /// How many bytes of UTF-8 a line may have, 1 MiB by default: so much is kept in memory.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.decoder.set_longest(bytes);
        self
    }

    /// The next line without its end, in the charset of the response as [`text`](super::ResponseExt::text) reads it; `None`
    /// after the last.
    ///
    /// # Errors
    ///
    /// Those of the body; and [`is_data`](Error::is_data) for a line that is too long, where the body is given up.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the line comes with the next call.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            match self.decoder.next_line() {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) => {}
                Err(error) => {
                    self.body = Body::empty();
                    return Err(error);
                }
            }
            match self.body.chunk().await? {
                Some(chunk) => self.decoder.push(&chunk),
                None if self.decoder.is_over() => return Ok(None),
                None => self.decoder.finish(),
            }
        }
    }
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
        let mut lines = Lines::new(Body::iter(chunks.iter().copied()), None).max_line(8);
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
    async fn a_line_that_is_too_long_is_an_error_and_gives_up_the_body() {
        for chunks in [&["1234", "56789"][..], &["123456789\nx"]] {
            let mut lines = Lines::new(Body::iter(chunks.iter().copied()), None).max_line(8);
            assert!(lines.next().await.unwrap_err().is_data());
            assert!(lines.next().await.unwrap_err().is_data());
        }
    }
}
