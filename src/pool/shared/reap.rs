//! The timer of the next reap.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use http::Request;

use super::{Key, Shared};
use crate::{connection::Connection, rt::RuntimeHandle};

/// Fires when dropped. If its runtime ends early, it moves to another one, once.
struct ReapTimer<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Weak<Shared<C, B, K>>,
    at: Instant,
    on: RuntimeHandle,
    was_moved: bool,
    is_over: bool,
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Shared<C, B, K> {
    pub(super) fn reap_at(self: &Arc<Self>, at: Instant) {
        self.reap_on(self.settings.runtime.current(), at, false);
    }

    fn reap_on(self: &Arc<Self>, on: RuntimeHandle, at: Instant, was_moved: bool) {
        let (runtime, pool) = (self.settings.runtime.clone(), self.me.clone());
        let timer = ReapTimer { pool, at, on: on.clone(), was_moved, is_over: false };
        self.settings.runtime.spawn_on(&on, async move {
            runtime.sleep(at.saturating_duration_since(runtime.now())).await;
            timer.fire();
        });
    }

    /// A running runtime, other than this one, with an idle connection.
    fn other_runtime(&self, than: &RuntimeHandle) -> Option<RuntimeHandle> {
        self.read(|state| {
            let idle = state.rows().filter(|row| row.idle_since.is_some());
            let mut runtimes = idle.map(|row| row.key.runtime.clone());
            runtimes.find(|runtime| runtime != than && !runtime.has_ended())
        })
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> ReapTimer<C, B, K> {
    fn fire(mut self) {
        self.is_over = true;
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for ReapTimer<C, B, K> {
    fn drop(&mut self) {
        // Runs also when the runtime drops the task: a reap must not get lost with it.
        let Some(pool) = self.pool.upgrade() else { return };
        if self.is_over {
            return pool.event(|state, cx| state.reap(self.at, cx));
        }
        // At most once: a runtime that ends now drops the new task at once, which could recurse.
        match pool.other_runtime(&self.on).filter(|_| !self.was_moved) {
            Some(other) => pool.reap_on(other, self.at, true),
            None => pool.event(|state, _| state.cancel_reap(self.at)),
        }
    }
}
