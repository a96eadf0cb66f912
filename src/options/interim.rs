//! What a request may ask about the answers before its answer (RFC 9110 §15.2).

use std::{fmt, sync::Arc, time::Duration};

use http::Response;

/// Is told every 1xx that comes before the answer: `103 Early Hints` (RFC 8297), `102`, `100`; not `101`, which is an
/// answer.
///
/// It runs in the task that awaits the response, in the order in which they came and before the response is there, so
/// it must not block. A panic is that task's own: the request is dropped by it, and nothing else is. A request that is sent
/// again tells those of each try.
///
/// There can be no flood of them. Over HTTP/1.1 all of them and the head of the answer together have at most
/// [`max_head_size`](crate::http::Http1Config) bytes, 256 KiB by default. Over HTTP/2 there are 64 at most, and each has
/// at most [`max_header_list_size`](crate::http::Http2Config), 64 KiB by default. More than that is an error for which
/// [`Error::is_protocol`](crate::Error::is_protocol) holds.
///
/// Over HTTP/1.1 it takes the place of hyper's own `on_informational`, should a request have both.
///
/// ```
/// use tower_transport::options::OnInformational;
/// let hints = OnInformational::new(|hint| {
///     hint.headers().get_all("link").iter().for_each(|link| println!("preload {link:?}"));
/// });
/// let request = http::Request::get("http://example.com/").extension(hints).body(());
/// ```
#[derive(Clone)]
pub struct OnInformational(Arc<Listener>);

type Listener = dyn Fn(&Response<()>) + Send + Sync;

/// How long the body of a request with `Expect: 100-continue` is held back (RFC 9110 §10.1.1).
///
/// A request that has the field, and a body, sends its head alone. The body follows when a `100` comes, or when this
/// time is over without a word: not every server knows the field. If the answer itself comes, as in `417`, `413` or a
/// redirect, the body is not sent at all. That costs an HTTP/1.1 connection, which has promised a body; over HTTP/2 only
/// the stream ends. `417 Expectation Failed` is an answer like any other: to send the request again without the field is
/// for whoever sent it.
///
/// The field is sent as it is, also without a body. A peer that has shown that it speaks HTTP/1.0 cannot say `100`, so
/// its body is sent at once.
///
/// ```
/// use std::time::Duration;
/// use tower_transport::options::ExpectContinue;
/// let upload = http::Request::put("http://example.com/large")
///     .header("expect", "100-continue")
///     .extension(ExpectContinue::within(Duration::from_secs(5)))
///     .body("much");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectContinue {
    limit: Option<Duration>,
}

impl OnInformational {
    /// Calls this with the status and the fields of each.
    pub fn new(listener: impl Fn(&Response<()>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    #[cfg(any(feature = "http1", feature = "http2"))]
    pub(crate) fn tell(&self, answer: &Response<()>) {
        (self.0)(answer);
    }
}

impl Default for ExpectContinue {
    /// 1 s: longer than nearly every round trip, and what curl waits, so what servers expect.
    fn default() -> Self {
        Self { limit: Some(Duration::from_secs(1)) }
    }
}

impl ExpectContinue {
    /// For so long; `None` is until something comes, and zero does not hold it back.
    pub fn within(limit: impl Into<Option<Duration>>) -> Self {
        Self { limit: limit.into() }
    }

    #[cfg(any(feature = "http1", feature = "http2"))]
    pub(crate) fn limit(self) -> Option<Duration> {
        self.limit
    }
}

impl fmt::Debug for OnInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnInformational").finish_non_exhaustive()
    }
}
