//! Callbacks for how far a request's body and its response's body have come.

use std::{fmt, sync::Arc};

/// How far a body has come, as [`OnUpload`] and [`OnDownload`] report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BodyProgress {
    pub(crate) bytes: u64,
    pub(crate) decoded: u64,
    pub(crate) total: Option<u64>,
}

impl BodyProgress {
    /// How many bytes of the body have come so far, as they are on the wire: of a response that is decoded, coded ones.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many bytes that is once decoded. Of a body that is not decoded, it is the same number.
    pub fn decoded(&self) -> u64 {
        self.decoded
    }

    /// How many bytes there will be on the wire, if that is known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Which part of the body has come, from 0 to 1, if its length is known. A body without content is complete.
    pub fn fraction(&self) -> Option<f64> {
        match self.total? {
            0 => Some(1.0),
            total => Some((self.bytes as f64 / total as f64).min(1.0)),
        }
    }
}

/// Reports each sent chunk of the request's body to a callback, as an extension of the request.
///
/// It acts below a [`ProgressLayer`](crate::client::ProgressLayer), and is called at most once per chunk, in the task that sends
/// the request, after a connection asked for the chunk: what is written may still be in the buffers of the system. It must not
/// block. A body that is sent again, after a redirect or by a retry, begins again at zero. Once the request or the response is
/// dropped, or the response is read to its end, it is not called any more.
///
/// A [listener](crate::events) receives the progress of all requests, less often.
///
/// ```
/// use tower_transport::options::OnUpload;
///
/// let shown = OnUpload::new(|progress| println!("{} of {:?}", progress.bytes(), progress.total()));
/// let request = http::Request::post("http://example.com/").extension(shown).body("much");
/// ```
#[derive(Clone)]
pub struct OnUpload(Arc<Callback>);

/// Reports each read chunk of the response's body to a callback, as an extension of the request.
///
/// It acts below a [`ProgressLayer`](crate::client::ProgressLayer), and is called at most once per chunk, in the task that reads the
/// body. It must not block. Responses that redirect and are followed do not count, nor do those that are tried again.
#[derive(Clone)]
pub struct OnDownload(Arc<Callback>);

type Callback = dyn Fn(BodyProgress) + Send + Sync;

impl OnUpload {
    /// Calls this.
    pub fn new(callback: impl Fn(BodyProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    pub(crate) fn tell(&self, progress: BodyProgress) {
        (self.0)(progress);
    }
}

impl OnDownload {
    /// Calls this.
    pub fn new(callback: impl Fn(BodyProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    pub(crate) fn tell(&self, progress: BodyProgress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for OnUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnUpload").finish_non_exhaustive()
    }
}

impl fmt::Debug for OnDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDownload").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_is_of_what_is_on_the_wire() {
        let fraction = |bytes, total| BodyProgress { bytes, decoded: 10 * bytes, total }.fraction();
        assert_eq!(fraction(1, Some(4)), Some(0.25));
        assert_eq!(fraction(0, Some(0)), Some(1.0));
        assert_eq!(fraction(5, Some(4)), Some(1.0));
        assert_eq!(fraction(1, None), None);
    }
}
