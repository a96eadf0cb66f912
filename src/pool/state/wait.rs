//! What a request does: it takes what can be had at once, or stands in queue, and may leave it.

use std::{hash::Hash, sync::Arc};

use super::{
    Checkout, NoWait, PoolState, Ticket, Transition, WaitOptions, key_state::KeyState,
    wait_queue::Waiter,
};

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Reuse or join: what can be had without waiting, if nobody waits already.
    pub(crate) fn checkout(
        &mut self,
        key: &K,
        cx: &mut Transition<K, C, W>,
    ) -> Option<Checkout<C>> {
        let key_id = *self.keys.get(key)?;
        let nobody_waits = self.key_states.get(key_id)?.queue.is_empty();
        (nobody_waits && !self.closed).then(|| self.take(key_id, cx)).flatten()
    }

    /// Stands in queue. Whoever comes first serves: a returned connection, a freed stream, a finished dial.
    ///
    /// Who was served in vain comes `again` with the sequence number of that time. At the end of the queue it might be refused for
    /// ever by a server that answers only so many on each connection.
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
        let waiting = Waiter { waiter, options, since: cx.now };
        self.key_mut(key_id).queue.insert(seq, waiting);
        self.rebalance(key_id, cx);
        let ticket = Ticket { key_id, seq };
        match again.is_none() && self.is_beyond_the_queue(ticket) {
            true => self.refuse(ticket, cx),
            false => Ok(ticket),
        }
    }

    /// Whether a waiter for which nothing is on its way is one more than may wait. A slot that is free soon is on its
    /// way to someone.
    fn is_beyond_the_queue(&self, ticket: Ticket) -> bool {
        let is_uncovered = |key_id: &KeyState<K, W>| key_id.queue.is_uncovered(ticket.seq);
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

    /// Leaves the queue. The dial that was begun goes on, because it belongs to the state; unless the limits have it
    /// that what nobody waits for is abandoned.
    pub(crate) fn leave(&mut self, ticket: Ticket, cx: &mut Transition<K, C, W>) -> Option<W> {
        let Waiter { waiter, options, .. } =
            self.key_states.get_mut(ticket.key_id)?.take(ticket.seq)?;
        cx.actions.drop_options(options);
        self.waiting -= 1;
        self.rebalance(ticket.key_id, cx);
        Some(waiter)
    }
}
