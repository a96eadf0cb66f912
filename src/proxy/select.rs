//! Chooses the route to an origin: by its host, by its scheme, as the environment says, or as a function does.

use std::{env, fmt, sync::Arc};

use crate::{
    error::Error,
    target::{Proxy, Route, Target},
};

mod environment;
mod pattern;
#[cfg(feature = "system-proxy")]
mod system;
#[cfg(test)]
mod tests;

use environment::Environment;
use pattern::{HostPattern, Place};

/// By which route each origin is reached: through one proxy, by host and scheme, or as the environment says.
///
/// ```
/// use tower_transport::{proxy::{Proxy, ProxyRules}, target::Route};
/// # fn main() -> Result<(), tower_transport::Error> {
/// let outer: Proxy = "http://proxy.example:3128".parse()?;
/// let inner: Proxy = "socks5h://inner.example".parse()?;
/// let rules = ProxyRules::all(outer)
///     .host("*.intranet.example", inner)?
///     .no_proxy("localhost, 10.0.0.0/8")?;
/// # Ok(())
/// # }
/// ```
///
/// What comes first in this table decides, whatever the order of the calls:
///
/// | | set by |
/// |---|---|
/// | hosts that are reached directly | [`no_proxy`](Self::no_proxy) |
/// | hosts with a route of their own, the first one given that fits | [`host`](Self::host) |
/// | a route for the scheme | [`http`](Self::http), [`https`](Self::https) |
/// | a route for the rest | what the rules were made from: [`none`](Self::none), [`all`](Self::all), [`from_env`](Self::from_env) … |
///
/// Loopback addresses and `localhost` are reached directly where the environment or the system decides, as Go does it. A
/// rule that is given here holds for them, too.
///
/// A host, in [`no_proxy`](Self::no_proxy) and [`host`](Self::host) as in the variable `NO_PROXY`, is given as
///
/// | | what it stands for |
/// |---|---|
/// | `example.com` | that host and those below it, like `www.example.com` |
/// | `.example.com`, `*.example.com` | those below it alone |
/// | `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` | that address |
/// | `192.0.2.0/24`, `2001:db8::/32` | the addresses of that network (RFC 4632 §3.1) |
/// | `example.com:8443`, `192.0.2.1:80`, `[2001:db8::1]:80` | the same, at this port alone |
/// | `*` | every host |
///
/// Neither case nor a dot at the end of a name makes a difference, an IPv4 address is the same when it is written as IPv6,
/// and the zone of an address is not looked at. No name stands for an address, and none is resolved to look whether it
/// does. Names that are not ASCII need the feature `idna`.
#[derive(Clone)]
pub struct ProxyRules {
    rules: Arc<Rules>,
}

#[derive(Clone, Debug)]
struct Rules {
    no_proxy: Vec<HostPattern>,
    hosts: Vec<(HostPattern, Route)>,
    http: Choice,
    https: Choice,
}

/// What is chosen for one scheme.
#[derive(Clone)]
enum Choice {
    Route(Route),
    Environment(Arc<Environment>),
    Function(Arc<Choose>),
}

type Choose = dyn Fn(&Target) -> Result<Route, Error> + Send + Sync;

impl ProxyRules {
    /// All directly: the beginning of rules that name their hosts, and the default.
    pub fn none() -> Self {
        Self::all(Route::Direct)
    }

    /// All by this route, or through this proxy; `localhost`, too.
    pub fn all(route: impl Into<Route>) -> Self {
        Self::made_of(Choice::Route(decided(route.into())))
    }

    /// As the environment says at this moment; it is not read again.
    ///
    /// It is understood as Go's `httpproxy` does:
    ///
    /// | variable | |
    /// |---|---|
    /// | `HTTP_PROXY` | the proxy for `http` and `ws` |
    /// | `HTTPS_PROXY` | the proxy for `https` and `wss` |
    /// | `ALL_PROXY` | the proxy for those of them that have no variable of their own; Go does not know it |
    /// | `NO_PROXY` | the hosts that are reached directly, separated by commas; entries that make no sense are passed over |
    /// | `REQUEST_METHOD` | not empty, `HTTP_PROXY` is not looked at: in a CGI script a client can set it, by a header `Proxy` (CVE-2016-5386) |
    ///
    /// Each may be written in lower case; where both are there and not empty, the one in upper case holds. A proxy is
    /// given as for [`Proxy::new`], with its scheme or without. Loopback addresses and `localhost` never go through it.
    ///
    /// A value that is not a proxy does not fail here. A request that would need it fails, with an error that
    /// [`is_builder`](Error::is_builder) and names the variable, not what it holds. Where Go differs: it passes over such a
    /// value and goes directly; it fails where `HTTP_PROXY` is not looked at; it does not see that `LOCALHOST`,
    /// `localhost.` and `localhost` are one; and an IPv6 address in brackets it takes only with a port.
    pub fn from_env() -> Self {
        Self::from_vars(variable)
    }

    /// As [`from_env`](Self::from_env), with the variables that this function gives: of a file of settings, or of a test.
    ///
    /// ```
    /// # use tower_transport::proxy::ProxyRules;
    /// let rules = ProxyRules::from_vars(|name| match name {
    ///     "ALL_PROXY" => Some("socks5h://127.0.0.1:9050".to_owned()),
    ///     _ => None,
    /// });
    /// ```
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        Self::made_of(Choice::Environment(Arc::new(Environment::new(var))))
    }

    /// As this function says.
    ///
    /// It has to say the same for equal targets, always: connections are kept by their target, and one that was made by
    /// another route is used again. Hosts are equal without regard to case. It is called often and must not block.
    pub fn from_fn<F>(choose: F) -> Self
    where
        F: Fn(&Target) -> Route + Send + Sync + 'static,
    {
        Self::asking(move |target| Ok(decided(choose(target))))
    }

    /// The route of `http` and `ws` origins, in place of what these rules were made from.
    pub fn http(self, route: impl Into<Route>) -> Self {
        self.with(|rules| rules.http = Choice::Route(decided(route.into())))
    }

    /// The route of `https` and `wss` origins, in place of what these rules were made from.
    pub fn https(self, route: impl Into<Route>) -> Self {
        self.with(|rules| rules.https = Choice::Route(decided(route.into())))
    }

    /// The route of some hosts, whatever the scheme: `example.com`, `*.example.com:8443`, `10.0.0.0/8` … Of several that
    /// fit an origin the one that was given first is taken.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder): no host can be meant by that.
    pub fn host(self, pattern: &str, route: impl Into<Route>) -> Result<Self, Error> {
        let pattern = pattern.trim().parse()?;
        Ok(self.with(|rules| rules.hosts.push((pattern, decided(route.into())))))
    }

    /// The hosts that are reached directly before all other rules, separated by commas. They are added to those that were
    /// given before, and to those of the environment.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder): no host can be meant by an entry. In the environment it would be passed over.
    pub fn no_proxy(self, hosts: &str) -> Result<Self, Error> {
        let hosts: Vec<_> = pattern::list(hosts).collect::<Result<_, _>>()?;
        Ok(self.with(|rules| rules.no_proxy.extend(hosts)))
    }

    /// The route to this target: decided, so never [`Route::Any`].
    ///
    /// It is the answer for a target whose own route is [`Route::Any`]. One that has another has its answer already, by a
    /// [`ProxyOverride`](crate::options::ProxyOverride), say; it is not looked at.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder): the environment or the system names a proxy for it that cannot be one.
    pub fn route(&self, target: &Target) -> Result<Route, Error> {
        let Rules { no_proxy, hosts, http, https } = &*self.rules;
        let place = Place::of(&target.origin);
        if no_proxy.iter().any(|pattern| pattern.fits(&place)) {
            return Ok(Route::Direct);
        }
        if let Some((_, route)) = hosts.iter().find(|(pattern, _)| pattern.fits(&place)) {
            return Ok(route.clone());
        }
        let choice = if target.origin.scheme().is_tls() { https } else { http };
        choice.route(target)
    }

    /// Whether all proxies that are known beforehand can be spoken with as they are set.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Rules { no_proxy: _, hosts, http, https } = &*self.rules;
        let chosen = [http, https].into_iter().filter_map(Choice::known);
        chosen.chain(hosts.iter().map(|(_, route)| route)).try_for_each(Route::check)
    }

    /// Whether the route to a target is always the same.
    pub(crate) fn is_static(&self) -> bool {
        let Rules { no_proxy: _, hosts: _, http, https } = &*self.rules;
        ![http, https].into_iter().any(|choice| matches!(choice, Choice::Function(_)))
    }

    fn asking(choose: impl Fn(&Target) -> Result<Route, Error> + Send + Sync + 'static) -> Self {
        Self::made_of(Choice::Function(Arc::new(choose)))
    }

    fn made_of(choice: Choice) -> Self {
        let (http, https) = (choice.clone(), choice);
        let rules = Rules { no_proxy: Vec::new(), hosts: Vec::new(), http, https };
        Self { rules: Arc::new(rules) }
    }

    fn with(mut self, set: impl FnOnce(&mut Rules)) -> Self {
        set(Arc::make_mut(&mut self.rules));
        self
    }
}

impl Choice {
    /// The route that is the same for all.
    fn known(&self) -> Option<&Route> {
        match self {
            Self::Route(route) => Some(route),
            Self::Environment(_) | Self::Function(_) => None,
        }
    }

    fn route(&self, target: &Target) -> Result<Route, Error> {
        match self {
            Self::Route(route) => Ok(route.clone()),
            Self::Environment(environment) => {
                environment.route(&target.origin).unwrap_or(Ok(Route::Direct))
            }
            Self::Function(choose) => choose(target),
        }
    }
}

/// What is not Unicode is not lost: it is no URL, and an error where it is needed.
fn variable(name: &str) -> Option<String> {
    Some(env::var_os(name)?.to_string_lossy().into_owned())
}

/// With all that was left open taken for direct.
fn decided(route: Route) -> Route {
    match route {
        Route::Any => Route::Direct,
        Route::Proxies(proxies) if proxies.is_empty() => Route::Direct,
        Route::FirstOf(routes) if routes.is_empty() || routes.iter().any(is_open) => {
            Route::first_of(routes.iter().cloned().map(decided))
        }
        other => other,
    }
}

/// Whether an alternative is not one way that is decided.
fn is_open(route: &Route) -> bool {
    match route {
        Route::Any | Route::FirstOf(_) => true,
        Route::Proxies(proxies) => proxies.is_empty(),
        _ => false,
    }
}

impl Default for ProxyRules {
    /// All directly: a library does not let the environment of its user decide where requests go unless it is asked to.
    fn default() -> Self {
        Self::none()
    }
}

impl From<Route> for ProxyRules {
    fn from(route: Route) -> Self {
        Self::all(route)
    }
}

impl From<Proxy> for ProxyRules {
    fn from(proxy: Proxy) -> Self {
        Self::all(proxy)
    }
}

impl fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { no_proxy, hosts, http, https } = &*self.rules;
        f.debug_struct("ProxyRules")
            .field("no_proxy", no_proxy)
            .field("hosts", hosts)
            .field("http", http)
            .field("https", https)
            .finish()
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(route) => route.fmt(f),
            Self::Environment(environment) => environment.fmt(f),
            Self::Function(_) => f.write_str("Function"),
        }
    }
}
