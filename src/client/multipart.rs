//! Forms with files: `multipart/form-data` (RFC 7578), written as it is sent.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_transport::Error> {
//! use tower_transport::client::multipart::{Form, MultipartExt, Part};
//!
//! let form = Form::new()
//!     .text("title", "A crate")
//!     .part("manifest", Part::file("Cargo.toml").await?)
//!     .part("note", Part::bytes("# Read me").file_name("note.md"));
//! let request = http::Request::post("https://upload.example/").multipart(form)?;
//! assert!(request.headers()["content-type"].to_str().unwrap().starts_with("multipart/form-data"));
//! assert!(request.body().length().is_some());
//! # Ok(())
//! # }
//! ```

use std::path::Path;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};

use crate::{body::Body, error::Error, fields};

mod boundary;
mod content_types;
mod encode;
mod frames;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod request;
#[cfg(test)]
mod tests;

use frames::{FormContent, FormPiece, body_of};
pub use request::MultipartExt;

/// A form of parts, each with a name and a content.
///
/// It becomes a body that is written while it is sent, with no more than a piece of a file in memory. The body has a length if
/// all parts have one, and can be sent again, after a redirect with 307 or a challenge, if all of them can be.
///
/// Names and file names are escaped as browsers do it: `"` as `%22`, and line breaks as `%0D` and `%0A`. A mistake in a part is
/// the error of [`into_parts`](Self::into_parts), for which [`is_builder`](Error::is_builder) holds.
#[derive(Debug, Default)]
pub struct Form {
    boundary: Option<String>,
    parts: Vec<(String, Part)>,
}

/// The content of one field of a [`Form`], with what is said of it.
#[derive(Debug)]
#[must_use = "a part is sent with the form that it is given to"]
pub struct Part {
    content: PartContent,
    length: Option<u64>,
    file_name: Option<String>,
    headers: HeaderMap,
    /// The first mistake.
    wrong: Option<Error>,
}

#[derive(Debug)]
enum PartContent {
    Bytes(Bytes),
    Body(Body),
}

impl Form {
    /// A form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field of text, next to others of its name. The text is sent as it is, in UTF-8.
    pub fn text(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.part(name, Part::bytes(value.into()))
    }

    /// Adds a part, next to others of its name.
    pub fn part(mut self, name: impl Into<String>, part: Part) -> Self {
        self.parts.push((name.into(), part));
        self
    }

    /// Sets what separates the parts, 1 to 70 characters of RFC 2046 §5.1.1.
    ///
    /// By default it has 128 unpredictable bits, so no content can contain it. Contents of [bytes](Part::bytes) are searched for
    /// a boundary that you set: an error if one contains it; that no other content does is yours to ensure.
    pub fn boundary(mut self, boundary: impl Into<String>) -> Self {
        self.boundary = Some(boundary.into());
        self
    }

    /// The `Content-Type`, with the boundary, and the body.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a boundary, a name or a header field of a part that cannot be sent, and for a
    /// length that is not the one of its content.
    pub fn into_parts(self) -> Result<(HeaderValue, Body), Error> {
        let own = self.boundary.is_none();
        let boundary = self.boundary.unwrap_or_else(boundary::unpredictable);
        encode::check_boundary(&boundary)?;
        let content_type = encode::content_type(&boundary)?;
        let mut pieces = Vec::with_capacity(self.parts.len() * 3 + 1);
        for (name, part) in self.parts {
            let head = part.head(&name, &boundary)?;
            let content = part.into_piece(name, if own { None } else { Some(&boundary) })?;
            let end = FormPiece::Bytes(Bytes::from_static(b"\r\n"));
            pieces.extend([FormPiece::Bytes(head.into()), content, end]);
        }
        pieces.push(FormPiece::Bytes(encode::end(&boundary).into()));
        Ok((content_type, body_of(pieces)))
    }
}

impl Part {
    /// Bytes or text. Without a [file name](Self::file_name) it is a field like any other.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(PartContent::Bytes(bytes.into()))
    }

    /// Any body: of a function, [to be sent again](Body::again), or a [stream](Body::stream). Trailers of it are left out.
    ///
    /// One that does not know its length makes a form without one, which HTTP/1.1 sends with `Transfer-Encoding: chunked`,
    /// unless it is [told](Self::length).
    pub fn body(body: impl Into<Body>) -> Self {
        Self::new(PartContent::Body(body.into()))
    }

    /// A file, with its name, its length and a content type by the suffix of its name. It is read in pieces as it is sent, as
    /// [`Body::file`] says.
    ///
    /// # Errors
    ///
    /// [`is_body`](Error::is_body) for a file that cannot be opened.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the file.
    pub async fn file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let body = Body::file(path).await?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self::body(body).file_name(name))
    }

    fn new(content: PartContent) -> Self {
        let (length, file_name, headers) = (None, None, HeaderMap::new());
        Self { content, length, file_name, headers, wrong: None }
    }

    /// Says how many bytes the content has, for one that does not know. While it is sent, one that has more or fewer is an
    /// error for which [`is_body`](Error::is_body) holds.
    pub fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Sets the name of the file that the content is, with which servers store it. By default only [files](Self::file) have one.
    ///
    /// A part with a file name has a content type, by the suffix of the name unless it is [set](Self::content_type), and
    /// `application/octet-stream` for a suffix that is not known.
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// Sets the content type.
    pub fn content_type<V>(self, value: V) -> Self
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.header(CONTENT_TYPE, value)
    }

    /// Sets a header field of the part, in place of another of its name. RFC 7578 §4.8 knows `Content-Type` alone; most servers
    /// ignore others. `Content-Disposition` holds the names, and cannot be set.
    pub fn header<V>(mut self, name: HeaderName, value: V) -> Self
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let set = self.set(name, value);
        self.wrong = self.wrong.or(set.err());
        self
    }

    fn set<V>(&mut self, name: HeaderName, value: V) -> Result<(), Error>
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        if name == CONTENT_DISPOSITION {
            return Err(Error::builder(
                "`Content-Disposition` of a part cannot be set: it holds the names",
            ));
        }
        let value = value.try_into().map_err(|error: V::Error| {
            Error::builder(format!("the value of the header `{name}` of a part is not valid"))
                .because(error.into())
        })?;
        fields::check_room(&self.headers, 1)?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// What stands before the content.
    fn head(&self, name: &str, boundary: &str) -> Result<Vec<u8>, Error> {
        if let Some(error) = &self.wrong {
            return Err(error.clone());
        }
        let mut headers = self.headers.clone();
        if let Some(file_name) = &self.file_name {
            let by_suffix = content_types::of_file_name(file_name);
            let by_suffix = by_suffix.unwrap_or("application/octet-stream");
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(by_suffix));
        }
        encode::part_head(boundary, name, self.file_name.as_deref(), &headers)
    }

    /// The content, which must not hold this boundary.
    fn into_piece(self, name: String, boundary: Option<&str>) -> Result<FormPiece, Error> {
        let known = match &self.content {
            PartContent::Bytes(bytes) => Some(bytes.len() as u64),
            PartContent::Body(body) => body.length(),
        };
        if let (Some(known), Some(length)) = (known, self.length)
            && known != length
        {
            let text = format!("the part {name:?} has {known} bytes, and its length says {length}");
            return Err(Error::builder(text));
        }
        match (self.content, boundary) {
            (PartContent::Bytes(bytes), Some(boundary))
                if encode::holds_boundary(&bytes, boundary) =>
            {
                Err(Error::builder(format!("the part {name:?} holds the boundary of its form")))
            }
            (PartContent::Bytes(bytes), _) => Ok(FormPiece::Bytes(bytes)),
            (PartContent::Body(body), _) => {
                let left = known.or(self.length);
                Ok(FormPiece::Content(FormContent { body, left, name }))
            }
        }
    }
}
