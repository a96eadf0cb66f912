//! Counts the bytes of a body for listeners, and notes its progress now and then.

use std::time::{Duration, Instant};

use super::{NoteKind, Span, Step};

/// Often enough for a progress bar, and seldom enough for a log.
const INTERVAL: Duration = Duration::from_millis(100);

/// The bytes of one body, under the span of its step. Empty without listeners.
#[derive(Default)]
pub(crate) struct BodyMeter {
    span: Span,
    bytes: u64,
    total: Option<u64>,
    /// When the next note is due.
    due_at: Option<Instant>,
}

impl BodyMeter {
    /// Counts for this span, which is [`Step::RequestBody`] or [`Step::ResponseBody`].
    pub(crate) fn new(span: Span, total: Option<u64>) -> Self {
        let due_at = span.began_at().map(|began_at| began_at + INTERVAL);
        Self { span, bytes: 0, total, due_at }
    }

    /// Counts a part of the body. Nothing is noted at the end, as that of the step has the bytes.
    pub(crate) fn add(&mut self, bytes: usize, is_last: bool) {
        self.bytes += bytes as u64;
        let count = self.bytes;
        self.span.record(|step| {
            if let Step::RequestBody { bytes } | Step::ResponseBody { bytes } = step {
                *bytes = count;
            }
        });
        if !is_last && bytes > 0 {
            self.note_if_due();
        }
    }

    /// The span, with the number of bytes.
    pub(crate) fn into_span(self) -> Span {
        self.span
    }

    fn note_if_due(&mut self) {
        let Some(now) = self.span.now() else { return };
        if self.due_at.is_none_or(|due_at| now < due_at) {
            return;
        }
        self.due_at = Some(now + INTERVAL);
        let (bytes, total) = (self.bytes, self.total);
        self.span.note(|step| match step {
            Step::RequestBody { .. } => NoteKind::UploadProgress { bytes, total },
            _ => NoteKind::DownloadProgress { bytes, total },
        });
    }
}
