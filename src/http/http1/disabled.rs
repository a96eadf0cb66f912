//! The settings of HTTP/1.1 without the feature `http1`: none.

use crate::error::Error;

/// Settings of HTTP/1.1: none without the feature `http1`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Http1Config {}

impl Http1Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
