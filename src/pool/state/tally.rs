//! How many slots there are of each kind, counted in one slot for a key and for the whole state.

/// What a slot counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A dial on which waiters count.
    Dialing,
    /// Out, idle or shared: it serves its key now or will again.
    Serving,
    /// On its way back, so it counts as supply.
    Returning,
    /// Its slot is free soon: it closes, or its dial was told to end.
    Closing,
    /// The same, at the end of a drain that could not be taken back: its key may have a successor already.
    Drained,
    /// It finishes its streams to make room for another key, unless that takes too long.
    Yielding,
    /// It finishes its streams and takes no more. That may take for ever, so its slot is not counted on.
    Draining,
    /// The same, and its successor may be dialed over the limit.
    PassedOn,
    /// It speaks something else, for as long as its user likes.
    Upgraded,
}

/// Places by their role.
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

    /// All of them.
    pub(super) fn total(&self) -> usize {
        self.alive() + self.leaving() + self.draining + self.passed_on + self.upgraded
    }

    /// Those whose slot is free soon.
    pub(super) fn leaving(&self) -> usize {
        self.closing + self.drained
    }

    /// Those that serve their key now, or will: one that yields is taken back.
    pub(super) fn alive(&self) -> usize {
        self.dialing + self.serving + self.returning + self.yielding
    }
}
