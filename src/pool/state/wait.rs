//! A request takes a free connection or enters the queue, and may leave it.

use std::{hash::Hash, sync::Arc};

use super::{
    CheckedOut, NoWait, PoolState, Ticket, Transition, WaitOptions, key_state::KeyState,
    wait_queue::Waiter,
};

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Reuses or joins a connection without waiting, if no earlier request waits.
    pub(crate) fn checkout(
        &mut self,
        key: &K,
        cx: &mut Transition<K, C, W>,
    ) -> Option<CheckedOut<C>> {
        let key_id = *self.keys.get(key)?;
        let is_first = self.key_states.get(key_id)?.queue.is_empty();
        (is_first && !self.closed).then(|| self.take(key_id, cx)).flatten()
    }

    /// Enters the queue; a returned connection, a freed stream or a finished dial serves it, whichever comes first.
    ///
    /// A request that was served in vain passes its earlier sequence number as `again`. At the end of the queue, a server
    /// that answers only a few requests per connection could refuse it for ever.
    pub(crate) fn wait(
        &mut self,
        key: Arc<K>,
        waiter: W,
        ask: WaitOptions,
        cx: &mut Transition<K, C, W>,
    ) -> Result<Ticket, (NoWait, W)> {
        let WaitOptions { again, options, is_exclusive } = ask;
        if self.closed {
            cx.actions.drop_options(options);
            cx.actions.keys.push(key);
            return Err((NoWait::Closed, waiter));
        }
        let key_id = self.key_of(key, is_exclusive, cx);
        let seq = again.unwrap_or_else(|| self.next_seq());
        self.waiting += 1;
        let waits_again = again.is_some();
        let waiting = Waiter { waiter, options, since: cx.now, waits_again };
        self.key_mut(key_id).queue.insert(seq, waiting);
        // This may serve the waiter at once: the ticket is then void, and leaving the queue does nothing.
        self.rebalance(key_id, cx);
        let ticket = Ticket { key_id, seq };
        // Only a new request is refused: one that waits again had been admitted.
        match again.is_none() && self.exceeds_max_waiters(ticket) {
            true => self.refuse(ticket, cx),
            false => Ok(ticket),
        }
    }

    /// Whether an uncovered waiter exceeds the limit. A slot that will be free soon covers one waiter.
    fn exceeds_max_waiters(&self, ticket: Ticket) -> bool {
        let is_uncovered = |key: &KeyState<K, W>| key.queue.is_uncovered(ticket.seq);
        self.queued.saturating_sub(self.tally.leaving()) > self.limits.waiters
            && self.key_states.get(ticket.key_id).is_some_and(is_uncovered)
    }

    fn refuse(
        &mut self,
        ticket: Ticket,
        cx: &mut Transition<K, C, W>,
    ) -> Result<Ticket, (NoWait, W)> {
        match self.leave(ticket, cx) {
            Some(waiter) => Err((NoWait::QueueFull, waiter)),
            None => Ok(ticket),
        }
    }

    /// Leaves the queue. A dial that it caused goes on, because it belongs to the pool, unless the limits abandon dials
    /// without waiters.
    pub(crate) fn leave(&mut self, ticket: Ticket, cx: &mut Transition<K, C, W>) -> Option<W> {
        let Waiter { waiter, options, .. } =
            self.key_states.get_mut(ticket.key_id)?.take(ticket.seq)?;
        cx.actions.drop_options(options);
        self.waiting -= 1;
        self.rebalance(ticket.key_id, cx);
        Some(waiter)
    }
}
