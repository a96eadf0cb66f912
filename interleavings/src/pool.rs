//! Pools that count their connections together, and a dial that waits for room.

use std::{sync::Arc, time::Instant};

use loom::{future::block_on, thread};

use self::{budget::Budget, state::ConnCounts};
use crate::{try_all, try_with};

#[path = "../../src/pool/budget.rs"]
mod budget;

/// Limits of a pool.
struct Limits {
    connections: usize,
    idle: usize,
}

mod state {
    #[derive(Clone, Copy)]
    pub(crate) enum IdleKind {
        Any,
        Needless,
    }

    #[derive(Clone, Copy, Default)]
    pub(crate) struct ConnCounts {
        pub(crate) counted: usize,
        pub(crate) idle: usize,
        pub(crate) leaving: usize,
    }
}

mod member {
    use super::{Instant, state::IdleKind};

    pub(super) trait Member: Send + Sync {
        fn number(&self) -> u32;
        fn idle_since(&self, which: IdleKind) -> Option<Instant>;
        fn evict_longest_idle(&self, which: IdleKind);
        fn is_closed(&self) -> bool;
    }
}

fn counted(counted: usize) -> ConnCounts {
    ConnCounts { counted, ..ConnCounts::default() }
}

/// A budget of one connection. `open` connections are open.
fn with_open(open: usize) -> Arc<Budget> {
    let budget = Budget::new(&Limits { connections: 1, idle: 1 });
    budget.record(&counted(0), &counted(open));
    budget
}

/// A dial that waits for room goes on when enough connections have closed, in whichever pool.
pub fn a_dial_learns_of_each_connection_that_closes() {
    try_with(3, || {
        let budget = with_open(3);
        let pool = |budget: Arc<Budget>, from, to| {
            thread::spawn(move || {
                budget.record(&counted(from), &counted(to));
                budget.wake();
            })
        };
        let pools = [pool(budget.clone(), 2, 1), pool(budget.clone(), 1, 0)];
        block_on(budget.room());
        for pool in pools {
            pool.join().unwrap();
        }
        assert!(budget.make_room_if_full());
    });
}

/// A connection that was given to a request counts until it arrives, and no longer.
pub fn a_dial_learns_of_each_connection_that_arrives() {
    try_all(|| {
        let budget = with_open(1);
        let on_its_way = budget.hand_over(1);
        assert!(!budget.make_room_if_full());
        let request = thread::spawn(move || drop(on_its_way));
        block_on(budget.room());
        request.join().unwrap();
        assert!(budget.make_room_if_full());
    });
}

/// Two dials that wait learn of the same change.
pub fn each_dial_that_waits_goes_on() {
    try_with(3, || {
        let budget = with_open(2);
        let dial = thread::spawn({
            let budget = budget.clone();
            move || block_on(budget.room())
        });
        let pool = thread::spawn({
            let budget = budget.clone();
            move || {
                budget.record(&counted(1), &counted(0));
                budget.wake();
            }
        });
        block_on(budget.room());
        dial.join().unwrap();
        pool.join().unwrap();
    });
}
