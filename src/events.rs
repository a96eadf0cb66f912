//! Reports what a transport does to listeners: pairs of a start and an end, and notes.
//!
//! Attach an [`EventListener`] to a transport or a pool by its `listener` setter, or to one request as an extension:
//! a [`Listener`]. Both receive the events of the request. Without a listener no event is created, counted or timed.
//!
//! Every start has exactly one end: completed, failed or canceled. A step that is dropped is canceled. So is a step
//! that something above it ends: when the connect timeout passes, the attempt in progress is canceled, and
//! [`Step::Connect`] above it fails.
//!
//! # Two trees
//!
//! A request is a tree under [`Step::Request`]. The making of a connection is another tree, under [`Step::Connect`],
//! because the connection belongs to the pool and may outlive the request that caused it; its events carry the number
//! of that request. A step below another has its number as [`parent`](Event::parent). A tunnel is opened by a request
//! of its own, whose parent is the [`Step::ProxyConnect`].
//!
//! | name | from | to |
//! |---|---|---|
//! | `request` | the call | the end of the response's body, or an error |
//! | `pool.acquire` | the call, or a retry | a connection that takes the request; with `reused` |
//! | `connect` | the pool allows the dial | a connection that speaks HTTP |
//! | `connect.dns` | the lookup starts | its result; no event for a host that is an address |
//! | `connect.tcp` | one attempt starts | its outcome; the attempts that lost the race are canceled |
//! | `proxy.connect` | connecting to the proxy | the proxy has granted the connection to the target |
//! | `tls.handshake` | the first byte | the last byte |
//! | `http.handshake` | the version is chosen | the connection takes requests |
//! | `request.head` | the protocol receives the request | the head is sent |
//! | `request.body` | the first poll of the body | its end; no event without content |
//! | `response.head` | the end of `request.head` | the head of the response |
//! | `response.body` | the head of the response | its end; no event without content |
//!
//! Notes have no end: `response.informational`, `request.retry`, `request.body.progress`, `response.body.progress`,
//! `connection.idle`, `connection.close`. Only the pool's listener receives the last two, because a connection outlives
//! requests. Each connection that was opened has one `connection.close`. The two of progress come while a body takes
//! longer than 100 ms, at most once in that time; their parent is the step of the body.
//!
//! # Order
//!
//! `+` starts, `-` ends; steps in brackets occur where needed.
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
//! Both versions of HTTP have the same order, with two differences. Over HTTP/2 `connection.idle` comes when the last
//! stream ends. And the peer decides whether the request's body ends before the head of the response arrives.
//!
//! # Listeners in this crate
//!
//! `TracingListener` (feature `tracing`) emits spans and events of `tracing`. `MetricsListener` (feature `metrics`)
//! records metrics by the names of OpenTelemetry's conventions. [`Timings`] is built from the same events.
//!
//! # Writing a listener
//!
//! A listener is called in the task where the event occurs, between two steps of it, and never under a lock: it may
//! call the transport. It must be quick. A panic in a listener reaches the panic hook only; the transport and the
//! other listeners go on.
//!
//! Events hold no secrets: URLs come without user and password, and the values of query parameters that sign them are
//! `***`.
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
#[cfg(any(feature = "http1", feature = "http2"))]
mod exchange;
#[cfg(feature = "tracing")]
mod failure;
pub(crate) mod listener;
mod listeners;
mod meter;
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
pub use step::{CloseReason, ConnectionId, Event, Note, NoteKind, RequestId, RetryReason, Step};
pub use timings::{StepOutcome, TimedStep, Timings};
#[cfg(feature = "tracing")]
pub use tracing::TracingListener;

pub(crate) use attempt::{AttemptTimedOut, ConnectAttempt, ConnectStage, StageGuard, stage};
#[cfg(any(feature = "http1", feature = "http2"))]
pub(crate) use exchange::{ExchangeTrace, UploadTrace};
pub(crate) use listener::Listener;
pub(crate) use listeners::{Listeners, ParentSpan, RequestEvents};
pub(crate) use meter::BodyMeter;
pub(crate) use redact::shown;
pub(crate) use scope::{enter_scope, instrument, start};
pub(crate) use span::{Scope, Span};
pub(crate) use timings::Timed;
