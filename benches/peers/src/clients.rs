//! What the clients have in common.

use std::{error::Error, future::Future, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::work::{Job, Outcome, Place};

pub mod bare;
pub mod blocking;
pub mod legacy;
pub mod ours;
pub mod ours_blocking;
pub mod pool;
pub mod reqwest;

/// Sends requests, each after the last; those that are under way at once have a client each, which may share connections.
pub trait Client: Send + 'static {
    /// Sends the request and reads its answer to the end. `at` tells the worker's jobs apart.
    fn send(&mut self, at: usize, job: &Job) -> impl Future<Output = Outcome> + Send;
}

/// The same by a thread that waits; the threads of a run have a clone each.
pub trait BlockingClient: Clone + Send + 'static {
    fn send(&mut self, job: &Job) -> Outcome;
}

/// Trusts the server alone.
pub fn tls_config(place: &Place) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&place.certificate)?)?;
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

async fn read<B>(job: &Job, response: Response<B>) -> Outcome
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    let (mut body, mut length) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        length += frame.map_err(Into::into)?.data_ref().map_or(0, Bytes::len);
    }
    job.check(length)
}

fn request<B>(job: &Job, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.uri_mut() = job.uri.clone();
    *request.method_mut() = job.method();
    request
}
