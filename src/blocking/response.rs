//! Reads responses without async.

use std::{fmt, path::Path};

use bytes::Bytes;
use http::Response;

use super::{Body, sending::BlockingWait};
use crate::{
    body::Body as AsyncBody,
    client::{
        Lines as AsyncLines, ResponseExt, StreamedResponseExt as AsyncStreamedResponseExt,
        response::{KEPT, of_head, sealed, status_error, streamed::beginning},
    },
    error::Error,
};

impl sealed::Sealed for Response<Body> {}

impl ResponseExt for Response<Body> {
    type Checked = Result<Self, Error>;

    fn error_for_status(self) -> Result<Self, Error> {
        let Some(error) = status_error(&self) else { return Ok(self) };
        let (head, body) = self.into_parts();
        let waiter = body.waiter()?;
        let read = waiter.run(beginning(body.into(), KEPT))?;
        Err(error.with_response(Response::from_parts(head, read)))
    }

    of_head!();
}

/// Reads the body of a response that is streamed, beside what [`Body`] itself does: the twin of
/// [`StreamedResponseExt`](crate::client::StreamedResponseExt).
///
/// ```no_run
/// # fn main() -> Result<(), tower_transport::Error> {
/// use tower_transport::{ResponseExt, blocking::{Client, StreamedResponseExt}};
///
/// let client = Client::new();
/// let response = client.get("https://example.com/large").streamed().send()?;
/// response.error_for_status()?.save_to("large")?;
///
/// for line in client.stream("GET", "https://example.com/log").send()?.lines() {
///     println!("{}", line?);
/// }
/// # Ok(())
/// # }
/// ```
pub trait StreamedResponseExt: ResponseExt {
    /// All of the body as [text](ResponseExt::text), 64 MiB at the most.
    fn text(self) -> Result<String, Error>;

    /// All of the body as [JSON](ResponseExt::json), 64 MiB at the most.
    #[cfg(feature = "json")]
    fn json<T: serde_core::de::DeserializeOwned>(self) -> Result<T, Error>;

    /// The lines of the body, as they come.
    fn lines(self) -> Lines;

    /// All of the body, if it has no more bytes than this; one with more is an error for which
    /// [`is_decode`](Error::is_decode) holds.
    fn read_up_to(self, bytes: u64) -> Result<Bytes, Error>;

    /// Writes the body to a file, and says how many bytes it has: see
    /// [`save_to`](crate::client::StreamedResponseExt::save_to).
    ///
    /// # Errors
    ///
    /// Those of the body; and [`is_io`](Error::is_io) where a file cannot be written.
    fn save_to(self, path: impl AsRef<Path>) -> Result<u64, Error>;
}

impl StreamedResponseExt for Response<Body> {
    fn text(self) -> Result<String, Error> {
        let (response, waiter) = into_async(self)?;
        waiter.run(AsyncStreamedResponseExt::text(response))?
    }

    #[cfg(feature = "json")]
    fn json<T: serde_core::de::DeserializeOwned>(self) -> Result<T, Error> {
        let (response, waiter) = into_async(self)?;
        waiter.run(AsyncStreamedResponseExt::json(response))?
    }

    fn lines(self) -> Lines {
        let waiter = self.body().waiter();
        let lines = AsyncStreamedResponseExt::lines(self.map(AsyncBody::from));
        Lines { lines, waiter, is_over: false }
    }

    fn read_up_to(self, bytes: u64) -> Result<Bytes, Error> {
        let (response, waiter) = into_async(self)?;
        waiter.run(AsyncStreamedResponseExt::read_up_to(response, bytes))?
    }

    fn save_to(self, path: impl AsRef<Path>) -> Result<u64, Error> {
        let (response, waiter) = into_async(self)?;
        waiter.run(AsyncStreamedResponseExt::save_to(response, path))?
    }
}

fn into_async(response: Response<Body>) -> Result<(Response<AsyncBody>, BlockingWait), Error> {
    let waiter = response.body().waiter()?;
    Ok((response.map(AsyncBody::from), waiter))
}

/// The lines of a body, as they come: each ends with `\n`, `\r\n`, or with the body.
///
/// Each is without its end, in the charset of the response as [`text`](ResponseExt::text) reads it. After an error there is none.
pub struct Lines {
    lines: AsyncLines,
    waiter: Result<BlockingWait, Error>,
    is_over: bool,
}

impl Lines {
    /// Limits a line to this many bytes of UTF-8 (default 1 MiB), the most that is buffered.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.lines = self.lines.max_line(bytes);
        self
    }
}

impl Iterator for Lines {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let line = match &self.waiter {
            Ok(waiter) => waiter.run(self.lines.next()).and_then(|line| line),
            Err(error) => Err(error.clone()),
        };
        let line = line.transpose();
        self.is_over = !matches!(line, Some(Ok(_)));
        line
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.fmt(f)
    }
}
