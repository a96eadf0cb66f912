//! The default runtime: tokio.

use std::sync::OnceLock;

use hyper::rt::Executor;
use hyper_util::rt::TokioTimer;
use tokio::runtime::Handle;

use super::{Runtime, Task};

impl Runtime {
    /// The tokio runtime in which requests are sent.
    ///
    /// It need not exist yet: a [`Transport`](crate::Transport) may be built before the runtime is.
    pub fn tokio() -> Self {
        Self::new(Remembering::default(), TokioTimer::new())
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::tokio()
    }
}

/// Spawns on the runtime of the caller; remembers it, because a body may be dropped on a thread that has none.
#[derive(Default)]
struct Remembering {
    first: OnceLock<Handle>,
}

impl Executor<Task> for Remembering {
    fn execute(&self, task: Task) {
        let handle = match Handle::try_current() {
            Ok(current) => {
                let _ = self.first.set(current.clone());
                current
            }
            Err(_) => match self.first.get() {
                Some(first) => first.clone(),
                // Nothing was ever connected, so there is nothing whose task could be missed.
                None => return,
            },
        };
        drop(handle.spawn(task));
    }
}
