//! The timeouts of tower and tokio, by their types.

use std::error::Error as StdError;

/// Whether this is the error of a timeout of tower or tokio.
pub(super) fn is_elapsed(error: &(dyn StdError + 'static)) -> bool {
    error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>()
}
