//! tinyproxy: forwards on connections that it closes without a word, and opens tunnels.

use std::process::Command;

use http::StatusCode;
use tower_transport::proxy::Proxy;

use crate::{
    matrix::Running,
    origin::{Kind, Origin},
    server::{Folder, Server, USER, free_port},
};

const CONFIGURATION: &str = "
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 30
MaxClients 200
";

const BASIC: &str = "BasicAuth user password";

pub(crate) async fn tinyproxy(access: &str, user: &str) -> Running {
    let (folder, port) = (Folder::new(), free_port());
    let text = format!("{CONFIGURATION}Port {port}\n{access}\n");
    let configuration = folder.configure("tinyproxy.conf", &text);
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(configuration);
    let server = Server::start(&mut command, folder, &[port]).await;
    let proxy = Proxy::new(&format!("http://{user}127.0.0.1:{port}")).unwrap();
    Running::new(vec![server], proxy).unreachable(StatusCode::INTERNAL_SERVER_ERROR)
}

rows!(by_http, tinyproxy("", "").await);
rows!(by_http_with_basic, tinyproxy(BASIC, USER).await);

#[tokio::test]
#[ignore = "needs the servers and proxies that .ci/run installs from apt"]
async fn who_is_not_known_is_refused() {
    for kind in [Kind::Http1, Kind::Http1OverTls] {
        let origin = Origin::start(kind, "localhost").await;
        // A password that is wrong is unauthorized, as if it were an origin that was asked.
        for (user, status) in [("", 407), ("user:wrong@", 401)] {
            let refused = tinyproxy(BASIC, user).await.refuses(&origin).await;
            assert_eq!(refused.unwrap(), status);
        }
    }
}
