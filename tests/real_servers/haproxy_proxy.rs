//! haproxy as an HTTP/2 proxy that opens tunnels: it hands them on to squid.

use std::process::Command;

use http::StatusCode;
use tower_transport::proxy::Proxy;

use crate::{
    matrix::Running,
    server::{Folder, Server, free_port, trust},
    squid::Squid,
};

const CONFIGURATION: &str = "
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:FRONT ssl crt FOLDER/cert.pem alpn h2,http/1.1
  default_backend back
backend back
  server back 127.0.0.1:BACK
";

/// Requests that came by HTTP/2 are not forwarded: it hands them on as if it were an origin.
async fn haproxy() -> Running {
    let (squid, folder, port) = (Squid::start().await, Folder::new(), free_port());
    let text = CONFIGURATION.replace("FRONT", &port.to_string());
    let text = text.replace("BACK", &squid.http.to_string());
    let configuration = folder.configure("haproxy.cfg", &text);
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(configuration);
    let server = Server::start(&mut command, folder, &[port]).await;
    let proxy = Proxy::new(&format!("https://127.0.0.1:{port}")).unwrap();
    let proxy = proxy.tls(trust()).tunnel_http(true);
    let running = Running::new(vec![squid.server, server], proxy).forwards(None);
    running.unreachable(StatusCode::SERVICE_UNAVAILABLE)
}

rows!(by_https_and_http2_with_tunnels_to_all, haproxy().await);
