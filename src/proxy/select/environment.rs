//! Proxy variables of the environment, by the rules of Go's `httpproxy`.

use super::pattern::{self, HostPattern, PatternHost};
use crate::{
    error::Error,
    target::{Origin, Proxy, Route},
};

/// A snapshot of the variables.
#[derive(Debug)]
pub(super) struct Environment {
    /// The route through the proxy, or why its value is invalid; `None` if no variable is set.
    http: Option<Result<Route, Error>>,
    https: Option<Result<Route, Error>>,
    no_proxy: Vec<HostPattern>,
}

impl Environment {
    pub(super) fn new(var: impl Fn(&str) -> Option<String>) -> Self {
        let filled = |name: &'static str| Some((name, var(name).filter(|text| !text.is_empty())?));
        let either = |upper, lower| filled(upper).or_else(|| filled(lower));
        let all = either("ALL_PROXY", "all_proxy");
        // A CGI server passes the header `Proxy` of a request as HTTP_PROXY; where variable names ignore case, also
        // as http_proxy.
        let http = match filled("REQUEST_METHOD") {
            None => either("HTTP_PROXY", "http_proxy"),
            Some(_) => None,
        };
        let https = either("HTTPS_PROXY", "https_proxy");
        let no_proxy = either("NO_PROXY", "no_proxy").map(|(_, list)| list).unwrap_or_default();
        Self {
            http: http.or_else(|| all.clone()).map(through),
            https: https.or(all).map(through),
            no_proxy: pattern::list(&no_proxy).flatten().collect(),
        }
    }

    /// The route to this origin; `None` if no variable decides.
    pub(super) fn route(&self, origin: &Origin) -> Option<Result<Route, Error>> {
        let place = PatternHost::of(origin);
        if place.is_local() || self.no_proxy.iter().any(|pattern| pattern.fits(&place)) {
            return Some(Ok(Route::Direct));
        }
        if origin.scheme().is_tls() { self.https.clone() } else { self.http.clone() }
    }
}

/// Omits the cause: it may quote a part of the value, which may be a password.
fn through((name, url): (&str, String)) -> Result<Route, Error> {
    Proxy::new(&url).map(Route::from).map_err(|_| {
        let schemes = "http, https, socks4, socks4a, socks5 or socks5h";
        Error::builder(format!("the variable {name} does not hold the URL of a proxy: {schemes}"))
    })
}

#[cfg(test)]
mod tests;
