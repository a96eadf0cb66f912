//! What goes before what among rules, as tables.

use http::Uri;

use super::*;
use crate::target::Origin;

fn target(url: &str) -> Target {
    Target::new(Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap())
}

fn proxy(name: &str) -> Proxy {
    Proxy::new(name).unwrap()
}

fn check(rules: &ProxyRules, table: &[(&str, &str)]) {
    for (url, expected) in table {
        let route = rules.route(&target(url)).unwrap();
        assert_ne!(route, Route::Any);
        let expected = match *expected {
            "direct" => Route::Direct,
            name => proxy(name).into(),
        };
        assert_eq!(route, expected, "{url}");
    }
}

#[test]
fn without_a_rule_all_is_reached_directly() {
    let table = [("http://a", "direct"), ("wss://a", "direct"), ("https://localhost", "direct")];
    check(&ProxyRules::none(), &table);
    check(&ProxyRules::default(), &table);
    check(&ProxyRules::from_vars(|_| None), &table);
}

#[test]
fn a_proxy_for_all_is_also_for_this_computer() {
    let table =
        [("http://a", "p"), ("wss://a:1", "p"), ("http://localhost", "p"), ("http://[::1]", "p")];
    check(&ProxyRules::all(proxy("p")), &table);
    check(&proxy("p").into(), &table);
    check(&Route::from(proxy("p")).into(), &table);
    check(&ProxyRules::none().host("*", proxy("p")).unwrap(), &table);
}

#[test]
fn a_scheme_is_that_of_its_web_sockets_too() {
    let rules = ProxyRules::none().http(proxy("plain"));
    check(&rules, &[("http://a", "plain"), ("ws://a", "plain"), ("https://a", "direct")]);
    let rules = ProxyRules::all(proxy("p")).https(proxy("secure"));
    check(&rules, &[("http://a", "p"), ("https://a", "secure"), ("wss://a", "secure")]);
    let rules = ProxyRules::all(proxy("p")).https(Route::Direct);
    check(&rules, &[("http://a", "p"), ("https://a", "direct")]);
}

#[test]
fn exceptions_go_before_hosts_and_hosts_before_schemes_in_whatever_order_they_are_given() {
    let rules = || ProxyRules::all(proxy("rest"));
    let hosts = |rules: ProxyRules| {
        rules.host("a.example:81", proxy("first"))?.host("example", proxy("second"))
    };
    let given = hosts(rules().no_proxy("never.example").unwrap().http(proxy("plain"))).unwrap();
    let reversed = hosts(rules()).unwrap().http(proxy("plain")).no_proxy("never.example").unwrap();
    for rules in [given, reversed] {
        check(
            &rules,
            &[
                ("http://a.example:81", "first"),
                ("https://a.example", "second"),
                ("http://b.example", "second"),
                ("http://a.never.example", "direct"),
                ("http://other", "plain"),
                ("https://other", "rest"),
            ],
        );
    }
}

#[test]
fn of_two_hosts_that_fit_the_first_is_taken() {
    let rules = ProxyRules::none().host("example", proxy("wide")).unwrap();
    let rules = rules.host("a.example", proxy("narrow")).unwrap();
    check(&rules, &[("http://a.example", "wide")]);
}

#[test]
fn rules_refine_what_the_environment_says() {
    let vars = |name: &str| match name {
        "ALL_PROXY" => Some("env".to_owned()),
        "NO_PROXY" => Some("a.example".to_owned()),
        _ => None,
    };
    let rules = ProxyRules::from_vars(vars).no_proxy("b.example").unwrap();
    let rules = rules.host("localhost", proxy("own")).unwrap().https(proxy("secure"));
    check(
        &rules,
        &[
            ("http://a.example", "direct"),
            ("http://b.example", "direct"),
            ("http://c.example", "env"),
            ("http://localhost", "own"),
            ("http://127.0.0.1", "direct"),
            ("https://a.example", "secure"),
            ("https://127.0.0.1", "secure"),
        ],
    );
}

#[test]
fn a_list_of_exceptions_adds_to_the_one_before() {
    let rules = ProxyRules::all(proxy("p")).no_proxy("a, b").unwrap().no_proxy("c,").unwrap();
    check(&rules, &[("http://a", "direct"), ("http://c", "direct"), ("http://d", "p")]);
}

#[test]
fn a_host_that_cannot_be_is_an_error_of_the_setter() {
    assert!(ProxyRules::none().host("a, b", Route::Direct).unwrap_err().is_builder());
    assert!(ProxyRules::none().host("", Route::Direct).unwrap_err().is_builder());
    let error = ProxyRules::none().no_proxy("a, b:x, c").unwrap_err();
    assert_eq!(error.to_string(), "`b:x` is not a host for a proxy rule");
}

#[test]
fn a_function_is_asked_with_the_target() {
    let rules = ProxyRules::from_fn(|target| match target.origin.port() {
        8443 => proxy("p").into(),
        _ => Route::Any,
    });
    let rules = rules.no_proxy("a").unwrap();
    check(
        &rules,
        &[("https://b:8443", "p"), ("https://b", "direct"), ("https://a:8443", "direct")],
    );
}

#[test]
fn what_is_left_open_is_direct_also_within_alternatives() {
    let through = Route::from(proxy("p"));
    let several = |routes: &[Route]| Route::FirstOf(routes.into());
    let table = [
        (Route::Any, Route::Direct),
        (Route::Proxies([].into()), Route::Direct),
        (several(&[]), Route::Direct),
        (several(&[Route::Any]), Route::Direct),
        (several(&[through.clone(), Route::Any]), several(&[through.clone(), Route::Direct])),
        (
            several(&[several(&[through.clone(), Route::Any]), through.clone()]),
            several(&[through.clone(), Route::Direct, through.clone()]),
        ),
        (several(&[through.clone(), Route::Direct]), several(&[through.clone(), Route::Direct])),
    ];
    for (given, expected) in table {
        let (asked, by_function) = (given.clone(), given.clone());
        let of = |rules: ProxyRules| rules.route(&target("http://a")).unwrap();
        assert_eq!(of(ProxyRules::all(given.clone())), expected);
        assert_eq!(of(ProxyRules::none().http(asked)), expected);
        assert_eq!(of(ProxyRules::none().host("a", given).unwrap()), expected);
        assert_eq!(of(ProxyRules::from_fn(move |_| by_function.clone())), expected);
    }
}

#[test]
fn a_clone_keeps_its_rules_when_the_other_gets_more() {
    let before = ProxyRules::none();
    let after = before.clone().http(proxy("p"));
    check(&before, &[("http://a", "direct")]);
    check(&after, &[("http://a", "p")]);
}

#[test]
fn rules_show_no_password() {
    let secret = proxy("http://me:secret@p");
    let rules = ProxyRules::from_fn(|_| Route::Direct).http(secret.clone());
    let text = format!("{:?}", rules.host("a", secret).unwrap());
    assert!(text.contains("http://***@p:80") && !text.contains("secret"), "{text}");
}
