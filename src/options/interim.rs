//! Options for interim responses (RFC 9110 §15.2).

use std::{fmt, sync::Arc, time::Duration};

use http::Response;

/// Reports 1xx responses to a callback: `103 Early Hints` (RFC 8297), `102`, `100`; not `101`, which is a final
/// response.
///
/// The callback runs in the task that awaits the response, in the order of arrival and before the response is
/// returned, so it must not block. A panic unwinds that task and drops the request; nothing else is affected. A
/// request that is sent again reports the 1xx of each attempt.
///
/// Their number is limited. Over HTTP/1.1 all of them and the head of the response together have at most
/// [`max_head_size`](crate::http::Http1Config) bytes, 256 KiB by default. Over HTTP/2 there are at most 64, each of
/// at most [`max_header_list_size`](crate::http::Http2Config), 64 KiB by default. Beyond that the request fails with
/// an error for which [`Error::is_protocol`](crate::Error::is_protocol) holds.
///
/// hyper's own `on_informational` extension has no effect here.
///
/// ```
/// use tower_transport::options::OnInformational;
/// let hints = OnInformational::new(|hint| {
///     hint.headers().get_all("link").iter().for_each(|link| println!("preload {link:?}"));
/// });
/// let request = http::Request::get("http://example.com/").extension(hints).body(());
/// ```
#[derive(Clone)]
pub struct OnInformational(Arc<InformationalCallback>);

type InformationalCallback = dyn Fn(&Response<()>) + Send + Sync;

/// Limits how long the body of a request with `Expect: 100-continue` is held back (RFC 9110 §10.1.1).
///
/// A request with the field and a body sends its head alone. The body follows on a `100`, or when this time has
/// passed, because some servers ignore the field. If a final response arrives first, such as `417`, `413` or a
/// redirect, the body is not sent. That closes an HTTP/1.1 connection, on which a body was announced, and ends only
/// the stream over HTTP/2. `417 Expectation Failed` is returned like any response; sending the request again without
/// the field is up to the caller.
///
/// The field is sent unchanged, also without a body. An HTTP/1.0 peer cannot send `100`, so its body is sent at once.
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
    /// Calls `listener` with the status and fields of each 1xx.
    pub fn new(listener: impl Fn(&Response<()>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    #[cfg(any(feature = "http1", feature = "http2"))]
    pub(crate) fn tell(&self, answer: &Response<()>) {
        (self.0)(answer);
    }
}

impl Default for ExpectContinue {
    /// 1 s: longer than nearly every round trip, and the time curl waits.
    fn default() -> Self {
        Self { limit: Some(Duration::from_secs(1)) }
    }
}

impl ExpectContinue {
    /// Holds the body back for this time; `None` waits without limit, and zero does not hold it back.
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
