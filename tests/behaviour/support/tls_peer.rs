//! A certificate authority, and servers with its certificates.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, GeneralSubtree, IsCa, KeyPair,
    NameConstraints,
};
#[cfg(feature = "tls")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "tls"))]
use rustls::crypto::ring as chosen;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientCertVerifierBuilder, WebPkiClientVerifier},
};
use tokio::io::DuplexStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A certificate authority, trusted or not.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::new_with(|_| ())
    }

    /// An authority restricted to names under this one.
    pub(crate) fn for_names_under(name: &str) -> Self {
        let permitted_subtrees = vec![GeneralSubtree::DnsName(name.to_owned())];
        let excluded_subtrees = Vec::new();
        Self::new_with(|params| {
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees, excluded_subtrees });
        })
    }

    fn new_with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // An issuer is found by its name: no two may share one.
        let name = format!("Authority {:?}", &key.public_key_raw()[1..9]);
        params.distinguished_name.push(DnType::CommonName, name);
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A verifier of the clients it has certified.
    pub(crate) fn clients(&self) -> ClientCertVerifierBuilder {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
    }

    /// A certificate for a name or an address.
    pub(crate) fn certify(&self, name: &str) -> Leaf {
        self.certify_as(name, |_| ())
    }

    /// A certificate with these parameters.
    pub(crate) fn certify_as(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

impl Leaf {
    /// A self-signed certificate.
    pub(crate) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    /// The same, marked as an authority, as many tools mark self-signed certificates.
    pub(crate) fn self_signed_ca(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate_pem.as_bytes()).unwrap()
    }

    /// A server configuration with this certificate and this ALPN.
    pub(crate) fn server(&self, alpn: &[&str]) -> ServerConfig {
        let builder = builder().with_no_client_auth();
        let mut config = builder.with_single_cert(vec![self.der()], self.key()).unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    /// The same, for clients with a certificate of `authority` alone.
    pub(crate) fn server_for_clients_of(&self, authority: &Authority) -> ServerConfig {
        self.server_of(authority.clients())
    }

    /// The same, for clients this verifier accepts.
    pub(crate) fn server_of(&self, clients: ClientCertVerifierBuilder) -> ServerConfig {
        let builder = builder().with_client_cert_verifier(clients.build().unwrap());
        builder.with_single_cert(vec![self.der()], self.key()).unwrap()
    }

    /// A client configuration with this certificate that trusts these.
    pub(crate) fn client(&self, trusted: &[&Authority]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for authority in trusted {
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        builder.with_client_auth_cert(vec![self.der()], self.key()).unwrap()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap()
    }
}

/// The server's side of a handshake.
pub(crate) async fn accept(
    config: ServerConfig,
    stream: DuplexStream,
) -> io::Result<TlsStream<DuplexStream>> {
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap()
}

/// The crypto provider of the crate under test.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(chosen::default_provider())
}
