//! The limits and the order of a jar, and all of it against a naive model.

use proptest::prelude::*;

use super::{super::set_cookie, *};

const NOW: i64 = 1_000_000_000;

fn scope<'a>(host: &'a str, path: &'a str, is_secure: bool) -> CookieScope<'a> {
    let site = host.rmatch_indices('.').nth(1).map_or(host, |(at, _)| &host[at + 1..]);
    CookieScope { host, site, path: path.as_bytes(), is_secure }
}

fn set(state: &mut JarState, to: &CookieScope<'_>, field: &str, now: i64) {
    let set = set_cookie::parse(field.as_bytes()).unwrap();
    if let Some(admitted) = admit(&set, to, &Suffixes::default(), now) {
        state.insert(admitted, now);
    }
}

fn header(state: &mut JarState, to: &CookieScope<'_>, now: i64) -> String {
    let mut out = Vec::new();
    state.write_header(to, now, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_default_path_ends_before_the_last_slash() {
    let table =
        [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("/a/b/c", "/a/b"), ("*", "/")];
    for (path, expected) in table {
        assert_eq!(default_path(path.as_bytes()), expected.as_bytes(), "{path}");
    }
}

#[test]
fn a_path_covers_itself_and_what_is_below_it() {
    let table = [
        ("/", "/", true),
        ("/", "/a", true),
        ("/a", "/a", true),
        ("/a", "/a/", true),
        ("/a", "/a/b", true),
        ("/a/", "/a/b", true),
        ("/a/", "/a", false),
        ("/a", "/ab", false),
        ("/a", "/A", false),
        ("/a/b", "/a", false),
        ("/a", "/%61", false),
    ];
    for (covering, path, expected) in table {
        assert_eq!(covers(covering.as_bytes(), path.as_bytes()), expected, "{covering} {path}");
    }
}

#[test]
fn a_site_keeps_180_cookies_and_gives_up_what_is_not_secure_and_was_not_used_first() {
    let (mut state, to) = (JarState::default(), scope("a.example", "/", true));
    set(&mut state, &to, "first=1; secure", NOW);
    set(&mut state, &to, "second=1", NOW);
    set(&mut state, &to, "third=1", NOW);
    set(&mut state, &to, "second=2", NOW);
    for n in 0..MOST_OF_A_SITE - 3 {
        set(&mut state, &to, &format!("n{n}=1"), NOW);
    }
    assert_eq!(state.len(), MOST_OF_A_SITE);
    set(&mut state, &to, "one=more", NOW);
    assert_eq!(state.len(), MOST_OF_A_SITE);
    let names: Vec<_> = state.all(NOW).iter().map(|cookie| cookie.name().into_owned()).collect();
    assert!(names.contains(&"first".into()), "it is secure");
    assert!(names.contains(&"second".into()), "it was set again");
    assert!(!names.contains(&"third".into()));
}

#[test]
fn a_site_of_secure_cookies_alone_gives_up_what_was_not_used_for_longest() {
    let (mut state, to) = (JarState::default(), scope("a.example", "/", true));
    for n in 0..=MOST_OF_A_SITE {
        set(&mut state, &to, &format!("n{n}=1; secure"), NOW);
    }
    let names: Vec<_> = state.all(NOW).iter().map(|cookie| cookie.name().into_owned()).collect();
    assert_eq!(names.len(), MOST_OF_A_SITE);
    assert!(!names.contains(&"n0".into()) && names.contains(&"n1".into()));
}

#[test]
fn what_has_ended_gives_way_before_anything_else() {
    let (mut state, to) = (JarState::default(), scope("a.example", "/", true));
    for n in 0..MOST_OF_A_SITE {
        let end = if n == 100 { "; max-age=5" } else { "" };
        set(&mut state, &to, &format!("n{n}=1{end}"), NOW);
    }
    set(&mut state, &to, "one=more", NOW + 5);
    let names: Vec<_> = state.all(NOW).iter().map(|cookie| cookie.name().into_owned()).collect();
    assert_eq!(names.len(), MOST_OF_A_SITE);
    assert!(names.contains(&"n0".into()) && !names.contains(&"n100".into()));
}

#[test]
fn subdomains_share_the_room_of_their_site() {
    let mut state = JarState::default();
    for n in 0..400 {
        set(&mut state, &scope(&format!("h{n}.a.example"), "/", true), "a=1", NOW);
    }
    set(&mut state, &scope("b.example", "/", true), "a=1", NOW);
    assert_eq!(state.len(), MOST_OF_A_SITE + 1);
}

#[test]
fn a_jar_keeps_3000_cookies_and_gives_up_what_was_not_used_for_longest() {
    let mut state = JarState::default();
    let hosts: Vec<_> = (0..MOST).map(|n| format!("h{n}.example")).collect();
    for host in &hosts {
        set(&mut state, &scope(host, "/", true), "a=1", NOW);
    }
    assert_eq!(header(&mut state, &scope(&hosts[0], "/", true), NOW), "a=1");
    set(&mut state, &scope("more.example", "/", true), "a=1", NOW);
    assert_eq!(state.len(), MOST);
    assert_eq!(header(&mut state, &scope(&hosts[0], "/", true), NOW), "a=1");
    assert_eq!(header(&mut state, &scope(&hosts[1], "/", true), NOW), "");
}

#[test]
fn a_full_jar_gives_up_what_has_ended_and_nothing_else() {
    let mut state = JarState::default();
    let hosts: Vec<_> = (0..MOST).map(|n| format!("h{n}.example")).collect();
    for (n, host) in hosts.iter().enumerate() {
        let end = if n == 100 { "; max-age=5" } else { "" };
        set(&mut state, &scope(host, "/", true), &format!("a=1{end}"), NOW);
    }
    set(&mut state, &scope("more.example", "/", true), "a=1", NOW + 5);
    assert_eq!((state.len(), state.all(NOW).len()), (MOST, MOST));
    assert_eq!(header(&mut state, &scope(&hosts[0], "/", true), NOW), "a=1");
    assert_eq!(header(&mut state, &scope(&hosts[100], "/", true), NOW), "");
}

#[test]
fn ten_thousand_cookies_of_one_response_stay_within_the_limit() {
    let (mut state, to) = (JarState::default(), scope("a.example", "/", false));
    for n in 0..10_000 {
        set(&mut state, &to, &format!("n{n}=1; path=/{n}"), NOW);
    }
    assert_eq!(state.len(), MOST_OF_A_SITE);
}

#[test]
fn no_cookie_lasts_longer_than_400_days() {
    let (mut state, to) = (JarState::default(), scope("a.example", "/", true));
    set(&mut state, &to, "a=1; max-age=99999999999999", NOW);
    set(&mut state, &to, "b=1; expires=Fri, 31 Dec 9999 23:59:59 GMT", NOW);
    set(&mut state, &to, "c=1; expires=Mon, 01 Jan 1601 00:00:00 GMT", NOW);
    assert_eq!(header(&mut state, &to, NOW + LONGEST_LIFE - 1), "a=1; b=1");
    assert_eq!(header(&mut state, &to, NOW + LONGEST_LIFE), "");
}

/// As naive as can be: a list, looked through from the beginning.
#[derive(Default)]
struct Model {
    cookies: Vec<Cookie>,
}

impl Model {
    fn set(&mut self, to: &CookieScope<'_>, field: &str, now: i64) {
        let set = set_cookie::parse(field.as_bytes()).unwrap();
        let Some(admitted) = admit(&set, to, &Suffixes::default(), now) else { return };
        let new = admitted.cookie;
        let is_hidden = |old: &Cookie| {
            let related = old.domain.ends_with(&*new.domain) || new.domain.ends_with(&*old.domain);
            old.is_secure && old.name == new.name && related && new.path.starts_with(&old.path)
        };
        let live = |cookie: &&Cookie| cookie.expires.is_none_or(|at| at > now);
        if !to.is_secure && self.cookies.iter().filter(live).any(is_hidden) {
            return;
        }
        let key = |c: &Cookie| (c.name.clone(), c.domain.clone(), c.is_host_only, c.path.clone());
        match self.cookies.iter().position(|old| key(old) == key(&new)) {
            Some(at) if new.is_expired(now) => drop(self.cookies.remove(at)),
            Some(at) => self.cookies[at] = new,
            None if new.is_expired(now) => {}
            None => self.cookies.push(new),
        }
    }

    fn header(&self, to: &CookieScope<'_>, now: i64) -> String {
        let mut sent: Vec<_> = self
            .cookies
            .iter()
            .filter(|c| {
                let host = if c.is_host_only {
                    to.host == &*c.domain
                } else {
                    to.host == &*c.domain || to.host.ends_with(&format!(".{}", c.domain))
                };
                let path = String::from_utf8_lossy(to.path).into_owned();
                let below = format!("{}/", c.path().trim_end_matches('/'));
                let is_path = c.path() == path || path.starts_with(&below);
                host && is_path
                    && (to.is_secure || !c.is_secure)
                    && c.expires.is_none_or(|at| at > now)
            })
            .collect();
        sent.sort_by_key(|c| std::cmp::Reverse(c.path.len()));
        let pairs: Vec<_> = sent.iter().map(|c| format!("{}={}", c.name(), c.value())).collect();
        pairs.join("; ")
    }
}

proptest! {
    /// Few names, hosts and paths, so that cookies meet.
    #[test]
    fn a_jar_does_what_a_list_would(
        steps in prop::collection::vec(
            (
                "(a\\.|b\\.)?(x|y)\\.example",
                "(/p(/q)?)?",
                any::<bool>(),
                "[nm]=[0-9](; secure)?(; path=/(p(/q)?)?)?(; domain=(x|y|a\\.x)\\.example)?(; max-age=(0|3|9))?",
                0i64..4,
            ),
            1..40,
        ),
    ) {
        let (mut state, mut model, mut now) = (JarState::default(), Model::default(), NOW);
        for (host, path, is_secure, field, later) in steps {
            let path = if path.is_empty() { "/" } else { &*path };
            let to = scope(&host, path, is_secure);
            now += later;
            set(&mut state, &to, &field, now);
            model.set(&to, &field, now);
            prop_assert_eq!(header(&mut state, &to, now), model.header(&to, now));
            let live = model.cookies.iter().filter(|cookie| !cookie.is_expired(now)).count();
            prop_assert_eq!(state.all(now).len(), live);
            let stored: usize = state.sites.values().map(Vec::len).sum();
            prop_assert_eq!(state.len(), stored);
        }
    }
}
