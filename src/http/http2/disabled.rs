//! HTTP/2 where it is not built in: its settings, of which there are none.

use crate::error::Error;

/// What can be set about HTTP/2: nothing, without the feature `http2`.
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
