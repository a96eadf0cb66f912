//! Errors that are not of this crate: what they say about the request, and what they carry of ours.
//!
//! A layer boxes what it passes on, wraps it, or fails by itself. An [`Error`] of this crate keeps all that it says through
//! any number of such layers. Timeouts are recognised by their type; of anything else only the source is known.

use std::{borrow::Cow, error::Error as StdError, io};

use super::{BoxError, Delivery, Error, Kind, Phase, Report};

#[cfg(feature = "tower")]
mod elapsed;
#[cfg(not(feature = "tower"))]
#[path = "foreign/no_tower.rs"]
mod elapsed;

/// What is assumed of a foreign error that carries none of ours.
#[derive(Clone, Copy)]
pub(crate) struct ForeignError {
    pub(crate) kind: Kind,
    /// The phase of a timeout; `None` if a timeout is an error of `kind` like any other.
    pub(crate) phase: Option<Phase>,
    /// Whether the request may have been sent; `None` if that is not known.
    pub(crate) sent: Option<bool>,
}

impl ForeignError {
    /// A layer or service between the caller and the transport: all that it did before it failed is unknown.
    pub(crate) const LAYER: Self =
        Self { kind: Kind::Other, phase: Some(Phase::Total), sent: None };

    /// A connector: nothing is sent before it is done.
    pub(crate) const CONNECTOR: Self =
        Self { kind: Kind::Connect, phase: Some(Phase::Connect), sent: Some(false) };
}

impl Error {
    /// An error of any type: an [`Error`] as it is, any other under the name of what was done.
    ///
    /// What wraps an [`Error`] keeps its kind, its proxy and whether the request was sent.
    pub(crate) fn adopt(
        error: BoxError,
        foreign: ForeignError,
        doing: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::adopt_with(error, foreign, |_| doing.into())
    }

    /// The same; the name of what was done is made of a foreign error.
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

/// A timeout of a layer: `Elapsed` of tower or tokio, or an I/O error of that kind that a layer made. The operating system's
/// says that packets were lost, and is an I/O error as any other.
fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let is_made =
        |io: &io::Error| io.kind() == io::ErrorKind::TimedOut && io.raw_os_error().is_none();
    causes(error)
        .any(|cause| elapsed::is_elapsed(cause) || cause.downcast_ref().is_some_and(is_made))
}

/// The first of this type among an error and its causes.
pub(crate) fn find<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// An error and its causes, the outermost first. An I/O error hides the error it is made of, which is one of them.
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
