//! Copies of requests for a retry, and error texts.

use std::fmt;

use http::Request;

use crate::{error::Error, pool::shared::name_of, rt::TaskDropped};

/// Copies a request if its body can be replayed.
pub(super) fn copy<B>(request: &Request<B>, replay: fn(&B) -> Option<B>) -> Option<Request<B>> {
    let mut again = Request::new(replay(request.body())?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    *again.extensions_mut() = request.extensions().clone();
    Some(again)
}

/// Whether the connection failed because its runtime ended.
pub(super) fn is_task_dropped(error: &Error) -> bool {
    error.cause::<TaskDropped>().is_some()
}

pub(super) fn waiting_for(key: impl fmt::Display) -> String {
    format!("waiting for a connection to {}", name_of(&key))
}
