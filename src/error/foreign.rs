//! Adopts foreign errors: keeps an [`Error`] inside them, and recognises timeouts.
//!
//! A layer boxes the errors it passes on, wraps them, or fails by itself. An [`Error`] of this crate keeps its
//! properties through any number of such layers. Timeouts are recognised by their type; any other error is just a
//! source.

use std::{borrow::Cow, error::Error as StdError, io};

use super::{BoxError, Delivery, Error, Kind, Phase, Report};

#[cfg(feature = "tower")]
mod elapsed;
#[cfg(not(feature = "tower"))]
#[path = "foreign/no_tower.rs"]
mod elapsed;

/// Assumptions about a foreign error without an [`Error`] inside.
#[derive(Clone, Copy)]
pub(crate) struct ForeignError {
    pub(crate) kind: Kind,
    /// The phase of a timeout; `None` if a timeout is an error of `kind` like any other.
    pub(crate) phase: Option<Phase>,
    /// Whether the request may have been sent; `None` if that is not known.
    pub(crate) sent: Option<bool>,
}

impl ForeignError {
    /// A layer or service between the caller and the transport: whether it sent the request is unknown.
    pub(crate) const LAYER: Self =
        Self { kind: Kind::Other, phase: Some(Phase::Total), sent: None };

    /// A connector: nothing is sent before it finishes.
    pub(crate) const CONNECTOR: Self =
        Self { kind: Kind::Connect, phase: Some(Phase::Connect), sent: Some(false) };
}

impl Error {
    /// Converts an error of any type: an [`Error`] unchanged, any other with `doing` as its text.
    ///
    /// An error that wraps an [`Error`] keeps its kind, its proxy and whether the request was sent.
    pub(crate) fn adopt(
        error: BoxError,
        foreign: ForeignError,
        doing: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::adopt_with(error, foreign, |_| doing.into())
    }

    /// Like [`adopt`](Self::adopt), with the text made from a foreign error.
    pub(crate) fn adopt_with(
        error: BoxError,
        foreign: ForeignError,
        doing: impl FnOnce(&(dyn StdError + 'static)) -> Cow<'static, str>,
    ) -> Self {
        let other = match error.downcast::<Self>() {
            Ok(ours) => return *ours,
            Err(other) => other,
        };
        let doing = doing(&*other);
        let report = match find::<Self>(&*other).map(|ours| &*ours.report) {
            Some(&Report { kind, delivery, ref proxy, ref answer, .. }) => {
                let (proxy, answer) = (proxy.clone(), answer.clone());
                Report { kind, doing, source: None, delivery, proxy, answer }
            }
            None => {
                let phase = foreign.phase.filter(|_| is_timeout(&*other));
                let kind = phase.map_or(foreign.kind, Kind::Timeout);
                let delivery = Delivery::from(foreign.sent);
                Report { kind, doing, source: None, delivery, proxy: None, answer: None }
            }
        };
        Self { report: Report { source: Some(other.into()), ..report }.into() }
    }
}

/// Whether it is a layer's timeout: `Elapsed` of tower or tokio, or an I/O error of that kind made by a layer. The
/// operating system's means lost packets, and is an ordinary I/O error.
fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let is_made =
        |io: &io::Error| io.kind() == io::ErrorKind::TimedOut && io.raw_os_error().is_none();
    causes(error)
        .any(|cause| elapsed::is_elapsed(cause) || cause.downcast_ref().is_some_and(is_made))
}

/// The first error of this type in the chain of causes, itself included.
pub(crate) fn find<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The chain of causes, itself first. An I/O error is not the source of the error inside it, which is returned as its
/// cause.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let custom = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match custom {
            Some(custom) => Some(custom as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

impl From<Option<bool>> for Delivery {
    fn from(sent: Option<bool>) -> Self {
        match sent {
            Some(true) => Self::Sent,
            Some(false) => Self::Unsent,
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
