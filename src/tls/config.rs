//! The configuration of TLS: trusted roots, client certificate, ALPN.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{any_certificate::AnyCertificate, platform, provider::provider};
use crate::{
    error::{Error, Kind},
    options::{Protocols, TlsIdentity},
    target::Target,
};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, SignatureScheme,
    client::{ResolvesClientCert, Resumption, WantsClientCert},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SingleCertAndKey},
};

/// Trusted roots and a client certificate. Cloning is cheap, and clones share their sessions.
///
/// ```
/// # use tower_transport::tls::TlsConfig;
/// # fn example(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<(), tower_transport::Error> {
/// let tls = TlsConfig::platform().add_roots_pem(ca)?;
/// let tls = TlsConfig::roots_pem(ca)?.identity_pem(certificate, key)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TlsConfig(Arc<Configuration>);

/// The part that clones share.
struct Configuration {
    source: ConfigSource,
    /// Made at the first handshake, so that a machine without roots can still use `http`.
    by_alpn: OnceLock<ConfigByAlpn>,
}

#[derive(Clone)]
enum ConfigSource {
    Own { trust: TrustRoots, identity: Option<Arc<SingleCertAndKey>> },
    Given(Arc<ClientConfig>),
    PerTarget(Arc<PerTarget>),
}

type PerTarget = dyn Fn(&Target) -> Arc<ClientConfig> + Send + Sync;

#[derive(Clone)]
enum TrustRoots {
    /// The platform's roots and these.
    Platform(Arc<[CertificateDer<'static>]>),
    Roots(Arc<RootCertStore>),
    AnyCertificate,
}

/// One configuration per ALPN offer. They share the verifier, the client certificate and the sessions, so that a
/// session is resumed only where it was verified in the same way.
struct ConfigByAlpn {
    both: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

const HTTP1: bool = cfg!(feature = "http1");
const HTTP2: bool = cfg!(feature = "http2");

impl Default for TlsConfig {
    /// The platform's roots, which its administrator controls.
    fn default() -> Self {
        Self::platform()
    }
}

impl TlsConfig {
    /// Trusts the roots of the operating system. The default.
    ///
    /// They are read at the first handshake.
    pub fn platform() -> Self {
        Self::of(ConfigSource::Own { trust: TrustRoots::Platform([].into()), identity: None })
    }

    /// Trusts only these roots, in PEM.
    ///
    /// An error for which [`Error::is_builder`] holds if there is no root or an invalid one.
    pub fn roots_pem(pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let roots = certificates(pem.as_ref(), "reading the root certificates")?;
        let roots = store(RootCertStore::empty(), roots)?;
        Ok(Self::of(ConfigSource::Own {
            trust: TrustRoots::Roots(Arc::new(roots)),
            identity: None,
        }))
    }

    /// Trusts these roots, in PEM, in addition: those of a company, for example.
    ///
    /// An error for which [`Error::is_builder`] holds if there is no root or an invalid one, or if roots cannot be
    /// added to this configuration.
    pub fn add_roots_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let ConfigSource::Own { trust, identity } = self.0.source.clone() else {
            return Err(Error::builder("a rustls configuration has its own roots: set them there"));
        };
        let more = certificates(pem.as_ref(), "reading the root certificates")?;
        let trust = match trust {
            TrustRoots::Platform(extra) => {
                // Reports invalid roots here, and not at the first handshake.
                store(RootCertStore::empty(), more.clone())?;
                TrustRoots::Platform(extra.iter().cloned().chain(more).collect())
            }
            TrustRoots::Roots(roots) => {
                TrustRoots::Roots(store(Arc::unwrap_or_clone(roots), more)?.into())
            }
            TrustRoots::AnyCertificate => {
                return Err(Error::builder("any certificate is accepted: roots mean nothing"));
            }
        };
        Ok(Self::of(ConfigSource::Own { trust, identity }))
    }

    /// Trusts **any certificate**: an attacker on the path can read and change everything. For tests.
    pub fn danger_accept_any_certificate() -> Self {
        Self::of(ConfigSource::Own { trust: TrustRoots::AnyCertificate, identity: None })
    }

    /// Calls `config` for the configuration of each connection, for settings per target, such as encrypted client
    /// hello.
    ///
    /// Its ALPN is replaced by the target's. Sessions are resumed if the configurations share their store. It is also
    /// called for the targets of proxies; the configuration then shows no client certificate and resumes no session,
    /// unless it is the [proxy's own](crate::proxy::Proxy::tls).
    pub fn per_target<F>(config: F) -> Self
    where
        F: Fn(&Target) -> Arc<ClientConfig> + Send + Sync + 'static,
    {
        Self::of(ConfigSource::PerTarget(Arc::new(config)))
    }

    /// Sets the client certificate, with its chain and key, in PEM, for servers that ask for one. The key is in PKCS#8, PKCS#1 or
    /// SEC1, not encrypted. A PKCS#12 file is converted by `openssl pkcs12 -in file.p12 -nodes`.
    ///
    /// An error for which [`Error::is_builder`] holds if either is invalid, if they do not belong together, or if the
    /// configuration is rustls's own, which has its own certificate.
    pub fn identity_pem(
        self,
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let ConfigSource::Own { trust, .. } = self.0.source.clone() else {
            let message = "a rustls configuration has its own client certificate: set it there";
            return Err(Error::builder(message));
        };
        let chain = certificates(certificate.as_ref(), "reading the client certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|error| broken("reading the key of the client certificate", &error))?;
        let identity = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
            Error::builder("the client certificate and its key cannot be used").because(error)
        })?;
        Ok(Self::of(ConfigSource::Own { trust, identity: Some(Arc::new(identity.into())) }))
    }

    /// The configuration of one handshake: the target's own, or else this one.
    pub(super) fn for_target(&self, target: &Target) -> Result<Arc<ClientConfig>, Error> {
        let own = target.tls_identity.as_ref().and_then(TlsIdentity::configuration);
        own.unwrap_or(&*self.0).for_target(target)
    }

    /// The same trust for proxies: without the client certificate, which is for origins only, and with separate
    /// sessions.
    pub(crate) fn for_proxies(&self) -> Self {
        Self::of(match self.0.source.clone() {
            ConfigSource::Own { trust, .. } => ConfigSource::Own { trust, identity: None },
            ConfigSource::Given(config) => ConfigSource::Given(Arc::new(anonymous(&config))),
            ConfigSource::PerTarget(config) => ConfigSource::PerTarget(Arc::new(move |target| {
                Arc::new(anonymous(&config(target)))
            })),
        })
    }

    fn of(source: ConfigSource) -> Self {
        Self(Arc::new(Configuration { source, by_alpn: OnceLock::new() }))
    }
}

impl Configuration {
    fn for_target(&self, target: &Target) -> Result<Arc<ClientConfig>, Error> {
        if let ConfigSource::PerTarget(config) = &self.source {
            return Ok(offering(&config(target), offer(target.protocols)));
        }
        let by_alpn = match self.by_alpn.get() {
            Some(by_alpn) => by_alpn,
            None => {
                let built = ConfigByAlpn::of(&self.source.build(target)?);
                self.by_alpn.get_or_init(|| built)
            }
        };
        Ok(by_alpn.get(target.protocols).clone())
    }
}

impl From<TlsConfig> for TlsIdentity {
    fn from(config: TlsConfig) -> Self {
        Self::new(config.0)
    }
}

fn anonymous(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    config.resumption = Resumption::default();
    config
}

/// A resolver without a client certificate.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    /// Uses it unchanged, except for ALPN, which is the target's.
    fn from(config: Arc<ClientConfig>) -> Self {
        Self::of(ConfigSource::Given(config))
    }
}

impl ConfigSource {
    fn build(&self, target: &Target) -> Result<Arc<ClientConfig>, Error> {
        match self {
            Self::Own { trust, identity } => {
                let builder = trust.builder().map_err(|error| {
                    let message = format!("preparing the TLS handshake with {target}");
                    Error::new(Kind::Tls, message).because(error)
                })?;
                Ok(Arc::new(match identity.clone() {
                    Some(identity) => {
                        let identity: Arc<dyn ResolvesClientCert> = identity;
                        builder.with_client_cert_resolver(identity)
                    }
                    None => builder.with_no_client_auth(),
                }))
            }
            Self::Given(config) => Ok(config.clone()),
            Self::PerTarget(config) => Ok(config(target)),
        }
    }
}

impl TrustRoots {
    fn builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        match self {
            Self::Platform(extra) => {
                let verifier = Arc::new(platform::verifier(extra, provider)?);
                Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
            }
            Self::Roots(roots) => Ok(builder.with_root_certificates(roots.clone())),
            Self::AnyCertificate => {
                let verifier = Arc::new(AnyCertificate::new(&provider));
                Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
            }
        }
    }
}

impl ConfigByAlpn {
    fn of(config: &Arc<ClientConfig>) -> Self {
        Self {
            both: offering(config, offer(Protocols::Negotiated)),
            http1: offering(config, offer(Protocols::Http1Only)),
            http2: offering(config, offer(Protocols::Http2Only)),
        }
    }

    fn get(&self, protocols: Protocols) -> &Arc<ClientConfig> {
        match protocols {
            Protocols::Negotiated => &self.both,
            Protocols::Http1Only => &self.http1,
            Protocols::Http2Only | Protocols::Http2PriorKnowledge => &self.http2,
        }
    }
}

fn offering(config: &Arc<ClientConfig>, alpn: Vec<Vec<u8>>) -> Arc<ClientConfig> {
    if config.alpn_protocols == alpn && config.check_selected_alpn {
        return config.clone();
    }
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = alpn;
    config.check_selected_alpn = true;
    Arc::new(config)
}

fn offer(protocols: Protocols) -> Vec<Vec<u8>> {
    let http1 = matches!(protocols, Protocols::Negotiated | Protocols::Http1Only);
    let http2 = protocols != Protocols::Http1Only;
    let mut offer = Vec::with_capacity(2);
    offer.extend((HTTP2 && http2).then(|| b"h2".to_vec()));
    offer.extend((HTTP1 && http1).then(|| b"http/1.1".to_vec()));
    offer
}

fn store(
    mut store: RootCertStore,
    roots: Vec<CertificateDer<'static>>,
) -> Result<RootCertStore, Error> {
    for root in roots {
        let wrong = |error| Error::builder("a root certificate cannot be used").because(error);
        store.add(root).map_err(wrong)?;
    }
    Ok(store)
}

fn certificates(pem: &[u8], doing: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => {
            Err(Error::builder(format!("{doing}: there is none in it")))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(broken(doing, &error)),
    }
}

/// Omits the parser's own error, which quotes the invalid line: possibly a whole key.
fn broken(doing: &'static str, error: &pem::Error) -> Error {
    Error::builder(doing).because(match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section does not begin on a line of its own",
        pem::Error::Base64Decode(_) => "a section is not base64",
        pem::Error::NoItemsFound => "there is none in it",
        _ => "it is not PEM",
    })
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trust, identity) = match &self.0.source {
            ConfigSource::Own { trust: TrustRoots::Platform(_), identity } => {
                ("platform roots", identity)
            }
            ConfigSource::Own { trust: TrustRoots::Roots(_), identity } => {
                ("given roots", identity)
            }
            ConfigSource::Own { trust: TrustRoots::AnyCertificate, identity } => {
                ("DANGER: any certificate is accepted", identity)
            }
            ConfigSource::Given(_) => ("given by rustls's configuration", &None),
            ConfigSource::PerTarget(_) => ("given per target", &None),
        };
        let identity = if identity.is_some() { ", client certificate" } else { "" };
        write!(f, "TlsConfig({trust}{identity})")
    }
}
