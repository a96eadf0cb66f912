//! The settings of HTTP/2 without the feature `http2`: none.

use crate::error::Error;

/// Settings of HTTP/2: none without the feature `http2`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Http2Config {}

impl Http2Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn for_tunnels(self) -> Self {
        self
    }
}
