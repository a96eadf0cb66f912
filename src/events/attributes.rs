//! Names and values of OpenTelemetry's conventions for HTTP clients, shared by spans and metrics.

use http::{Method, Uri};

use crate::error::Error;

/// Replaces unknown methods, so that peers and callers cannot create unbounded values.
const OTHER: &str = "_OTHER";

/// The known methods by default: those of RFC 9110 and RFC 5789, and QUERY.
const METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// The methods shown by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownMethods(Option<Vec<Method>>);

/// `server.address`, without the brackets of IPv6, and `server.port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) port: Option<u16>,
}

impl KnownMethods {
    pub(super) fn of(methods: impl IntoIterator<Item = Method>) -> Self {
        Self(Some(methods.into_iter().collect()))
    }

    /// `http.request.method`. Methods are case-sensitive (RFC 9110 §9.1).
    pub(super) fn name<'a>(&self, method: &'a Method) -> &'a str {
        let is_known = match &self.0 {
            Some(methods) => methods.contains(method),
            None => METHODS.contains(&method.as_str()),
        };
        if is_known { method.as_str() } else { OTHER }
    }

    /// `http.request.method_original`, if it differs from `http.request.method`.
    #[cfg(feature = "tracing")]
    pub(super) fn original<'a>(&self, method: &'a Method) -> Option<&'a str> {
        (self.name(method) != method.as_str()).then_some(method.as_str())
    }
}

impl Server {
    pub(super) fn of_url(url: &str) -> Self {
        let uri = url.parse::<Uri>().unwrap_or_default();
        let usual = match uri.scheme_str() {
            Some("https" | "wss") => 443,
            _ => 80,
        };
        let port = Some(uri.port_u16().unwrap_or(usual));
        Self { address: without_brackets(uri.host().unwrap_or_default()), port }
    }

    /// The server in the text of a connection's key: `host:port`, or the URL of a proxy, followed by a route or not.
    #[cfg(feature = "metrics")]
    pub(super) fn of_key(key: &str) -> Self {
        let first = key.split(' ').next().unwrap_or(key);
        let authority = first.rsplit(['/', '@']).find(|part| !part.is_empty()).unwrap_or(first);
        match authority.rsplit_once(':').map(|(host, port)| (host, port.parse().ok())) {
            Some((host, Some(port))) => Self { address: without_brackets(host), port: Some(port) },
            _ => Self { address: without_brackets(authority), port: None },
        }
    }
}

fn without_brackets(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// `error.type`: one of a fixed set of words.
pub(super) fn error_type(error: &Error) -> &'static str {
    let kinds = [
        (error.is_timeout(), "timeout"),
        (error.is_queue_full(), "queue_full"),
        (error.is_closed(), "closed"),
        (error.is_proxy(), "proxy"),
        (error.is_dns(), "dns"),
        (error.is_tls(), "tls"),
        (error.is_protocol(), "protocol"),
        (error.is_body(), "body"),
        (error.is_builder(), "builder"),
        (error.is_connect(), "connect"),
        (error.is_unsupported(), "unsupported"),
        (error.is_io(), "io"),
        (error.is_canceled(), "canceled"),
    ];
    kinds.iter().find(|(holds, _)| *holds).map_or(OTHER, |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_methods_are_shown_by_name() {
        let default = KnownMethods::default();
        let own = KnownMethods::of([Method::GET, Method::from_bytes(b"PURGE").unwrap()]);
        let table = [
            ("GET", "GET", "GET"),
            ("PATCH", "PATCH", OTHER),
            ("get", OTHER, OTHER),
            ("PURGE", OTHER, "PURGE"),
        ];
        for (method, by_default, by_own) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!((default.name(&method), own.name(&method)), (by_default, by_own));
        }
    }

    #[test]
    fn each_kind_of_error_has_its_word() {
        use crate::error::{Kind, Phase};
        let table = [
            (Kind::Timeout(Phase::Read), "timeout"),
            (Kind::QueueFull, "queue_full"),
            (Kind::Closed, "closed"),
            (Kind::Dns, "dns"),
            (Kind::Tls, "tls"),
            (Kind::Protocol, "protocol"),
            (Kind::Body, "body"),
            (Kind::Builder, "builder"),
            (Kind::Connect, "connect"),
            (Kind::Unsupported, "unsupported"),
            (Kind::Io, "io"),
            (Kind::Canceled, "canceled"),
            (Kind::Other, OTHER),
        ];
        for (kind, word) in table {
            assert_eq!(error_type(&Error::custom(kind, "asking")), word);
        }
        assert_eq!(error_type(&Error::custom(Kind::Dns, "asking").with_proxy()), "proxy");
    }

    #[test]
    fn a_server_is_a_host_without_brackets_and_a_port() {
        let urls = [
            ("http://a.example/x", "a.example", 80),
            ("https://a.example", "a.example", 443),
            ("wss://a.example/", "a.example", 443),
            ("ws://a.example/", "a.example", 80),
            ("http://[::1]:8080/?sig=***", "::1", 8080),
        ];
        for (url, address, port) in urls {
            let expected = Server { address: address.to_owned(), port: Some(port) };
            assert_eq!(Server::of_url(url), expected, "{url}");
        }
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn the_server_of_a_connection_is_in_its_key() {
        let keys = [
            ("a.example:80", "a.example", Some(80)),
            ("[::1]:443 through http://proxy:3128", "::1", Some(443)),
            ("http://***@proxy.example:3128", "proxy.example", Some(3128)),
            ("https://proxy.example:443 through socks5://b:1080", "proxy.example", Some(443)),
            ("anything", "anything", None),
        ];
        for (key, address, port) in keys {
            let expected = Server { address: address.to_owned(), port };
            assert_eq!(Server::of_key(key), expected, "{key}");
        }
    }
}
