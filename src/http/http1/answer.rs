//! What is asked of the head of an answer beyond what hyper asks (RFC 9112 §6.3, RFC 9110 §7.8).

use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE},
};

/// What of the request decides how its answer is read.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    head_only: bool,
    tunnel: bool,
    upgrade: bool,
}

/// What an answer is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// One that the next may follow.
    Message,
    /// The last: the bytes behind it are another protocol's.
    Switched,
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

impl Asked {
    pub(super) fn by<B>(request: &Request<B>) -> Self {
        Self {
            head_only: request.method() == Method::HEAD,
            tunnel: request.method() == Method::CONNECT,
            upgrade: request.headers().contains_key(UPGRADE),
        }
    }

    /// Whether a tunnel was refused for good. Who is asked who they are may ask again, and mostly has to over the same
    /// connection.
    pub(super) fn is_refused_tunnel(self, status: StatusCode) -> bool {
        self.tunnel && status != StatusCode::PROXY_AUTHENTICATION_REQUIRED
    }

    /// What the answer is, or why it is none.
    pub(super) fn check<B>(self, response: &Response<B>) -> Result<Answer, &'static str> {
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return match self.upgrade {
                true => Ok(Answer::Switched),
                false => Err("the server switched protocols without being asked"),
            };
        }
        let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        if self.tunnel && status.is_success() && !bodiless {
            return Ok(Answer::Switched);
        }
        if !self.head_only && !bodiless {
            check_framing(response.headers())?;
        }
        Ok(Answer::Message)
    }
}

/// The seconds of `Keep-Alive: timeout=N`, the one part of it that anyone sends and means.
pub(super) fn keep_alive_seconds(headers: &HeaderMap) -> Option<u64> {
    let hint = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    hint.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("timeout");
        named.then(|| value.trim().trim_matches('"').parse().ok()).flatten()
    })
}

/// Two ends for one body are an attack or a mistake, and a coding we did not ask for is not to be guessed at.
fn check_framing(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if headers.contains_key(CONTENT_LENGTH) {
        return Err("the answer has both Content-Length and Transfer-Encoding");
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err("the answer has a transfer coding other than chunked");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_of_keep_alive_are_read_and_nothing_else() {
        let table = [
            ("timeout=5", Some(5)),
            ("timeout=5, max=100", Some(5)),
            ("max=100, Timeout = 7", Some(7)),
            ("timeout=\"5\"", Some(5)),
            ("max=100", None),
            ("timeout", None),
            ("timeout=-1", None),
            ("timeout=99999999999999999999999", None),
            ("", None),
        ];
        for (hint, seconds) in table {
            let headers = HeaderMap::from_iter([(KEEP_ALIVE, hint.parse().unwrap())]);
            assert_eq!(keep_alive_seconds(&headers), seconds, "{hint}");
        }
    }
}
