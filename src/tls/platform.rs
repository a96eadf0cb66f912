//! The platform's verifier, with additional roots.

use std::sync::Arc;

use rustls::{crypto::CryptoProvider, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;

pub(super) fn verifier(
    extra: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, rustls::Error> {
    match extra {
        [] => Verifier::new(provider),
        extra => Verifier::new_with_extra_roots(extra.iter().cloned(), provider),
    }
}
