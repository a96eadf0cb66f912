//! The codings of a body, as `Content-Encoding` lists them (RFC 9110 §8.4).

use http::{HeaderMap, header::CONTENT_ENCODING};

use crate::fields::list::all_members;

/// A coding that bodies can be decoded of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// `gzip` and `x-gzip` (RFC 1952), of one member or several.
    Gzip,
    /// `deflate` (RFC 1951), within the frame of zlib (RFC 1950) as it should be, or without.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878), of one frame or several.
    Zstd,
}

/// More are an attack or a mistake: no server codes a body three times.
const MOST: usize = 2;

/// What a field says of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodingList {
    /// None, or one that is not known: the body stays as it is.
    Untouched,
    /// The last that was applied, which is undone first, and the one before.
    Coded(Coding, Option<Coding>),
    TooMany,
}

impl Coding {
    pub(super) fn read(name: &[u8]) -> Option<Self> {
        match &*name.to_ascii_lowercase() {
            b"gzip" | b"x-gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            b"br" => Some(Self::Brotli),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// As it stands in a header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// Reads the codings of a response. `is_known` says of which there is a decoder in this build.
pub(super) fn read(headers: &HeaderMap, is_known: impl Fn(Coding) -> bool) -> CodingList {
    let names = all_members(headers, CONTENT_ENCODING);
    let mut names =
        names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"));
    let mut last = [None; MOST];
    let mut is_unknown = false;
    for name in names.by_ref().take(MOST) {
        let coding = Coding::read(name).filter(|coding| is_known(*coding));
        is_unknown |= coding.is_none();
        last = [coding, last[0]];
    }
    match last {
        _ if names.next().is_some() => CodingList::TooMany,
        [Some(last), before] if !is_unknown => CodingList::Coded(last, before),
        _ => CodingList::Untouched,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn codings(fields: &[&str]) -> CodingList {
        let values = fields.iter().map(|field| HeaderValue::from_bytes(field.as_bytes()).unwrap());
        let headers = values.map(|value| (CONTENT_ENCODING, value)).collect();
        read(&headers, |coding| coding != Coding::Zstd)
    }

    #[test]
    fn codings_are_undone_from_the_last_to_the_first() {
        use Coding::{Brotli, Deflate, Gzip};
        use CodingList::{Coded, TooMany, Untouched};
        let table: [(&[&str], CodingList); 24] = [
            (&[], Untouched),
            (&[""], Untouched),
            (&["identity"], Untouched),
            (&["gzip"], Coded(Gzip, None)),
            (&["GZIP"], Coded(Gzip, None)),
            (&["x-gzip"], Coded(Gzip, None)),
            (&["\tgzip "], Coded(Gzip, None)),
            (&["deflate"], Coded(Deflate, None)),
            (&["br"], Coded(Brotli, None)),
            (&["deflate, gzip"], Coded(Gzip, Some(Deflate))),
            (&["deflate", "gzip"], Coded(Gzip, Some(Deflate))),
            (&["gzip,gzip"], Coded(Gzip, Some(Gzip))),
            (&["identity, gzip, identity"], Coded(Gzip, None)),
            (&[",,gzip,"], Coded(Gzip, None)),
            (&["gzip, gzip, gzip"], TooMany),
            (&["gzip", "gzip, br"], TooMany),
            (&["a, b, c"], TooMany),
            (&["compress"], Untouched),
            (&["x-own, gzip"], Untouched),
            (&["gzip, x-own"], Untouched),
            (&["gzip;q=1"], Untouched),
            (&["gzip\u{e9}"], Untouched),
            (&["zstd"], Untouched),
            (&["zstd, gzip"], Untouched),
        ];
        for (fields, expected) in table {
            assert_eq!(codings(fields), expected, "{fields:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_fields_are_read_without_a_panic(fields in proptest::collection::vec("[ -~]{0,40}", 0..4)) {
            codings(&fields.iter().map(|field| &**field).collect::<Vec<_>>());
        }
    }
}
