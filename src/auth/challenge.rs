//! Parses challenges: schemes, each with a token or parameters (RFC 9110 §11.2, §11.6.1). Pure.
//!
//! One field may contain several challenges, and a challenge contains commas of its own:
//!
//! ```text
//! Negotiate, Digest realm="a, b", nonce="x", qop="auth,auth-int", Basic realm="c"
//! ```
//!
//! A name before `=` is a parameter of the challenge before it; any other name starts a challenge. A malformed
//! challenge is skipped with its parameters, and parsing resumes after the next comma.

use std::fmt;

use crate::fields::is_tchar;

/// The most challenges read of a field, far above real ones.
const MAX_CHALLENGES: usize = 16;

/// A challenge with more parameters is malformed: Digest, which has the most, defines nine.
const MAX_PARAMS: usize = 32;

/// One challenge.
///
/// Parsed by [`Authorizing::challenges`](super::Authorizing::challenges).
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    token: Option<String>,
    /// Names are in lower case.
    pub(super) params: Vec<(String, Vec<u8>)>,
}

/// An element between two commas.
enum Element {
    /// A scheme with its token, if any. Parameters are elements of their own, the first after a space.
    Begins(Challenge),
    Param(String, Vec<u8>),
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Challenge {
    /// The scheme, as written.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether its scheme is this one, ignoring case.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The token after the scheme, such as the base64 of Negotiate, instead of parameters.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The parameter of this name, ignoring case, without quotes and escapes. The value is bytes: a realm may be in
    /// any charset.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        let param = self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        param.map(|(_, value)| &**value)
    }

    /// The challenges of these fields, in order.
    pub(super) fn read<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let mut challenges = Vec::new();
        for field in fields {
            Reader { rest: field }.read_into(&mut challenges);
        }
        challenges
    }

    /// `None` if it becomes malformed: a name may occur once (RFC 9110 §11.2).
    fn with(mut self, name: String, value: Vec<u8>) -> Option<Self> {
        let malformed =
            self.token.is_some() || self.params.len() == MAX_PARAMS || self.param(&name).is_some();
        self.params.push((name, value));
        (!malformed).then_some(self)
    }
}

impl<'a> Reader<'a> {
    fn read_into(mut self, challenges: &mut Vec<Challenge>) {
        // While `None`, parameters belong to a malformed challenge.
        let mut open: Option<Challenge> = None;
        while self.goes_on() && challenges.len() < MAX_CHALLENGES {
            match self.element() {
                Some(Element::Begins(challenge)) => challenges.extend(open.replace(challenge)),
                Some(Element::Param(name, value)) => {
                    open = open.and_then(|challenge| challenge.with(name, value));
                }
                None => {
                    open = None;
                    self.skip_element();
                }
            }
        }
        if challenges.len() < MAX_CHALLENGES {
            challenges.extend(open);
        }
    }

    /// Skips empty elements, and tolerates missing commas.
    fn goes_on(&mut self) -> bool {
        self.take_while(|byte| byte == b',' || is_space(byte));
        !self.rest.is_empty()
    }

    fn element(&mut self) -> Option<Element> {
        let name = self.token()?;
        let spaces = self.take_while(is_space);
        if self.skip(b'=') {
            self.take_while(is_space);
            return Some(Element::Param(name.to_ascii_lowercase(), self.value()?));
        }
        if spaces.is_empty() && !self.is_at_an_end() {
            return None;
        }
        let token = self.token68();
        Some(Element::Begins(Challenge { scheme: name, token, params: Vec::new() }))
    }

    fn token(&mut self) -> Option<String> {
        text(self.take_while(is_tchar))
    }

    /// Resembles a parameter until its end: `abc=` is a token, `abc=d` is not.
    fn token68(&mut self) -> Option<String> {
        let mut ahead = Self { rest: self.rest };
        ahead.take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        if ahead.rest.len() == self.rest.len() {
            return None;
        }
        ahead.take_while(|byte| byte == b'=');
        let (token, _) = self.rest.split_at(self.rest.len() - ahead.rest.len());
        ahead.take_while(is_space);
        if !ahead.is_at_an_end() {
            return None;
        }
        self.rest = ahead.rest;
        text(token)
    }

    /// A quoted string, or all bytes up to a space or comma, which is more than a token allows: some servers omit the
    /// quotes.
    fn value(&mut self) -> Option<Vec<u8>> {
        if self.skip(b'"') {
            return self.quoted();
        }
        let value = self.take_while(|byte| byte != b',' && byte != b'"' && !is_space(byte));
        (!value.is_empty()).then(|| value.to_vec())
    }

    /// The rest of a quoted string (RFC 9110 §5.6.4); `None`, with all input consumed, if it does not end.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        loop {
            self.rest = match self.rest {
                [b'"', after @ ..] => {
                    self.rest = after;
                    return Some(value);
                }
                [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                    value.push(*byte);
                    after
                }
                [] => return None,
            };
        }
    }

    /// Skips to the next comma outside a quoted string.
    fn skip_element(&mut self) {
        while !self.is_at_an_end() {
            if self.skip(b'"') {
                self.quoted();
            } else {
                self.rest = self.rest.split_first().map_or(&[], |(_, rest)| rest);
            }
        }
    }

    fn is_at_an_end(&self) -> bool {
        matches!(self.rest, [] | [b',', ..])
    }

    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !belongs(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok().filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl fmt::Debug for Challenge {
    /// Prints the scheme only: the parameters may be meant for one client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
