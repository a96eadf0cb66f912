//! Checks a body against the length that its request declares.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    body::failed,
    error::{BoxError, Error, Kind},
    events::UploadTrace,
};

pin_project! {
    /// A body that fails if it is longer or shorter than declared, before the surplus is sent.
    ///
    /// hyper polls no further than the declared length, so the poll that reaches it looks one frame ahead. A body that is
    /// then pending is not waited for: it may be waiting for the response.
    pub(crate) struct LengthChecked<B> {
        #[pin]
        body: B,
        left: Option<u64>,
        lookahead: Lookahead,
        trace: Option<Box<UploadTrace>>,
    }
}

/// What follows the declared length.
enum Lookahead {
    Unknown,
    End,
    Trailers(Option<HeaderMap>),
}

impl<B> LengthChecked<B> {
    pub(crate) fn new(body: B, declared: Option<u64>, trace: Option<UploadTrace>) -> Self {
        Self { body, left: declared, lookahead: Lookahead::Unknown, trace: trace.map(Box::new) }
    }

    #[cfg(feature = "http2")]
    pub(crate) fn into_inner(self) -> B {
        self.body
    }
}

impl<B> Body for LengthChecked<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        if self.trace.is_some() {
            self.as_mut().begin_trace();
        }
        let frame = ready!(self.as_mut().poll_checked(cx));
        if self.trace.is_some() {
            self.record(frame.as_ref());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self.lookahead {
            Lookahead::Unknown => {
                self.left.is_none_or(|left| left == 0) && self.body.is_end_stream()
            }
            Lookahead::End | Lookahead::Trailers(None) => true,
            Lookahead::Trailers(Some(_)) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(|| self.body.size_hint(), SizeHint::with_exact)
    }
}

impl<B> LengthChecked<B>
where
    B: Body<Error: Into<BoxError>>,
{
    fn poll_checked(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        let this = self.as_mut().project();
        match this.lookahead {
            Lookahead::Unknown => {}
            Lookahead::End => return Poll::Ready(None),
            Lookahead::Trailers(trailers) => {
                return Poll::Ready(trailers.take().map(Frame::trailers).map(Ok));
            }
        }
        let frame = ready!(this.body.poll_frame(cx)).transpose().map_err(failed)?;
        // Without a declared length there is nothing to check.
        let Some(left) = this.left else { return Poll::Ready(frame.map(Ok)) };
        count(left, frame.as_ref())?;
        let is_data = frame.as_ref().is_some_and(Frame::is_data);
        if *left == 0 && is_data && !self.body.is_end_stream() {
            self.look_ahead(cx)?;
        }
        Poll::Ready(frame.map(Ok))
    }

    fn begin_trace(self: Pin<&mut Self>) {
        let this = self.project();
        let total = || this.left.or_else(|| this.body.size_hint().exact());
        this.trace.iter_mut().for_each(|trace| trace.begin(total));
    }

    /// Records a frame, and the end: after the declared length, or trailers, the body is not polled again.
    fn record(self: Pin<&mut Self>, frame: Option<&Result<Frame<B::Data>, Error>>) {
        let is_over = match frame {
            Some(Ok(frame)) => frame.is_trailers() || self.left == Some(0) || self.is_end_stream(),
            Some(Err(_)) | None => true,
        };
        let Some(trace) = self.project().trace else { return };
        match frame {
            Some(Ok(frame)) => trace.add(frame.data_ref().map_or(0, Buf::remaining), is_over),
            Some(Err(error)) => trace.fail(error),
            None => {}
        }
        if is_over {
            trace.complete();
        }
    }

    /// Whether all that will be sent has been taken.
    #[cfg(feature = "http1")]
    pub(crate) fn is_complete(&self) -> bool {
        self.left == Some(0) || self.is_end_stream()
    }

    /// Polls for what follows the declared length, without waiting.
    fn look_ahead(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            let this = self.as_mut().project();
            let Poll::Ready(frame) = this.body.poll_frame(cx) else { return Ok(()) };
            match frame.transpose().map_err(failed)?.map(Frame::into_trailers) {
                None => *this.lookahead = Lookahead::End,
                Some(Ok(trailers)) => *this.lookahead = Lookahead::Trailers(Some(trailers)),
                Some(Err(data)) => {
                    count(&mut 0, Some(&data))?;
                    continue;
                }
            }
            return Ok(());
        }
    }
}

/// Subtracts a frame from what is left; `None` is the end.
fn count<D: Buf>(left: &mut u64, frame: Option<&Frame<D>>) -> Result<(), Error> {
    let data = frame.and_then(Frame::data_ref);
    match data.map_or(0, |data| data.remaining() as u64) {
        // Before the surplus is handed out, so that none of it is sent.
        more if more > *left => Err(Error::new(Kind::Body, "the body is longer than declared")),
        _ if data.is_none() && *left > 0 => {
            Err(Error::new(Kind::Body, "the body is shorter than declared"))
        }
        more => {
            *left -= more;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::poll_fn, pin::pin};

    use bytes::Bytes;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// A body of these frames, whose length nothing but the declaration says.
    fn stream(
        frames: Vec<Frame<Bytes>>,
        declared: Option<u64>,
    ) -> LengthChecked<impl Body<Data = Bytes, Error = Infallible>> {
        let frames = futures_util::stream::iter(frames.into_iter().map(Ok));
        LengthChecked::new(StreamBody::new(frames), declared, None)
    }

    fn data() -> Frame<Bytes> {
        Frame::data(Bytes::from_static(b"hello"))
    }

    #[tokio::test]
    async fn the_size_is_what_is_left_of_the_declared_length_or_else_that_of_the_body() {
        let mut body = pin!(stream(vec![data()], Some(5)));
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!body.is_end_stream());
        body.frame().await.unwrap().unwrap();
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.is_end_stream());
        assert_eq!(stream(vec![data()], None).size_hint().exact(), None);
        let full = http_body_util::Full::new(Bytes::from_static(b"hello"));
        assert_eq!(LengthChecked::new(full, None, None).size_hint().exact(), Some(5));
    }

    #[tokio::test]
    async fn a_body_has_not_ended_before_its_trailers() {
        let trailers = || {
            Frame::trailers(HeaderMap::from_iter([(
                http::HeaderName::from_static("x-sum"),
                http::HeaderValue::from_static("1"),
            )]))
        };
        let mut body = pin!(stream(vec![data(), trailers()], Some(5)));
        body.frame().await.unwrap().unwrap();
        assert!(!body.is_end_stream());
        let last = body.frame().await.unwrap().unwrap();
        assert_eq!(last.into_trailers().unwrap()["x-sum"], "1");
        assert!(body.is_end_stream());
        assert!(poll_fn(|cx| body.as_mut().poll_frame(cx)).await.is_none());
    }
}
