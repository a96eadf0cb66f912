//! What a jar keeps and sends, as user agents are held to it.

use std::sync::Mutex as StdMutex;

use super::{super::SameSite, *};

/// A jar after responses to requests for these URLs.
fn jar(responses: &[(&str, &str)]) -> Jar {
    let jar = Jar::new();
    for (url, field) in responses {
        respond(&jar, url, field);
    }
    jar
}

fn respond(jar: &Jar, url: &str, field: &str) {
    let field = HeaderValue::from_bytes(field.as_bytes()).unwrap();
    jar.store(&url.parse().unwrap(), &HeaderMap::from_iter([(SET_COOKIE, field)]));
}

fn sent(jar: &Jar, url: &str) -> String {
    let value = jar.header_for(&url.parse().unwrap());
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

/// Each row: what is set by a response for one URL, and what is sent to another.
fn check(table: &[(&str, &str, &str, &str)]) {
    for (set_by, field, sent_to, expected) in table {
        assert_eq!(
            sent(&jar(&[(set_by, field)]), sent_to),
            *expected,
            "{set_by} {field} {sent_to}"
        );
    }
}

#[test]
fn a_cookie_goes_back_to_its_host_alone_unless_it_names_a_domain() {
    let url = "http://home.example.org/";
    check(&[
        (url, "a=b", url, "a=b"),
        (url, "a=b", "http://HOME.example.ORG:8888/x?y", "a=b"),
        (url, "a=b", "https://home.example.org/", "a=b"),
        (url, "a=b", "ws://home.example.org/", "a=b"),
        (url, "a=b", "http://example.org/", ""),
        (url, "a=b", "http://www.home.example.org/", ""),
        (url, "a=b; domain=example.org", "http://example.org/", "a=b"),
        (url, "a=b; domain=.example.org", "http://x.example.org/", "a=b"),
        (url, "a=b; domain=EXAMPLE.org", "http://x.y.example.org/", "a=b"),
        (url, "a=b; domain=home.example.org", "http://sub.home.example.org/", "a=b"),
        (url, "a=b; domain=home.example.org", "http://example.org/", ""),
        (url, "a=b; domain=sibling.example.org", "http://sibling.example.org/", ""),
        (url, "a=b; domain=sub.home.example.org", "http://sub.home.example.org/", ""),
        (url, "a=b; domain=org", "http://example.org/", ""),
        (url, "a=b; domain=ome.example.org", "http://home.example.org/", ""),
        (url, "a=b; domain=", url, "a=b"),
        (url, "a=b; domain=", "http://sub.home.example.org/", ""),
        (url, "a=b; domain", url, "a=b"),
        (url, "a=b; domain=.", url, "a=b"),
        (url, "a=b; domain=..example.org", url, ""),
        (url, "a=b; domain=example.org; domain=home.example.org", "http://example.org/", ""),
        (url, "a=b; domain=other.com; domain=example.org", "http://example.org/", "a=b"),
        (url, "a=b; domain=b\u{fc}cher.example.org", url, ""),
        (url, "a=b; domain=\"example.org\"", url, ""),
    ]);
}

#[test]
fn no_cookie_is_for_a_public_suffix() {
    for (host, domain) in [
        ("www.example.co.uk", "co.uk"),
        ("www.example.co.uk", "CO.UK"),
        ("www.example.co.uk", ".co.uk"),
        ("www.example.co.uk", "co.uk."),
        ("www.example.co.uk.", "co.uk."),
        ("www.example.co.uk.", "CO.UK."),
        ("www.example.co.uk", "uk"),
        ("user.github.io", "github.io"),
        ("user.github.io", "GitHub.IO"),
        ("www.example.com", "com"),
        ("www.example.com", "."),
        ("www.example.internal", "internal"),
        ("a.b.kobe.jp", "b.kobe.jp"),
        ("a.b.kobe.jp", "kobe.jp"),
        ("a.xn--55qx5d.cn", "xn--55qx5d.cn"),
    ] {
        let url = format!("https://{host}/");
        let jar = jar(&[(&url, &format!("a=b; domain={domain}"))]);
        assert!(jar.iter().all(|cookie| cookie.is_host_only()), "{host} {domain}");
        assert_eq!(sent(&jar, "https://other.kobe.jp/"), "");
        assert_eq!(sent(&jar, "https://other.co.uk/"), "");
        assert_eq!(sent(&jar, "https://other.github.io/"), "");
        assert_eq!(sent(&jar, "https://other.com/"), "");
    }
}

#[test]
fn a_host_that_is_a_suffix_has_cookies_of_its_own() {
    let github = "https://github.io/";
    check(&[
        (github, "a=b; domain=github.io", github, "a=b"),
        (github, "a=b; domain=github.io", "https://user.github.io/", ""),
        ("http://localhost:8080/", "a=b; domain=localhost", "http://localhost/", "a=b"),
        ("http://localhost/", "a=b; domain=localhost", "http://a.localhost/", ""),
        ("http://localhost/", "a=b", "http://localhost/", "a=b"),
    ]);
}

#[test]
fn an_address_has_no_hosts_below_it() {
    check(&[
        ("http://127.0.0.1/", "a=b", "http://127.0.0.1:80/", "a=b"),
        ("http://127.0.0.1/", "a=b; domain=127.0.0.1", "http://127.0.0.1/", "a=b"),
        ("http://127.0.0.1/", "a=b; domain=127.0.0.1", "http://1.127.0.0.1/", ""),
        ("http://127.0.0.1/", "a=b; domain=0.0.1", "http://127.0.0.1/", ""),
        ("http://127.0.0.1/", "a=b; domain=1", "http://127.0.0.1/", ""),
        ("http://[::1]/", "a=b", "http://[::1]:80/", "a=b"),
        ("http://[::1]/", "a=b; domain=[::1]", "http://[::1]/", ""),
        ("http://[::1]/", "a=b; domain=::1", "http://[::1]/", "a=b"),
        ("http://[::ffff:1.2.3.4]/", "a=b; domain=2.3.4", "http://[::ffff:1.2.3.4]/", ""),
        ("http://127.0.0.1/", "a=b", "http://127.0.0.2/", ""),
    ]);
}

#[test]
fn a_path_bounds_where_a_cookie_goes() {
    let url = "http://example.org/foo/bar";
    check(&[
        (url, "a=b", "http://example.org/foo/other", "a=b"),
        (url, "a=b", "http://example.org/foo", "a=b"),
        (url, "a=b", "http://example.org/food", ""),
        (url, "a=b", "http://example.org/", ""),
        (url, "a=b; path=/", "http://example.org/", "a=b"),
        (url, "a=b; path=/qux", "http://example.org/qux/x", "a=b"),
        (url, "a=b; path=/qux", "http://example.org/Qux", ""),
        (url, "a=b; path=/foo/", "http://example.org/foo/x?y", "a=b"),
        (url, "a=b; path=/foo/", "http://example.org/foo", ""),
        (url, "a=b; path=qux", "http://example.org/foo/x", "a=b"),
        (url, "a=b; path=", "http://example.org/foo/x", "a=b"),
        (url, "a=b; path=/qux; path=/", "http://example.org/", "a=b"),
        (url, "a=b; path=\"/\"", "http://example.org/foo/x", "a=b"),
        ("http://example.org", "a=b", "http://example.org", "a=b"),
        ("http://example.org?x=/y/z", "a=b", "http://example.org/any", "a=b"),
    ]);
}

#[test]
fn longer_paths_go_first_and_then_what_was_set_first() {
    let url = "http://example.org/foo/bar";
    let jar = jar(&[
        (url, "a=1; path=/"),
        (url, "b=2; path=/foo"),
        (url, "c=3; path=/"),
        (url, "d=4; path=/foo/bar"),
        (url, "e=5; path=/foo"),
        (url, "a=6; path=/"),
    ]);
    assert_eq!(sent(&jar, url), "d=4; b=2; e=5; a=6; c=3");
}

#[test]
fn one_name_with_two_paths_is_two_cookies() {
    let url = "http://example.org/foo";
    let jar = jar(&[(url, "a=1; path=/"), (url, "a=2; path=/foo")]);
    assert_eq!(sent(&jar, url), "a=2; a=1");
    assert_eq!(sent(&jar, "http://example.org/"), "a=1");
    assert_eq!(jar.get(url, "a").unwrap().value(), "2");
    assert_eq!(jar.get_all("a").len(), 2);
}

#[test]
fn a_later_cookie_replaces_one_of_the_same_name_domain_and_path() {
    let url = "http://www.example.org/";
    let set =
        jar(&[(url, "a=1"), (url, "A=2"), (url, "a=3"), (url, "a=4; domain=www.example.org")]);
    assert_eq!(sent(&set, url), "a=3; A=2; a=4", "one with a domain is another");
    let emptied = jar(&[(url, "a=1"), (url, "a=")]);
    assert_eq!(sent(&emptied, url), "a=");
}

#[test]
fn a_cookie_without_a_name_is_sent_as_its_value() {
    let url = "http://example.org/";
    check(&[
        (url, "a", url, "a"),
        (url, "=a", url, "a"),
        (url, "=a=b", url, "a=b"),
        (url, "", url, ""),
        (url, "=", url, ""),
        (url, "; path=/", url, ""),
        (url, "a=\"b c\"", url, "a=\"b c\""),
        (url, "a=b, c=d", url, "a=b, c=d"),
        (url, "a=\u{65e5}\u{672c}", url, "a=\u{65e5}\u{672c}"),
    ]);
    assert_eq!(sent(&jar(&[(url, "a"), (url, "b")]), url), "b");
}

#[test]
fn a_secure_cookie_is_set_by_https_and_sent_to_https_alone() {
    let (plain, secret) = ("http://example.org/", "https://example.org/");
    check(&[
        (secret, "a=b; secure", secret, "a=b"),
        (secret, "a=b; SECURE=no", "wss://example.org/", "a=b"),
        (secret, "a=b; secure", plain, ""),
        (secret, "a=b; secure", "ws://example.org/", ""),
        (plain, "a=b; secure", secret, ""),
        (plain, "a=b; secure", plain, ""),
        (secret, "a=b", plain, "a=b"),
    ]);
}

#[test]
fn http_never_replaces_or_hides_a_secure_cookie() {
    let secure = ("https://www.example.org/", "a=secret; secure; domain=example.org; path=/login");
    let table = [
        ("http://www.example.org/", "a=evil; domain=example.org; path=/login", false),
        ("http://www.example.org/", "a=evil; path=/login", false),
        ("http://www.example.org/", "a=evil; path=/login/deeper", false),
        ("http://other.example.org/", "a=evil; path=/login", false),
        ("http://example.org/", "a=evil; path=/login", false),
        ("http://www.example.org/", "a=; max-age=0; domain=example.org; path=/login", false),
        ("http://www.example.org/", "a=own; path=/", true),
        ("http://www.example.org/", "b=own; path=/login", true),
        ("https://www.example.org/", "a=own; path=/login", true),
    ];
    for (url, field, is_stored) in table {
        let jar = jar(&[secure, (url, field)]);
        assert_eq!(jar.len(), 1 + usize::from(is_stored), "{url} {field}");
        assert!(sent(&jar, "https://www.example.org/login").contains("a=secret"), "{field}");
    }
}

#[test]
fn a_prefix_of_the_name_binds_the_cookie_whatever_its_case() {
    let (plain, secret) = ("http://example.org/", "https://example.org/");
    let table = [
        (secret, "__Secure-a=b; secure", true),
        (secret, "__Secure-a=b", false),
        (secret, "__secure-a=b", false),
        (secret, "__SECURE-a=b; domain=example.org; secure", true),
        (plain, "__Secure-a=b; secure", false),
        (secret, "__Host-a=b; secure; path=/", true),
        (secret, "__Host-a=b; secure", false),
        (secret, "__Host-a=b; path=/", false),
        (secret, "__host-a=b; path=/", false),
        (secret, "__Host-a=b; secure; path=/x", false),
        (secret, "__HOST-a=b; secure; path=/; domain=example.org", false),
        (secret, "__Host-=b; secure; path=/", true),
        (plain, "__Host-a=b; path=/", false),
        (secret, "=__Host-a=b", false),
        (secret, "=__Secure-a=b; secure", false),
        (secret, "__secure-a", false),
        (secret, "__Host", true),
        (secret, "___Host-a=b", true),
    ];
    for (url, field, expected) in table {
        assert_eq!(!jar(&[(url, field)]).is_empty(), expected, "{url} {field}");
    }
    assert!(jar(&[("https://example.org/x/y", "__Host-a=b; secure")]).is_empty());
}

#[test]
fn an_end_in_the_past_removes_a_cookie() {
    let url = "http://example.org/";
    for end in [
        "Max-Age=0",
        "max-age=-1",
        "Max-Age=-99999999999999",
        "expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "expires=Mon, 01-Jan-1601 00:00:00 GMT",
        "expires=Fri, 31 Dec 9999 23:59:59 GMT; max-age=0",
        "max-age=0; expires=Fri, 31 Dec 9999 23:59:59 GMT",
        "max-age=5; max-age=0",
    ] {
        let jar = jar(&[(url, "a=b"), (url, &format!("a=; {end}"))]);
        assert!(jar.is_empty(), "{end}");
    }
    for end in [
        "Max-Age=99999999999999",
        "max-age=",
        "max-age=x; expires=",
        "expires=Fri, 31 Dec 9999 23:59:59 GMT",
        "expires=never",
        "max-age=1; expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ] {
        assert_eq!(jar(&[(url, &format!("a=b; {end}"))]).len(), 1, "{end}");
    }
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn a_cookie_ends_by_the_clock_of_the_runtime() {
    let url = "http://example.org/";
    let jar = jar(&[(url, "a=1; max-age=60"), (url, "b=2"), (url, "c=3; max-age=90")]);
    tokio::time::advance(std::time::Duration::from_secs(59)).await;
    assert_eq!(sent(&jar, url), "a=1; b=2; c=3");
    assert!(jar.get(url, "a").unwrap().expiry().unwrap() > std::time::SystemTime::now());
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    assert_eq!(sent(&jar, url), "b=2; c=3");
    assert_eq!((jar.iter().count(), jar.get(url, "a")), (2, None));
    jar.clear_session();
    assert_eq!(sent(&jar, url), "c=3");
}

#[test]
fn a_field_of_a_mebibyte_is_no_cookie_and_ten_thousand_are_180() {
    let url = "http://example.org/";
    let large = "x".repeat(1 << 20);
    let jar = jar(&[
        (url, &format!("a={large}")),
        (url, &format!("{large}=a")),
        (url, &large),
        (url, &format!("a=b; path=/{large}")),
    ]);
    assert_eq!(sent(&jar, url), "a=b", "a long attribute is left out");
    let field = |n: usize| (SET_COOKIE, HeaderValue::from_str(&format!("n{n}=1")).unwrap());
    jar.store(&url.parse().unwrap(), &(0..10_000).map(field).collect());
    assert_eq!(jar.len(), 180);
}

#[test]
fn a_url_without_a_host_or_of_another_scheme_has_no_cookies() {
    for url in ["/", "ftp://example.org/", "*", "example.org:443"] {
        assert!(jar(&[(url, "a=b")]).is_empty(), "{url}");
    }
    let jar = jar(&[("http://example.org/", "a=b")]);
    for url in ["/", "ftp://example.org/", "example.org:80"] {
        assert_eq!(sent(&jar, url), "", "{url}");
    }
    assert_eq!(sent(&jar, "http://user:password@example.org/"), "a=b");
}

#[test]
fn a_program_sets_cookies_looks_at_them_and_removes_them() {
    let jar = Jar::new();
    jar.set("https://example.org/x", "a", "1").unwrap();
    jar.set("http://example.org/", "b", "2").unwrap();
    jar.insert(Cookie::new("example.org", "c", "3").unwrap().with_subdomains().with_path("/x"))
        .unwrap();
    assert_eq!(sent(&jar, "https://example.org/x"), "c=3; a=1; b=2");
    assert_eq!(sent(&jar, "http://www.example.org/x"), "c=3");
    assert_eq!(sent(&jar, "http://example.org/"), "b=2", "what was set for https stays there");
    let cookie = jar.get("https://example.org/x", "c").unwrap();
    assert_eq!((&*cookie.name(), &*cookie.value(), cookie.domain()), ("c", "3", "example.org"));
    assert!(jar.remove(&cookie) && !jar.remove(&cookie));
    assert_eq!((jar.remove_all("a"), jar.remove_all("a")), (1, 0));
    assert_eq!(jar.iter().map(|cookie| cookie.name().into_owned()).collect::<Vec<_>>(), ["b"]);
    jar.clear();
    assert!(jar.is_empty() && jar.iter().next().is_none());
}

#[test]
fn a_program_cannot_set_what_no_server_may() {
    for (name, value) in [
        ("", ""),
        ("a;b", "1"),
        ("a", "1;2"),
        ("a=b", "1"),
        (" a", "1"),
        ("a", "1 "),
        ("a", "\n"),
        ("a\0", ""),
    ] {
        let error = Jar::new().set("http://example.org/", name, value).unwrap_err();
        assert!(error.is_builder(), "{name:?} {value:?}");
    }
    assert!(Jar::new().set("example.org", "a", "b").unwrap_err().is_builder());
    for domain in ["", ".example.org", "b\u{fc}cher.example", "a b", "a/b", "a;b", "a\nb"] {
        assert!(Cookie::new(domain, "a", "b").unwrap_err().is_builder(), "{domain}");
    }
    let cookie = |domain| Cookie::new(domain, "a", "b").unwrap();
    for cookie in [
        cookie("co.uk").with_subdomains(),
        cookie("CO.UK").with_subdomains(),
        cookie("127.0.0.1").with_subdomains(),
        cookie("[::1]").with_subdomains(),
        cookie("example.org").with_path("x"),
        cookie("example.org").with_path("/x;y"),
        cookie("example.org").with_path("/x\n"),
        Cookie::new("example.org", "__Host-a", "b").unwrap(),
        Cookie::new("example.org", "__secure-a", "b").unwrap(),
    ] {
        assert!(Jar::new().insert(cookie.clone()).unwrap_err().is_builder(), "{cookie:?}");
    }
}

#[test]
fn a_list_of_suffixes_of_ones_own_holds_for_what_is_there_and_what_comes() {
    let url = "https://www.shop.example.org/";
    let before = jar(&[(url, "a=1; domain=example.org"), (url, "b=2")]);
    let jar = before.clone().suffixes(|name| matches!(name, "org" | "example.org"));
    respond(&jar, url, "c=3; domain=example.org");
    respond(&jar, url, "d=4; domain=shop.example.org");
    assert_eq!(sent(&jar, url), "b=2; d=4");
    assert_eq!(sent(&before, url), "a=1; b=2", "the jar that it was made of is as it was");
}

#[test]
fn a_clone_is_the_same_jar_and_no_text_shows_a_value() {
    let jar = Jar::new();
    jar.clone().set("https://example.org/", "session", "hunter2").unwrap();
    let header = jar.header_for(&"https://example.org/".parse().unwrap()).unwrap();
    assert_eq!(format!("{jar:?}"), "Jar { cookies: 1, .. }");
    let cookie = jar.get_all("session").remove(0);
    for text in [format!("{jar:?}"), format!("{cookie:?}"), format!("{header:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let error = jar.set("https://example.org/", "a", "hunter2;").unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[test]
fn a_list_that_uses_the_jar_itself_finds_it_unlocked() {
    static JAR: StdMutex<Option<Jar>> = StdMutex::new(None);
    let jar = Jar::new().suffixes(|name| {
        let jar = JAR.lock().unwrap().clone();
        jar.is_some_and(|jar| jar.len() > 99) || name == "org"
    });
    *JAR.lock().unwrap() = Some(jar.clone());
    respond(&jar, "https://a.example.org/", "a=b; domain=example.org");
    assert_eq!(sent(&jar, "https://b.example.org/"), "a=b");
}

#[test]
fn a_cookie_tells_what_the_server_said_of_it_byte_by_byte() {
    let url = "https://example.org/";
    for (field, same_site) in [
        ("a=caf\u{e9}; samesite=strict", Some(SameSite::Strict)),
        ("a=caf\u{e9}; SameSite=Lax; secure; httponly", Some(SameSite::Lax)),
        ("a=caf\u{e9}; secure; samesite=NONE", Some(SameSite::None)),
        ("a=caf\u{e9}", None),
    ] {
        let cookie = jar(&[(url, field)]).get(url, "a").unwrap();
        assert_eq!(cookie.same_site(), same_site, "{field}");
        assert_eq!(cookie.value_bytes(), "caf\u{e9}".as_bytes());
        assert_eq!(cookie.is_secure(), field.contains("secure"));
        assert_eq!(cookie.is_http_only(), field.contains("httponly"));
    }
}

#[test]
fn the_end_of_a_cookie_may_be_before_1970_and_is_then_over() {
    use std::time::{Duration, SystemTime};
    let url = "http://example.org/";
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(86_400);
    let cookie = Cookie::new("example.org", "a", "1").unwrap().with_expiry(before);
    assert_eq!(cookie.expiry(), Some(before));
    let jar = Jar::new();
    jar.set(url, "a", "0").unwrap();
    jar.insert(cookie).unwrap();
    assert_eq!((jar.len(), sent(&jar, url)), (0, String::new()));
}
