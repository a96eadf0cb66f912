//! HTTP/1.1 where it is not built in: its settings, of which there are none.

use crate::error::Error;

/// What can be set about HTTP/1.1: nothing, without the feature `http1`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Http1Config {}

impl Http1Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
