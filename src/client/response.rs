//! Reads what a response says of itself, and its body as text or JSON.

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, StatusCode, Uri, Version, header::CONTENT_TYPE};

use super::{FinalUrl, NextRequest, Redirected, Sent, text};
use crate::{
    body::Body,
    connect_info::ConnectInfo,
    error::{Error, Kind},
    events::{Timings, shown},
};

#[cfg(feature = "json")]
mod json;
mod lines;
mod links;
mod media_type;
mod reading;
#[cfg(not(feature = "http1"))]
#[path = "response/no_reason.rs"]
mod reason;
#[cfg(feature = "http1")]
mod reason;
mod save;
pub(crate) mod set_cookies;
pub(crate) mod streamed;

pub use lines::Lines;
pub use links::{Link, Links};
pub use reading::Reading;
pub use streamed::StreamedResponseExt;

/// Helps to read an [`http::Response`]: one that was read whole, [`Bytes`], and one that is streamed, [`Body`].
///
/// ```
/// # async fn example() -> Result<(), tower_transport::Error> {
/// use tower_transport::client::{Client, ResponseExt};
///
/// let response = Client::new().get("https://www.example.com/").await?.error_for_status()?;
/// println!("{:?} {} {}", response.url(), response.protocol(), response.reason());
/// println!("{}", response.text());
/// # Ok(())
/// # }
/// ```
///
/// The body of one that is streamed is read by [`StreamedResponseExt`].
pub trait ResponseExt: sealed::Sealed + Sized {
    /// `Result<Self, Error>`; of a response that is streamed a future of that, which reads the body of an error.
    type Checked;

    /// An error for which [`is_status`](Error::is_status) holds if the status is 4xx or 5xx: with the URL in its text, and as
    /// [`response`](Error::response) the head and the first 64 KiB of the body.
    fn error_for_status(self) -> Self::Checked;

    /// The URL of the request, of the last one after redirects, without its fragment. `None` of a response that no
    /// [`Client`](super::Client) and no redirect has led to.
    fn url(&self) -> Option<&Uri>;

    /// The redirects that led here, the first one first.
    fn history(&self) -> &[Redirected];

    /// The request that this response asks for by a redirect that was not followed: send it by
    /// `client.send(next.to_request()?)`.
    fn next_request(&self) -> Option<&NextRequest>;

    /// Names and values of the cookies that the response sets, in their order; only cookies that are UTF-8. The cookies that a jar
    /// has kept are in [`Client::cookies`](super::Client).
    fn cookies(&self) -> impl Iterator<Item = (&str, &str)>;

    /// The version of HTTP, as `HTTP/1.1` or `HTTP/2`.
    fn protocol(&self) -> &'static str;

    /// The reason phrase: that of the server, or else the usual one of the status. HTTP/2 has no reason phrase.
    fn reason(&self) -> &str;

    /// The media type of the body, without its parameters: `text/html`.
    fn content_type(&self) -> Option<&str>;

    /// The `charset` of the body, in lower case, as the response says it.
    fn charset(&self) -> Option<String>;

    /// The links of the `Link` fields (RFC 8288), such as the next page of a list.
    fn links(&self) -> Links;

    /// What is known of the connection. `None` if the response did not come over one.
    fn connection(&self) -> Option<&ConnectInfo>;

    /// When each step of the request began and ended, if [that was asked for](crate::options::Timed).
    fn timings(&self) -> Option<&Timings>;

    /// The body as text: by a byte order mark, by the charset that the response says, if this build knows it by the feature
    /// `charset`, or else as UTF-8. What is not valid becomes U+FFFD.
    fn text(&self) -> String
    where
        Self: WholeBody,
    {
        WholeBody::read_text(self)
    }

    /// The body as [text](Self::text), where nothing is replaced.
    ///
    /// # Errors
    ///
    /// [`is_data`](Error::is_data) for bytes that are no text in its charset, and for a charset that is not known.
    fn text_strict(&self) -> Result<String, Error>
    where
        Self: WholeBody,
    {
        WholeBody::read_text_strict(self)
    }

    /// The body as text in the charset of this label, like `shift_jis`, whatever the response says; a byte order mark still
    /// decides. What is not valid becomes U+FFFD.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a label that this build does not know.
    fn text_with(&self, label: &str) -> Result<String, Error>
    where
        Self: WholeBody,
    {
        WholeBody::read_text_with(self, label)
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`is_data`](Error::is_data) for what is no JSON, and for JSON of another shape: with the URL, the line and the text
    /// around it, 64 bytes at the most.
    #[cfg(feature = "json")]
    fn json<T: serde_core::de::DeserializeOwned>(&self) -> Result<T, Error>
    where
        Self: WholeBody,
    {
        WholeBody::read_json(self)
    }
}

/// A response whose body was read whole.
#[diagnostic::on_unimplemented(
    message = "the body of this response is streamed",
    note = "import `StreamedResponseExt`, whose `text` and `json` read it, or leave `streamed()` out"
)]
pub trait WholeBody: sealed::Sealed {
    #[doc(hidden)]
    fn read_text(&self) -> String;

    #[doc(hidden)]
    fn read_text_strict(&self) -> Result<String, Error>;

    #[doc(hidden)]
    fn read_text_with(&self, label: &str) -> Result<String, Error>;

    #[doc(hidden)]
    #[cfg(feature = "json")]
    fn read_json<T: serde_core::de::DeserializeOwned>(&self) -> Result<T, Error>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for http::Response<bytes::Bytes> {}
    impl Sealed for http::Response<crate::body::Body> {}
}

impl WholeBody for Response<Bytes> {
    fn read_text(&self) -> String {
        text::decode_text(self.body(), self.headers().get(CONTENT_TYPE))
    }

    fn read_text_strict(&self) -> Result<String, Error> {
        let text = text::decode_text_strict(self.body(), self.headers().get(CONTENT_TYPE));
        text.map_err(|error| match url_in(self.extensions()) {
            Some(url) => error.with_url(shown(url)),
            None => error,
        })
    }

    fn read_text_with(&self, label: &str) -> Result<String, Error> {
        text::decode_text_with(self.body(), label)
    }

    #[cfg(feature = "json")]
    fn read_json<T: serde_core::de::DeserializeOwned>(&self) -> Result<T, Error> {
        json::read(self.body(), self.extensions())
    }
}

/// What is the same for all bodies.
macro_rules! of_head {
    () => {
        fn url(&self) -> Option<&http::Uri> {
            $crate::client::response::url_in(self.extensions())
        }

        fn history(&self) -> &[$crate::client::Redirected] {
            self.extensions()
                .get::<$crate::client::Visited>()
                .map_or(&[], $crate::client::Visited::hops)
        }

        fn next_request(&self) -> Option<&$crate::client::NextRequest> {
            self.extensions().get()
        }

        fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
            $crate::client::response::set_cookies::pairs(self.headers())
        }

        fn protocol(&self) -> &'static str {
            $crate::client::response::protocol(self.version())
        }

        fn reason(&self) -> &str {
            $crate::client::response::reason(self.extensions(), self.status())
        }

        fn content_type(&self) -> Option<&str> {
            $crate::client::response::content_type(self.headers())
        }

        fn charset(&self) -> Option<String> {
            $crate::client::response::charset(self.headers())
        }

        fn links(&self) -> $crate::client::Links {
            $crate::client::Links::of(self.headers(), self.url())
        }

        fn connection(&self) -> Option<&$crate::connect_info::ConnectInfo> {
            $crate::connect_info::ConnectInfo::of(self)
        }

        fn timings(&self) -> Option<&$crate::events::Timings> {
            self.extensions().get()
        }
    };
}

#[cfg(feature = "blocking")]
pub(crate) use of_head;

impl ResponseExt for Response<Bytes> {
    type Checked = Result<Self, Error>;

    fn error_for_status(self) -> Result<Self, Error> {
        let Some(error) = status_error(&self) else { return Ok(self) };
        let kept = |body: Bytes| Bytes::copy_from_slice(&body[..body.len().min(KEPT)]);
        Err(error.with_response(self.map(kept)))
    }

    of_head!();
}

impl ResponseExt for Response<Body> {
    type Checked = Reading<Self>;

    fn error_for_status(self) -> Reading<Self> {
        Reading::new(async move {
            let Some(error) = status_error(&self) else { return Ok(self) };
            let (head, body) = self.into_parts();
            let read = streamed::beginning(body, KEPT).await;
            Err(error.with_response(Response::from_parts(head, read)))
        })
    }

    of_head!();
}

/// So much of a body is kept for an error.
pub(crate) const KEPT: usize = crate::error::REFUSAL_BODY;

/// The error of a status that is one.
pub(crate) fn status_error<B>(response: &Response<B>) -> Option<Error> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let url = url_in(response.extensions()).map(shown);
    let method = response.extensions().get::<Sent>().map(|sent| format!("{} ", sent.method()));
    let request = match &url {
        Some(url) => format!("{}{url}", method.unwrap_or_default()),
        None => "a request".to_owned(),
    };
    let error = Error::new(Kind::Status, format!("{request} was answered with {status}"));
    Some(match url {
        Some(url) => error.with_url(url),
        None => error,
    })
}

pub(crate) fn url_in(extensions: &Extensions) -> Option<&Uri> {
    let sent = extensions.get::<Sent>().map(Sent::url);
    sent.or_else(|| extensions.get::<FinalUrl>().map(FinalUrl::uri))
}

/// The reason phrase that was sent, or the usual one.
pub(crate) fn reason(extensions: &Extensions, status: StatusCode) -> &str {
    reason::phrase(extensions).or_else(|| status.canonical_reason()).unwrap_or_default()
}

pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok().map(media_type::essence)
}

pub(crate) fn charset(headers: &HeaderMap) -> Option<String> {
    Some(text::charset_label(headers.get(CONTENT_TYPE)?)?.to_ascii_lowercase())
}

pub(crate) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP",
    }
}
