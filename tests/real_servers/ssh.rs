//! ssh: SOCKS 4, 4a and 5, which hangs up without an answer if an origin cannot be reached.

use std::process::Command;

use tower_transport::proxy::Proxy;

use crate::{
    matrix::Running,
    server::{Folder, Server, free_port},
};

const CONFIGURATION: &str = "
ListenAddress 127.0.0.1
HostKey FOLDER/id
PidFile none
AuthorizedKeysFile FOLDER/id.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
";

async fn ssh(scheme: &str) -> Running {
    let (there, port) = sshd().await;
    let (here, socks) = (Folder::new(), free_port());
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-N", "-D", &format!("127.0.0.1:{socks}"), "-i"]);
    command.arg(there.folder().join("id")).args(["-p", &port.to_string()]);
    for option in ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"] {
        command.args(["-o", option]);
    }
    let server = Server::start(command.arg("127.0.0.1"), here, &[socks]).await;
    let proxy = Proxy::new(&format!("{scheme}://127.0.0.1:{socks}")).unwrap();
    Running::new(vec![there, server], proxy)
}

/// The other end, which whoever runs the tests may log in to.
async fn sshd() -> (Server, u16) {
    let (folder, port) = (Folder::new(), free_port());
    let configuration = folder.configure("sshd.conf", &format!("{CONFIGURATION}Port {port}\n"));
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.path().join("id"));
    assert!(keygen.status().unwrap().success());
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(configuration);
    (Server::start(&mut command, folder, &[port]).await, port)
}

rows!(by_socks4, ssh("socks4").await);
rows!(by_socks4a, ssh("socks4a").await);
rows!(by_socks5h, ssh("socks5h").await);
