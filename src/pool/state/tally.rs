//! Counts of slots by role, one for each key and one for the whole state.

/// What a slot counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A dial that waiters count on.
    Dialing,
    /// Leased, idle or shared: it serves its key now or will again.
    Serving,
    /// On its way back: it counts as supply.
    Returning,
    /// Its slot will be free soon: it closes, or its dial is canceled.
    Closing,
    /// Closing after a drain that could not be taken back: its key may have a successor already.
    Drained,
    /// It drains to make room for another key, unless that takes too long.
    Yielding,
    /// It drains for good. That may take for ever, so no waiter relies on its slot.
    Draining,
    /// Like `Draining`, and its successor may be dialed over the limit.
    PassedOn,
    /// It speaks another protocol, for as long as its user likes.
    Upgraded,
}

/// Number of slots in each role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) dialing: usize,
    pub(super) serving: usize,
    pub(super) returning: usize,
    pub(super) closing: usize,
    pub(super) drained: usize,
    pub(super) yielding: usize,
    pub(super) draining: usize,
    pub(super) passed_on: usize,
    pub(super) upgraded: usize,
}

impl Tally {
    pub(super) fn add(&mut self, role: Role) {
        *self.of(role) += 1;
    }

    pub(super) fn remove(&mut self, role: Role) {
        *self.of(role) -= 1;
    }

    fn of(&mut self, role: Role) -> &mut usize {
        match role {
            Role::Dialing => &mut self.dialing,
            Role::Serving => &mut self.serving,
            Role::Returning => &mut self.returning,
            Role::Closing => &mut self.closing,
            Role::Drained => &mut self.drained,
            Role::Yielding => &mut self.yielding,
            Role::Draining => &mut self.draining,
            Role::PassedOn => &mut self.passed_on,
            Role::Upgraded => &mut self.upgraded,
        }
    }

    pub(super) fn total(&self) -> usize {
        self.alive() + self.leaving() + self.draining + self.passed_on + self.upgraded
    }

    /// Slots that will be free soon.
    pub(super) fn leaving(&self) -> usize {
        self.closing + self.drained
    }

    /// Slots that serve their key now or will: a drain that yields is taken back.
    pub(super) fn alive(&self) -> usize {
        self.dialing + self.serving + self.returning + self.yielding
    }
}
