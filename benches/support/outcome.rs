//! A client that is measured, its requests, and how it reads the answers.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Sends requests and reads each answer to its end.
pub(crate) trait Client {
    /// How many requests one `send` is.
    const AT_ONCE: usize = 1;

    async fn send(&mut self) -> Outcome;
}

/// Reads the answer to its end.
pub(crate) async fn read<B>(response: Response<B>) -> Outcome
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    let (mut body, mut length) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        length += frame.map_err(Into::into)?.data_ref().map_or(0, Bytes::len);
    }
    whole(length)
}

/// The peer's answers have 12 bytes.
pub(crate) fn whole(length: usize) -> Outcome {
    if length == 12 { Ok(()) } else { Err("the answer is not whole".into()) }
}

pub(crate) fn request<B>(uri: &Uri, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.uri_mut() = uri.clone();
    request
}

/// Waits for every task.
pub(crate) async fn join(tasks: impl Iterator<Item = tokio::task::JoinHandle<Outcome>>) -> Outcome {
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    Ok(())
}
