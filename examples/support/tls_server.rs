//! The site on TCP, over TLS, with an authority of its own.

use std::{error::Error, sync::Arc};

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::site::serve;

/// The site on a free port of the loopback, by HTTP/2 or HTTP/1.1 as ALPN says. It ends when this is dropped.
pub(crate) struct TlsServer {
    /// `https://localhost:12345`
    pub(crate) url: String,
    /// The root by which its certificate can be verified.
    pub(crate) root_pem: String,
    _tasks: JoinSet<()>,
}

impl TlsServer {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let (config, root_pem) = certified("localhost")?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor));
        Ok(Self { url, root_pem, _tasks: tasks })
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(TokioIo::new(stream)).await;
            }
        });
    }
}

/// A server's configuration with a certificate for `name`, and the root that vouches for it.
fn certified(name: &str) -> Result<(ServerConfig, String), Box<dyn Error>> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "The authority of this example");
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &root)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, root.pem()))
}
