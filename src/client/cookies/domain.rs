//! Which hosts a domain covers, and where sites begin (RFC 6265bis §5.1.3, the public suffix list).

use std::{fmt, net::IpAddr, sync::Arc};

/// Whether a cookie of this domain may go to this host. Both are in lower case.
pub(super) fn matches(host: &str, domain: &str) -> bool {
    match host.strip_suffix(domain) {
        Some("") => true,
        Some(rest) => !domain.is_empty() && rest.ends_with('.') && !is_address(host),
        None => false,
    }
}

/// Whether the host is an IP address, IPv6 without its brackets.
pub(super) fn is_address(host: &str) -> bool {
    // A zone stands after the address.
    let address = host.split('%').next().unwrap_or(host);
    address.parse::<IpAddr>().is_ok()
}

/// The host as cookies have it: lower case, an IPv6 address without brackets. `None` if it is no host in ASCII.
pub(super) fn canonical(host: &str) -> Option<String> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:%".contains(&byte);
    (!host.is_empty() && !host.starts_with('.') && host.bytes().all(is_host))
        .then(|| host.to_ascii_lowercase())
}

/// Knows under which names anyone may register another.
#[derive(Clone, Default)]
pub(super) struct Suffixes {
    /// In place of the list that is compiled in.
    own: Option<Arc<IsSuffix>>,
}

type IsSuffix = dyn Fn(&str) -> bool + Send + Sync;

impl Suffixes {
    pub(super) fn by(is_suffix: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { own: Some(Arc::new(is_suffix)) }
    }

    /// Whether anyone may register a name below this one.
    pub(super) fn is_suffix(&self, domain: &str) -> bool {
        // The dot of the root does not make it another name: curl CVE-2022-27779.
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        match &self.own {
            Some(is_suffix) => is_suffix(domain),
            None => psl::suffix_str(domain) == Some(domain),
        }
    }

    /// The registrable domain of a host, or the host itself if it is an address or a suffix: all cookies that can meet in one
    /// request have the same.
    pub(super) fn site<'a>(&self, host: &'a str) -> &'a str {
        if is_address(host) {
            return host;
        }
        match &self.own {
            Some(_) => self.site_by_labels(host),
            None => {
                let site = psl::domain(host.as_bytes()).map_or(0, |site| site.as_bytes().len());
                // A suffix has no registrable domain.
                if site == 0 { host } else { &host[host.len() - site..] }
            }
        }
    }

    fn site_by_labels<'a>(&self, host: &'a str) -> &'a str {
        let (mut site, mut rest) = (host, host);
        while !self.is_suffix(rest) {
            site = rest;
            match rest.split_once('.') {
                Some((_, parent)) if !parent.is_empty() => rest = parent,
                _ => break,
            }
        }
        site
    }
}

impl fmt::Debug for Suffixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.own.is_some() { "own" } else { "psl" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_and_what_is_below_it_and_no_address() {
        let table = [
            ("example.com", "example.com", true),
            ("www.example.com", "example.com", true),
            ("a.b.example.com", "example.com", true),
            ("example.com", "www.example.com", false),
            ("badexample.com", "example.com", false),
            ("example.com", "com", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "0.0.1", false),
            ("127.0.0.1", "1", false),
            ("::1", "::1", true),
            ("::ffff:1.2.3.4", "4", false),
            ("example.com", "", false),
            ("example.com.", "example.com", false),
            ("www.example.com.", "example.com.", true),
            ("example.com.", ".", false),
        ];
        for (host, domain, expected) in table {
            assert_eq!(matches(host, domain), expected, "{host} of {domain}");
        }
    }

    #[test]
    fn public_suffixes_are_known_with_wildcards_exceptions_and_private_ones() {
        let suffixes = Suffixes::default();
        for suffix in ["com", "co.uk", "co.uk.", "github.io", "ck", "www.local.ck", "localhost"] {
            let expected = suffix != "www.local.ck";
            assert_eq!(suffixes.is_suffix(suffix), expected, "{suffix}");
        }
        for name in ["example.com", "example.co.uk", "a.github.io", "www.ck", "city.kobe.jp"] {
            assert!(!suffixes.is_suffix(name), "{name}");
        }
        assert!(suffixes.is_suffix("anything.ck") && suffixes.is_suffix("anything.kobe.jp"));
        // 公司.cn
        assert!(suffixes.is_suffix("xn--55qx5d.cn") && !suffixes.is_suffix("a.xn--55qx5d.cn"));
    }

    #[test]
    fn a_site_is_one_name_below_a_suffix() {
        let suffixes = Suffixes::default();
        let table = [
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("a.b.example.co.uk.", "example.co.uk."),
            ("co.uk", "co.uk"),
            ("x.user.github.io", "user.github.io"),
            ("localhost", "localhost"),
            ("a.localhost", "a.localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("..", ".."),
            ("", ""),
        ];
        for (host, expected) in table {
            assert_eq!(suffixes.site(host), expected, "{host}");
        }
    }

    #[test]
    fn a_list_of_ones_own_replaces_the_one_compiled_in() {
        let suffixes = Suffixes::by(|domain| domain == "internal");
        assert!(!suffixes.is_suffix("com") && suffixes.is_suffix("internal."));
        assert_eq!(suffixes.site("a.b.internal"), "b.internal");
        assert_eq!(suffixes.site("a.example.com"), "com");
    }

    proptest::proptest! {
        #[test]
        fn hosts_that_a_domain_covers_are_of_one_site(
            host in "([a-z]{1,3}\\.){0,4}(example|co|github)\\.(com|uk|io)",
            cut in 0usize..5,
        ) {
            let suffixes = Suffixes::default();
            let domain = host.splitn(cut + 1, '.').last().unwrap();
            if !suffixes.is_suffix(domain) {
                proptest::prop_assert!(matches(&host, domain));
                proptest::prop_assert_eq!(suffixes.site(&host), suffixes.site(domain));
            }
        }
    }
}
