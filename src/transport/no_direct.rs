//! Stands in for the innermost connector without sockets: `build` requires a connector.

use std::{
    future::Ready,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{HttpPool, Stack, builder::TargetTemplate};
use crate::{
    connect::Connected, error::Error, io::Io, options::Timeouts, rt::Runtime, target::Target,
};

pub(super) fn under(stack: Stack, _: Timeouts, _: Runtime) -> HttpPool {
    stack.over(NoConnector)
}

pub(super) fn check(
    connector_is_given: bool,
    _resolves: bool,
    _base: &TargetTemplate,
) -> Result<(), Error> {
    match connector_is_given {
        true => Ok(()),
        false => Err(no_connector("building the transport")),
    }
}

fn no_connector(doing: impl std::fmt::Display) -> Error {
    Error::builder(format!("{doing}: set a connector, or enable the feature `tokio` or `smol`"))
}

#[derive(Clone)]
struct NoConnector;

impl Service<Target> for NoConnector {
    type Response = Connected<Box<dyn Io>>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        std::future::ready(Err(no_connector(format_args!("connecting to {target}"))))
    }
}
