//! Tasks that are canceled, and timers that are shared.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use self::{abort::Abortable, alarms::Alarm};

#[path = "../../src/rt/abort.rs"]
mod abort;
#[path = "../../src/rt/alarms.rs"]
mod alarms;
pub mod tasks;
pub mod timers;

/// `FOREIGN`: a runtime that does not run while its tasks are canceled. By default there is none.
#[derive(Clone, Copy, Debug, Default)]
struct RuntimeHandle {
    is_foreign: bool,
}

const FOREIGN: RuntimeHandle = RuntimeHandle { is_foreign: true };

impl RuntimeHandle {
    fn is_foreign(self) -> bool {
        self.is_foreign
    }

    fn drives_itself(self) -> bool {
        false
    }

    fn is_driven_here(self) -> bool {
        true
    }

    fn spawn(self, task: Task) -> Result<(), Task> {
        Err(task)
    }
}

struct Reactor;

struct RuntimeId;

trait DynRuntime: Send + Sync {
    fn reactor(&self) -> Reactor {
        Reactor
    }

    fn current(&self) -> RuntimeHandle {
        RuntimeHandle::default()
    }

    fn current_id(&self) -> Option<RuntimeId> {
        Some(RuntimeId)
    }

    fn spawn(&self, task: Task);
    fn sleep(&self, duration: Duration) -> Sleep;
    fn now(&self) -> Instant;
}

enum Task {
    Boxed(Pin<Box<dyn Future<Output = ()> + Send>>),
    Held(Abortable),
}

impl Task {
    fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Boxed(Box::pin(future))
    }

    fn held(abortable: Abortable) -> Self {
        Self::Held(abortable)
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Self::Boxed(future) => future.as_mut().poll(cx),
            Self::Held(abortable) => abortable.poll(cx),
        }
    }
}

enum Sleep {
    Boxed(Pin<Box<dyn Future<Output = ()> + Send>>),
    Shared(Alarm),
}

impl Sleep {
    fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Boxed(Box::pin(future))
    }

    fn shared(alarm: Alarm) -> Self {
        Self::Shared(alarm)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Self::Boxed(future) => future.as_mut().poll(cx),
            Self::Shared(alarm) => alarm.poll(cx),
        }
    }
}
