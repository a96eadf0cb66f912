//! Scripted peers that are proxy and origin in one: the tunnel continues on the same stream.

use bytes::Bytes;
use http::Response;
use tower_transport::{
    Error, RequestExt, options::ProxyOverride, proxy::Proxy, transport::TransportBuilder,
};

use super::{
    scene::Scene,
    scripted::{
        Script,
        Step::{self, Head, Serve},
        say,
    },
};

/// The shortest response that opens a tunnel.
pub(crate) const OPEN: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// A proxy that tunnels `http` origins as well.
pub(crate) fn proxy() -> Proxy {
    tunneling("http://proxy.example:8080")
}

/// The proxy at this URL, with tunnels for all.
pub(crate) fn tunneling(url: &str) -> Proxy {
    url.parse::<Proxy>().unwrap().tunnel_http(true)
}

/// A valid proxy, and the origin behind it.
pub(crate) fn good() -> Vec<Step> {
    vec![Head, say(OPEN), Serve]
}

/// Plays one script on each connection, and serves further ones as a valid proxy.
pub(crate) fn each_tunnel(scripts: Vec<Vec<Step>>) -> Script {
    Box::new(move |connection| scripts.get(connection).cloned().unwrap_or_else(good))
}

impl Scene {
    /// In memory, through a proxy whose first connection sees these steps.
    pub(crate) fn tunnel(steps: impl Into<Vec<Step>>) -> Self {
        Self::tunnel_through(proxy(), vec![steps.into()])
    }

    /// In memory, through this proxy.
    pub(crate) fn tunnel_through(proxy: Proxy, scripts: Vec<Vec<Step>>) -> Self {
        Self::tunnel_with(scripts, |builder| builder.proxy(proxy))
    }

    /// In memory, with settings.
    pub(crate) fn tunnel_with(
        scripts: Vec<Vec<Step>>,
        settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self {
        Self::memory_with(each_tunnel(scripts), settings)
    }

    /// Over TCP, through a proxy on the port of the scene.
    pub(crate) async fn get_through_its_own_port(&self) -> Result<Response<Bytes>, Error> {
        let proxy = tunneling(&format!("http://{}", self.host));
        let request = self.transport.request("GET", self.url("/"));
        request.extension(ProxyOverride::to(proxy)).await
    }
}
