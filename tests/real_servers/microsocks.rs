//! microsocks: SOCKS 5 in a few hundred lines, with and without a password.

use std::process::Command;

use tower_transport::proxy::Proxy;

use crate::{
    matrix::Running,
    origin::{Kind, Origin},
    server::{Folder, Server, USER, free_port},
};

const PASSWORD: [&str; 4] = ["-u", "user", "-P", "password"];

pub(crate) async fn microsocks(scheme: &str, options: &[&str], user: &str) -> Running {
    let (folder, port) = (Folder::new(), free_port());
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-p", &port.to_string()]).args(options);
    let server = Server::start(&mut command, folder, &[port]).await;
    let proxy = Proxy::new(&format!("{scheme}://{user}127.0.0.1:{port}")).unwrap();
    Running::new(vec![server], proxy)
}

rows!(by_socks5, microsocks("socks5", &[], "").await);
rows!(by_socks5h, microsocks("socks5h", &[], "").await);
rows!(by_socks5_with_password, microsocks("socks5", &PASSWORD, USER).await);

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn who_is_not_known_is_refused() {
    let origin = Origin::start(Kind::Http1OverTls, "127.0.0.1").await;
    for user in ["", "user:wrong@"] {
        let running = microsocks("socks5", &PASSWORD, user).await;
        assert_eq!(running.fails(&origin).await.proxy_status(), None);
    }
}
