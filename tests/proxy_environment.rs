//! What is read from the environment of a process: each test starts one, because variables are for all of it.

use std::{
    env,
    ffi::OsString,
    process::{Command, Output},
};

use http::Uri;
use tower_transport::{
    proxy::ProxyRules,
    target::{Origin, Route, Target},
};

const VARIABLES: [&str; 9] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
];

/// Asked for by the process that is started, so that each shows its route in this order.
const ASKED: [&str; 4] =
    ["http://a.example", "https://a.example", "ws://b.example", "https://localhost"];

/// Before what the process that is started has to say, among what the test harness says.
const MARK: &str = "route: ";

#[test]
#[ignore = "it is the process that the other tests start"]
fn the_process_that_shows_its_routes() {
    let rules = ProxyRules::from_env();
    for url in ASKED {
        let target = Target::new(Origin::try_from(&Uri::from_static(url)).unwrap());
        match rules.route(&target) {
            Ok(Route::Direct) => println!("\n{MARK}direct"),
            Ok(route) => println!("\n{MARK}{route}"),
            Err(error) => println!("\n{MARK}{error} {error:?}"),
        }
    }
}

/// The routes of a process with these variables and none of the others.
fn routes<T: Into<OsString>>(
    variables: impl IntoIterator<Item = (&'static str, T)>,
) -> Vec<String> {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--exact", "the_process_that_shows_its_routes", "--ignored", "--nocapture"]);
    for variable in VARIABLES {
        process.env_remove(variable);
    }
    process.envs(variables.into_iter().map(|(name, value)| (name, value.into())));
    let Output { status, stdout, stderr } = process.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let text = String::from_utf8(stdout).unwrap();
    let routes: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect();
    assert_eq!(routes.len(), ASKED.len(), "{text}");
    routes
}

#[test]
fn without_variables_all_is_reached_directly() {
    assert_eq!(routes::<&str>([]), ["direct"; 4]);
}

#[test]
fn each_scheme_has_its_variable_and_its_web_sockets_the_same() {
    let (http, https) = ("through http://p:1", "through http://s:2");
    let found = routes([("HTTP_PROXY", "p:1"), ("HTTPS_PROXY", "http://s:2")]);
    assert_eq!(found, [http, https, http, "direct"]);
}

#[test]
fn variables_in_lower_case_are_read_too() {
    let found = routes([("http_proxy", "p:1"), ("https_proxy", "s:2"), ("no_proxy", "b.example")]);
    assert_eq!(found, ["through http://p:1", "through http://s:2", "direct", "direct"]);
}

/// Names of variables have no case on Windows.
#[cfg(not(windows))]
#[test]
fn upper_case_goes_before_lower_case_unless_it_is_empty() {
    let http = [("HTTP_PROXY", "upper:1"), ("http_proxy", "lower:1")];
    let https = [("HTTPS_PROXY", ""), ("https_proxy", "lower:2")];
    let (upper, lower) = ("through http://upper:1", "through http://lower:2");
    assert_eq!(routes([http, https].concat()), [upper, lower, upper, "direct"]);
}

#[test]
fn the_proxy_for_all_is_for_the_scheme_without_its_own() {
    let found = routes([("ALL_PROXY", "socks5h://all"), ("HTTPS_PROXY", "s:2")]);
    let all = "through socks5h://all:1080";
    assert_eq!(found, [all, "through http://s:2", all, "direct"]);
}

#[test]
fn hosts_that_are_excepted_are_reached_directly_and_nonsense_is_passed_over() {
    let found =
        routes([("ALL_PROXY", "p:1"), ("NO_PROXY", ":1, *.a.example,10.0.0.0/33 ,a.example:443")]);
    assert_eq!(found, ["through http://p:1", "direct", "through http://p:1", "direct"]);
}

#[test]
fn a_script_of_a_cgi_server_takes_no_proxy_that_a_client_can_set() {
    let cgi = ("REQUEST_METHOD", "GET");
    let found = routes([cgi, ("HTTP_PROXY", "evil:1"), ("HTTPS_PROXY", "s:2")]);
    assert_eq!(found, ["direct", "through http://s:2", "direct", "direct"]);
    let found = routes([cgi, ("http_proxy", "evil:1"), ("ALL_PROXY", "p:1")]);
    assert_eq!(found[0], "through http://p:1");
}

#[test]
fn a_value_that_is_no_proxy_fails_what_needs_it_with_the_name_of_the_variable() {
    let found = routes([("HTTP_PROXY", "foo://me:secret@p"), ("NO_PROXY", "b.example")]);
    assert!(found[0].contains("HTTP_PROXY") && !found[0].contains("secret"), "{}", found[0]);
    assert_eq!(found[1..], ["direct"; 3]);
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_not_taken_for_none() {
    use std::os::unix::ffi::OsStringExt;

    let value = OsString::from_vec(b"http://p\xff".to_vec());
    let found = routes([("https_proxy", value)]);
    assert!(found[1].contains("https_proxy") && found[0] == "direct", "{found:?}");
}

#[cfg(all(feature = "client", feature = "http1", feature = "tokio"))]
mod client {
    use tower_transport::{
        Client, client::ClientBuilder, connect::StaticResolver, proxy::Proxy,
        transport::TransportBuilder,
    };

    use super::*;

    /// Whether a request for a host that nothing listens at fails at a proxy, where nothing listens either.
    async fn fails_at_a_proxy(client: Client) -> bool {
        client.get("http://a.invalid:1/").await.unwrap_err().is_proxy()
    }

    fn resolved(builder: ClientBuilder) -> ClientBuilder {
        let resolver = StaticResolver::new().address("a.invalid", [std::net::Ipv4Addr::LOCALHOST]);
        builder.configure_transport(|transport| transport.resolver(resolver))
    }

    #[tokio::test]
    #[ignore = "it is the process that the other test starts"]
    async fn the_process_that_asks_clients() {
        assert!(fails_at_a_proxy(Client::new()).await, "new");
        let builder = || resolved(Client::builder());
        assert!(fails_at_a_proxy(builder().build().unwrap()).await, "builder");
        assert!(!fails_at_a_proxy(builder().no_env().build().unwrap()).await, "no_env");
        let none = builder().configure_transport(TransportBuilder::no_proxy);
        assert!(!fails_at_a_proxy(none.build().unwrap()).await, "no_proxy");
        let asked = |transport: TransportBuilder| transport.proxy_from_env();
        let by_transport = builder().no_env().configure_transport(asked);
        assert!(fails_at_a_proxy(by_transport.build().unwrap()).await, "proxy_from_env");
        // What is said of proxies stays, whatever the order.
        let proxy: Proxy = "http://127.0.0.1:1".parse().unwrap();
        assert!(fails_at_a_proxy(builder().proxy(proxy).no_env().build().unwrap()).await, "proxy");
        // A socket is reached by no proxy, so that the environment is no conflict.
        let socket = Client::builder().configure_transport(|it| it.unix_socket("/nowhere"));
        assert!(socket.build().is_ok());
    }

    #[test]
    fn a_client_reads_the_environment_unless_anything_else_is_said() {
        let mut process = Command::new(env::current_exe().unwrap());
        process.args(["--exact", "client::the_process_that_asks_clients", "--ignored"]);
        for variable in VARIABLES {
            process.env_remove(variable);
        }
        let output = process.env("HTTP_PROXY", "127.0.0.1:1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

#[cfg(feature = "netrc")]
mod netrc {
    use std::{fs, path::PathBuf};

    use tower_transport::client::Netrc;

    use super::*;

    /// The hosts that the files of a test have an entry for.
    const HOSTS: [&str; 3] = ["named", "home", "old"];

    #[test]
    #[ignore = "it is the process that the other tests start"]
    fn the_process_that_reads_its_netrc() {
        match Netrc::from_env() {
            Ok(netrc) => {
                let is_known = |host: &&str| {
                    let url = format!("https://{host}/").parse::<Uri>().unwrap();
                    netrc.find(&Origin::try_from(&url).unwrap()).is_some()
                };
                let known: Vec<_> = HOSTS.into_iter().filter(is_known).collect();
                println!("\n{MARK}{}", known.join(" "));
            }
            Err(error) => println!("\n{MARK}io: {} {error}", error.is_io()),
        }
    }

    /// A home with these files, each with an entry for a host.
    struct Home(PathBuf);

    impl Home {
        fn new(test: &str, files: &[(&str, &str)]) -> Self {
            let name = format!("tower-transport-netrc-{test}-{}", std::process::id());
            let folder = env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            for (file, host) in files {
                let text = format!("machine {host} login user password pass\n");
                fs::write(folder.join(file), text).unwrap();
            }
            Self(folder)
        }

        /// What a process reads with this home, and perhaps with a file of this name that its environment names.
        fn read(&self, named: Option<&str>) -> String {
            let mut process = Command::new(env::current_exe().unwrap());
            process.args(["--exact", "netrc::the_process_that_reads_its_netrc"]);
            process.args(["--ignored", "--nocapture"]);
            process.env("HOME", &self.0).env_remove("NETRC");
            process.envs(named.map(|named| ("NETRC", self.0.join(named))));
            let Output { stdout, .. } = process.output().unwrap();
            let text = String::from_utf8(stdout).unwrap();
            let said = text.lines().find_map(|line| line.strip_prefix(MARK));
            said.unwrap_or_else(|| panic!("{text}")).to_owned()
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_file_that_the_variable_names_goes_before_those_of_the_home() {
        let files = [("mine", "named"), (".netrc", "home"), ("_netrc", "old")];
        let home = Home::new("named", &files);
        assert_eq!((home.read(Some("mine")), home.read(None)), ("named".into(), "home".into()));
    }

    #[test]
    fn the_name_of_other_systems_is_read_where_the_usual_one_is_missing() {
        assert_eq!(Home::new("old", &[("_netrc", "old")]).read(None), "old");
    }

    #[test]
    fn without_a_file_there_are_no_entries() {
        assert_eq!(Home::new("none", &[]).read(None), "");
    }

    #[test]
    fn a_file_that_is_named_and_missing_is_an_error_and_not_that_of_the_home() {
        let home = Home::new("missing", &[(".netrc", "home")]);
        let said = home.read(Some("missing"));
        assert!(said.starts_with("io: true reading ") && said.ends_with("missing"), "{said}");
    }

    #[test]
    fn a_file_of_the_home_that_cannot_be_read_is_an_error_and_not_taken_for_none() {
        let home = Home::new("folder", &[("_netrc", "old")]);
        fs::create_dir(home.0.join(".netrc")).unwrap();
        let said = home.read(None);
        assert!(said.starts_with("io: true reading ") && said.ends_with(".netrc"), "{said}");
    }
}
