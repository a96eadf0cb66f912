//! Reads the body of a response that is streamed.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use http::{Extensions, Response, header::CONTENT_TYPE};

use super::{Lines, Reading, ResponseExt, save, url_in};
use crate::{
    body::Body,
    error::{Error, Kind},
    events::shown,
    options::MaxBody,
};

/// Reads the body of a response that is streamed, beside [`Body::chunk`], [`frame`](Body::frame) and [`read`](Body::read).
pub trait StreamedResponseExt: ResponseExt {
    /// All of the body as [text](ResponseExt::text), 64 MiB at the most.
    fn text(self) -> Reading<String>;

    /// All of the body as [JSON](ResponseExt::json), 64 MiB at the most.
    #[cfg(feature = "json")]
    fn json<T: serde_core::de::DeserializeOwned>(self) -> Reading<T>;

    /// The lines of the body, as they come.
    fn lines(self) -> Lines;

    /// All of the body, if it has no more bytes than this; one with more is an error for which
    /// [`is_decode`](Error::is_decode) holds.
    fn read_up_to(self, bytes: u64) -> Reading<Bytes>;

    /// Writes the body to a file, and says how many bytes it has.
    ///
    /// It is written to a temporary file in the same directory, which is renamed to this name at the end: no file of this name is ever
    /// half written. On Unix it has the mode of the file that it replaces, and its owner if that is allowed. A link stays one: what it
    /// leads to is replaced. The status of the response is not checked.
    ///
    /// What is no file, such as a pipe or `/dev/null`, is written to itself, as the body comes. To open a pipe waits for its reader, on
    /// one of the runtime's threads for blocking work: its shutdown waits as long.
    ///
    /// # Errors
    ///
    /// Those of the body; and [`is_io`](Error::is_io) where a file cannot be written. A directory is refused before the body is read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future removes what was written to a file. A thread that waits for the reader of a pipe waits on.
    fn save_to(self, path: impl AsRef<Path>) -> Reading<u64>;
}

impl StreamedResponseExt for Response<Body> {
    fn text(self) -> Reading<String> {
        Reading::new(async move { Ok(ResponseExt::text(&whole(self).await?)) })
    }

    #[cfg(feature = "json")]
    fn json<T: serde_core::de::DeserializeOwned>(self) -> Reading<T> {
        Reading::new(async move { ResponseExt::json(&whole(self).await?) })
    }

    fn lines(self) -> Lines {
        let content_type = self.headers().get(CONTENT_TYPE).cloned();
        Lines::new(self.into_body(), content_type.as_ref())
    }

    fn read_up_to(self, bytes: u64) -> Reading<Bytes> {
        let (head, body) = self.into_parts();
        Reading::new(async move { up_to(body, bytes, &head.extensions).await })
    }

    fn save_to(self, path: impl AsRef<Path>) -> Reading<u64> {
        let path = path.as_ref().to_owned();
        Reading::new(save::save(self.into_body(), path))
    }
}

async fn whole(response: Response<Body>) -> Result<Response<Bytes>, Error> {
    let (head, body) = response.into_parts();
    let read = up_to(body, MaxBody::default().limit(), &head.extensions).await?;
    Ok(Response::from_parts(head, read))
}

async fn up_to(mut body: Body, bytes: u64, extensions: &Extensions) -> Result<Bytes, Error> {
    let too_large = || {
        let url = url_in(extensions).map(shown);
        let of = url.as_ref().map_or(String::new(), |url| format!(" of {url}"));
        let text = format!("the body{of} has more than {bytes} bytes");
        let error = Error::new(Kind::Decode, text).sent(true);
        match url {
            Some(url) => error.with_url(url),
            None => error,
        }
    };
    if body.length().is_some_and(|length| length > bytes) {
        return Err(too_large());
    }
    let mut all = BytesMut::new();
    while let Some(chunk) = body.chunk().await? {
        if chunk.len() as u64 > bytes - all.len() as u64 {
            return Err(too_large());
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// Up to this many bytes of a body; fewer if reading fails.
pub(crate) async fn beginning(mut body: Body, bytes: usize) -> Bytes {
    let mut read = BytesMut::new();
    while read.len() < bytes {
        let Ok(Some(chunk)) = body.chunk().await else { break };
        let room = bytes - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    read.freeze()
}
