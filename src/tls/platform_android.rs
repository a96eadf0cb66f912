//! Android's verifier, which takes no additional roots.

use std::sync::Arc;

use rustls::{crypto::CryptoProvider, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;

pub(super) fn verifier(
    extra: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, rustls::Error> {
    match extra {
        [] => Verifier::new(provider),
        _ => Err(rustls::Error::General("Android takes no roots beside its own".into())),
    }
}
