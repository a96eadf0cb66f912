//! An explicit runtime, so that a scene is the same without the feature `tokio`.

use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_transport::{Transport, rt::Runtime, transport::TransportBuilder};

pub(crate) fn transport() -> TransportBuilder {
    Transport::builder().runtime(Runtime::new(TokioExecutor::new(), TokioTimer::new()))
}
