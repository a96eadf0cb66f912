//! Whom TLS trusts, who we are to it, and what it offers.

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

/// Whom TLS trusts, and who we are to it. Cloning it is cheap, and clones share their sessions.
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

/// What clones have in common.
struct Configuration {
    source: Source,
    /// Made at the first handshake: a machine without roots can still speak `http`.
    offers: OnceLock<Offers>,
}

#[derive(Clone)]
enum Source {
    Own { trust: Trust, identity: Option<Arc<SingleCertAndKey>> },
    Given(Arc<ClientConfig>),
    PerTarget(Arc<PerTarget>),
}

type PerTarget = dyn Fn(&Target) -> Arc<ClientConfig> + Send + Sync;

#[derive(Clone)]
enum Trust {
    /// And these.
    Platform(Arc<[CertificateDer<'static>]>),
    Roots(Arc<RootCertStore>),
    AnyCertificate,
}

/// One configuration per ALPN offer. They have the verifier, the identity and the sessions in common, so that a session
/// is resumed only where it was verified in the same way.
struct Offers {
    both: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

const HTTP1: bool = cfg!(feature = "http1");
const HTTP2: bool = cfg!(feature = "http2");

impl Default for TlsConfig {
    /// What the platform trusts, because that is what its administrator decided.
    fn default() -> Self {
        Self::platform()
    }
}

impl TlsConfig {
    /// Trusts whom the operating system trusts. The default.
    ///
    /// Its roots are read at the first handshake.
    pub fn platform() -> Self {
        Self::of(Source::Own { trust: Trust::Platform([].into()), identity: None })
    }

    /// Trusts these roots, in PEM, and no others.
    ///
    /// Without a root in it, or with a broken one, it is an error for which [`Error::is_builder`] holds.
    pub fn roots_pem(pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let roots = certificates(pem.as_ref(), "reading the root certificates")?;
        let roots = store(RootCertStore::empty(), roots)?;
        Ok(Self::of(Source::Own { trust: Trust::Roots(Arc::new(roots)), identity: None }))
    }

    /// Trusts these roots, in PEM, as well: a company's own beside those of the platform, say.
    ///
    /// It is an error for which [`Error::is_builder`] holds if there is none in it or a broken one, or if the
    /// configuration is one that roots cannot be added to.
    pub fn add_roots_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let Source::Own { trust, identity } = self.0.source.clone() else {
            return Err(Error::builder("a rustls configuration has its own roots: set them there"));
        };
        let more = certificates(pem.as_ref(), "reading the root certificates")?;
        let trust = match trust {
            Trust::Platform(extra) => {
                // Broken ones are told of here, and not at the first handshake.
                store(RootCertStore::empty(), more.clone())?;
                Trust::Platform(extra.iter().cloned().chain(more).collect())
            }
            Trust::Roots(roots) => Trust::Roots(store(Arc::unwrap_or_clone(roots), more)?.into()),
            Trust::AnyCertificate => {
                return Err(Error::builder("any certificate is accepted: roots mean nothing"));
            }
        };
        Ok(Self::of(Source::Own { trust, identity }))
    }

    /// Trusts **anyone**: whoever is on the way can read and change everything. For tests.
    pub fn danger_accept_any_certificate() -> Self {
        Self::of(Source::Own { trust: Trust::AnyCertificate, identity: None })
    }

    /// Asks for the configuration of each connection, for what only a target decides, like encrypted client hello.
    ///
    /// Its ALPN is replaced by the target's. Sessions are resumed as far as the configurations given share their store. It is
    /// asked for the targets of proxies, too; what it gives for them shows no client certificate and resumes no session,
    /// unless it is given as the [proxy's own](crate::proxy::Proxy::tls).
    pub fn per_target<F>(config: F) -> Self
    where
        F: Fn(&Target) -> Arc<ClientConfig> + Send + Sync + 'static,
    {
        Self::of(Source::PerTarget(Arc::new(config)))
    }

    /// Shows this certificate, with its chain, to servers that ask for one. All in PEM.
    ///
    /// It is an error for which [`Error::is_builder`] holds if either is broken, if they do not belong together, or if
    /// the configuration was given as rustls's, which has its own.
    pub fn identity_pem(
        self,
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let Source::Own { trust, .. } = self.0.source.clone() else {
            let message = "a rustls configuration has its own client certificate: set it there";
            return Err(Error::builder(message));
        };
        let chain = certificates(certificate.as_ref(), "reading the client certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|error| broken("reading the key of the client certificate", &error))?;
        let identity = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
            Error::builder("the client certificate and its key cannot be used").because(error)
        })?;
        Ok(Self::of(Source::Own { trust, identity: Some(Arc::new(identity.into())) }))
    }

    /// The configuration of one handshake: the target's own, or else this.
    pub(super) fn for_target(&self, target: &Target) -> Result<Arc<ClientConfig>, Error> {
        let own = target.tls_identity.as_ref().and_then(TlsIdentity::configuration);
        own.unwrap_or(&*self.0).for_target(target)
    }

    /// The same trust for whoever is on the way: with no client certificate, which is shown to the origin alone, and with
    /// sessions of its own.
    pub(crate) fn for_proxies(&self) -> Self {
        Self::of(match self.0.source.clone() {
            Source::Own { trust, .. } => Source::Own { trust, identity: None },
            Source::Given(config) => Source::Given(Arc::new(anonymous(&config))),
            Source::PerTarget(config) => {
                Source::PerTarget(Arc::new(move |target| Arc::new(anonymous(&config(target)))))
            }
        })
    }

    fn of(source: Source) -> Self {
        Self(Arc::new(Configuration { source, offers: OnceLock::new() }))
    }
}

impl Configuration {
    fn for_target(&self, target: &Target) -> Result<Arc<ClientConfig>, Error> {
        if let Source::PerTarget(config) = &self.source {
            return Ok(offering(&config(target), offer(target.protocols)));
        }
        let offers = match self.offers.get() {
            Some(offers) => offers,
            None => {
                let built = Offers::of(&self.source.build(target)?);
                self.offers.get_or_init(|| built)
            }
        };
        Ok(offers.get(target.protocols).clone())
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

/// Shows no certificate.
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
    /// Does as it says, ALPN aside, which is the target's.
    fn from(config: Arc<ClientConfig>) -> Self {
        Self::of(Source::Given(config))
    }
}

impl Source {
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

impl Trust {
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

impl Offers {
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

/// The parser's own error holds the line that is wrong, which may be the whole of a key.
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
            Source::Own { trust: Trust::Platform(_), identity } => ("platform roots", identity),
            Source::Own { trust: Trust::Roots(_), identity } => ("given roots", identity),
            Source::Own { trust: Trust::AnyCertificate, identity } => {
                ("DANGER: any certificate is accepted", identity)
            }
            Source::Given(_) => ("given by rustls's configuration", &None),
            Source::PerTarget(_) => ("given per target", &None),
        };
        let identity = if identity.is_some() { ", client certificate" } else { "" };
        write!(f, "TlsConfig({trust}{identity})")
    }
}
