//! Proxy settings of the system, by hyper-util's matcher.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::{Environment, ProxyRules, variable};
use crate::{
    auth::Credentials,
    error::Error,
    target::{Origin, Proxy, Route},
};

impl ProxyRules {
    /// Reads the environment as in [`from_env`](Self::from_env), and for a scheme without a proxy there the settings
    /// of macOS (web and secure web proxy) or Windows (Internet Options, with the exceptions listed there). Other
    /// systems have the environment only.
    ///
    /// PAC scripts and WPAD are not supported. Needs the feature `system-proxy`.
    pub fn from_system() -> Self {
        Self::with_settings(Environment::new(variable), Matcher::from_system())
    }

    fn with_settings(environment: Environment, settings: Matcher) -> Self {
        Self::asking(move |target| match environment.route(&target.origin) {
            Some(route) => route,
            None => route(&settings, &target.origin),
        })
    }
}

fn route(settings: &Matcher, origin: &Origin) -> Result<Route, Error> {
    // The matcher knows only these two.
    let scheme = if origin.scheme().is_tls() { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(origin.authority_form()).path_and_query("/");
    let uri = uri.build().map_err(|error| {
        Error::builder(format!("asking the system for a proxy to {origin}")).because(error)
    })?;
    settings.intercept(&uri).map_or(Ok(Route::Direct), |found| proxy(&found).map(Route::from))
}

/// Omits the cause, which may quote a password.
fn proxy(found: &Intercept) -> Result<Proxy, Error> {
    let uri = found.uri();
    let url = uri.authority().map(|at| format!("{}://{at}", uri.scheme_str().unwrap_or("http")));
    let proxy = url.and_then(|url| Proxy::new(&url).ok()).ok_or_else(|| {
        Error::builder("the settings of the system do not hold the URL of a proxy")
    })?;
    Ok(match credentials(found) {
        Some(credentials) => proxy.credentials(credentials),
        None => proxy,
    })
}

/// The matcher returns credentials for HTTP already encoded.
fn credentials(found: &Intercept) -> Option<Credentials> {
    if let Some((user, password)) = found.raw_auth() {
        return Some(Credentials::new(user, password));
    }
    let encoded = found.basic_auth()?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::new(user, password))
}

#[cfg(test)]
mod tests {
    use crate::target::Target;

    use super::*;

    fn settings() -> Matcher {
        Matcher::builder()
            .http("me:secret%20@web.example:3128")
            .https("socks5h://me:secret@secure.example")
            .no("excepted.example")
            .build()
    }

    fn routes(rules: &ProxyRules, urls: [&str; 3]) -> [Route; 3] {
        urls.map(|url| {
            let origin = Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap();
            rules.route(&Target::new(origin)).unwrap()
        })
    }

    fn through(url: &str) -> Route {
        Proxy::new(url).unwrap().into()
    }

    #[test]
    fn the_settings_of_the_system_hold_where_the_environment_is_silent() {
        let rules = ProxyRules::with_settings(Environment::new(|_| None), settings());
        let web = through("http://me:secret%20@web.example:3128");
        let secure = through("socks5h://me:secret@secure.example");
        let asked = ["http://a.example", "ws://a.example", "http://excepted.example"];
        assert_eq!(routes(&rules, asked), [web.clone(), web, Route::Direct]);
        let asked = ["https://a.example", "wss://a.example", "https://127.0.0.1"];
        assert_eq!(routes(&rules, asked), [secure.clone(), secure, Route::Direct]);
    }

    #[test]
    fn a_proxy_of_the_system_may_have_no_credentials() {
        let settings = Matcher::builder().http("web.example:3128").build();
        let rules = ProxyRules::with_settings(Environment::new(|_| None), settings);
        let web = through("http://web.example:3128");
        let asked = ["http://a.example", "ws://a.example", "https://a.example"];
        assert_eq!(routes(&rules, asked), [web.clone(), web, Route::Direct]);
    }

    #[test]
    fn the_environment_goes_before_the_settings_of_the_system() {
        let environment = Environment::new(|name| match name {
            "HTTPS_PROXY" => Some("own.example".to_owned()),
            "NO_PROXY" => Some("never.example".to_owned()),
            _ => None,
        });
        let rules = ProxyRules::with_settings(environment, settings());
        let asked = ["https://a.example", "http://a.example", "http://never.example"];
        let (own, web) =
            (through("http://own.example"), through("http://me:secret%20@web.example:3128"));
        assert_eq!(routes(&rules, asked), [own, web, Route::Direct]);
    }
}
