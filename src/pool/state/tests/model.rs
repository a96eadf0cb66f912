//! The state machine beside a naive model: plain vectors of connections and waiters, without lists, tallies or coverage
//! that is kept. After each event the model asserts the rules of a pool.

use proptest::prelude::*;

use super::*;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// How long a final drain holds back its successor.
const SUCCESSION: Duration = Duration::from_millis(250);

#[derive(Clone, Debug)]
enum Event {
    Request(usize),
    /// A request whose connection broke waits again, at its former place.
    Again(usize),
    Leave(usize),
    Dialed(usize, bool),
    DialFailed(usize, bool),
    AbandonedEnds(usize),
    /// A request ends; its connection stays.
    End(usize),
    /// A request ends, and its exclusive connection with it.
    Discard(usize),
    Returning(usize),
    Streams(usize, Option<usize>),
    /// A request doubts a shared connection.
    Suspend(usize),
    /// The doubt was out of date.
    Resume(usize),
    Retire(usize),
    TransportCloses(usize),
    /// The peer closes whichever connection.
    PeerCloses(usize),
    Later(u64),
    /// All dials and requests end, without another.
    Calm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Dialing,
    Abandoned,
    Exclusive,
    Returning,
    Idle,
    Shared,
    Closing,
}

#[derive(Clone, Debug)]
struct ModelConn {
    slot: SlotId,
    key: &'static str,
    life: Life,
    requests: usize,
    served: u64,
    streams: Option<usize>,
    /// The number that a doubt has replaced.
    doubted: Option<usize>,
    /// The turn in which it became idle, and when.
    idle: Option<(usize, Instant)>,
    /// It takes no more requests since then.
    retired_at: Option<Instant>,
    /// Its slot was passed on.
    is_passed_on: bool,
    /// The waiter that its dial was started for.
    cause: Option<Seq>,
}

#[derive(Clone, Debug)]
struct ModelWaiter {
    number: u32,
    key: &'static str,
    ticket: Ticket,
}

struct Model {
    state: TestState,
    limits: Limits,
    now: Instant,
    turn: usize,
    is_quick: bool,
    conns: Vec<ModelConn>,
    waiting: Vec<ModelWaiter>,
    /// Requests with a connection: its slot, and their place in the queue should they wait again.
    out: Vec<(SlotId, Seq)>,
    /// Kinds of connections, by key; the last is the current one.
    kinds: Vec<(&'static str, Life)>,
    canceled: Vec<(SlotId, Canceled)>,
    next: u32,
    served: Vec<u32>,
    failed: Vec<u32>,
    left: usize,
}

impl Model {
    fn new(limits: Limits, is_quick: bool) -> Self {
        Self {
            state: PoolState::new(limits.clone()),
            limits,
            now: crate::rt::Runtime::default().now(),
            turn: 0,
            is_quick,
            conns: Vec::new(),
            waiting: Vec::new(),
            out: Vec::new(),
            kinds: Vec::new(),
            canceled: Vec::new(),
            next: 0,
            served: Vec::new(),
            failed: Vec::new(),
            left: 0,
        }
    }

    fn conn(&mut self, slot: SlotId) -> &mut ModelConn {
        self.conns.iter_mut().find(|conn| conn.slot == slot).expect("a connection that is open")
    }

    fn of(&self, key: &str) -> impl Iterator<Item = &ModelConn> {
        self.conns.iter().filter(move |conn| conn.key == key)
    }

    fn waiters(&self, key: &str) -> Vec<&ModelWaiter> {
        let mut waiters: Vec<_> = self.waiting.iter().filter(|it| it.key == key).collect();
        waiters.sort_by_key(|waiter| waiter.ticket.seq);
        waiters
    }

    fn kind(&self, key: &str) -> Option<Life> {
        self.kinds.iter().rev().find(|(other, _)| *other == key).map(|(_, kind)| *kind)
    }

    fn count(&self, is: impl Fn(&ModelConn) -> bool) -> usize {
        self.conns.iter().filter(|conn| is(conn)).count()
    }

    /// For how many of its waiters something is on its way.
    fn covered(&self, key: &str) -> usize {
        let dials = self.of(key).filter(|conn| conn.life == Life::Dialing).count();
        let returning = self.of(key).filter(|conn| conn.life == Life::Returning).count();
        match self.kind(key) {
            Some(Life::Exclusive) => dials + returning,
            _ if dials > 0 => usize::MAX,
            _ => 0,
        }
    }

    /// The waiter of this key that needs a dial and may have one as far as its own key is concerned.
    fn needs_dial(&self, key: &str) -> Option<Seq> {
        // A connection without streams that is closed is not replaced before it is gone: else its key would dial in vain,
        // again and again, before all that came later.
        let is_forbidden = |conn: &ModelConn| conn.streams == Some(0) && conn.life == Life::Closing;
        let is_forbidden = self.kind(key) == Some(Life::Shared) && self.of(key).any(is_forbidden);
        self.needs_slot(key).filter(|_| !is_forbidden)
    }

    /// The waiter of this key that needs a slot, now or once a connection without streams is gone.
    fn needs_slot(&self, key: &str) -> Option<Seq> {
        // Another connection would be allowed no streams either.
        let is_forbidden = |conn: &ModelConn| {
            let is_waited_for = conn.life == Life::Shared && conn.is_usable() && conn.requests == 0;
            conn.streams == Some(0) && is_waited_for
        };
        let is_forbidden = self.kind(key) == Some(Life::Shared) && self.of(key).any(is_forbidden);
        let is_full = self.of(key).filter(|conn| conn.retired_at.is_none()).count()
            >= self.limits.connections_per_key;
        let first = self.waiters(key).get(self.covered(key)).map(|waiter| waiter.ticket.seq);
        first.filter(|_| !is_forbidden && !is_full)
    }

    fn needy(&self) -> Vec<(Seq, &'static str)> {
        let mut all: Vec<_> =
            KEYS.iter().filter_map(|key| Some((self.needs_dial(key)?, *key))).collect();
        all.sort_unstable();
        all
    }

    /// Slots that will be free soon.
    fn leaving(&self) -> usize {
        self.count(|it| matches!(it.life, Life::Closing | Life::Abandoned) && !it.is_passed_on)
    }

    /// Sockets and dials that count.
    fn counted(&self) -> usize {
        self.conns.len() - self.count(|conn| conn.is_passed_on).min(self.limits.connections)
    }

    fn is_full(&self) -> bool {
        self.counted() >= self.limits.connections
    }

    /// Whether a waiter of another key that is older than this gets no slot unless one is given up.
    fn is_anothers_turn(&self, key: &str, seq: Seq) -> bool {
        let older = self.needy().iter().filter(|(other, of)| *of != key && *other < seq).count();
        self.is_full() && older > self.leaving()
    }

    fn event<T>(&mut self, tell: impl FnOnce(&mut TestState, &mut TestTransition) -> T) -> T {
        let mut cx = TestTransition::new(self.now, false);
        let answer = tell(&mut self.state, &mut cx);
        self.execute(cx.actions);
        answer
    }

    fn execute(&mut self, actions: Actions<&'static str, Conn, u32>) {
        let mut served = Vec::new();
        for (number, checkout) in actions.serve {
            let at = self.waiting.iter().position(|it| it.number == number).expect("it waits");
            let waiter = self.waiting.remove(at);
            let older =
                |it: &&ModelWaiter| it.key == waiter.key && it.ticket.seq < waiter.ticket.seq;
            assert!(!self.waiting.iter().any(|it| older(&it)), "an older waiter of its key waits");
            self.take(waiter.key, &checkout);
            self.served.push(number);
            served.push(waiter.key);
        }
        let mut closed = Vec::new();
        for handle in actions.close {
            let slot = match handle {
                Handle::Exclusive(conn) => conn.0,
                Handle::Shared(conn) => conn.0,
            };
            let conn = self.conn(slot);
            assert_eq!(conn.requests, 0, "a connection with a request is closed");
            assert!(conn.life != Life::Closing, "it is closed twice");
            conn.life = Life::Closing;
            closed.push(conn.clone());
        }
        self.check_evictions(&closed);
        let mut causes = Vec::new();
        for dial in actions.dial {
            let key = *dial.key;
            assert!(!self.conns.iter().any(|conn| conn.slot == dial.slot), "a slot is doubled");
            let cause = self.waiters(key).get(self.covered(key)).map(|it| it.ticket.seq);
            // A drain that is taken back may have served its waiter after all.
            assert!(cause.is_some() || served.contains(&key), "a dial for no waiter");
            causes.extend(cause.map(|cause| (cause, key)));
            self.conns.push(ModelConn::dialing(dial.slot, key, cause));
            self.canceled.push((dial.slot, dial.canceled));
        }
        drop(actions.cancel);
        for (slot, mut canceled) in std::mem::take(&mut self.canceled) {
            let is_canceled = canceled.is_canceled();
            match self.conns.iter_mut().find(|it| it.slot == slot && it.life == Life::Dialing) {
                Some(conn) if is_canceled => conn.life = Life::Abandoned,
                Some(_) => self.canceled.push((slot, canceled)),
                None => {}
            }
        }
        assert!(actions.reject.is_empty(), "the pool is not closed");
        let youngest = causes.iter().max();
        if let (Some((youngest, of)), Some((oldest, key))) = (youngest, self.needy().first()) {
            assert!(youngest < oldest || of == key, "{of} dials before {key}, which waited longer");
        }
    }

    /// What makes room is the connection idle for longest, unless it is closed for a reason of its own.
    fn check_evictions(&self, closed: &[ModelConn]) {
        let is_evicted = |conn: &&ModelConn| {
            let expires = self.limits.idle_timeout.map_or(self.now, |limit| self.now - limit);
            conn.streams.is_some_and(|n| n > 0) && conn.idle.is_some_and(|(_, at)| at > expires)
        };
        for conn in closed.iter().filter(is_evicted) {
            let is_older = |it: &ModelConn| {
                it.row().2 == Use::Idle && it.streams != Some(0) && it.idle < conn.idle
            };
            let is_left = |it: &ModelConn| it.idle.is_some() && is_older(it);
            assert!(!self.conns.iter().any(is_left), "it was not idle for longest");
        }
    }

    /// A request has this connection now: it may.
    fn take(&mut self, key: &'static str, checkout: &CheckedOut<Conn>) {
        let is_shared = matches!(checkout.handle, Handle::Shared(_));
        let conn = self.conn(checkout.slot);
        assert_eq!(conn.key, key, "a connection of another key");
        match is_shared {
            true => {
                assert_eq!(conn.life, Life::Shared);
                assert!(conn.is_usable(), "a connection that takes no more requests");
                assert!(conn.requests < conn.streams.unwrap_or(0), "more than its streams");
            }
            false => {
                assert!(matches!(conn.life, Life::Idle | Life::Exclusive), "{:?}", conn.life);
                assert_eq!(conn.requests, 0, "two requests on an exclusive connection");
                conn.life = Life::Exclusive;
            }
        }
        conn.requests += 1;
        conn.served += 1;
        conn.idle = None;
        assert_eq!(checkout.served, conn.served);
        self.out.push((checkout.slot, checkout.seq));
    }

    fn idles(&mut self, slot: SlotId) {
        self.turn += 1;
        let since = (self.turn, self.now);
        let conn = self.conn(slot);
        if conn.requests == 0 && matches!(conn.life, Life::Idle | Life::Shared) {
            conn.idle.get_or_insert(since);
        }
    }
}

impl ModelConn {
    fn dialing(slot: SlotId, key: &'static str, cause: Option<Seq>) -> Self {
        let (life, streams) = (Life::Dialing, Some(100));
        let (requests, served, idle, retired_at) = (0, 0, None, None);
        let (is_passed_on, doubted) = (false, None);
        Self {
            slot,
            key,
            life,
            requests,
            served,
            streams,
            doubted,
            idle,
            retired_at,
            is_passed_on,
            cause,
        }
    }

    fn is_usable(&self) -> bool {
        self.retired_at.is_none()
    }

    fn row(&self) -> (SlotId, &'static str, Use, usize, u64) {
        let in_use = match self.life {
            Life::Dialing => Use::Dialing,
            Life::Exclusive => Use::Active,
            Life::Shared if self.requests > 0 => Use::Active,
            Life::Idle | Life::Shared => Use::Idle,
            Life::Abandoned | Life::Returning | Life::Closing => Use::Closing,
        };
        let requests = if self.life == Life::Returning { 0 } else { self.requests };
        (self.slot, self.key, in_use, requests, self.served)
    }
}

/// Events.
impl Model {
    fn request(&mut self, key: &'static str) {
        let id = self.state.keys.get(&key).copied().filter(|_| self.is_quick);
        let quick = id.and_then(|id| self.state.checkout_fast(id, self.now));
        let newest = self.of(key).filter(|it| it.life == Life::Idle).max_by_key(|it| it.idle);
        let newest = newest.map(|conn| conn.slot);
        let checkout = match quick {
            Some(checkout) => Some(checkout),
            None => self.event(|state, cx| state.checkout(&key, cx)),
        };
        if let Some(checkout) = checkout {
            assert!(self.waiters(key).is_empty(), "an older request of its key waits");
            if let Handle::Exclusive(_) = checkout.handle {
                assert_eq!(Some(checkout.slot), newest, "not the newest that is idle");
                assert!(!self.is_anothers_turn(key, Seq::MAX), "an older waiter needs it");
            }
            return self.take(key, &checkout);
        }
        self.wait(key, WaitOptions::default());
    }

    fn wait(&mut self, key: &'static str, ask: WaitOptions) {
        let (number, mut cx) = (self.next, TestTransition::new(self.now, false));
        self.next += 1;
        let Ok(ticket) = self.state.wait(Arc::new(key), number, ask, &mut cx) else {
            panic!("it may wait")
        };
        self.waiting.push(ModelWaiter { number, key, ticket });
        self.execute(cx.actions);
    }

    fn again(&mut self, at: usize) {
        let Some((slot, seq)) = self.ends(at, |conn| conn.life == Life::Exclusive) else { return };
        let key = self.conn(slot).key;
        self.discard(slot);
        // A place in the queue belongs to one request.
        if !self.waiting.iter().any(|waiter| waiter.ticket.seq == seq) {
            self.wait(key, WaitOptions { again: Some(seq), ..WaitOptions::default() });
        }
    }

    fn leave(&mut self, at: usize) {
        if self.waiting.is_empty() {
            return;
        }
        let waiter = self.waiting.remove(at % self.waiting.len());
        self.left += 1;
        assert_eq!(self.event(|state, cx| state.leave(waiter.ticket, cx)), Some(waiter.number));
    }

    fn nth(&self, at: usize, is: impl Fn(&ModelConn) -> bool) -> Option<SlotId> {
        let fitting: Vec<_> = self.conns.iter().filter(|conn| is(conn)).collect();
        fitting.get(at.checked_rem(fitting.len())?).map(|conn| conn.slot)
    }

    fn dialed(&mut self, at: usize, is_shared: bool) {
        let Some(slot) = self.nth(at, |conn| conn.life == Life::Dialing) else { return };
        let (life, handle) = match is_shared {
            true => (Life::Shared, Handle::Shared(Arc::new(Conn(slot)))),
            false => (Life::Exclusive, Handle::Exclusive(Box::new(Conn(slot)))),
        };
        let conn = self.conn(slot);
        // The peer may have forbidden streams before the dial reported.
        let is_fit = conn.streams.is_some();
        let key = conn.key;
        if !is_fit {
            let mut cx = TestTransition::new(self.now, false);
            let refused = self.state.dialed(slot, handle, ConnFacts::default(), &mut cx);
            assert!(refused.is_err(), "a connection that takes no requests");
            self.execute(cx.actions);
            return self.dial_fails(slot, FailureScope::Dependents, true);
        }
        conn.life = if is_shared { life } else { Life::Idle };
        self.kinds.push((key, life));
        let refused = self.event(|state, cx| state.dialed(slot, handle, ConnFacts::default(), cx));
        assert!(refused.is_ok(), "a connection that waiters count on");
        self.idles(slot);
    }

    fn dial_failed(&mut self, at: usize, is_for_all: bool) {
        let Some(slot) = self.nth(at, |conn| conn.life == Life::Dialing) else { return };
        let scope = if is_for_all { FailureScope::All } else { FailureScope::Dependents };
        self.dial_fails(slot, scope, false);
    }

    /// If it `is_open`, the dial has brought a connection that takes no requests.
    fn dial_fails(&mut self, slot: SlotId, scope: FailureScope, is_open: bool) {
        let conn = self.conn(slot).clone();
        let waiting = self.waiting.clone();
        let mut cx = TestTransition::new(self.now, false);
        let failed = self.state.dial_failed(slot, scope, &mut cx);
        match is_open {
            true => self.conn(slot).life = Life::Closing,
            false => self.conns.retain(|conn| conn.slot != slot),
        }
        self.waiting.retain(|waiter| !failed.contains(&waiter.number));
        self.execute(cx.actions);
        let has_failed = |it: &&ModelWaiter| failed.contains(&it.number);
        assert!(
            waiting.iter().filter(has_failed).all(|it| it.key == conn.key),
            "requests for others fail"
        );
        assert_eq!(waiting.iter().filter(has_failed).count(), failed.len());
        for waiter in waiting.iter().filter(|waiter| waiter.key == conn.key) {
            let is_concerned = scope == FailureScope::All || Some(waiter.ticket.seq) == conn.cause;
            assert!(!is_concerned || has_failed(&waiter), "its cause fails");
        }
        self.failed.extend(failed);
    }

    fn abandoned_ends(&mut self, at: usize) {
        let Some(slot) = self.nth(at, |conn| conn.life == Life::Abandoned) else { return };
        self.conns.retain(|conn| conn.slot != slot);
        let failed = self.event(|state, cx| state.dial_failed(slot, FailureScope::All, cx));
        assert!(failed.is_empty(), "an abandoned dial is no waiter's");
    }

    /// Takes a request that ends from its connection.
    fn ends(&mut self, at: usize, is: impl Fn(&ModelConn) -> bool) -> Option<(SlotId, Seq)> {
        let fitting = |(slot, _): &(SlotId, Seq)| {
            self.conns.iter().any(|conn| conn.slot == *slot && is(conn))
        };
        let fitting: Vec<_> = self.out.iter().copied().filter(fitting).collect();
        let ended = *fitting.get(at.checked_rem(fitting.len())?)?;
        self.out.retain(|out| *out != ended);
        self.conn(ended.0).requests -= 1;
        Some(ended)
    }

    fn end(&mut self, at: usize) {
        let Some((slot, _)) = self.ends(at, |_| true) else { return };
        let (now, is_quick) = (self.now, self.is_quick);
        if self.conn(slot).life == Life::Shared {
            let quick = is_quick.then(|| self.state.release_fast(slot, now));
            if !quick.is_some_and(|outcome| outcome != ReleaseOutcome::Undecided) {
                self.event(|state, cx| state.release(slot, cx));
            }
            return self.idles(slot);
        }
        // Whoever has it next must not be younger than a waiter of another key that has nothing.
        let key = self.conn(slot).key;
        let next = self.waiters(key).first().map(|waiter| (waiter.number, waiter.ticket.seq));
        let is_anothers = next.is_some_and(|(_, seq)| self.is_anothers_turn(key, seq));
        self.conn(slot).life = Life::Idle;
        let conn = Box::new(Conn(slot));
        let quick =
            match is_quick && self.state.give_back_fast(slot, conn.clone(), None, now).is_ok() {
                true => true,
                false => {
                    self.event(|state, cx| state.give_back(slot, conn, None, cx));
                    false
                }
            };
        assert!(!quick || next.is_none(), "a waiter of its key is passed over");
        self.idles(slot);
        let took = self.out.iter().any(|(out, _)| *out == slot);
        assert!(!took || !is_anothers, "an older waiter of another key needs the slot");
    }

    fn discard(&mut self, slot: SlotId) {
        self.conn(slot).life = Life::Closing;
        self.event(|state, cx| state.discard(slot, CloseReason::Unfinished, cx));
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Request(key) => self.request(KEYS[key]),
            Event::Again(at) => self.again(at),
            Event::Leave(at) => self.leave(at),
            Event::Dialed(at, is_shared) => self.dialed(at, is_shared),
            Event::DialFailed(at, is_for_all) => self.dial_failed(at, is_for_all),
            Event::AbandonedEnds(at) => self.abandoned_ends(at),
            Event::End(at) => self.end(at),
            Event::Discard(at) => {
                let exclusive =
                    |conn: &ModelConn| matches!(conn.life, Life::Exclusive | Life::Returning);
                let Some((slot, _)) = self.ends(at, exclusive) else { return };
                self.discard(slot);
            }
            Event::Returning(at) => {
                let Some(slot) = self.nth(at, |conn| conn.life == Life::Exclusive) else { return };
                self.conn(slot).life = Life::Returning;
                self.event(|state, cx| state.returning(slot, cx));
            }
            Event::Streams(at, streams) => {
                let may = |conn: &ModelConn| matches!(conn.life, Life::Dialing | Life::Shared);
                let Some(slot) = self.nth(at, may) else { return };
                let conn = self.conn(slot);
                (conn.streams, conn.doubted) = (streams, None);
                self.event(|state, cx| state.streams(slot, streams, cx));
            }
            Event::Suspend(at) => {
                let Some(slot) = self.nth(at, |conn| conn.life == Life::Shared) else { return };
                let conn = self.conn(slot);
                if conn.streams.is_some() {
                    conn.doubted = conn.streams.take();
                }
                self.event(|state, cx| state.suspend(slot, cx));
            }
            Event::Resume(at) => {
                let Some(slot) = self.nth(at, |conn| conn.life == Life::Shared) else { return };
                let conn = self.conn(slot);
                if conn.doubted.is_some() {
                    conn.streams = conn.doubted.take();
                }
                self.event(|state, cx| state.resume(slot, cx));
            }
            Event::Retire(at) => {
                let may = |conn: &ModelConn| conn.life == Life::Shared && conn.is_usable();
                let Some(slot) = self.nth(at, may) else { return };
                let now = self.now;
                let conn = self.conn(slot);
                (conn.streams, conn.doubted) = (None, None);
                if conn.requests > 0 {
                    conn.retired_at = Some(now);
                }
                self.event(|state, cx| state.retire(slot, cx));
                assert!(self.conn(slot).requests > 0 || self.conn(slot).life == Life::Closing);
            }
            Event::TransportCloses(at) => self.closes(at, |conn| conn.life == Life::Closing),
            Event::PeerCloses(at) => self.closes(at, |conn| {
                matches!(conn.life, Life::Exclusive | Life::Idle | Life::Shared)
            }),
            Event::Later(time) => self.later(Duration::from_millis(time)),
            Event::Calm => {
                for _ in 0..20 {
                    self.dialed(0, false);
                    self.end(0);
                }
            }
        }
        self.obeys();
    }

    fn closes(&mut self, at: usize, is: impl Fn(&ModelConn) -> bool) {
        let Some(slot) = self.nth(at, is) else { return };
        self.conns.retain(|conn| conn.slot != slot);
        self.out.retain(|(out, _)| *out != slot);
        let mut cx = TestTransition::new(self.now, false);
        self.state.closed(slot, &mut cx);
        // It may be in there once more, to be dropped.
        let gone = |handle: &Handle<Conn>| match handle {
            Handle::Exclusive(conn) => conn.0 == slot,
            Handle::Shared(conn) => conn.0 == slot,
        };
        let mut actions = cx.actions;
        let close: Vec<_> = std::mem::take(&mut actions.close).into_iter().collect();
        close.into_iter().filter(|handle| !gone(handle)).for_each(|it| actions.close.push(it));
        self.execute(actions);
    }

    fn later(&mut self, time: Duration) {
        let end = self.now + time;
        let next = |state: &TestState| state.reap.as_ref().map(|reap| (reap.seq, reap.at));
        while let Some((reap, at)) = next(&self.state).filter(|(_, at)| *at <= end) {
            self.now = at.max(self.now);
            for conn in &mut self.conns {
                let is_over = conn.retired_at.is_some_and(|since| since + SUCCESSION <= self.now);
                conn.is_passed_on |= is_over && conn.life == Life::Shared;
            }
            self.event(|state, cx| state.reap(reap, cx));
            self.obeys();
        }
        self.now = end;
    }
}

/// Rules.
impl Model {
    /// The rules that hold after each event.
    fn obeys(&self) {
        self.agrees();
        let needy = self.needy();
        let Limits { connections, connections_per_key, idle, abandon_dials, .. } = self.limits;
        assert!(self.counted() <= connections, "more than allowed are open");
        assert!(self.conns.len() <= 2 * connections, "more than twice as many are open");
        let is_awaited =
            |conn: &ModelConn| conn.streams == Some(0) && !self.waiters(conn.key).is_empty();
        let idle_now = self.count(|conn| conn.row().2 == Use::Idle && !is_awaited(conn));
        assert!(idle_now <= idle, "more than allowed are idle");
        for key in KEYS {
            let live = self.of(key).filter(|conn| conn.retired_at.is_none()).count();
            assert!(live <= connections_per_key, "{key} has more than allowed");
            let dials = self.of(key).filter(|conn| conn.life == Life::Dialing).count();
            let waiters = self.waiters(key).len();
            assert!(!abandon_dials || dials <= waiters, "{key} dials for no waiter");
            let is_idle = self.of(key).any(|conn| conn.life == Life::Idle);
            assert!(waiters == 0 || !is_idle, "{key} waits although a connection is idle");
            let is_free = |conn: &ModelConn| {
                conn.life == Life::Shared
                    && conn.is_usable()
                    && conn.streams.is_some_and(|streams| conn.requests < streams)
            };
            let is_other = |other: &&&str| **other != key && self.needs_slot(other).is_some();
            let others = KEYS.iter().filter(is_other).count();
            let may_yield = self.is_full() && others > self.leaving();
            let is_free = self.of(key).any(is_free);
            assert!(waiters == 0 || !is_free || may_yield, "{key} waits although a stream is free");
        }
        assert!(needy.is_empty() || self.is_full(), "{needy:?} wait although there is room");
        let is_idle = self.count(|conn| conn.row().2 == Use::Idle) > 0;
        let is_enough = needy.len() <= self.leaving();
        assert!(is_enough || !is_idle, "{needy:?} wait although a connection of another is idle");
    }

    /// Both have the same connections, waiters and requests.
    fn agrees(&self) {
        let mut rows: Vec<_> = self.conns.iter().map(ModelConn::row).collect();
        let row =
            |row: Row<&'static str>| (row.slot, *row.key, row.state, row.requests, row.served);
        let mut real: Vec<_> = self.state.rows().map(row).collect();
        rows.sort_unstable_by_key(|row| row.0);
        real.sort_unstable_by_key(|row| row.0);
        assert_eq!(real, rows, "the state and the model");
        assert_eq!(self.state.waiting(), self.waiting.len());
        let over = self.served.len() + self.failed.len() + self.left;
        assert_eq!(over + self.waiting.len(), self.next as usize, "a request is lost");
        for conn in &self.conns {
            let out = self.out.iter().filter(|(slot, _)| *slot == conn.slot).count();
            assert_eq!(out, conn.requests);
        }
    }

    /// Everything frees: whoever still waits is served, in bounded time.
    fn quiet_down(&mut self, is_shared: bool) {
        for round in 0..400 {
            if self.waiting.is_empty() && self.out.is_empty() {
                break;
            }
            for event in [
                Event::TransportCloses(round),
                Event::AbandonedEnds(round),
                Event::Streams(round, Some(1)),
                Event::Dialed(round, is_shared),
                Event::End(round),
                Event::Later(100),
            ] {
                self.happen(&event);
            }
        }
        assert!(self.waiting.is_empty(), "{:?} starve", self.waiting);
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let at = any::<usize>;
    let streams = proptest::option::of(0..4usize);
    let event = prop_oneof![
        8 => (0..KEYS.len()).prop_map(Event::Request),
        1 => at().prop_map(Event::Again),
        1 => at().prop_map(Event::Leave),
        6 => (at(), any::<bool>()).prop_map(|(at, shared)| Event::Dialed(at, shared)),
        1 => (at(), any::<bool>()).prop_map(|(at, all)| Event::DialFailed(at, all)),
        2 => at().prop_map(Event::AbandonedEnds),
        6 => at().prop_map(Event::End),
        1 => at().prop_map(Event::Discard),
        2 => at().prop_map(Event::Returning),
        2 => (at(), streams).prop_map(|(at, streams)| Event::Streams(at, streams)),
        1 => at().prop_map(Event::Suspend),
        1 => at().prop_map(Event::Resume),
        1 => at().prop_map(Event::Retire),
        3 => at().prop_map(Event::TransportCloses),
        1 => at().prop_map(Event::PeerCloses),
        2 => prop_oneof![0..2000u64, 0..100_000u64].prop_map(Event::Later),
        1 => Just(Event::Calm),
    ];
    proptest::collection::vec(event, 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_does_what_a_naive_model_does(
        events in events(),
        connections in 1..5usize,
        connections_per_key in 1..4usize,
        idle in 0..4usize,
        abandon_dials: bool,
        is_quick: bool,
        is_shared: bool,
    ) {
        let limits =
            Limits { connections, connections_per_key, idle, abandon_dials, ..Limits::default() };
        let mut model = Model::new(limits, is_quick);
        for event in &events {
            model.happen(event);
        }
        model.quiet_down(is_shared);
    }
}
