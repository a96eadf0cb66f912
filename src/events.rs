//! Tells whoever listens what a transport is doing: pairs of a start and an end, and notes.
//!
//! An [`EventListener`] is attached to a transport or a pool by its `listener` setter, or to one request as an extension:
//! a [`Listener`]. Both are told. Without one nothing is made, counted or timed.
//!
//! Every start has exactly one end: it was completed, it failed, or it was canceled, which is what happens to whatever is
//! dropped before it could tell. An end that is not the deed of the step itself is a cancellation, too: when the time for
//! connecting runs out, the attempt that was going on is canceled, and [`Step::Connect`] above it fails.
//!
//! # Two trees
//!
//! A request is a tree under [`Step::Request`]. A connection in the making is another, under [`Step::Connect`], because
//! it belongs to the pool and may outlive the request that caused it; its events name that request. What is below a step
//! has its number as [`parent`](Event::parent). A tunnel is asked for by a request of its own, whose parent is the
//! [`Step::ProxyConnect`] that it is sent for.
//!
//! | name | from | to |
//! |---|---|---|
//! | `request` | the call | the end of the response's body, or an error |
//! | `pool.acquire` | the call, or a retry | a connection that takes the request; with `reused` |
//! | `connect` | leave to dial | a connection that speaks HTTP |
//! | `connect.dns` | the question to a resolver | its answer; none for a host that is an address |
//! | `connect.tcp` | one attempt | its outcome; the attempts that lost a race are canceled |
//! | `proxy.connect` | the way to a proxy | its leave to speak with who is behind it |
//! | `tls.handshake` | the first byte | the last |
//! | `http.handshake` | the choice of a version | a connection that takes requests |
//! | `request.head` | the request is given to the protocol | it is on its way out |
//! | `request.body` | the first look into it | its end; none without content |
//! | `response.head` | the end of `request.head` | the head of the answer |
//! | `response.body` | the head of the answer | its end; none without content |
//!
//! Notes have no end: `response.informational`, `request.retry`, `connection.idle`, `connection.close`. The last two
//! are told to the listener of the pool alone, because a connection outlives requests; each connection that was opened is
//! closed once.
//!
//! # In which order
//!
//! `+` starts, `-` ends; what is in brackets is there if it is needed.
//!
//! ```text
//! a new connection     +request +pool.acquire +connect [+connect.dns -connect.dns] +connect.tcp -connect.tcp
//!                      [+tls.handshake -tls.handshake] +http.handshake -http.handshake -connect
//! and then             -pool.acquire +request.head -request.head +response.head [+request.body -request.body]
//!                      -response.head [+response.body -response.body] -request connection.idle
//! one that is there    +request +pool.acquire -pool.acquire +request.head … as above
//! through a tunnel     +request +pool.acquire +connect +proxy.connect { the whole of a CONNECT request, up to
//!                      -response.head -request } -proxy.connect +tls.handshake … as above
//! ```
//!
//! It is the same for both versions of HTTP, with two differences. Over HTTP/2 `connection.idle` comes when the last
//! stream ends. And whether the body of a request ends before the head of its answer is for the peer to say.
//!
//! # Those that are here
//!
//! `TracingListener`, with the feature `tracing`, makes spans and events of `tracing` of it all; `MetricsListener`, with the
//! feature `metrics`, records metrics by the names of OpenTelemetry's conventions. [`Timings`] is made of the same events.
//!
//! # Being told
//!
//! A listener is called in the task in which something happens, between two steps of it, and never under a lock: it may
//! call the transport. It has to be quick. One that panics is heard of by the panic hook only; the transport, and the
//! listeners beside it, go on.
//!
//! Nothing that is told holds a secret: URLs are without user and password, and the values of query parameters that sign
//! them are `***`.
//!
//! ```
//! use tower_transport::events::{Event, EventListener};
//!
//! struct Prints;
//!
//! impl EventListener for Prints {
//!     fn completed(&self, event: &Event) {
//!         println!("{} took {:?}: {:?}", event.step, event.elapsed(), event.step);
//!     }
//! }
//!
//! # #[cfg(feature = "tokio")]
//! let transport = tower_transport::Transport::builder().listener(Prints).build()?;
//! # Ok::<(), tower_transport::Error>(())
//! ```

mod attempt;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod attributes;
mod audience;
#[cfg(any(feature = "http1", feature = "http2"))]
mod exchange;
#[cfg(feature = "tracing")]
mod failure;
pub(crate) mod listener;
#[cfg(feature = "metrics")]
mod metrics;
mod redact;
mod scope;
mod span;
mod step;
pub(crate) mod timings;
#[cfg(feature = "tracing")]
mod tracing;

pub use listener::EventListener;
#[cfg(feature = "metrics")]
pub use metrics::MetricsListener;
pub use step::{Closing, ConnectionId, Event, Note, Noted, RequestId, Retrying, Step};
pub use timings::{Ended, TimedStep, Timings};
#[cfg(feature = "tracing")]
pub use tracing::TracingListener;

pub(crate) use attempt::{Attempt, ConnectStage, OutOfTime, StageGuard, stage};
pub(crate) use audience::{Audience, Beneath, Told};
#[cfg(any(feature = "http1", feature = "http2"))]
pub(crate) use exchange::{ExchangeTrace, UploadTrace};
pub(crate) use listener::Listener;
pub(crate) use redact::shown;
pub(crate) use scope::{on_account_of, start, within};
pub(crate) use span::{Scope, Span};
pub(crate) use timings::Timed;
