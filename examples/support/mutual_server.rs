//! The site over TLS, for clients with a certificate alone.

use std::{error::Error, sync::Arc};

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer,
    server::WebPkiClientVerifier,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::site::serve;

/// The site on a free port of the loopback, which asks for a client certificate. It ends when this is dropped.
pub(crate) struct MutualServer {
    /// `https://localhost:12345`
    pub(crate) url: String,
    /// The root by which its certificate can be verified.
    pub(crate) root_pem: String,
    /// The certificate of a client that it trusts, and its key.
    pub(crate) client_pem: String,
    pub(crate) client_key_pem: String,
    _tasks: JoinSet<()>,
}

impl MutualServer {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "The authority of this example");
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        let client_key = KeyPair::generate()?;
        let client =
            CertificateParams::new(["client".to_owned()])?.signed_by(&client_key, &root)?;
        let config = config(&root)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor));
        Ok(Self {
            url,
            root_pem: root.pem(),
            client_pem: client.pem(),
            client_key_pem: client_key.serialize_pem(),
            _tasks: tasks,
        })
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

/// A configuration with a certificate for `localhost`, which refuses clients that the root does not vouch for.
fn config(root: &CertifiedIssuer<'_, KeyPair>) -> Result<ServerConfig, Box<dyn Error>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone())?;
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, root)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], key)?)
}
