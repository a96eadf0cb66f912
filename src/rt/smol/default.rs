//! smol as the default runtime, without tokio.

use crate::rt::Runtime;

impl Default for Runtime {
    fn default() -> Self {
        Self::smol()
    }
}
