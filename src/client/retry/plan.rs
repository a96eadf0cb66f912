//! Whether a request is sent again, and after which pause. Pure.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::options::Retries;

/// What is known of a try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// How many there were, with this one.
    pub(super) tries: u32,
    /// The request does no more harm when it is acted on twice than once.
    pub(super) is_idempotent: bool,
    pub(super) outcome: TryOutcome,
    /// How much time is left, if that is limited.
    pub(super) left: Option<Duration>,
}

/// How a try ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum TryOutcome {
    Status(StatusCode, Option<Duration>),
    /// No byte of the request was sent, and another try may succeed.
    Unsent,
    /// The connection broke before the answer.
    Broken,
    /// Another try would fail as well.
    Hopeless,
}

impl Try {
    /// The pause before the next try; `None` if this one is the last. `chance` is any number.
    pub(super) fn pause(&self, retries: &Retries, chance: u64) -> Option<Duration> {
        if self.tries >= retries.tries || !self.may_help(retries) {
            return None;
        }
        let pause = match self.outcome {
            TryOutcome::Status(_, Some(asked)) if asked > retries.retry_after => return None,
            TryOutcome::Status(_, Some(asked)) => asked,
            _ => jitter(backoff(retries, self.tries), chance),
        };
        // What would begin when the time is over is not waited for.
        self.left.is_none_or(|left| pause < left).then_some(pause)
    }

    fn may_help(&self, retries: &Retries) -> bool {
        match self.outcome {
            TryOutcome::Status(status, _) => {
                self.is_idempotent && retries.statuses.contains(status)
            }
            TryOutcome::Unsent => true,
            TryOutcome::Broken => self.is_idempotent,
            TryOutcome::Hopeless => false,
        }
    }
}

/// The longest pause after this many tries.
fn backoff(retries: &Retries, tries: u32) -> Duration {
    let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
    retries.shortest.saturating_mul(doubled).min(retries.longest)
}

/// A part of this, by chance: "full jitter".
fn jitter(longest: Duration, chance: u64) -> Duration {
    let share = (chance >> 11) as f64 / (1u64 << 53) as f64;
    // A float may round up to more than a duration holds.
    Duration::try_from_secs_f64(longest.as_secs_f64() * share).unwrap_or(longest)
}

/// Limits retries to a tenth of the requests plus ten per second, so that a failing server can recover.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// Tenths of a retry.
    saved: u32,
    /// When it was looked at last.
    pub(super) seen_at: Instant,
}

/// Ten retries for each second, in tenths.
const PER_SECOND: u128 = 100;

/// No more is saved: what a second of 1,000 requests saves.
const MOST_SAVED: u32 = 1000;

impl RetryBudget {
    /// A budget with the savings of one second.
    pub(super) fn new(now: Instant) -> Self {
        Self { saved: PER_SECOND as u32, seen_at: now }
    }

    /// Saves for a request.
    pub(super) fn request(&mut self, now: Instant) {
        self.save(now);
        self.saved = (self.saved + 1).min(MOST_SAVED);
    }

    /// Spends a retry, if there is one.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        self.save(now);
        let left = self.saved.checked_sub(10);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }

    /// Saves for the time since the last call; less than a tenth of a retry is kept for the next.
    fn save(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.seen_at);
        let earned = passed.as_millis() * PER_SECOND / 1000;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.saved = self.saved.saturating_add(earned).min(MOST_SAVED);
            self.seen_at = now;
        }
    }
}

#[cfg(test)]
mod tests;
