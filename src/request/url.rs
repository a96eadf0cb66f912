//! Converts URLs as written to URLs that can be sent.

use std::borrow::Cow;

use bytes::Bytes;
use http::Uri;

use crate::{
    error::Error,
    request_target::encoded,
    target::{no_scheme, to_ascii},
};

/// Converts to the URL of a request: text (`&str`, `String`, `Cow<str>`) or a [`Uri`].
///
/// Characters of the path and the query that browsers percent-encode are encoded alike: spaces, `"`, `<`, `>` and all
/// that is not ASCII; in a path also `^`, a backquote, `{` and `}`. Encoded characters stay as they are, `.` and `..`
/// are not resolved, and a fragment is not sent. To send a target unchanged, set a
/// [`RawTarget`](crate::options::RawTarget). An empty port is the default port.
///
/// A user or a password in the URL is an error, except for a [client](crate::client), which sends them as Basic
/// authentication. A control character is an error, and so is a space before or after the URL. A host that is not ASCII is converted
/// by IDNA with the feature `idna`, and is an error without it.
pub trait IntoUrl: sealed::Sealed {
    #[doc(hidden)]
    fn into_url(self) -> Result<Uri, Error>;

    /// As a client with a base URL takes it: it may be a path below that, and may have a user.
    #[doc(hidden)]
    fn into_reference(self) -> Result<Uri, Error>;

    /// As a client without a base URL takes it: it may have a user.
    #[doc(hidden)]
    fn into_absolute(self) -> Result<Uri, Error>;

    /// What stands behind the `#`, which no request is sent with.
    #[doc(hidden)]
    fn fragment(&self) -> Option<&str> {
        None
    }
}

macro_rules! of_text {
    ($($text:ty),*) => {
        $(impl IntoUrl for $text {
            fn into_url(self) -> Result<Uri, Error> {
                parse(self.as_ref())
            }

            fn into_reference(self) -> Result<Uri, Error> {
                reference(self.as_ref())
            }

            fn into_absolute(self) -> Result<Uri, Error> {
                absolute(self.as_ref())
            }

            fn fragment(&self) -> Option<&str> {
                fragment_of(self.as_ref())
            }
        }

        impl sealed::Sealed for $text {})*
    };
}

of_text!(&str, &&str, &String, String, Cow<'_, str>);

impl IntoUrl for Uri {
    fn into_url(self) -> Result<Uri, Error> {
        Ok(self)
    }

    fn into_reference(self) -> Result<Uri, Error> {
        Ok(self)
    }

    fn into_absolute(self) -> Result<Uri, Error> {
        with_scheme(self)
    }
}

impl IntoUrl for &Uri {
    fn into_url(self) -> Result<Uri, Error> {
        Ok(self.clone())
    }

    fn into_reference(self) -> Result<Uri, Error> {
        Ok(self.clone())
    }

    fn into_absolute(self) -> Result<Uri, Error> {
        with_scheme(self.clone())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for http::Uri {}
    impl Sealed for &http::Uri {}
}

/// Parses a plain URL without copying; others go through [`parse_any`].
fn parse(url: &str) -> Result<Uri, Error> {
    match is_plain(url).then(|| Uri::from_maybe_shared(InlineUrl::bytes_of(url))) {
        Some(Ok(uri)) => Ok(uri),
        Some(Err(_)) | None => parse_any(url),
    }
}

/// A short URL in the same allocation as the count of its owners: the parts of a URI share it.
struct InlineUrl {
    bytes: [u8; Self::ROOM],
    length: u8,
}

impl InlineUrl {
    /// Most URLs are shorter.
    const ROOM: usize = 95;

    fn bytes_of(url: &str) -> Bytes {
        let mut inline = Self { bytes: [0; Self::ROOM], length: 0 };
        let place = inline.bytes.get_mut(..url.len());
        let (Some(place), Ok(length)) = (place, u8::try_from(url.len())) else {
            return Bytes::copy_from_slice(url.as_bytes());
        };
        place.copy_from_slice(url.as_bytes());
        inline.length = length;
        Bytes::from_owner(inline)
    }
}

impl AsRef<[u8]> for InlineUrl {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

fn fragment_of(url: &str) -> Option<&str> {
    url.split_once('#').map(|(_, fragment)| fragment)
}

/// A path, or a URL whose user is left where it is.
fn reference(url: &str) -> Result<Uri, Error> {
    match split_scheme(url) {
        Some((scheme, rest)) => with_user(url, scheme, rest),
        None => path(url),
    }
}

/// A URL whose user is left where it is.
fn absolute(url: &str) -> Result<Uri, Error> {
    match split_scheme(url) {
        Some((scheme, rest)) => with_user(url, scheme, rest),
        None if url.contains("://") => parse_any(url),
        None => {
            check_characters(url)?;
            Err(no_scheme(url, OR_A_BASE))
        }
    }
}

fn with_scheme(url: Uri) -> Result<Uri, Error> {
    match url.scheme() {
        Some(_) => Ok(url),
        None => Err(no_scheme(&url.to_string(), OR_A_BASE)),
    }
}

/// What a client without a base URL adds to the error of a URL without a scheme.
const OR_A_BASE: &str = ", or set `base_url`";

fn split_scheme(url: &str) -> Option<(&str, &str)> {
    url.split_once("://").filter(|(scheme, _)| is_scheme(scheme))
}

fn with_user(url: &str, scheme: &str, rest: &str) -> Result<Uri, Error> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else { return parse(url) };
    let uri = parse(&format!("{scheme}://{host}{}", &rest[end..]))?;
    let mut parts = uri.into_parts();
    let host = parts.authority.as_ref().map_or("", |authority| authority.as_str());
    // The parser's text could name a part of the password.
    let wrong = |_| Error::builder("the user or the password of the URL has to be percent-encoded");
    parts.authority = Some(format!("{user}@{host}").parse().map_err(wrong)?);
    let wrong = |error| Error::builder("the URL is not valid").because(error);
    Uri::from_parts(parts).map_err(http::Error::from).map_err(wrong)
}

fn is_scheme(scheme: &str) -> bool {
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_of_scheme)
}

/// A path, with or without the slash that it begins with.
fn path(url: &str) -> Result<Uri, Error> {
    check_characters(url)?;
    let sent = url.split('#').next().unwrap_or_default();
    let slash = if sent.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{sent}");
    let parsed = encoded(&path).parse::<http::uri::PathAndQuery>();
    let wrong = |error| Error::builder("the path of the URL is not valid").because(error);
    Ok(Uri::from(parsed.map_err(wrong)?))
}

/// Whether [`parse_any`] would return the text unchanged. May return false for such a text.
fn is_plain(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
        return false;
    };
    let is_of_host = |byte: &u8| PLAIN[usize::from(*byte)] == Plain::Host;
    if rest.starts_with(':') {
        return false;
    }
    let end = rest.bytes().position(|byte| !is_of_host(&byte)).unwrap_or(rest.len());
    let rest = &rest.as_bytes()[end..];
    end > 0
        && matches!(rest.first(), None | Some(b'/' | b'?'))
        && rest.iter().all(|byte| PLAIN[usize::from(*byte)] != Plain::No)
}

/// Where a byte may stand unchanged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    No,
    /// In a path or a query.
    Path,
    /// In a host and its port as well.
    Host,
}

const PLAIN: [Plain; 256] = {
    let mut table = [Plain::No; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b':' => Plain::Host,
            b'"' | b'#' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}' => Plain::No,
            b'!'..=b'~' => Plain::Path,
            _ => Plain::No,
        };
        byte += 1;
    }
    table
};

/// Errors never include the text, which may contain a password, except a single character outside of userinfo.
fn parse_any(url: &str) -> Result<Uri, Error> {
    check_characters(url)?;
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| !scheme.is_empty())
    else {
        return Err(no_scheme(url, ""));
    };
    if let Some(c) = scheme.chars().find(|c| !c.is_ascii_alphanumeric() && !"+-.".contains(*c)) {
        return Err(Error::builder(format!("the scheme of the URL holds a {c:?}")));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.is_empty() || authority.starts_with(':') {
        return Err(Error::builder("the URL has no host"));
    }
    if authority.contains('[') && !authority.contains(']') {
        let text = "the host of the URL has a `[` without a `]`: write an IPv6 address as `[::1]`";
        return Err(Error::builder(text));
    }
    let sent = rest.split('#').next().unwrap_or_default();
    let (path, authority) = (encoded(sent), ascii(authority)?);
    let parsed = match (&authority, &path) {
        // Most URLs are sent as written.
        (Cow::Borrowed(_), Cow::Borrowed(_)) if sent.len() == rest.len() => url.parse(),
        _ => format!("{scheme}://{authority}{path}").parse(),
    };
    // The parser's errors include no part of the URL.
    parsed.map_err(|error: http::uri::InvalidUri| {
        Error::builder(format!("the URL is not valid: {error}")).because(error)
    })
}

/// Refuses characters that no URL contains, and names their encoded form.
fn check_characters(url: &str) -> Result<(), Error> {
    let is_outside = |c: char| url.starts_with(c) || url.ends_with(c);
    let wrong = url.chars().find(|c| c.is_control() || *c == ' ' && is_outside(*c));
    wrong.map_or(Ok(()), |c| {
        let place = if c == ' ' { " at its beginning or end" } else { "" };
        let written: String =
            c.encode_utf8(&mut [0; 4]).bytes().map(|b| format!("%{b:02X}")).collect();
        let text =
            format!("the URL holds a {c:?}{place}: leave it out, or write it as `{written}`");
        Err(Error::builder(text))
    })
}

/// Converts the host of an authority to ASCII (RFC 5891), without userinfo, which is refused later.
fn ascii(authority: &str) -> Result<Cow<'_, str>, Error> {
    if authority.contains('@') {
        return Err(Error::builder("the URL holds a user or a password: send them in a header"));
    }
    // Only the zone of an IPv6 address contains a `%`.
    let may_be_encoded = authority.starts_with('[');
    let is_wrong = |c: char| c.is_ascii() && !(is_of_authority(c) || c == '%' && may_be_encoded);
    if let Some(c) = authority.chars().find(|c| is_wrong(*c)) {
        return Err(Error::builder(format!(
            "the host of the URL holds a {c:?}, which no host has"
        )));
    }
    if authority.is_ascii() {
        return Ok(authority.into());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    };
    let host = to_ascii(host)?;
    Ok(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")).into())
}

/// A character of an authority (RFC 3986 §3.2), without `@` and percent-encoding.
fn is_of_authority(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:[]".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Of pieces that URLs are made of, so that many are plain.
        #[test]
        fn a_plain_url_is_parsed_as_any_other(
            url in "(http|https|HTTP|ws)?(://|:)[a-c.:@\\[\\]%-]{0,6}([/?#][a-c/?#%&=:~^`{}<> \"é]{0,6})?"
        ) {
            let (quick, general) = (parse(&url), parse_any(&url));
            prop_assert_eq!(quick.is_ok(), general.is_ok());
            if let (Ok(quick), Ok(general)) = (&quick, &general) {
                prop_assert_eq!(quick, general);
                prop_assert_eq!(quick.to_string(), general.to_string());
            }
            if is_plain(&url) {
                prop_assert!(url.is_ascii());
            }
        }
    }

    #[test]
    fn a_url_that_is_parsed_already_is_taken_as_it_is() {
        for text in ["http://a/b?c", "/b", "b", "*"] {
            let url: Uri = text.parse().unwrap();
            assert_eq!((&url).into_url().unwrap(), url);
            assert_eq!((&url).into_reference().unwrap(), url);
            assert_eq!(url.clone().into_url().unwrap(), url);
            assert_eq!(url.clone().into_reference().unwrap(), url);
        }
    }

    #[test]
    fn most_urls_are_plain() {
        for url in
            ["http://a", "https://www.example.com:8443/a/b.html?c=d&e=%20", "http://127.0.0.1:80?q"]
        {
            assert!(is_plain(url), "{url}");
        }
        for url in [
            "http://",
            "http:///a",
            "http://[::1]/",
            "http://u@a/",
            "http://a/#b",
            "http://a/ b",
            "HTTP://a",
        ] {
            assert!(!is_plain(url), "{url}");
        }
    }

    #[test]
    fn a_url_of_any_length_is_parsed_whole() {
        for length in 0..300 {
            let url = format!("http://a/{}", "b".repeat(length));
            assert_eq!(parse(&url).unwrap().to_string(), url);
        }
    }

    #[test]
    fn what_is_no_url_is_said_to_be_none() {
        for (url, said) in [
            ("", "no scheme"),
            ("example.com", "no scheme"),
            ("example.com/path", "no scheme"),
            ("://example.com/", "no scheme"),
            ("/path", "no scheme"),
            ("http://", "no host"),
            ("http:///path", "no host"),
            ("http://:80/path", "no host"),
            ("other://://path", "no host"),
            ("http://?query", "no host"),
            ("http://a/\r\nX: y", "'\\r'"),
            ("http://a/\0", "'\\0'"),
            ("http://a/\n", "'\\n'"),
            ("http://a/a\tb", "write it as `%09`"),
            ("http://a/\u{7f}", "write it as `%7F`"),
            ("http://a/\u{85}", "write it as `%C2%85`"),
            ("http://a\t/", "'\\t'"),
            (" http://a/", "' ' at its beginning"),
            ("http://a/ ", "' ' at its beginning or end"),
            ("http://a b/", "' ', which no host has"),
            ("http://a\\b/", "'\\\\', which no host has"),
            ("http://a\"b/", "'\"', which no host has"),
            ("http://{a}/", "'{', which no host has"),
            ("http://a%20b/", "'%', which no host has"),
            ("ht tp://a/", "the scheme of the URL holds a ' '"),
            ("http://[::1/", "a `[` without a `]`"),
            ("http://[::1", "a `[` without a `]`"),
            ("http://a]/", "not valid: invalid authority"),
        ] {
            let error = url.into_url().unwrap_err();
            assert!(error.is_builder());
            assert!(error.to_string().contains(said), "{url:?}: {error}");
        }
    }

    #[test]
    fn no_error_repeats_a_password() {
        for url in
            ["http://me:secret@bücher.example/", "http://me:secret@ /", "http://me:secret@[/"]
        {
            let error = url.into_url().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        for url in ["me:secret@a", "/a?token=secret", "/a#secret"] {
            for error in [url.into_url().unwrap_err(), url.into_absolute().unwrap_err()] {
                assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            }
        }
    }

    #[test]
    fn a_url_without_a_scheme_is_named() {
        let error = "example.com/a".into_url().unwrap_err().to_string();
        assert_eq!(error, "the URL `example.com/a` has no scheme: http:// or https://");
        for url in ["/a", "example.com"] {
            let text =
                format!("the URL `{url}` has no scheme: http:// or https://, or set `base_url`");
            assert_eq!(url.into_absolute().unwrap_err().to_string(), text);
            let parsed = url.parse::<Uri>().unwrap();
            assert_eq!(parsed.into_absolute().unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn text_of_any_type_is_parsed_alike() {
        let url = "http://a/b c#d";
        let texts: (&&str, Cow<'_, str>) = (&url, Cow::Borrowed(url));
        assert_eq!(texts.0.fragment(), Some("d"));
        assert_eq!(texts.1.fragment(), Some("d"));
        assert_eq!(texts.0.into_url().unwrap(), "http://a/b%20c");
        assert_eq!(texts.1.into_url().unwrap(), "http://a/b%20c");
    }

    #[test]
    fn what_needs_no_encoding_is_taken_as_it_is() {
        for url in
            ["http://EXAMPLE.com:8080/a;b?c=d%20", "https://[::1]:8443/", "http://a.b/|?{}^`|"]
        {
            assert_eq!(url.into_url().unwrap(), url.parse::<Uri>().unwrap());
        }
    }

    #[test]
    fn what_browsers_encode_is_encoded() {
        let table = [
            ("http://a/two words", "http://a/two%20words"),
            ("http://a/^\"<>`{}", "http://a/%5E%22%3C%3E%60%7B%7D"),
            ("http://a/?q=\"<a b>\"", "http://a/?q=%22%3Ca%20b%3E%22"),
            ("http://a/\u{fc}?\u{fc}#\u{fc} ^", "http://a/%C3%BC?%C3%BC"),
            ("http://a?b c", "http://a/?b%20c"),
            ("http://a#b", "http://a/"),
            ("http://a:#b", "http://a:/"),
            ("ws://a:?b", "ws://a:/?b"),
        ];
        for (url, expected) in table {
            assert_eq!(url.into_url().unwrap().to_string(), expected, "{url}");
            assert_eq!(url.to_owned().into_url().unwrap().to_string(), expected, "{url}");
        }
    }
}
