//! squid: forwards, opens tunnels, by HTTP and by HTTPS, and asks for passwords by Basic and Digest.

use std::{fs, process::Command};

use http::{StatusCode, Version};
use tower_transport::{
    RequestExt, Transport, connect::ConnectInfo, options::ProxyOverride, proxy::Proxy,
    tls::TlsConfig,
};

use crate::{
    matrix::Running,
    nginx::Nginx,
    origin::{Kind, Origin},
    requests::{greeted, some_at_a_time},
    server::{CRYPTED_PASSWORD, Folder, Server, USER, free_port, transport, trust},
};

pub(crate) struct Squid {
    pub(crate) server: Server,
    pub(crate) http: u16,
    https: u16,
}

const CONFIGURATION: &str = "
http_port 127.0.0.1:HTTP_PORT
https_port 127.0.0.1:TLS_PORT tls-cert=FOLDER/cert.pem tls-key=FOLDER/key.pem
visible_hostname localhost
cache deny all
cache_mem 0
memory_cache_shared off
sslproxy_session_cache_size 0
pid_filename none
netdb_filename none
coredump_dir FOLDER
access_log stdio:FOLDER/access
cache_log FOLDER/cache
pinger_enable off
shutdown_lifetime 0 seconds
ACCESS
http_access allow localhost known
http_access deny all
";

const ANYBODY: &str = "acl known src 127.0.0.1";

pub(crate) const BASIC: &str = "
auth_param basic program /usr/lib/squid/basic_ncsa_auth FOLDER/crypted
auth_param basic children 1 startup=1 idle=1
acl known proxy_auth REQUIRED
";

pub(crate) const DIGEST: &str = "
auth_param digest program /usr/lib/squid/digest_file_auth FOLDER/passwords
auth_param digest children 1 startup=1 idle=1
auth_param digest realm tower
acl known proxy_auth REQUIRED
";

impl Squid {
    /// Open to anybody.
    pub(crate) async fn start() -> Self {
        Self::open_to(ANYBODY).await
    }

    pub(crate) async fn open_to(access: &str) -> Self {
        let folder = Folder::new();
        let [http, https] = std::array::from_fn(|_| free_port());
        let text = CONFIGURATION.replace("HTTP_PORT", &http.to_string());
        let text = text.replace("TLS_PORT", &https.to_string()).replace("ACCESS", access);
        let configuration = folder.configure("squid.conf", &text);
        folder.configure("crypted", &format!("user:{CRYPTED_PASSWORD}\n"));
        folder.configure("passwords", "user:password\n");
        let mut command = Command::new("squid");
        let name = format!("tower{}x{http}", std::process::id());
        command.args(["-N", "-d1", "-n", &name, "-f"]).arg(configuration);
        let server = Server::start(&mut command, folder, &[http, https]).await;
        forget_shared_memory(&name);
        Self { server, http, https }
    }

    pub(crate) fn by_http(self, user: &str) -> Running {
        let url = format!("http://{user}127.0.0.1:{}", self.http);
        self.running(Proxy::new(&url).unwrap())
    }

    /// Over TLS, which trusts it on its own account.
    pub(crate) fn by_https(self, user: &str) -> Running {
        let url = format!("https://{user}127.0.0.1:{}", self.https);
        self.running(Proxy::new(&url).unwrap().tls(trust()))
    }

    fn running(self, proxy: Proxy) -> Running {
        let running = Running::new(vec![self.server], proxy);
        running.unreachable(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// It has it open; nothing is to be left of it when it is ended.
fn forget_shared_memory(name: &str) {
    for file in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(&format!("{name}-")) {
            let _ = fs::remove_file(file.path());
        }
    }
}

rows!(by_http, Squid::start().await.by_http(""));
rows!(
    by_http_with_tunnels_to_all,
    Squid::start().await.by_http("").with(|it| it.tunnel_http(true)).forwards(None)
);
rows!(by_http_with_basic, Squid::open_to(BASIC).await.by_http(USER));
rows!(by_http_with_digest, Squid::open_to(DIGEST).await.by_http(USER));
rows!(by_https, Squid::start().await.by_https(""));
rows!(by_https_with_basic, Squid::open_to(BASIC).await.by_https(USER));
rows!(by_https_with_digest, Squid::open_to(DIGEST).await.by_https(USER));

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn who_is_not_known_is_refused() {
    for kind in [Kind::Http1, Kind::Http1OverTls] {
        let origin = Origin::start(kind, "localhost").await;
        for access in [BASIC, DIGEST] {
            for user in ["", "user:wrong@", "nobody:password@"] {
                let squid = Squid::open_to(access).await.by_http(user);
                let status = squid.refuses(&origin).await;
                assert_eq!(status, Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn a_refused_tunnel_says_what_squid_says() {
    let origin = Origin::start(Kind::Http1OverTls, "localhost").await;
    let error = Squid::open_to(BASIC).await.by_http("user:wrong@").fails(&origin).await;
    assert_eq!(error.proxy_status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    assert!(
        error.proxy_headers().unwrap()["proxy-authenticate"].to_str().unwrap().starts_with("Basic")
    );
    let page = String::from_utf8_lossy(error.proxy_body().unwrap());
    assert!(page.contains("Cache Access Denied"), "{page}");
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn more_requests_than_a_nonce_is_good_for_are_all_answered() {
    let access = format!("{DIGEST}\nauth_param digest nonce_max_count 5");
    let squid = Squid::open_to(&access).await.by_http(USER);
    for kind in [Kind::Http1, Kind::Http1OverTls] {
        let origin = Origin::start(kind, "localhost").await;
        // Each tunnel carries one request, so that there are as many tunnels.
        let transport = squid.transport(kind).max_requests(1).build().unwrap();
        some_at_a_time(&transport, &origin.url("hello.txt"), 50, 1).await;
        some_at_a_time(&transport, &origin.url("hello.txt"), 50, 10).await;
    }
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn who_is_asked_for_basic_or_digest_is_known_by_either() {
    let squid = Squid::open_to(&format!("{BASIC}{DIGEST}")).await.by_http(USER);
    for preemptive in [true, false] {
        let squid = squid.proxy().clone().preemptive(preemptive);
        let transport = transport().proxy(squid).build().unwrap();
        for kind in [Kind::Http1, Kind::Http1OverTls] {
            let origin = Origin::start(kind, "localhost").await;
            greeted(&transport, &origin.url("hello.txt"), Version::HTTP_11).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn requests_to_two_origins_are_forwarded_on_one_connection() {
    let (squid, nginx) = (Squid::start().await.by_http(""), Nginx::start().await);
    let transport = squid.transport(Kind::Http1).build().unwrap();
    for port in [nginx.plain, nginx.few_plain, nginx.plain] {
        let url = format!("http://localhost:{port}/hello.txt");
        greeted(&transport, &url, Version::HTTP_11).await;
    }
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn a_request_may_go_by_a_proxy_of_its_own_or_by_none() {
    let squid = Squid::start().await.by_http("");
    let origin = Origin::start(Kind::Http2OverTls, "localhost").await;
    let transport = transport().build().unwrap();
    for (route, proxies) in [
        (ProxyOverride::to(squid.proxy().clone()), 1),
        (ProxyOverride::direct(), 0),
        (ProxyOverride::to(squid.proxy().clone()), 1),
    ] {
        let request = transport.request("GET", origin.url("hello.txt")).extension(route);
        let response = request.await.unwrap();
        let info = ConnectInfo::of(&response).unwrap();
        assert_eq!(info.proxies().len(), proxies);
    }
    assert_eq!(transport.stats().opened, 2);
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn an_https_proxy_that_is_not_trusted_is_not_used() {
    let squid = Squid::start().await.by_https("").with(|it| it.tls(TlsConfig::platform()));
    for kind in [Kind::Http1, Kind::Http1OverTls] {
        let origin = Origin::start(kind, "localhost").await;
        assert!(squid.fails(&origin).await.is_tls());
    }
}

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn an_origin_behind_a_trusted_proxy_may_not_be_trusted() {
    let squid = Squid::start().await.by_https("");
    let origin = Origin::start(Kind::Http1OverTls, "localhost").await;
    let transport = Transport::builder().proxy(squid.proxy().clone()).build().unwrap();
    let error = transport.request("GET", origin.url("hello.txt")).await.unwrap_err();
    assert!(error.is_tls() && !error.is_proxy(), "{error:?}");
}
