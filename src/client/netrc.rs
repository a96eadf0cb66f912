//! Credentials of the file `.netrc`, which curl, ftp and Python read.

use std::{
    env,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Auth, AuthLayer};
use crate::{
    error::{Error, Kind},
    target::Origin,
};

#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod parse;

use parse::Mistake;

/// Users and passwords of hosts, from a file `.netrc`. Never shown: `Debug` prints how many there are.
///
/// An entry is for the host that it names, letter by letter but for the case, and not for the hosts below it. A `.netrc` knows no
/// ports, so it is for all of them, but for `https` (and `wss`) alone unless [`also_http`](Self::also_http) says otherwise. Of several
/// entries for one host the first counts; `default` counts where there is none. An entry without a `login` says nothing to its
/// host, not even the default.
///
/// The user of a URL without a password, as in `https://me@api.example/`, is given that of the entry for the host with this
/// `login`, as by curl, and none if there is no such entry. A password that is empty, as in `me:@`, stays so.
///
/// Nothing reads it by itself: give it to an [`AuthLayer`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{ServiceBuilder, service_fn};
/// # use tower_transport::{Body, RequestExt, client::{AuthLayer, Netrc}};
/// let netrc = Netrc::parse("machine api.example login user password hunter2")?;
/// let server = service_fn(async |request: Request<Body>| {
///     let status = if request.headers().contains_key("authorization") { 200 } else { 401 };
///     Response::builder().status(status).body(Full::<Bytes>::default())
/// });
/// let client = ServiceBuilder::new().layer(AuthLayer::new().netrc(netrc)).service(server);
/// assert_eq!(client.request("GET", "https://api.example/").await?.status(), 200);
/// assert_eq!(client.request("GET", "https://other.example/").await?.status(), 401);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Netrc {
    machines: Arc<[Login]>,
    also_http: bool,
}

/// The credentials of a host, or the default.
struct Login {
    host: Option<String>,
    user: Option<String>,
    /// Made once, so that a Digest nonce is remembered. `None` sends nothing.
    auth: Option<Auth>,
}

impl Netrc {
    /// Reads the file that the environment names: that of the variable `NETRC`, or else `.netrc` or `_netrc` in the home directory.
    /// Without any of them there are no entries.
    ///
    /// It blocks for as long as reading the file takes.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open); also if the file that `NETRC` names is not there.
    pub fn from_env() -> Result<Self, Error> {
        let (named, homely) = places(|name| env::var_os(name));
        if let Some(path) = named {
            return Self::open(path);
        }
        for path in homely {
            match fs::read(&path) {
                Ok(text) => return Self::of(&text, &path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        Ok(Self::default())
    }

    /// Reads a file.
    ///
    /// It blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`is_io`](Error::is_io), if the file cannot be read, and [`is_builder`](Error::is_builder) as for [`parse`](Self::parse).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = fs::read(path).map_err(|error| failed(path, error))?;
        Self::of(&text, path)
    }

    /// Reads the text of such a file: words between spaces, in quotes where they hold any, with comments behind `#`. A `macdef` is
    /// skipped up to an empty line.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder), with the number of the line and nothing of what it says: a quote that is not closed, a
    /// word whose value is missing, a `login` or `password` before the first `machine`. An entry that Basic cannot send (see
    /// [`Auth::basic`]) fails the requests to its host instead.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let machines = parse::parse(text).map_err(wrong)?;
        let machines = machines.into_iter().map(|machine| {
            let password = machine.password.unwrap_or_default();
            // One without a password has none, and never that of another.
            let auth = machine.login.as_deref().map(|login| Auth::basic(login, password));
            Login { host: machine.host, user: machine.login, auth }
        });
        Ok(Self { machines: machines.collect(), also_http: false })
    }

    fn of(text: &[u8], path: &Path) -> Result<Self, Error> {
        let doing = || format!("reading {}", path.display());
        let text = std::str::from_utf8(text)
            .map_err(|_| Error::builder(doing()).because("it is not UTF-8"))?;
        Self::parse(text).map_err(|error| Error::builder(doing()).because(error))
    }

    /// Also says them over `http` and `ws`, where everyone on the way can read them.
    pub fn also_http(mut self) -> Self {
        self.also_http = true;
        self
    }

    /// The credentials for this origin.
    pub fn find(&self, origin: &Origin) -> Option<Auth> {
        self.logins(origin).next()?.auth.clone()
    }

    /// Those of this user.
    fn find_user(&self, origin: &Origin, user: &str) -> Option<Auth> {
        self.logins(origin).find(|login| login.user.as_deref() == Some(user))?.auth.clone()
    }

    /// The entries of a host, or else the default.
    fn logins<'a>(&'a self, origin: &'a Origin) -> impl Iterator<Item = &'a Login> {
        let is_told = origin.scheme().is_tls() || self.also_http;
        let machines = if is_told { &*self.machines } else { &[] };
        let is_named = machines.iter().any(|machine| machine.is_of(origin.host()));
        machines.iter().filter(move |machine| match is_named {
            true => machine.is_of(origin.host()),
            false => machine.host.is_none(),
        })
    }
}

impl Login {
    fn is_of(&self, host: &str) -> bool {
        self.host.as_deref().is_some_and(|own| unbracketed(own).eq_ignore_ascii_case(host))
    }
}

impl AuthLayer {
    /// Says what a `.netrc` has for the origin of a request of which nothing else is known, and the password of a user in the
    /// URL who has none there. It takes the place of [`lookup`](Self::lookup).
    pub fn netrc(self, netrc: Netrc) -> Self {
        self.lookup_by_user(move |origin, user| match user {
            None => netrc.find(origin),
            Some(user) => netrc.find_user(origin, user),
        })
    }
}

/// The file that a variable names, and those to be tried without it.
fn places(variable: impl Fn(&str) -> Option<OsString>) -> (Option<PathBuf>, Vec<PathBuf>) {
    let variable = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME").or_else(|| variable("USERPROFILE"));
    let homely = home.map(|home| [".netrc", "_netrc"].map(|name| home.join(name)));
    (variable("NETRC"), homely.into_iter().flatten().collect())
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::custom(Kind::Io, format!("reading {}", path.display())).because(error)
}

fn wrong(mistake: Mistake) -> Error {
    Error::builder(match mistake {
        Mistake::OpenQuote { line } => {
            format!("line {line} of the netrc has a quote without an end")
        }
        Mistake::NoValue { line } => format!("line {line} of the netrc ends before a value"),
        Mistake::NoMachine { line } => format!("line {line} of the netrc comes before any machine"),
    })
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netrc").field("machines", &self.machines.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
