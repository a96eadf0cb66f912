//! Makes a URL of a reference on a page. Pure.

use http::Uri;

use crate::{
    client::resolve::{Reference, Resolved},
    error::Error,
    target::{Origin, Scheme},
};

pub(super) fn resolve(base: &Uri, reference: &str) -> Result<Uri, Error> {
    // Browsers leave out spaces around it; elsewhere they are encoded.
    let reference = reference.trim_matches(' ');
    if reference.contains(char::is_control) {
        return Err(Error::builder("the reference holds a control character"));
    }
    let reference = Reference::parse(reference);
    if reference.authority.is_some_and(|authority| authority.contains('@')) {
        return Err(Error::builder("the reference holds a user or a password"));
    }
    let base = Reference::of(base);
    let uri = uri(&base.resolve(&reference))?;
    // It is one that can be requested.
    Origin::try_from(&uri)?;
    Ok(uri)
}

fn uri(resolved: &Resolved<'_>) -> Result<Uri, Error> {
    let scheme = scheme(resolved.scheme)?;
    let host = resolved.authority.unwrap_or_default();
    if host.is_empty() || host.starts_with(':') {
        return Err(Error::builder("the reference leads to no host"));
    }
    resolved.to_uri(scheme)
}

fn scheme(scheme: Option<&str>) -> Result<Scheme, Error> {
    let Some(scheme) = scheme else {
        return Err(Error::builder("the URL of the page has no scheme: http:// or https://"));
    };
    let known = [Scheme::Http, Scheme::Https, Scheme::Ws, Scheme::Wss];
    known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(scheme)).ok_or_else(|| {
        // What stands after the colon may be a secret.
        Error::builder(format!(
            "unsupported scheme `{scheme}` of the reference: http, https, ws or wss"
        ))
    })
}
