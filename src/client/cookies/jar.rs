//! Cookies that several requests share.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderMap, HeaderValue, Uri, header::SET_COOKIE};

use super::{
    Cookie, CookieStore,
    cookie::to_seconds,
    domain::{self, Suffixes},
    set_cookie,
    state::{self, Admitted, CookieScope, JarState},
};
use crate::{error::Error, lock, request::IntoUrl, rt::Runtime};

/// The cookies of a client, kept and sent by the rules of RFC 6265bis.
///
/// A clone is the same jar: keep one to look into it, and give another to a [`CookiesLayer`](super::CookiesLayer). No method
/// waits for anything but the files that it is given, and any thread may call them.
///
/// | | |
/// |---|---|
/// | sent to | the host that set it, or the hosts below the `Domain` that it named, which is no public suffix and no address |
/// | `Secure` | set by `https` alone, sent to `https` alone, never hidden by what came over `http` |
/// | `__Secure-`, `__Host-` | names that begin so, in any case, keep what they say |
/// | at the most | 4096 bytes of name and value, 180 cookies of a registrable domain, 3000 in all, 400 days |
///
/// Of too many, those go first that have ended, then those that were not used for longest, and within a domain those that are
/// not `Secure` before those that are. Whether a request is `https` is said by its URL alone: `http://localhost` is not.
///
/// ```
/// use tower_transport::client::cookies::Jar;
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let jar = Jar::new();
/// jar.set("https://example.com/", "theme", "dark")?;
/// assert_eq!(jar.get("https://example.com/any", "theme").unwrap().value(), "dark");
/// assert_eq!(jar.header_for(&"https://other.example/".parse().unwrap()), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Jar {
    shared: Arc<SharedJar>,
}

struct SharedJar {
    state: Mutex<JarState>,
    /// How many there are, so that an empty jar costs a request no lock.
    len: AtomicUsize,
    suffixes: Suffixes,
    runtime: Runtime,
}

impl Default for Jar {
    fn default() -> Self {
        Self::with(Suffixes::default(), Runtime::default())
    }
}

impl Jar {
    /// An empty jar.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(suffixes: Suffixes, runtime: Runtime) -> Self {
        let (state, len) = (Mutex::default(), AtomicUsize::new(0));
        Self { shared: Arc::new(SharedJar { state, len, suffixes, runtime }) }
    }

    /// Takes another list of public suffixes than that which is compiled in: a newer one, or one that knows the names of a
    /// private network.
    ///
    /// It is asked about names in lower case, without a dot at the end, and says whether anyone may register a name below.
    /// The result is a jar of its own with the cookies that its list allows; clones that were made before keep theirs.
    ///
    /// ```
    /// use tower_transport::client::cookies::Jar;
    /// let jar = Jar::new().suffixes(|name| matches!(name, "com" | "org" | "internal"));
    /// ```
    pub fn suffixes(self, is_suffix: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let jar = Self::with(Suffixes::by(is_suffix), self.shared.runtime.clone());
        jar.take_over(&self)
    }

    /// Takes the clock of this runtime, by which cookies end. The default one is tokio's, where there is the feature `tokio`.
    ///
    /// The result is a jar of its own with the same cookies.
    pub fn runtime(self, runtime: Runtime) -> Self {
        Self::with(self.shared.suffixes.clone(), runtime).take_over(&self)
    }

    fn take_over(self, other: &Self) -> Self {
        for cookie in other.iter() {
            // What its list of suffixes refuses is left out.
            let _ = self.insert(cookie);
        }
        self
    }

    /// Stores all `Set-Cookie` fields of a response to a request for this URL. Those that break the rules are ignored.
    pub fn store(&self, url: &Uri, headers: &HeaderMap) {
        self.store_fields(url, &mut headers.get_all(SET_COOKIE).into_iter());
    }

    fn store_fields(&self, url: &Uri, fields: &mut dyn Iterator<Item = &HeaderValue>) {
        let now = self.now();
        self.with_scope(url, |to| {
            for set in fields.filter_map(|field| set_cookie::parse(field.as_bytes())) {
                if let Some(admitted) = state::admit(&set, to, &self.shared.suffixes, now) {
                    self.keep(admitted, now);
                }
            }
        });
    }

    /// What `Cookie` says in a request for this URL: `a=1; b=2`, longer paths first, and then what was set first. `None` if
    /// there is nothing to say.
    ///
    /// It is marked as sensitive, so that no `Debug` shows it.
    pub fn header_for(&self, url: &Uri) -> Option<HeaderValue> {
        if self.is_empty() {
            return None;
        }
        let (now, mut value) = (self.now(), Vec::new());
        self.with_scope(url, |to| self.lock().write_header(to, now, &mut value));
        // The bytes were checked when they came.
        let mut value = HeaderValue::try_from(value).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Sets a cookie for the host of this URL alone, on all paths, until the end of the program. If the URL is `https`, it is
    /// sent over `https` only. See [`insert`](Self::insert) for any other.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder), as for [`Cookie::new`] and for an invalid URL.
    pub fn set(
        &self,
        url: impl IntoUrl,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let url = url.into_url()?;
        let cookie = Cookie::new(url.host().unwrap_or_default(), name, value)?;
        self.insert(if is_secure(&url) { cookie.secure() } else { cookie })
    }

    /// Puts a cookie into the jar in place of one of the same name, domain and path. One that has ended removes that.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder), if no server could have set it: for the hosts below a public suffix or an address, with
    /// an invalid path, or without what the prefix of its name asks for.
    pub fn insert(&self, cookie: Cookie) -> Result<(), Error> {
        let (now, domain) = (self.now(), cookie.domain.clone());
        let admitted = state::admit_own(cookie, &self.shared.suffixes, now);
        let refused = || Error::builder(format!("no server may set this cookie for {domain}"));
        self.keep(admitted.ok_or_else(refused)?, now);
        Ok(())
    }

    /// The cookie of this name that a request for this URL has, the first if there are several.
    pub fn get(&self, url: impl IntoUrl, name: impl AsRef<[u8]>) -> Option<Cookie> {
        let (url, now, mut found) = (url.into_url().ok()?, self.now(), None);
        self.with_scope(&url, |to| found = self.lock().find(to, name.as_ref(), now));
        found
    }

    /// All cookies of this name, wherever they go.
    pub fn get_all(&self, name: impl AsRef<[u8]>) -> Vec<Cookie> {
        self.iter().filter(|cookie| *cookie.name == *name.as_ref()).collect()
    }

    /// Removes the cookie of the same name, domain and path, whatever its value; whether there was one.
    pub fn remove(&self, cookie: &Cookie) -> bool {
        self.take_out(|kept| kept.is_same(cookie)) > 0
    }

    /// Removes all cookies of this name, wherever they go, and says how many there were.
    pub fn remove_all(&self, name: impl AsRef<[u8]>) -> usize {
        self.take_out(|cookie| *cookie.name == *name.as_ref())
    }

    /// Removes those that end with the program, as a browser does that is closed.
    pub fn clear_session(&self) {
        self.take_out(|cookie| cookie.expires.is_none());
    }

    /// Removes all.
    pub fn clear(&self) {
        self.take_out(|_| true);
    }

    /// Copies of all cookies that have not ended, in the order in which they were set: to look at, or to be kept in another
    /// format.
    pub fn iter(&self) -> std::vec::IntoIter<Cookie> {
        let now = self.now();
        self.lock().all(now).into_iter()
    }

    /// How many cookies there are; some may have ended.
    pub fn len(&self) -> usize {
        self.shared.len.load(Ordering::Acquire)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn keep(&self, admitted: Admitted, now: i64) {
        let mut state = self.lock();
        state.insert(admitted, now);
        self.shared.len.store(state.len(), Ordering::Release);
    }

    fn take_out(&self, is_meant: impl Fn(&Cookie) -> bool) -> usize {
        let mut state = self.lock();
        let removed = state.remove(is_meant);
        self.shared.len.store(state.len(), Ordering::Release);
        removed
    }

    /// Calls this with where a request for the URL goes, unless that has no cookies.
    fn with_scope(&self, url: &Uri, then: impl FnOnce(&CookieScope<'_>)) {
        let is_http = matches!(url.scheme_str(), Some("http" | "https" | "ws" | "wss"));
        let host = url.host().filter(|_| is_http).and_then(domain::canonical);
        let Some(host) = host else { return };
        let site = self.shared.suffixes.site(&host);
        let path = if url.path().starts_with('/') { url.path().as_bytes() } else { b"/" };
        then(&CookieScope { host: &host, site, path, is_secure: is_secure(url) });
    }

    pub(super) fn now(&self) -> i64 {
        to_seconds(self.shared.runtime.time_of_day())
    }

    fn lock(&self) -> MutexGuard<'_, JarState> {
        lock::lock(&self.shared.state)
    }
}

fn is_secure(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("https" | "wss"))
}

impl CookieStore for Jar {
    fn store(&self, url: &Uri, fields: &mut dyn Iterator<Item = &HeaderValue>) {
        self.store_fields(url, fields);
    }

    fn header_for(&self, url: &Uri) -> Option<HeaderValue> {
        self.header_for(url)
    }
}

impl IntoIterator for &Jar {
    type Item = Cookie;
    type IntoIter = std::vec::IntoIter<Cookie>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Jar {
    /// How many there are, and none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar").field("cookies", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
