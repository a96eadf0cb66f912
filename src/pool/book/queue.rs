//! What a request does: it takes what can be had at once, or stands in line, and may leave it.

use std::{hash::Hash, sync::Arc, time::Instant};

use super::{Ask, Book, Checkout, NoWait, Ticket, Todo, desk::Desk, line::Waiter};

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    /// Reuse or join: what can be had without waiting, if nobody waits already.
    pub(crate) fn checkout(
        &mut self,
        key: &K,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<Checkout<C>> {
        let desk = *self.keys.get(key)?;
        let nobody_waits = self.desks.get(&desk)?.line.is_empty();
        (nobody_waits && !self.closed).then(|| self.take(desk, now, todo)).flatten()
    }

    /// Stands in line. Whoever comes first serves: a returned connection, a freed stream, a finished dial.
    ///
    /// Who was served in vain comes `again` under the turn of that time. At the end of the line it might be refused for
    /// ever by a server that answers only so many on each connection.
    pub(crate) fn wait(
        &mut self,
        key: Arc<K>,
        waiter: W,
        ask: Ask,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Result<Ticket, (NoWait, W)> {
        let Ask { again, wish, is_exclusive } = ask;
        if self.closed {
            todo.drop_wish(wish);
            todo.keys.push(key);
            return Err((NoWait::Closed, waiter));
        }
        let desk = self.desk_of(key, is_exclusive, todo);
        let turn = again.unwrap_or_else(|| self.next_turn());
        self.waiting += 1;
        let waiting = Waiter { waiter, wish, since: now };
        self.desk(desk).line.insert(turn, waiting);
        self.settle(desk, now, todo);
        let ticket = Ticket { desk, turn };
        match again.is_none() && self.is_beyond_the_queue(ticket) {
            true => self.refuse(ticket, now, todo),
            false => Ok(ticket),
        }
    }

    /// Whether a waiter for which nothing is on its way is one more than may wait. A place that is free soon is on its
    /// way to someone.
    fn is_beyond_the_queue(&self, ticket: Ticket) -> bool {
        let is_uncovered = |desk: &Desk<K, W>| desk.line.is_uncovered(ticket.turn);
        self.queued.saturating_sub(self.tally.leaving()) > self.limits.waiters
            && self.desks.get(&ticket.desk).is_some_and(is_uncovered)
    }

    fn refuse(
        &mut self,
        ticket: Ticket,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Result<Ticket, (NoWait, W)> {
        match self.leave(ticket, now, todo) {
            Some(waiter) => Err((NoWait::QueueFull, waiter)),
            None => Ok(ticket),
        }
    }

    /// Leaves the line. The dial that was begun goes on, because it belongs to the book; unless the limits have it
    /// that what nobody waits for is abandoned.
    pub(crate) fn leave(
        &mut self,
        ticket: Ticket,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<W> {
        let Waiter { waiter, wish, .. } = self.desks.get_mut(&ticket.desk)?.take(ticket.turn)?;
        todo.drop_wish(wish);
        self.waiting -= 1;
        self.settle(ticket.desk, now, todo);
        Some(waiter)
    }
}
