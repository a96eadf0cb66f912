//! Entries of `NO_PROXY`, among them those that Go's `httpproxy` is tested with, as tables.

use super::*;

fn origin(url: &str) -> Origin {
    Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap()
}

/// Whether one of the entries fits the origin, or it is this computer: as `NO_PROXY` is read.
fn is_direct(entries: &str, url: &str) -> bool {
    let origin = origin(url);
    let place = PatternHost::of(&origin);
    place.is_local() || list(entries).flatten().any(|pattern| pattern.fits(&place))
}

/// The host, and whether it is reached directly with [`GO_LIST`].
const GO_HOSTS: [(&str, bool); 27] = [
    ("localhost", true),
    ("127.0.0.1", true),
    ("127.0.0.2", true),
    ("[::1]", true),
    ("[::2]", false),
    ("192.168.1.1", true),
    ("192.168.1.2", false),
    ("192.168.1.3", true),
    ("192.168.1.4", false),
    ("10.0.0.2", true),
    ("[2001:db8::52:0:1]", true),
    ("[2001:db8::52:0:2]", false),
    ("[2001:db8::52:0:3]", true),
    ("[2002:db8:a::123]", true),
    ("[fe80::424b:c8be:1643:a1b6]", false),
    ("barbaz.net", false),
    ("www.barbaz.net", true),
    ("foobar.com", true),
    ("www.foobar.com", true),
    ("foofoobar.com", false),
    ("baz.com", false),
    ("localhost.net", false),
    ("local.localhost", false),
    ("barbarbaz.net", false),
    ("wildcard.io", false),
    ("nested.wildcard.io", true),
    ("awildcard.io", false),
];

const GO_LIST: &str = "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, \
    192.168.1.3:80, 10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, \
    2002:db8:a::45/64";

#[test]
fn hosts_are_excepted_as_in_go() {
    for (host, direct) in GO_HOSTS {
        assert_eq!(is_direct(GO_LIST, &format!("http://{host}:80")), direct, "{host}");
    }
}

#[test]
fn an_asterisk_excepts_all_hosts_whatever_stands_beside_it() {
    for (host, _) in GO_HOSTS {
        assert!(is_direct("*", &format!("http://{host}:80")), "{host}");
        assert!(is_direct("a.example, *,:1", &format!("https://{host}:8080")), "{host}");
    }
}

/// An entry, and the origins that it means and does not mean.
#[test]
fn an_entry_means_these_hosts_and_no_others() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "Example.COM",
            &["http://example.com", "https://WWW.example.com:8443", "ws://a.b.example.com"],
            &["http://anexample.com", "http://example.com.org", "http://example.org", "http://com"],
        ),
        (
            ".example.com",
            &["http://www.example.com", "http://a.b.example.com"],
            &["http://example.com", "http://anexample.com"],
        ),
        ("*.example.com", &["http://www.example.com"], &["http://example.com"]),
        ("example.com.", &["http://example.com", "http://example.com."], &["http://example.org."]),
        ("example.com", &["http://example.com.", "http://www.example.com."], &["http://com."]),
        (
            "example.com:443",
            &["https://example.com", "wss://example.com", "http://a.example.com:443"],
            &["http://example.com", "https://example.com:8443"],
        ),
        ("*.example.com:80", &["http://a.example.com"], &["http://a.example.com:81"]),
        ("example.com:", &["http://example.com", "http://example.com:81"], &["http://a"]),
        ("localhost", &["http://localhost:81", "http://a.localhost"], &["http://127.0.0.1"]),
        (
            "192.0.2.1",
            &["http://192.0.2.1:81", "http://[::ffff:192.0.2.1]"],
            &["http://192.0.2.10", "http://a.192.0.2.1.example", "http://[::192.0.2.1]"],
        ),
        ("192.0.2.1:81", &["http://192.0.2.1:81"], &["http://192.0.2.1"]),
        ("::ffff:192.0.2.1", &["http://192.0.2.1"], &["http://[::192.0.2.1]"]),
        (
            "2001:DB8::1",
            &["http://[2001:db8::1]:81", "http://[2001:0db8:0::1%25eth0]"],
            &["http://[2001:db8::2]"],
        ),
        ("[2001:db8::1]", &["http://[2001:db8::1]"], &["http://[2001:db8::2]"]),
        ("[2001:db8::1]:81", &["http://[2001:db8::1]:81"], &["http://[2001:db8::1]"]),
        ("[2001:db8::1]:", &["http://[2001:db8::1]:81"], &["http://[2001:db8::2]"]),
        ("example.com", &[], &["http://[1000::%25.example.com]:123"]),
        (".example.com", &[], &["http://[fe80::1%25a.example.com]"]),
    ];
    check(table);
}

#[test]
fn a_network_is_the_addresses_that_begin_alike() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "10.1.2.3/8",
            &["http://10.255.0.1", "http://[::ffff:10.0.0.1]"],
            &["http://11.0.0.1", "http://[::10.0.0.1]", "http://a.example"],
        ),
        ("10.0.0.0/30", &["http://10.0.0.3"], &["http://10.0.0.4"]),
        ("10.0.0.1/32", &["http://10.0.0.1"], &["http://10.0.0.0"]),
        ("0.0.0.0/0", &["http://255.255.255.255"], &["http://[::2]", "http://a.example"]),
        ("::/0", &["http://[2001:db8::1]"], &["http://10.0.0.1", "http://[::ffff:10.0.0.1]"]),
        ("2001:db8::/33", &["http://[2001:db8:7fff::%25e]"], &["http://[2001:db8:8000::]"]),
        ("2001:db8::1/128", &["http://[2001:db8::1]"], &["http://[2001:db8::]"]),
        ("::ffff:10.0.0.0/104", &["http://10.255.0.1"], &["http://11.0.0.1", "http://[::1:2]"]),
        ("::ffff:0.0.0.0/96", &["http://192.0.2.1"], &["http://[::1:2]"]),
        ("::ffff:10.0.0.0/95", &["http://[::fffe:10.0.0.1]"], &["http://10.0.0.1"]),
    ];
    check(table);
}

fn check(table: &[(&str, &[&str], &[&str])]) {
    for (entry, meant, others) in table {
        let pattern: HostPattern = entry.parse().unwrap();
        for url in *meant {
            assert!(pattern.fits(&PatternHost::of(&origin(url))), "{entry} does not mean {url}");
        }
        for url in *others {
            assert!(!pattern.fits(&PatternHost::of(&origin(url))), "{entry} means {url}");
        }
    }
}

const NO_HOSTS: [&str; 36] = [
    "",
    ":1",
    "[]:80",
    "[]",
    "[::1",
    "[::1]80",
    "[::1]x:80",
    ".",
    "*.",
    "..",
    "**",
    "*:80",
    "a*b",
    "*a.example",
    "*.*.example",
    "a b",
    "a.example/path",
    "http://a.example",
    "a.example:http",
    "a.example:0",
    "a.example:65536",
    "a.example:+80",
    "a.example:80:80",
    "127.1",
    "10.",
    "10.0.0.256",
    "010.0.0.1",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/+8",
    "10.0.0.0/8:80",
    "10.0.0/8",
    "2001:db8::/129",
    "fe80::1%eth0",
    "[fe80::1%25eth0]:80",
    "fe80::%eth0/64",
];

#[test]
fn what_means_no_host_is_an_error_that_says_so() {
    for entry in NO_HOSTS {
        let error = entry.parse::<HostPattern>().unwrap_err();
        assert!(error.is_builder(), "{error:?}");
        assert_eq!(error.to_string(), format!("`{entry}` is not a host for a proxy rule"));
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn an_entry_with_a_user_is_refused_and_not_repeated() {
    for entry in ["me:secret@a.example", "http://secret@a.example", "me@secret:80", "s\u{fc}cret@a"]
    {
        let error = entry.parse::<HostPattern>().unwrap_err();
        assert_eq!(error.to_string(), "a host of a proxy rule holds a user or a password");
        assert!(std::error::Error::source(&error).is_none());
    }
}

#[test]
fn in_a_list_each_entry_stands_for_itself() {
    let found: Vec<_> = list(" , a.example ,,:1,\tb.example\r\n,").collect();
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(is_direct(" , a.example ,,:1,\tb.example\r\n,", "http://b.example"));
    assert_eq!(list("").count(), 0);
}

#[cfg(feature = "idna")]
#[test]
fn a_name_that_is_not_ascii_is_the_name_that_it_is_converted_to() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            ".示例.com",
            &["http://www.xn--fsq092h.com"],
            &["http://xn--fsq092h.com", "http://example.com"],
        ),
        ("xn--fsq092h.com", &["http://www.xn--fsq092h.com"], &["http://www.xn--fsq092h.org"]),
        ("示例.com", &["http://www.xn--fsq092h.com", "http://xn--fsq092h.com"], &["http://com"]),
        ("*.BÜCHER.example:81", &["http://a.xn--bcher-kva.example:81"], &[]),
    ];
    check(table);
}

#[cfg(not(feature = "idna"))]
#[test]
fn a_name_that_is_not_ascii_is_an_error_without_idna() {
    let error = "示例.com".parse::<HostPattern>().unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.to_string().contains("feature `idna`"), "{cause}");
}
