//! What the fuzz target in `fuzz/` checks of private parts, by a reader that knows no more than RFC 7578. It exists only for it and
//! for tests.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::HeaderValue;
use http_body::Body as _;

use super::{Form, Part};
use crate::body::Body;

/// A part as a server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPart {
    /// The name, with its escapes.
    pub name: String,
    /// The file name, with its escapes.
    pub file_name: Option<String>,
    /// The lines of the header behind the first.
    pub headers: Vec<String>,
    /// The content.
    pub content: Vec<u8>,
}

/// Writes a form of what bytes say, and reads it back: as many parts as before, with the same names and contents.
///
/// # Panics
///
/// If that does not hold.
pub fn multipart(input: &[u8]) {
    let mut fields = input.split(|byte| *byte == 0xff);
    let boundary = fields.next().and_then(|text| str::from_utf8(text).ok());
    let fields: Vec<_> = fields.take(30).collect();
    let mut form = Form::new();
    let mut expected = Vec::new();
    if let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty()) {
        form = form.boundary(boundary);
    }
    for field in fields.chunks_exact(3) {
        let [name, file_name, content] = [field[0], field[1], field[2]];
        let (name, file_name) = (String::from_utf8_lossy(name), String::from_utf8_lossy(file_name));
        let mut part = Part::bytes(content.to_vec());
        if !file_name.is_empty() {
            // An invalid value makes the whole form an error.
            part = part.file_name(&*file_name).content_type(&*file_name);
        }
        form = form.part(&*name, part);
        let file_name = (!file_name.is_empty()).then(|| escaped(&file_name));
        expected.push((escaped(&name), file_name, content.to_vec()));
    }
    let Ok((content_type, body)) = form.into_parts() else { return };
    let length = body.length();
    let bytes = written(body);
    assert_eq!(length, Some(bytes.len() as u64));
    let read = read(&bytes, &boundary_of(&content_type)).expect("a form that can be read");
    let read = read.into_iter().map(|part| (part.name, part.file_name, part.content));
    assert_eq!(read.collect::<Vec<_>>(), expected);
}

fn escaped(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// All of a body that never waits.
fn written(body: Body) -> Vec<u8> {
    let mut body = pin!(body);
    let mut written = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut cx) {
        written.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    written
}

/// The boundary of a `Content-Type`.
pub fn boundary_of(content_type: &HeaderValue) -> String {
    let text = content_type.to_str().unwrap_or_default();
    let boundary = text.split_once("boundary=").map_or("", |(_, boundary)| boundary);
    boundary.trim_matches('"').to_owned()
}

/// Reads a form; `None` for what is none.
pub fn read(bytes: &[u8], boundary: &str) -> Option<Vec<ReadPart>> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let mut rest = bytes.strip_prefix(&delimiter[2..])?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let (part, behind) = split_at(part, &delimiter)?;
        let (head, content) = split_at(part, b"\r\n\r\n")?;
        parts.push(read_part(str::from_utf8(head).ok()?, content)?);
        rest = behind;
    }
    (rest == b"--\r\n").then_some(parts)
}

fn read_part(head: &str, content: &[u8]) -> Option<ReadPart> {
    let mut lines = head.split("\r\n");
    let names = lines.next()?.strip_prefix("Content-Disposition: form-data; name=\"")?;
    let (name, rest) = names.split_once('"')?;
    let file_name = match rest.strip_prefix("; filename=\"") {
        Some(file_name) => Some(file_name.strip_suffix('"')?),
        None if rest.is_empty() => None,
        None => return None,
    };
    (!file_name.is_some_and(|name| name.contains('"'))).then(|| ReadPart {
        name: name.to_owned(),
        file_name: file_name.map(str::to_owned),
        headers: lines.map(str::to_owned).collect(),
        content: content.to_vec(),
    })
}

/// Before and behind the first of these.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            boundary in "[a-b -]{0,3}",
            fields in prop::collection::vec("[a-b\"\\r\\n\\\\ü%:; -]{0,12}", 0..9),
        ) {
            let fields = [boundary].into_iter().chain(fields).map(String::into_bytes);
            super::multipart(&fields.collect::<Vec<_>>().join(&0xff));
        }
    }

    #[test]
    fn the_corpus_of_forms_holds() {
        crate::corpus::replay("multipart", super::multipart);
    }
}
