//! Stub.
use crate::{
    connect::*,
    error::Error,
    target::{Proxy, Target},
};
use std::task::{Context, Poll};
pub struct ForwardLayer(Proxy);
pub struct Forward<C>(C, Proxy);
impl ForwardLayer {
    pub fn new(p: Proxy) -> Self {
        Self(p)
    }
    pub fn resolver<R>(self, _: R) -> Self {
        self
    }
}
impl<C> tower_layer::Layer<C> for ForwardLayer {
    type Service = Forward<C>;
    fn layer(&self, c: C) -> Forward<C> {
        Forward(c, self.0.clone())
    }
}
impl<C: Connect<Target>> tower_service::Service<Target> for Forward<C>
where
    C::Error: Into<Error>,
{
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Connecting<C::Io>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, t: Target) -> Self::Future {
        let hop = t.hop(&self.1, t.route.clone());
        let c = self.0.call(hop);
        let p = self.1.clone();
        Connecting::new(async move {
            let c = c.await.map_err(Into::into)?;
            Ok(Connected { io: c.io, info: c.info.with_forwarder(p) })
        })
    }
}
