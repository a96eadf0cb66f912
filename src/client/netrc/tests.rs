//! Which entry an origin gets, and where the file is looked for.

use std::collections::HashMap;

use super::*;

fn origin(url: &str) -> Origin {
    Origin::try_from(&url.parse().unwrap()).unwrap()
}

const TEXT: &str = "machine a.example login user password hunter2\n\
    machine [::1] login six password hunter6\n\
    machine quiet.example\n\
    machine a.example login second password other\n";

#[test]
fn an_entry_is_for_its_host_alone_over_https_alone() {
    let netrc = Netrc::parse(TEXT).unwrap();
    for (url, expected) in [
        ("https://a.example/", true),
        ("https://A.EXAMPLE:8443/", true),
        ("wss://a.example/", true),
        ("https://[::1]/", true),
        ("http://a.example/", false),
        ("ws://a.example/", false),
        ("https://b.a.example/", false),
        ("https://example/", false),
        ("https://a.example./", false),
        ("https://xa.example/", false),
        ("https://quiet.example/", false),
    ] {
        assert_eq!(netrc.find(&origin(url)).is_some(), expected, "{url}");
    }
    assert!(netrc.also_http().find(&origin("http://a.example/")).is_some());
    assert!(Netrc::default().find(&origin("https://a.example/")).is_none());
}

#[test]
fn a_default_is_for_hosts_without_an_entry() {
    let netrc = Netrc::parse(&format!("default login any password thing\n{TEXT}")).unwrap();
    assert!(netrc.find(&origin("https://other.example/")).is_some());
    assert!(netrc.find(&origin("http://other.example/")).is_none());
    assert!(netrc.find(&origin("https://quiet.example/")).is_none(), "its entry says nothing");
}

#[test]
fn no_text_shows_what_is_in_it() {
    let netrc = Netrc::parse(TEXT).unwrap();
    assert_eq!(format!("{netrc:?}"), "Netrc { machines: 4, .. }");
    for text in
        ["machine a login hunter2 password \"hunter2", "password hunter2", "machine hunter2 login"]
    {
        let error = Netrc::parse(text).unwrap_err();
        assert!(error.is_builder() && error.to_string().contains("line 1"));
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn the_file_of_the_variable_goes_before_those_of_the_home_directory() {
    let places = |variables: &[(&str, &str)]| {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let (named, homely) = places(|name| variables.get(name).map(OsString::from));
        let shown = |path: PathBuf| path.to_str().unwrap().replace('\\', "/");
        (named.map(shown), homely.into_iter().map(shown).collect::<Vec<_>>())
    };
    let home = vec!["/home/a/.netrc".to_owned(), "/home/a/_netrc".to_owned()];
    assert_eq!(places(&[("NETRC", "/x"), ("HOME", "/home/a")]), (Some("/x".into()), home.clone()));
    assert_eq!(places(&[("NETRC", ""), ("HOME", "/home/a")]), (None, home.clone()));
    assert_eq!(places(&[("USERPROFILE", "/home/a")]), (None, home));
    assert_eq!(places(&[]), (None, vec![]));
}

#[test]
fn a_file_is_read_and_named_where_it_cannot_be() {
    let path = env::temp_dir().join(format!("tower-transport-netrc-{}", std::process::id()));
    fs::write(&path, TEXT).unwrap();
    assert_eq!(Netrc::open(&path).unwrap().machines.len(), 4);
    for text in [&b"machine"[..], b"machine a login \xff"] {
        fs::write(&path, text).unwrap();
        let error = Netrc::open(&path).unwrap_err();
        assert!(error.is_builder() && error.to_string().contains("tower-transport-netrc"));
    }
    fs::remove_file(&path).unwrap();
    assert!(Netrc::open(&path).unwrap_err().is_io());
}
