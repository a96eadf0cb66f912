//! Scripted origins that speak TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tower_transport::{tls::TlsConfig, transport::TransportBuilder};

use super::{
    scene::Scene,
    scripted::{Script, ScriptedPeer},
    tls_peer::{Authority, Leaf},
};

impl Scene {
    /// The same origin under another scheme.
    pub(crate) fn under(mut self, scheme: &'static str) -> Self {
        self.scheme = scheme;
        self
    }

    /// Over TLS, by an authority that the transport trusts.
    pub(crate) fn tls(script: Script) -> Self {
        let authority = Authority::new();
        let server = authority.certify("origin.example").server(&[]);
        Self::tls_with(script, &authority, vec![server], |builder| builder)
    }

    /// Over TLS: each connection has the next of these servers, and the last has all others.
    pub(crate) fn tls_with(
        script: Script,
        trusted: &Authority,
        servers: Vec<ServerConfig>,
        settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self {
        let servers: Vec<_> =
            servers.into_iter().map(|server| TlsAcceptor::from(Arc::new(server))).collect();
        let open = move |origin: Arc<ScriptedPeer>, stream: TcpStream| {
            let connection = origin.accept();
            let server = servers[connection.min(servers.len() - 1)].clone();
            async move {
                // An error says that the client refused the server, which is for the test to judge.
                if let Ok(stream) = server.accept(stream).await {
                    origin.play(connection, stream).await;
                }
            }
        };
        let tls = TlsConfig::roots_pem(trusted.pem()).unwrap();
        Self::on_a_thread("https", script, open, |builder| settings(builder.tls(tls)))
    }
}

impl Leaf {
    /// What a server does that asks for certificates of `authority`, and serves clients without one, too.
    pub(crate) fn server_asking_clients_of(&self, authority: &Authority) -> ServerConfig {
        self.server_of(authority.clients().allow_unauthenticated())
    }
}
