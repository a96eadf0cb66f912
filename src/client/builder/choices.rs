//! The settings of a client's layers, and the client built from them.

use super::{CookieChoice, DecodeChoice};
use crate::{
    client::{
        AuthLayer, DeadlineLayer, DefaultsLayer, RedirectLayer, RetryLayer,
        whole::{Client, Layers, RequestDefaults},
    },
    error::Error,
    options::{MaxBody, Retries, Timeouts, TotalTimeout},
    rt::Runtime,
    transport::TransportBuilder,
};

/// The settings of the layers.
#[derive(Default)]
pub(super) struct Choices {
    pub(super) defaults: DefaultsLayer,
    pub(super) redirect: RedirectLayer,
    pub(super) retries: Retries,
    pub(super) auth: AuthLayer,
    /// `None` gives the client a jar of its own.
    pub(super) cookies: Option<CookieChoice>,
    pub(super) decoding: DecodeChoice,
    pub(super) timeouts: Option<Timeouts>,
    /// Set by `timeout`. The total of `timeouts` applies, too; the shorter one counts.
    pub(super) total: Option<TotalTimeout>,
    pub(super) max_body: MaxBody,
    pub(super) runtime: Option<Runtime>,
}

impl Choices {
    pub(super) fn check(&self) -> Result<(), Error> {
        let mistake = self.defaults.mistake().or_else(|| self.redirect.mistake());
        if let Some(mistake) = mistake {
            return Err(mistake.clone());
        }
        self.timeouts.unwrap_or_default().check()?;
        Timeouts::none().total(self.total.and_then(TotalTimeout::limit)).check()
    }

    /// Sets the runtime and the timeouts of the client's own transport, so that requests need no extension for them.
    pub(super) fn set_about(&self, builder: TransportBuilder) -> TransportBuilder {
        let builder = match &self.runtime {
            Some(runtime) => builder.runtime(runtime.clone()),
            None => builder,
        };
        match self.timeouts {
            // The total is over all tries: the transport would begin it anew with each.
            Some(timeouts) => builder.timeouts(timeouts.total(None)),
            None => builder,
        }
    }

    /// What the client adds to each request; `build_client` takes the timeouts out again over a transport of its own.
    pub(super) fn requests(&self) -> RequestDefaults {
        let beside = self.timeouts.and_then(|timeouts| timeouts.total);
        let limits = self.total.and_then(TotalTimeout::limit).into_iter().chain(beside);
        RequestDefaults {
            timeouts: self.timeouts.map(|timeouts| timeouts.total(None)),
            total: self.total,
            shortest: limits.min().map(TotalTimeout::new),
            max_body: self.max_body,
        }
    }

    pub(super) fn over_service<S: Clone>(self, service: S) -> Client<S> {
        let requests = self.requests();
        self.over(requests, service)
    }

    pub(super) fn over<S: Clone>(self, requests: RequestDefaults, service: S) -> Client<S> {
        let runtime = self.runtime.unwrap_or_default();
        let layers = Layers {
            defaults: self.defaults,
            cookies: self.cookies.unwrap_or_else(|| CookieChoice::by_default(&runtime)),
            deadline: DeadlineLayer::new(None).runtime(runtime.clone()),
            redirect: self.redirect,
            retry: RetryLayer::new(self.retries).runtime(runtime),
            auth: self.auth,
            decoding: self.decoding,
        };
        Client::assemble(layers, requests, service)
    }
}
