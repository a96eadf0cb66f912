//! A pool as its budget sees it, without its types.

use std::time::Instant;

use http::Request;

use super::{
    shared::{Key, Shared},
    state::{IdleKind, PoolState},
    stats::ConnectionStats,
};
use crate::connection::Connection;

/// What one pool asks of another.
pub(super) trait Member: Send + Sync {
    /// Unique in the process.
    fn number(&self) -> u32;

    /// Since when the connection of this kind that is idle for longest has been idle.
    fn idle_since(&self, which: IdleKind) -> Option<Instant>;

    /// Closes that connection.
    fn evict_longest_idle(&self, which: IdleKind);

    /// A row for each counted connection.
    fn rows(&self) -> Vec<ConnectionStats>;

    /// Rejects further requests.
    fn begin_to_close(&self);

    /// Whether `begin_to_close` was called and nothing is open any more.
    fn is_closed(&self) -> bool;

    /// Aborts what is open, where that is possible.
    fn abort(&self);
}

impl<C, B, K> Member for Shared<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn number(&self) -> u32 {
        self.number
    }

    fn idle_since(&self, which: IdleKind) -> Option<Instant> {
        self.read(|state| state.idle_since(which))
    }

    fn evict_longest_idle(&self, which: IdleKind) {
        if let Some(pool) = self.me.upgrade() {
            pool.event(|state, cx| state.evict_longest_idle(which, cx));
        }
    }

    fn rows(&self) -> Vec<ConnectionStats> {
        ConnectionStats::of_all(self)
    }

    fn begin_to_close(&self) {
        if let Some(pool) = self.me.upgrade() {
            pool.event(|state, cx| state.close(cx));
        }
    }

    fn is_closed(&self) -> bool {
        self.read(|state| state.is_closed() && state.is_empty())
    }

    fn abort(&self) {
        for abort_handle in self.read(PoolState::abort_handles) {
            abort_handle.abort();
        }
    }
}
