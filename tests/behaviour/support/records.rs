//! A listener that records events.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tower_transport::{
    Error,
    events::{Event, EventListener, Note, NoteKind, Step},
};

/// Clones share the record.
#[derive(Clone, Default)]
pub(crate) struct Records {
    lines: Arc<Mutex<Vec<String>>>,
    events: Arc<Mutex<Vec<Event>>>,
    open: Arc<Mutex<BTreeMap<u64, Step>>>,
    /// Notes of bodies on their way, which depend on how long they take.
    progress: Arc<Mutex<Vec<Note>>>,
    /// Violations of the rules.
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Records {
    /// The events, as `+request`, `-request`, `!request` if it failed, `~request` if it was canceled.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The events since the last call, in one line.
    pub(crate) fn take_line(&self) -> String {
        std::mem::take(&mut *self.lines.lock().unwrap()).join(" ")
    }

    /// The notes of bodies on their way.
    pub(crate) fn progress(&self) -> Vec<Note> {
        self.progress.lock().unwrap().clone()
    }

    /// Every end.
    pub(crate) fn ends(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// The last end of this name.
    pub(crate) fn end(&self, name: &str) -> Event {
        let ends = self.ends();
        ends.into_iter().rfind(|event| event.step.name() == name).expect("it has ended")
    }

    /// Waits until every start has an end. A task of its own drops what is still to be sent.
    pub(crate) async fn all_ended(&self) {
        for _ in 0..10_000 {
            if self.open.lock().unwrap().is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.are_balanced();
    }

    /// Asserts that every start has one end, and every end a start.
    pub(crate) fn are_balanced(&self) {
        let (open, wrong) = (self.open.lock().unwrap(), self.wrong.lock().unwrap());
        let lines = self.lines();
        assert!(open.is_empty() && wrong.is_empty(), "{open:?} {wrong:?} in {lines:?}");
    }

    fn write(&self, how: &str, name: &str) {
        self.lines.lock().unwrap().push(format!("{how}{name}"));
    }

    fn end_of(&self, how: &str, event: &Event) {
        self.write(how, event.step.name());
        self.events.lock().unwrap().push(event.clone());
        if self.open.lock().unwrap().remove(&event.id).is_none() {
            self.wrong.lock().unwrap().push(format!("{how}{}", event.step));
        }
    }
}

impl EventListener for Records {
    fn started(&self, event: &Event) {
        self.write("+", event.step.name());
        self.open.lock().unwrap().insert(event.id, event.step.clone());
    }

    fn completed(&self, event: &Event) {
        self.end_of("-", event);
    }

    fn failed(&self, event: &Event, _: &Error) {
        self.end_of("!", event);
    }

    fn canceled(&self, event: &Event) {
        self.end_of("~", event);
    }

    fn noted(&self, note: &Note) {
        match &note.kind {
            NoteKind::Close { reason, .. } => {
                self.write("", &format!("connection.close({reason})"))
            }
            NoteKind::Retry { reason, .. } => self.write("", &format!("request.retry({reason})")),
            NoteKind::UploadProgress { .. } | NoteKind::DownloadProgress { .. } => {
                self.progress.lock().unwrap().push(note.clone());
            }
            what => self.write("", what.name()),
        }
    }
}
