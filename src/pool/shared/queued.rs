//! A request's position in the queue of its key.

use std::sync::Arc;

use http::Request;
use tokio::sync::oneshot;

use super::{Key, Lease, Shared, closed, name_of};
use crate::{
    connection::Connection,
    error::{Error, Kind},
    pool::{
        local_key::LocalKey,
        state::{DialOptions, NoWait, Seq, Ticket, WaitOptions},
    },
};

/// A waiting request. Dropping it leaves the queue and gives back a connection that was served meanwhile.
pub(in crate::pool) struct QueuedRequest<C: Connection<Request<B>>, B: 'static, K: Key> {
    pub(in crate::pool) served: oneshot::Receiver<Result<Lease<C, B, K>, Error>>,
    _position: QueuePosition<C, B, K>,
}

struct QueuePosition<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    ticket: Ticket,
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Shared<C, B, K> {
    /// Enters the queue of a key, or returns why it may not.
    pub(in crate::pool) fn wait(
        self: &Arc<Self>,
        key: &Arc<LocalKey<K>>,
        again: Option<Seq>,
        options: DialOptions,
    ) -> Result<QueuedRequest<C, B, K>, Error> {
        let (waiter, served) = oneshot::channel();
        // `is_exclusive` is foreign code: called before the lock is taken.
        let ask = WaitOptions { again, options, is_exclusive: (self.keys.is_exclusive)(&key.key) };
        match self.event(|state, cx| state.wait(key.clone(), waiter, ask, cx)) {
            Ok(ticket) => {
                let position = QueuePosition { pool: self.clone(), ticket };
                Ok(QueuedRequest { served, _position: position })
            }
            Err((NoWait::Closed, _)) => Err(closed()),
            Err((NoWait::QueueFull, _)) => {
                let (waiters, key) = (self.settings.limits.waiters, name_of(&**key));
                let text = format!(
                    "waiting for a connection to {key}: every connection is in use, and \
                     max_waiters lets {waiters} requests wait"
                );
                Err(Error::new(Kind::QueueFull, text))
            }
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for QueuePosition<C, B, K> {
    fn drop(&mut self) {
        let left = self.pool.event(|state, cx| state.leave(self.ticket, cx));
        drop(left);
    }
}
