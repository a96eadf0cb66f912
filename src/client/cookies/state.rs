//! Pure: which cookies are kept, which give way, and which go with a request (RFC 6265bis §5.7, §5.8.3).

use std::collections::HashMap;

use super::{
    Cookie,
    domain::{self, Suffixes},
    set_cookie::SetCookie,
};

/// The most cookies of a registrable domain.
pub(super) const MOST_OF_A_SITE: usize = 180;

/// The most cookies in all.
pub(super) const MOST: usize = 3000;

/// No cookie lasts longer: 400 days.
pub(super) const LONGEST_LIFE: i64 = 400 * 86_400;

/// The prefix of a name that binds a cookie to `https`.
const SECURE: &[u8] = b"__secure-";

/// The prefix that binds it to one host as well.
const HOST: &[u8] = b"__host-";

/// Where a request goes, as cookies see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CookieScope<'a> {
    /// In lower case.
    pub(super) host: &'a str,
    pub(super) site: &'a str,
    pub(super) path: &'a [u8],
    pub(super) is_secure: bool,
}

/// A cookie that may be kept, unless it would hide a secure one.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) cookie: Cookie,
    pub(super) site: Box<str>,
    /// It may replace secure cookies.
    pub(super) is_trusted: bool,
}

/// The cookies of a jar, by site.
#[derive(Debug, Default)]
pub(super) struct JarState {
    sites: HashMap<Box<str>, Vec<Stored>>,
    len: usize,
    /// Counts what happens, in place of times of creation and of last use, of which several may be equal.
    ticks: u64,
}

#[derive(Debug)]
struct Stored {
    cookie: Cookie,
    created: u64,
    used: u64,
}

/// What a server may set for this request, or `None`.
pub(super) fn admit(
    set: &SetCookie<'_>,
    to: &CookieScope<'_>,
    suffixes: &Suffixes,
    now: i64,
) -> Option<Admitted> {
    let domain = std::str::from_utf8(set.domain).ok().filter(|domain| domain.is_ascii())?;
    let domain = domain.to_ascii_lowercase();
    let is_host_only = domain.is_empty() || domain == to.host && suffixes.is_suffix(&domain);
    // It covers no more than the site either: `kobe.jp` is no suffix, but all names below it are.
    let is_allowed = || {
        domain::matches(to.host, &domain)
            && domain::matches(&domain, to.site)
            && !suffixes.is_suffix(&domain)
    };
    if set.is_secure && !to.is_secure || !is_host_only && !is_allowed() {
        return None;
    }
    let max_age = set.max_age.map(|age| if age > 0 { now.saturating_add(age) } else { i64::MIN });
    let cookie = Cookie {
        name: set.name.into(),
        value: set.value.into(),
        domain: if is_host_only { to.host.into() } else { domain.into() },
        // An address has no hosts below it.
        is_host_only: is_host_only || domain::is_address(to.host),
        path: set.path.unwrap_or_else(|| default_path(to.path)).into(),
        expires: max_age.or(set.expires),
        is_secure: set.is_secure,
        is_http_only: set.is_http_only,
        same_site: set.same_site,
    };
    // What goes to a whole host says so (RFC 6265bis §5.7): that a default path is `/` is an accident.
    if is_of_host(&cookie) && set.path.is_none() {
        return None;
    }
    let site = to.site.into();
    allow(&cookie).then(|| Admitted {
        cookie: bounded(cookie, now),
        site,
        is_trusted: to.is_secure,
    })
}

/// What the program itself puts into the jar: the rules but those about where it came from.
pub(super) fn admit_own(cookie: Cookie, suffixes: &Suffixes, now: i64) -> Option<Admitted> {
    let is_path = cookie.path.starts_with(b"/")
        && !cookie.path.iter().any(|byte| byte.is_ascii_control() || *byte == b';');
    let covers_too_much = !cookie.is_host_only
        && (suffixes.is_suffix(&cookie.domain) || domain::is_address(&cookie.domain));
    let site = suffixes.site(&cookie.domain).into();
    (is_path && !covers_too_much && allow(&cookie)).then(|| Admitted {
        cookie: bounded(cookie, now),
        site,
        is_trusted: true,
    })
}

/// The name prefixes, whatever their case, and values without a name that look like them (RFC 6265bis §5.4).
fn allow(cookie: &Cookie) -> bool {
    if cookie.name.is_empty() {
        return !begins(&cookie.value, SECURE) && !begins(&cookie.value, HOST);
    }
    if is_of_host(cookie) {
        return cookie.is_secure && cookie.is_host_only && *cookie.path == *b"/";
    }
    cookie.is_secure || !begins(&cookie.name, SECURE)
}

fn is_of_host(cookie: &Cookie) -> bool {
    begins(&cookie.name, HOST)
}

fn begins(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn bounded(mut cookie: Cookie, now: i64) -> Cookie {
    cookie.expires = cookie.expires.map(|expires| expires.min(now.saturating_add(LONGEST_LIFE)));
    cookie
}

/// Everything up to the last `/` but one that is the first (RFC 6265bis §5.1.4).
fn default_path(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(last) if last > 0 && path.starts_with(b"/") => &path[..last],
        _ => b"/",
    }
}

/// Whether a cookie of `covering` goes to `path` (RFC 6265bis §5.1.4).
fn covers(covering: &[u8], path: &[u8]) -> bool {
    match path.strip_prefix(covering) {
        Some(rest) => rest.is_empty() || covering.ends_with(b"/") || rest.starts_with(b"/"),
        None => false,
    }
}

impl CookieScope<'_> {
    fn gets(&self, cookie: &Cookie) -> bool {
        let is_of_host = match cookie.is_host_only {
            true => *cookie.domain == *self.host,
            false => domain::matches(self.host, &cookie.domain),
        };
        is_of_host && (self.is_secure || !cookie.is_secure) && covers(&cookie.path, self.path)
    }
}

impl JarState {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Keeps a cookie in place of an older one, or removes that if the new one has ended already.
    pub(super) fn insert(&mut self, admitted: Admitted, now: i64) {
        let Admitted { cookie, site, is_trusted } = admitted;
        let stored = self.sites.entry(site.clone()).or_default();
        if !is_trusted && stored.iter().any(|other| hides(&cookie, &other.cookie, now)) {
            return;
        }
        let before = stored.len();
        self.ticks += 1;
        let (tick, old) = (self.ticks, stored.iter().position(|old| old.cookie.is_same(&cookie)));
        match old {
            Some(old) if cookie.is_expired(now) => drop(stored.remove(old)),
            // It keeps the place that the old one had in the order.
            Some(old) => (stored[old].cookie, stored[old].used) = (cookie, tick),
            None if cookie.is_expired(now) => {}
            None => stored.push(Stored { cookie, created: tick, used: tick }),
        }
        if stored.len() > MOST_OF_A_SITE {
            shrink(stored, now);
        }
        self.len = self.len + stored.len() - before;
        if stored.is_empty() {
            self.sites.remove(&site);
        }
        if self.len > MOST {
            self.shrink(now);
        }
    }

    /// The value of `Cookie` for a request, or nothing in `out`.
    pub(super) fn write_header(&mut self, to: &CookieScope<'_>, now: i64, out: &mut Vec<u8>) {
        self.ticks += 1;
        let tick = self.ticks;
        let Some(stored) = self.sites.get_mut(to.site) else { return };
        let mut chosen: Vec<_> = stored
            .iter_mut()
            .filter(|stored| !stored.cookie.is_expired(now) && to.gets(&stored.cookie))
            .collect();
        chosen.sort_by_key(|stored| order(stored));
        for stored in chosen {
            stored.used = tick;
            if !out.is_empty() {
                out.extend_from_slice(b"; ");
            }
            if !stored.cookie.name.is_empty() {
                out.extend_from_slice(&stored.cookie.name);
                out.push(b'=');
            }
            out.extend_from_slice(&stored.cookie.value);
        }
    }

    /// The first cookie of this name that would be sent.
    pub(super) fn find(&self, to: &CookieScope<'_>, name: &[u8], now: i64) -> Option<Cookie> {
        let stored = self.sites.get(to.site)?.iter();
        let sent = stored.filter(|stored| {
            let cookie = &stored.cookie;
            *cookie.name == *name && !cookie.is_expired(now) && to.gets(cookie)
        });
        sent.min_by_key(|stored| order(stored)).map(|stored| stored.cookie.clone())
    }

    /// Copies of all that have not ended, oldest first.
    pub(super) fn all(&self, now: i64) -> Vec<Cookie> {
        let stored = self.sites.values().flatten();
        let mut all: Vec<_> = stored.filter(|stored| !stored.cookie.is_expired(now)).collect();
        all.sort_by_key(|stored| stored.created);
        all.into_iter().map(|stored| stored.cookie.clone()).collect()
    }

    /// Takes those out for which this holds.
    pub(super) fn remove(&mut self, is_meant: impl Fn(&Cookie) -> bool) -> usize {
        let before = self.len;
        self.sites.retain(|_, stored| {
            stored.retain(|stored| !is_meant(&stored.cookie));
            !stored.is_empty()
        });
        self.len = self.sites.values().map(Vec::len).sum();
        before - self.len
    }

    /// Makes room for one cookie: removes expired ones first, then the least recently used.
    fn shrink(&mut self, now: i64) {
        self.remove(|cookie| cookie.is_expired(now));
        if self.len <= MOST {
            return;
        }
        let oldest = |stored: &Vec<Stored>| stored.iter().map(|stored| stored.used).min();
        let site =
            self.sites.iter_mut().min_by_key(|(_, stored)| oldest(stored).unwrap_or(u64::MAX));
        if let Some((name, stored)) = site {
            remove_oldest(stored, |_| true);
            let (name, is_empty) = (name.clone(), stored.is_empty());
            self.len -= 1;
            if is_empty {
                self.sites.remove(&name);
            }
        }
    }
}

/// Longer paths first, then those that were created first (RFC 6265bis §5.8.3).
fn order(stored: &Stored) -> (std::cmp::Reverse<usize>, u64) {
    (std::cmp::Reverse(stored.cookie.path.len()), stored.created)
}

/// "Leave secure cookies alone": whether one that came in the clear would be sent where this secure one is.
fn hides(new: &Cookie, old: &Cookie, now: i64) -> bool {
    old.is_secure
        && old.name == new.name
        && (domain::matches(&old.domain, &new.domain) || domain::matches(&new.domain, &old.domain))
        && covers(&old.path, &new.path)
        && !old.is_expired(now)
}

/// Order of removal: expired, then not secure, then least recently used.
fn shrink(stored: &mut Vec<Stored>, now: i64) {
    stored.retain(|stored| !stored.cookie.is_expired(now));
    if stored.len() > MOST_OF_A_SITE && !remove_oldest(stored, |cookie| !cookie.is_secure) {
        remove_oldest(stored, |_| true);
    }
}

fn remove_oldest(stored: &mut Vec<Stored>, is_meant: impl Fn(&Cookie) -> bool) -> bool {
    let meant = stored.iter().enumerate().filter(|(_, stored)| is_meant(&stored.cookie));
    let oldest = meant.min_by_key(|(_, stored)| stored.used).map(|(at, _)| at);
    oldest.map(|at| stored.remove(at)).is_some()
}

#[cfg(test)]
mod tests;
