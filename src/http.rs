//! Turns bytes into an HTTP connection: chooses the version, and speaks it.
//!
//! Use it below a pool and above a connector. The version follows from what the
//! [`Target`](crate::target::Target) allows and what TLS has negotiated by ALPN ([RFC 7301]); nothing is tried and given up. A
//! server that chooses a protocol that was not offered is an error, and so is a missing HTTP/2 where the target requires it.
//!
//! | allowed | over TLS | without |
//! |---|---|---|
//! | [`Negotiated`](crate::options::Protocols::Negotiated) | by ALPN, HTTP/1.1 without ALPN | HTTP/1.1 |
//! | [`Http1Only`](crate::options::Protocols::Http1Only) | HTTP/1.1 | HTTP/1.1 |
//! | [`Http2Only`](crate::options::Protocols::Http2Only) | HTTP/2, if ALPN chose it | an error before connecting |
//! | [`Http2PriorKnowledge`](crate::options::Protocols::Http2PriorKnowledge) | HTTP/2 | HTTP/2 (RFC 9113 §3.3) |
//!
//! [RFC 7301]: https://www.rfc-editor.org/rfc/rfc7301
//!
//! A target with an encrypted scheme, `https` or `wss`, needs an [encrypted](crate::connect::ConnectInfo::is_encrypted)
//! stream. In a stack without a `TlsLayer`, or with one on the wrong side of a proxy, its requests fail with an error
//! for which [`is_builder`](crate::Error::is_builder) holds, before a byte is written.
//!
//! A connection to a forward proxy follows [`Proxy::protocols`](crate::proxy::Proxy::protocols), or speaks HTTP/1.1 if the
//! target allows nothing else.
//!
//! A request with `Upgrade` allows HTTP/1.1 only: HTTP/2 has no such mechanism (RFC 9113 §8.6).
//!
//! The allowed protocols are part of the target, and so of the key of a pool: set them for one request by an extension, or
//! for all of them where targets are made, as `PoolLayer::keyed(|request| …)` or
//! `Transport::builder` do.
//!
//! ```
//! # #[cfg(all(feature = "tokio", feature = "http1"))]
//! # fn example() -> impl tower_transport::connect::MakeConnection<
//! #     tower_transport::target::Target,
//! #     http::Request<tower_transport::Body>,
//! # > {
//! use tower_layer::Layer;
//! use tower_transport::{connect::TcpConnector, http::{Http1Config, NegotiateLayer}};
//!
//! NegotiateLayer::new().http1(Http1Config::new().title_case_headers(true)).layer(TcpConnector::new())
//! # }
//! ```
//!
//! # HTTP/1.1
//!
//! The engine is this crate's own; httparse parses its heads. It has no task and no channel: the future of a request, and
//! then the body of its response, poll the connection themselves. So a warm request costs less than with hyper's client
//! connection, and a connection can report what a pool must know:
//!
//! * **How far a failed request came**: nothing is written before the future is polled, an unwritten request comes back
//!   whole, and for the others the bytes are counted.
//! * **What the kernel already knows**: before a request the stream is read, bypassing the runtime's cached readiness if the
//!   connection was used before, so that unsolicited bytes are not taken for the response to this request.
//! * **A response to a request that the peer stopped reading** is still the response.
//! * **Closing**: dropping a connection that is not idle closes it at once, even if the peer reads nothing any more;
//!   an idle one is shut down properly; an upgraded one lives on.
//!
//! hyper's own client connection works under a pool as well: see `examples/hyper_connection.rs`. Two hooks belong to hyper's
//! types alone and do nothing here: `hyper::upgrade::on` (use [`upgrade`]) and
//! `hyper::ext::on_informational` (use [`OnInformational`](crate::options::OnInformational)).
//!
//! Received messages, where RFC 9112 leaves a choice:
//!
//! | received | result |
//! |---|---|
//! | heads and 1xx together longer than [`max_head_size`](Http1Config::max_head_size), trailers likewise | protocol error |
//! | a chunk size of more than 16 KiB with its zeros and blanks, or chunk extensions of more than 16 KiB in all | protocol error |
//! | `Content-Length` together with `Transfer-Encoding` (§6.3) | protocol error, the connection is closed |
//! | a transfer coding other than one `chunked` (§6.1; we ask for none) | protocol error, the connection is closed |
//! | several equal `Content-Length` (§6.3) | one |
//! | several different, signed, hexadecimal or overflowing ones | protocol error |
//! | framing fields in a response without a body: `HEAD`, 204, 304, tunnels (§6.3) | ignored |
//! | folded lines (§5.2) | joined by a space; a `Transfer-Encoding` with a fold, or a `Content-Length` with one between digits, is a protocol error |
//! | a space before the colon, a bare CR, NUL, a line without a colon | protocol error |
//! | a bare LF at the end of a line of a head (§2.2), no reason phrase (§4) | accepted |
//! | a bare LF in chunk framing or trailers | protocol error |
//! | a version other than 1.0 and 1.1 | protocol error |
//! | 1xx (RFC 9110 §15.2) | skipped, or reported to [`OnInformational`](crate::options::OnInformational); counted as head |
//! | a final response instead of `100 Continue` (RFC 9110 §10.1.1) | the body is not sent, the connection is closed after the response |
//! | 101 without `Upgrade` in the request (RFC 9110 §7.8) | protocol error |
//! | 101, or 2xx to `CONNECT`, before all of the request is written (RFC 9110 §7.8) | protocol error |
//! | bytes before the first byte of a request is written | the request is given back unsent, the connection is closed |
//! | a response before the end of the request's body | delivered at once, while the rest of the body is still sent |
//! | the same, other than 2xx and the last of its connection (§9.5) | the rest is not sent, the connection is closed after the response |
//! | a response before the whole head of a request without a body is written | the connection is closed after the response |
//! | a refusal of `CONNECT`, other than 407 | the connection is closed: such a request is not repeated |
//! | any 2xx to `CONNECT`, 204 too (RFC 9110 §9.3.6) | a tunnel |
//! | bytes after the end of a response | the connection is closed, the response stands |
//! | HTTP/1.0 with `keep-alive` | the connection is reused, but a body of unknown length goes over another connection |
//!
//! The tests compare all of this with hyper's client: for the same bytes, however they are split, both agree except here:
//!
//! | received | hyper 1.12 | which is right |
//! |---|---|---|
//! | `Content-Length` together with `Transfer-Encoding` | uses the coding | both may; an attack is likelier than a mistake (RFC 9112 §6.3, §11.2) |
//! | `gzip, chunked`, `chunked` twice, an unknown coding | returns encoded bytes, or reads to the end | we are: it is not the content (RFC 9112 §6.1, §7) |
//! | an unrequested 101 | switches | we are (RFC 9110 §7.8) |
//! | a bare LF at the end of a trailer, or of trailers | accepts it | both may (RFC 9112 §2.2) |
//! | a refusal of `CONNECT`, other than 407 | keeps the connection | both may |
//! | a folded line | a space for each byte of the fold | both may (RFC 9112 §5.2) |
//! | 204 to `CONNECT` | no tunnel | we are (RFC 9110 §9.3.6) |
//!
//! Sent messages: `Host` first, from the URI or the caller; `Content-Length` for a body of known length, also 0 for the
//! methods that define content; `Transfer-Encoding: chunked` for any other body, also with `GET`. The caller's
//! `Transfer-Encoding` gets `chunked` as its last coding if it has none, and is omitted if the body is known to be empty.
//! Trailers are sent if the request announces them with `Trailer` (RFC 9110 §6.6.2), except fields that a trailer must not be
//! (§6.5.1).
//!
//! # HTTP/2
//!
//! h2 does framing, compression and flow control. This crate adds what a pool must know, and what h2 leaves to its user:
//!
//! * **The number of streams**: the pool learns every change of the limit in SETTINGS; 100 before the first SETTINGS, none
//!   after GOAWAY.
//! * **How far a failed request came**: never written, refused by the peer (`REFUSED_STREAM`, or above the last stream
//!   of a GOAWAY), or written with unknown effect. A request whose body was not polled comes back with the error.
//! * **A silent peer**: when a stream is cancelled and nothing came while it waited, or for a second, one PING is sent,
//!   also if the socket takes no bytes. If nothing comes for longer than this connection's usual round trip, or had not come
//!   for a second before, the connection gets no new streams until anything comes; without an answer it is closed. At most two
//!   such PINGs are sent between HEADERS or DATA of the peer, as gRPC servers tolerate. After that a short silence means nothing,
//!   and one of a second or more ends the use of the connection: its streams finish.
//! * **Floods**: PING and SETTINGS are answered one by one, and nothing more is read while an answer waits for the socket.
//!   Frames that are only read (PRIORITY, WINDOW_UPDATE, GOAWAY, unknown types) cost a lookup each and no memory. The others
//!   have limits: see [`Http2Config`], and `docs/errors.md` for all of them.
//! * **SETTINGS before a body that cannot be replayed**: such a request waits for the SETTINGS of a new connection, at most
//!   1 s. Others leave at once, and are repeated if they are refused.
//! * **A read before a body that cannot be replayed**: on a connection without an active stream, the driver reads once before
//!   such a body is sent. After a GOAWAY or the end, the request comes back unsent.
//! * **Unread responses**: each is bounded by its stream window, and does not hold up the others. While unread responses fill
//!   a smaller [`connection_window`](Http2Config::connection_window), the peer does not count as silent.
//! * **Few writes**: the connection lets ready requests queue, and writes once.
//! * **An early response** is delivered while the rest of the request is still being sent.
//!
//! Received messages, where RFC 9113 leaves a choice or h2 differs from it:
//!
//! | received | result |
//! |---|---|
//! | connection-specific fields, pseudo-fields after others, no or two `:status` (§8.2.2, §8.3) | stream error |
//! | two different `content-length`, or one that the DATA does not have (§8.1.1) | stream error |
//! | names in upper case, unknown pseudo-fields (§8.2.1, §8.3) | connection error: h2 does not tell them from bad HPACK |
//! | `:path` and the like in a response, pseudo-fields in trailers (§8.1, §8.3) | ignored: h2 does not expose them |
//! | a head longer than [`max_header_list_size`](Http2Config::max_header_list_size) | stream error |
//! | 1xx (RFC 9110 §15.2) | skipped, or reported to [`OnInformational`](crate::options::OnInformational); more than 64 are a stream error, whether or not the request is polled |
//! | a final response instead of `100` (RFC 9110 §10.1.1) | the body is not sent, the stream is reset (`NO_ERROR`) after the response |
//! | SETTINGS without `ENABLE_CONNECT_PROTOCOL` (RFC 8441 §3) | an extended `CONNECT` is not sent |
//! | 101 (§8.6) | stream error |
//! | `RST_STREAM(NO_ERROR)` before the end of the response (§8.1) | an error: the response is truncated |
//! | `RST_STREAM(NO_ERROR)` after it | the rest of the request is not sent |
//! | PUSH_PROMISE (§8.4) | connection error: we do not allow it |
//! | a `content-length` in a 2xx to `CONNECT` | counted like any other: h2 does not let it be ignored |
//!
//! A request with `Upgrade` is refused before it is sent: HTTP/2 has no such mechanism (§8.6), and without the field the
//! request would mean something else.
//!
//! Sent messages: `:authority` instead of `Host`, from the URI or the caller; `content-length` for a body of known
//! length, also 0 for the methods that define content; no connection-specific fields, `te` only as `trailers`. A
//! `Transfer-Encoding` with more than `chunked` is refused: without the field, the body would be misread.

#[cfg(feature = "http1")]
pub(crate) mod http1;
#[cfg(not(feature = "http1"))]
#[path = "http/http1/disabled.rs"]
pub(crate) mod http1;
#[cfg(feature = "http2")]
pub(crate) mod http2;
#[cfg(not(feature = "http2"))]
#[path = "http/http2/disabled.rs"]
pub(crate) mod http2;

mod connection;
#[cfg(any(feature = "http1", feature = "http2"))]
mod exchange;
#[cfg(any(feature = "http1", feature = "http2"))]
mod hop_headers;
#[cfg(any(feature = "http1", feature = "http2"))]
mod informational;
pub(crate) mod negotiate;
#[cfg(any(feature = "http1", feature = "http2"))]
mod prepare;
#[cfg(any(feature = "http1", feature = "http2"))]
mod request_body;
#[cfg(any(feature = "http1", feature = "http2"))]
mod response_body;

pub use connection::{HttpBody, HttpConnection, ResponseFuture};
pub use http1::Http1Config;
#[cfg(all(feature = "http1", any(test, fuzzing)))]
#[doc(hidden)]
pub use http1::fuzzing;
pub use http2::Http2Config;
pub use negotiate::{Negotiate, NegotiateLayer, Negotiating};

pub use crate::upgrade::{Upgraded, upgrade};
