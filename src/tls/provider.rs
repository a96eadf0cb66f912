//! The crypto provider: aws-lc-rs with the feature `tls`, ring otherwise. No process-wide default is set or used.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
#[cfg(feature = "tls")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "tls"))]
use rustls::crypto::ring as chosen;

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(chosen::default_provider())
}
