//! Stub.
use crate::{error::Error, target::*};
#[derive(Clone, Debug, Default)]
pub struct ProxyRules(Option<Route>);
impl ProxyRules {
    pub fn none() -> Self {
        Self(None)
    }
    pub fn from_env() -> Self {
        Self(None)
    }
    pub fn route(&self, _: &Target) -> Result<Route, Error> {
        Ok(self.0.clone().unwrap_or(Route::Direct))
    }
}
impl From<Proxy> for ProxyRules {
    fn from(p: Proxy) -> Self {
        Self(Some(p.into()))
    }
}
impl From<Route> for ProxyRules {
    fn from(p: Route) -> Self {
        Self(Some(p))
    }
}
