//! The timer of the next reap.

use std::sync::{Arc, Weak};

use http::Request;

use super::{Key, Shared};
use crate::{
    connection::Connection,
    pool::state::Reap,
    rt::{Runtime, RuntimeHandle},
};

/// Fires when dropped, unless canceled. If its runtime ends early, it moves to another one, once.
struct ReapTimer<C: Connection<Request<B>>, B: 'static, K: Key> {
    /// Without a pool once it is canceled.
    pool: Weak<Shared<C, B, K>>,
    reap: Reap,
    on: RuntimeHandle,
    was_moved: bool,
    is_over: bool,
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Shared<C, B, K> {
    pub(super) fn start_reap_timer(self: &Arc<Self>, reap: Reap) {
        self.reap_on(self.settings.runtime.current(), reap, false);
    }

    fn reap_on(self: &Arc<Self>, on: RuntimeHandle, reap: Reap, was_moved: bool) {
        let (runtime, pool) = (self.settings.runtime.clone(), self.me.clone());
        let timer = ReapTimer { pool, reap, on: on.clone(), was_moved, is_over: false };
        self.settings.runtime.spawn_on(&on, timer.run(runtime));
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
    async fn run(mut self, runtime: Runtime) {
        let (at, canceled) = (self.reap.at, self.reap.canceled.clone());
        let sleep = runtime.sleep(at.saturating_duration_since(runtime.now()));
        match canceled.run_until_canceled(sleep).await {
            Some(()) => self.is_over = true,
            None => self.pool = Weak::new(),
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for ReapTimer<C, B, K> {
    fn drop(&mut self) {
        // Runs also when the runtime drops the task: a reap must not get lost with it.
        let Some(pool) = self.pool.upgrade() else { return };
        let seq = self.reap.seq;
        if self.is_over {
            return pool.event(|state, cx| state.reap(seq, cx));
        }
        // At most once: a runtime that ends now drops the new task at once, which could recurse.
        match pool.other_runtime(&self.on).filter(|_| !self.was_moved) {
            Some(other) => pool.reap_on(other, self.reap.clone(), true),
            None => pool.event(|state, cx| state.cancel_reap(seq, cx)),
        }
    }
}
