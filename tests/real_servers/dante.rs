//! dante: SOCKS 4 and SOCKS 5, with and without a password.

use std::process::Command;

use tower_transport::proxy::Proxy;

use crate::{
    matrix::Running,
    origin::{Kind, Origin},
    server::{CRYPTED_PASSWORD, Folder, Server, USER, free_port},
};

const CONFIGURATION: &str = "
logoutput: stderr
internal: 127.0.0.1 port = PORT
external: 127.0.0.1
clientmethod: none
socksmethod: METHOD
client pass {
  from: 127.0.0.0/8 to: 0.0.0.0/0
}
socks pass {
  from: 127.0.0.0/8 to: 0.0.0.0/0
  command: connect
}
";

/// Open to anybody, or to `user` by `password`.
async fn dante(scheme: &str, method: &str, user: &str) -> Running {
    let (folder, port) = (Folder::new(), free_port());
    let text = CONFIGURATION.replace("PORT", &port.to_string()).replace("METHOD", method);
    let configuration = folder.configure("danted.conf", &text);
    let mut command = Command::new("danted");
    command.arg("-f").arg(configuration);
    know_the_user(&mut command, &folder);
    let server = Server::start(&mut command, folder, &[port]).await;
    let proxy = Proxy::new(&format!("{scheme}://{user}127.0.0.1:{port}")).unwrap();
    Running::new(vec![server], proxy)
}

/// It asks the system for passwords, which is made to find them in the folder.
fn know_the_user(command: &mut Command, folder: &Folder) {
    let files = [
        ("PASSWD", "root:x:0:0::/:/bin/sh\nuser:x:4242:4242::/:/bin/sh\n".to_owned()),
        ("GROUP", "root:x:0:\nuser:x:4242:\n".to_owned()),
        ("SHADOW", format!("user:{CRYPTED_PASSWORD}:1:0:99999:7:::\n")),
    ];
    command.env("LD_PRELOAD", "libnss_wrapper.so");
    for (name, text) in files {
        command.env(format!("NSS_WRAPPER_{name}"), folder.configure(name, &text));
    }
}

rows!(by_socks4, dante("socks4", "none", "").await);
rows!(by_socks5, dante("socks5", "none", "").await);
rows!(by_socks5h, dante("socks5h", "none", "").await);
rows!(by_socks5h_with_password, dante("socks5h", "username", USER).await);

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn who_is_not_known_is_refused() {
    let origin = Origin::start(Kind::Http1OverTls, "localhost").await;
    for user in ["", "user:wrong@", "nobody:password@"] {
        let running = dante("socks5h", "username", user).await;
        assert_eq!(running.fails(&origin).await.proxy_status(), None);
    }
}
