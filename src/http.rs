//! Turns bytes into a connection that speaks HTTP: which version, and how each is spoken.
//!
//! Use it below a pool and above whatever connects. The decision is a value, made of what the
//! [`Target`](crate::target::Target) allows and what TLS says was agreed on ([RFC 7301]); nothing is tried and given up. A server that answers
//! with what it was not offered is an error, and so is HTTP/2 on a target that must have it and does not.
//!
//! | allowed | over TLS | without |
//! |---|---|---|
//! | [`Negotiated`](crate::options::Protocols::Negotiated) | as ALPN says, HTTP/1.1 if it is silent | HTTP/1.1 |
//! | [`Http1Only`](crate::options::Protocols::Http1Only) | HTTP/1.1 | HTTP/1.1 |
//! | [`Http2Only`](crate::options::Protocols::Http2Only) | HTTP/2, if ALPN says so | an error before connecting |
//! | [`Http2PriorKnowledge`](crate::options::Protocols::Http2PriorKnowledge) | HTTP/2 | HTTP/2 (RFC 9113 §3.3) |
//!
//! [RFC 7301]: https://www.rfc-editor.org/rfc/rfc7301
//!
//! A target that is private by its scheme, `https` or `wss`, is spoken with over an [encrypted](crate::connect::ConnectInfo::is_encrypted)
//! stream only. In a stack without a `TlsLayer`, or with one on the wrong side of a proxy, its requests fail with an error
//! for which [`is_builder`](crate::Error::is_builder) holds, before a byte is written.
//!
//! On a connection to a proxy that forwards requests, what is allowed is what its
//! [`Proxy::protocols`](crate::proxy::Proxy::protocols) are, or HTTP/1.1 if the target wants nothing else.
//!
//! A request with `Upgrade` allows HTTP/1.1 alone: HTTP/2 has no such (RFC 9113 §8.6).
//!
//! What is allowed is part of the target, and so of the key of a pool: set it for one request by an extension, or for
//! all of them where targets are made, as `PoolLayer::keyed(|request| …)` or
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
//! The engine is this crate's own, over httparse, which parses heads. It has no task and no channel: the future of a request,
//! and then the body of its response, poll the connection themselves. So a warm request costs less than with hyper's
//! client connection, and a connection can say what a pool must know:
//!
//! * **How far a failed request came**: nothing is written before the future is polled, a request of which nothing was
//!   written comes back whole, and for the others the bytes are counted.
//! * **What the kernel already knows**: before a request the stream is read, past the runtime's memory if the connection
//!   was used before, so that an answer nobody asked for is not taken for the answer of this request.
//! * **An answer to a request that the peer stopped reading** is still the answer.
//! * **Letting go**: dropping a connection that is not idle ends it at once, also if the peer reads nothing any more;
//!   an idle one is closed politely; one that was upgraded lives on.
//!
//! hyper's own client connection can be put under a pool as well: see `examples/hyper_connection.rs`. Two hooks belong to its
//! types alone and do nothing here: `hyper::upgrade::on` ([`upgrade`] is ours) and
//! `hyper::ext::on_informational` ([`OnInformational`](crate::options::OnInformational) is ours).
//!
//! What a peer may send, where RFC 9112 leaves a choice:
//!
//! | what comes | what is made of it |
//! |---|---|
//! | heads and 1xx together longer than [`max_head_size`](Http1Config::max_head_size), trailers likewise | protocol error |
//! | a chunk size of more than 16 KiB with its zeros and blanks, or chunk extensions of more than 16 KiB in all | protocol error |
//! | `Content-Length` together with `Transfer-Encoding` (§6.3) | protocol error, the connection is closed |
//! | a transfer coding other than one `chunked` (§6.1; we ask for none) | protocol error, the connection is closed |
//! | several equal `Content-Length` (§6.3) | one |
//! | several different, signed, hexadecimal or overflowing ones | protocol error |
//! | framing fields in an answer that has no body: `HEAD`, 204, 304, tunnels (§6.3) | ignored |
//! | folded lines (§5.2) | joined by a space; a `Transfer-Encoding` with a fold, or a `Content-Length` with one between digits, is a protocol error |
//! | a space before the colon, a bare CR, NUL, a line without a colon | protocol error |
//! | a bare LF at the end of a line of a head (§2.2), no reason phrase (§4) | accepted |
//! | a bare LF in chunk framing or trailers | protocol error |
//! | a version other than 1.0 and 1.1 | protocol error |
//! | 1xx (RFC 9110 §15.2) | passed over, or told to [`OnInformational`](crate::options::OnInformational); counted as head |
//! | an answer instead of `100 Continue` (RFC 9110 §10.1.1) | the body is not sent, the connection is closed after the answer |
//! | 101 that the request did not ask for by `Upgrade` (RFC 9110 §7.8) | protocol error |
//! | 101, or 2xx to `CONNECT`, before all of the request is written (RFC 9110 §7.8) | protocol error |
//! | anything before the first byte of a request is written | the request is given back unsent, the connection is closed |
//! | an answer before the whole head of a request without a body is written | the connection is closed after the answer |
//! | a refusal of `CONNECT`, other than 407 | the connection is closed: nobody asks again |
//! | any 2xx to `CONNECT`, 204 too (RFC 9110 §9.3.6) | a tunnel |
//! | anything after the end of an answer | the connection is closed, the answer stands |
//! | HTTP/1.0 with `keep-alive` | kept, but a body of unknown length goes over another connection |
//!
//! The tests hold all of this against hyper's client: over the same bytes, however they come, the verdict is the same but for these.
//!
//! | what comes | hyper 1.12 | which is right |
//! |---|---|---|
//! | `Content-Length` together with `Transfer-Encoding` | takes the coding | both may; an attack is likelier than a mistake (RFC 9112 §6.3, §11.2) |
//! | `gzip, chunked`, `chunked` twice, an unknown coding | hands out what is still coded, or reads to the end | we are: it is not the content (RFC 9112 §6.1, §7) |
//! | 101 unasked | switches | we are (RFC 9110 §7.8) |
//! | a bare LF at the end of a trailer, or of trailers | accepts it | both may (RFC 9112 §2.2) |
//! | a refusal of `CONNECT`, other than 407 | keeps the connection | both may |
//! | a folded line | a space for each byte of the fold | both may (RFC 9112 §5.2) |
//! | 204 to `CONNECT` | no tunnel | we are (RFC 9110 §9.3.6) |
//!
//! What is sent: `Host` first, as the URL or the caller says; `Content-Length` for a body of known length, also 0 for the
//! methods that have one; `Transfer-Encoding: chunked` for any other, also with `GET`. A `Transfer-Encoding` of the caller's gets
//! `chunked` as its last coding if it has none, and is left out where the body is known to be empty. Trailers are sent if the request
//! announces them with `Trailer` (RFC 9110 §6.6.2), and are passed over if not, or if they are fields that a trailer
//! must not be (§6.5.1).
//!
//! # HTTP/2
//!
//! h2 frames, compresses and counts windows. What is done here is what a pool must know, and what h2 leaves to its
//! user:
//!
//! * **How many streams there may be**: what SETTINGS allow is told to the pool whenever it changes, 100 as long as
//!   the peer has said nothing, none after GOAWAY.
//! * **How far a failed request came**: never written, refused by the peer (`REFUSED_STREAM`, or above the last stream
//!   of a GOAWAY), or written and unknown. A request whose body was not begun comes back with the error.
//! * **A peer that says nothing**: when a stream is given up and nothing came while it waited, one PING is sent. If
//!   nothing comes for longer than this connection's usual round trip, or had not come for a second before, no new
//!   streams are given out until anything does; without an answer the connection is closed.
//! * **What the peer allows**, for a body that cannot be sent twice: such a request waits for the SETTINGS of a new
//!   connection, but no longer than a second. Others leave at once, and are sent again if they are refused.
//! * **What came while the connection rested**: before a body that cannot be sent twice goes over a connection with no
//!   active stream, the connection reads once. After a GOAWAY or the end, the request comes back unsent.
//! * **Unread answers**: each is bounded by the window of its own stream, and holds up no other. While a smaller
//!   [`connection_window`](Http2Config::connection_window) is filled by them, the peer is not called silent.
//! * **Few writes**: the connection lets requests that are ready queue theirs, and writes once.
//! * **An early answer** is delivered while the rest of the request is still being sent.
//!
//! What a peer may send, where RFC 9113 leaves a choice or h2 another than ours:
//!
//! | what comes | what is made of it |
//! |---|---|
//! | connection-specific fields, pseudo-fields after others, no or two `:status` (§8.2.2, §8.3) | stream error |
//! | two different `content-length`, or one that the DATA does not have (§8.1.1) | stream error |
//! | names in upper case, unknown pseudo-fields (§8.2.1, §8.3) | connection error: h2 does not tell them from bad HPACK |
//! | `:path` and the like in an answer, pseudo-fields in trailers (§8.1, §8.3) | ignored: h2 does not show them |
//! | a head longer than [`max_header_list_size`](Http2Config::max_header_list_size) | stream error |
//! | 1xx (RFC 9110 §15.2) | passed over, or told to [`OnInformational`](crate::options::OnInformational); more than 64 are a stream error, whether or not the request is polled |
//! | an answer instead of `100` (RFC 9110 §10.1.1) | the body is not sent, the stream is reset (`NO_ERROR`) after the answer |
//! | SETTINGS without `ENABLE_CONNECT_PROTOCOL` (RFC 8441 §3) | an extended `CONNECT` is not sent |
//! | 101 (§8.6) | stream error |
//! | `RST_STREAM(NO_ERROR)` before the end of the answer (§8.1) | an error: the answer is truncated |
//! | `RST_STREAM(NO_ERROR)` after it | the rest of the request is not sent |
//! | PUSH_PROMISE (§8.4) | connection error: we do not allow it |
//! | a `content-length` in a 2xx to `CONNECT` | counted like any other: h2 does not let it be ignored |
//!
//! A request with `Upgrade` is refused before it is sent: HTTP/2 has no such (§8.6), and without the field it would ask for
//! something else.
//!
//! What is sent: `:authority` instead of `Host`, as the URL or the caller says; `content-length` for a body of known
//! length, also 0 for the methods that have one; no connection-specific fields, `te` only as `trailers`. A `Transfer-Encoding`
//! with more than `chunked` is refused: without the field, the body would be taken for what it is not.

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
