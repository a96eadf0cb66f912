//! Checks of private parts for the fuzz targets in `fuzz/`. Only for them and for tests.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::{
    Http1, Http1Config,
    chunked::{ChunkEvent, Decoder},
    config::HeadLimits,
    copies::Copies,
    handshake,
    head::{self, Framing, HeadRoom},
};
use crate::http::prepare::RequestKind;
use crate::{
    Body,
    connect::ConnectInfo,
    connection::Connection,
    error::Error,
    io::Io,
    rt::Runtime,
    target::{Origin, Target},
};

const LIMITS: HeadLimits = HeadLimits { size: 4096, fields: 20 };

/// A connection over these bytes to the constant target `https://example.com`.
pub fn connect(
    io: impl Io,
    runtime: &Runtime,
) -> Option<impl Connection<Request<Body>, Response = Response<impl Answer>>> {
    let origin = Origin::try_from(&"https://example.com".parse().ok()?).ok()?;
    let info = ConnectInfo::default().with_encryption();
    let target = Target::new(origin);
    let connection = handshake(io, info, &target, &Http1Config::default(), runtime);
    connection.ok().map(|connection: Http1<Body>| connection)
}

/// The body of a response.
pub trait Answer: http_body::Body<Data = Bytes, Error = Error> + Unpin {}

impl<T: http_body::Body<Data = Bytes, Error = Error> + Unpin> Answer for T {}

/// Parses a head after a byte that selects the kind of request. A complete head does not depend on what follows it, and
/// contains what it declares.
///
/// # Panics
///
/// If that does not hold.
pub fn head(input: &[u8]) {
    let Some((flags, bytes)) = input.split_first() else { return };
    let kind = RequestKind {
        is_head: flags & 1 != 0,
        is_connect: flags & 2 != 0,
        upgrades: flags & 4 != 0,
        closes: flags & 8 != 0,
    };
    let parse = |bytes: &[u8]| {
        let (headers, copies) = (&mut HeaderMap::new(), &mut Copies::default());
        head::parse(bytes, kind, LIMITS, HeadRoom { headers, copies })
    };
    let Ok(Some(head)) = parse(bytes) else { return };
    assert!(head.length <= bytes.len() && head.headers.len() <= LIMITS.fields);
    let body = head.body.as_ref().map_or(0, |body| body.len());
    assert!(body == 0 || head.framing == Framing::Length(body as u64));
    assert_eq!(head.body.as_deref().unwrap_or_default(), &bytes[head.length - body..head.length]);
    let again = parse(&bytes[..head.length]).ok().flatten().map(|head| (head.length, head.headers));
    assert_eq!(again, Some((head.length, head.headers)));
    // What lies before its end is no head.
    assert!(!matches!(parse(&bytes[..head.length - body - 1]), Ok(Some(_))));
}

/// Decodes chunks after a byte that selects where they are cut in two: the cut makes no difference.
///
/// # Panics
///
/// If it does.
pub fn chunks(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else { return };
    let cut = usize::from(*cut) % (bytes.len() + 1);
    let (whole, in_two) = (decode(&[bytes]), decode(&[&bytes[..cut], &bytes[cut..]]));
    assert_eq!(whole, in_two);
    assert!(whole.0.len() <= bytes.len());
}

/// The data, the trailers if any, and the bytes used if it ended.
fn decode(pieces: &[&[u8]]) -> (Vec<u8>, Option<HeaderMap>, Result<Option<usize>, &'static str>) {
    let (mut decoder, mut data, mut total) = (Decoder::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (used, decoded) = match decoder.decode(rest, LIMITS) {
                Ok(decoded) => decoded,
                Err(why) => return (data, None, Err(why)),
            };
            (rest, total) = (&rest[used..], total + used);
            match decoded {
                ChunkEvent::Incomplete => assert!(rest.is_empty()),
                ChunkEvent::Data(length) => {
                    assert!(length > 0);
                    data.extend_from_slice(&rest[..length]);
                    (rest, total) = (&rest[length..], total + length);
                }
                ChunkEvent::Trailers(trailers) => return (data, Some(trailers), Ok(Some(total))),
                ChunkEvent::End => return (data, None, Ok(Some(total))),
            }
        }
    }
    (data, None, Ok(None))
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay;

    #[test]
    fn the_corpus_of_heads_holds() {
        replay("head", super::head);
    }

    #[test]
    fn the_corpus_of_chunks_holds() {
        replay("chunks", super::chunks);
    }
}
