//! Scripts that end, speak late or take bytes slowly, for the tests in `src` alone: the fuzz targets do not include this file.

use bytes::Bytes;

use super::script::Script;

impl Script {
    pub(crate) fn that_ends(self) -> Self {
        self.change(|state| state.ends = true);
        self
    }

    pub(crate) fn say(&self, piece: &[u8]) {
        self.change(|state| {
            state.says.push_back(Bytes::copy_from_slice(piece));
            // It is there at once.
            state.has_paused = true;
        });
    }

    /// Takes at most `room` bytes, until it takes everything.
    pub(crate) fn with_room(self, room: usize) -> Self {
        self.change(|state| state.room = Some(room));
        self
    }

    pub(crate) fn take_everything(&self) {
        self.change(|state| (state.room, state.holds_flushes) = (None, false));
    }

    /// Takes bytes, but passes them on only once it takes everything.
    pub(crate) fn that_holds_flushes(self) -> Self {
        self.change(|state| state.holds_flushes = true);
        self
    }

    /// Pieces that it has not sent.
    pub(crate) fn left(&self) -> Vec<u8> {
        self.state.lock().unwrap().says.iter().flatten().copied().collect()
    }
}
