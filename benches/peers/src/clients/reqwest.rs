//! reqwest.

use bytes::Bytes;
use reqwest::{Body, Certificate, Proxy};

use super::Client;
use crate::work::{Bulk, Job, Kind, Outcome, Place, Way, Workload};

#[derive(Clone)]
pub struct Reqwest(reqwest::Client);

impl Reqwest {
    pub fn new(workload: &Workload, place: &Place) -> Outcome<Self> {
        let mut builder = reqwest::Client::builder().no_proxy();
        builder =
            builder.tls_certs_only([Certificate::from_pem(&std::fs::read(&place.certificate)?)?]);
        if workload.is_http2 {
            builder = builder.http2_prior_knowledge();
        }
        if workload.is_new {
            builder = builder.pool_max_idle_per_host(0);
        }
        if workload.way == Way::Connect {
            builder = builder.proxy(Proxy::https(format!("http://{}", place.proxy()))?);
        }
        Ok(Self(builder.build()?))
    }
}

impl Client for Reqwest {
    async fn send(&mut self, _: usize, job: &Job) -> Outcome {
        let request = self.0.request(job.method(), job.url.clone());
        let request = match job.kind {
            Kind::Get | Kind::Down => request,
            Kind::Post => request.body(Bytes::from_static(&[b'x'; 1024])),
            Kind::Up => request.body(Body::wrap(Bulk::new(job.sends()))),
        };
        let (mut response, mut length) = (request.send().await?, 0);
        while let Some(chunk) = response.chunk().await? {
            length += chunk.len();
        }
        job.check(length)
    }
}
