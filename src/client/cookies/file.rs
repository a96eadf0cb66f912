//! The file `cookies.txt` of Netscape, as curl, wget, Python and browsers' extensions read and write it.
//!
//! ```text
//! # Netscape HTTP Cookie File
//! .example.com → TRUE → / → FALSE → 1764547200 → name → value
//! #HttpOnly_example.com → FALSE → /a → TRUE → 0 → name → value
//! ```
//!
//! A cookie is a line of seven fields with tabs (`→`) between them: the domain, whether hosts below it get it as well, the path,
//! whether it is for `https` alone, the seconds since 1970 when it ends, or 0 for a session cookie, its name and its value.

use std::{fs, io, path::Path};

use super::{Cookie, Jar};
use crate::{
    client::replacement::Replacement,
    error::{Error, Kind},
};

/// The first line, without which Python takes a file for something else.
const MAGIC: &str = "# Netscape HTTP Cookie File";

/// Before the domain of a cookie that scripts may not read.
const HTTP_ONLY: &[u8] = b"#HttpOnly_";

/// What became of the lines of a `cookies.txt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// The number of cookies read.
    pub taken: usize,
    /// The number that had expired.
    pub expired: usize,
    /// The line numbers, from 1, of lines that are no valid cookie.
    pub refused: Vec<usize>,
}

impl Jar {
    /// Adds the cookies of a file to the jar: a `cookies.txt` as curl and browsers' extensions write it. Session cookies are
    /// taken as well; [`clear_session`](Self::clear_session) removes them.
    ///
    /// It blocks for as long as reading the file takes.
    ///
    /// # Errors
    ///
    /// If the file cannot be read: the cause is an [`io::Error`]. Lines that are no cookies are no error, but counted.
    ///
    /// ```
    /// use tower_transport::client::cookies::Jar;
    ///
    /// # fn main() -> Result<(), tower_transport::Error> {
    /// # let folder = std::env::temp_dir().join(format!("cookies-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("cookies.txt");
    /// let jar = Jar::new();
    /// jar.set("https://example.com/", "theme", "dark")?;
    /// jar.save(&path)?;
    /// assert_eq!(Jar::new().load(&path)?.taken, 1);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Loaded, Error> {
        let text = fs::read(&path).map_err(|error| failed("reading", path.as_ref(), error))?;
        Ok(self.load_text(&text))
    }

    /// The same of the content of a file.
    pub fn load_text(&self, text: &[u8]) -> Loaded {
        let (mut loaded, now) = (Loaded::default(), self.now());
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if is_comment(line) {
                continue;
            }
            let cookie = parse(line);
            if cookie.as_ref().is_some_and(|cookie| cookie.is_expired(now)) {
                // It is not inserted: the jar may have a younger one, which has not ended.
                loaded.expired += 1;
                continue;
            }
            match cookie.map(|cookie| self.insert(cookie)) {
                Some(Ok(())) => loaded.taken += 1,
                _ => loaded.refused.push(at + 1),
            }
        }
        loaded
    }

    /// Writes all cookies to a file, session cookies as well, for [`load`](Self::load) and for curl's `--cookie`. What
    /// `SameSite` says has no place in it.
    ///
    /// The file is replaced at once or not at all, and on Unix only its owner may read it. A link stays one: what it leads to is
    /// replaced. What is no file, such as a pipe or `/dev/stdout`, is written to itself. It blocks for as long as that takes,
    /// on a pipe until someone reads it.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or is a directory: the cause is an [`io::Error`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        write(path, &self.to_text()).map_err(|error| failed("writing", path, error))
    }

    /// The content of the file that [`save`](Self::save) writes. It holds secrets.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text =
            format!("{MAGIC}\n# It holds secrets. Written by tower-transport.\n\n").into_bytes();
        for cookie in self.iter() {
            write_line(&cookie, &mut text);
        }
        text
    }
}

fn failed(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::custom(Kind::Io, format!("{doing} the cookies in {}", path.display())).because(error)
}

fn is_comment(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || line.starts_with(b"#") && !line.starts_with(HTTP_ONLY)
}

/// A line that is no comment.
fn parse(line: &[u8]) -> Option<Cookie> {
    let (line, is_http_only) = match line.strip_prefix(HTTP_ONLY) {
        Some(line) => (line, true),
        None => (line, false),
    };
    let mut fields = line.split(|byte| *byte == b'\t');
    let mut next = || fields.next();
    let (domain, subdomains, path) = (next()?, next()?, next()?);
    let (secure, expires, name) = (next()?, next()?, next()?);
    // Some leave out a value that is empty.
    let value = next().unwrap_or_default();
    if next().is_some() {
        return None;
    }
    let domain = std::str::from_utf8(domain).ok()?;
    let cookie = Cookie::new(domain.strip_prefix('.').unwrap_or(domain), name, value).ok()?;
    let expires = seconds(expires)?;
    Some(Cookie {
        is_host_only: !flag(subdomains)?,
        is_secure: flag(secure)?,
        path: path.into(),
        expires,
        is_http_only,
        ..cookie
    })
}

fn flag(text: &[u8]) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case(b"TRUE") => Some(true),
        _ if text.eq_ignore_ascii_case(b"FALSE") => Some(false),
        _ => None,
    }
}

/// When it ends. Python writes nothing for a session cookie, and some write fractions of seconds.
fn seconds(text: &[u8]) -> Option<Option<i64>> {
    let text = std::str::from_utf8(text).ok()?;
    let whole = text.split('.').next().unwrap_or(text);
    match whole {
        "" | "0" => Some(None),
        _ => whole.parse().ok().map(Some),
    }
}

fn write_line(cookie: &Cookie, out: &mut Vec<u8>) {
    if cookie.is_http_only {
        out.extend_from_slice(HTTP_ONLY);
    }
    let flag = |flag| if flag { "TRUE" } else { "FALSE" };
    let dot = if cookie.is_host_only { "" } else { "." };
    let domain = format!("{dot}{}", cookie.domain);
    // Zero would be a session cookie.
    let expires = cookie.expires.map_or(0, |expires| expires.max(1)).to_string();
    let fields: [&[u8]; 7] = [
        domain.as_bytes(),
        flag(!cookie.is_host_only).as_bytes(),
        &cookie.path,
        flag(cookie.is_secure).as_bytes(),
        expires.as_bytes(),
        &cookie.name,
        &cookie.value,
    ];
    out.extend_from_slice(&fields.join(&b'\t'));
    out.push(b'\n');
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = Replacement::private(path)?;
    new.write_all(text)?;
    new.sync()?;
    new.finish()
}

#[cfg(test)]
mod tests;
