//! ureq: a thread for each request that is under way.

use std::{io::Read, sync::Arc};

use ureq::{
    Agent, Proxy, SendBody,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::BlockingClient;
use crate::work::{Bulk, Job, Kind, Outcome, Place, Way, Workload};

#[derive(Clone)]
pub struct Ureq {
    agent: Agent,
    buffer: Vec<u8>,
}

impl Ureq {
    pub fn new(workload: &Workload, place: &Place) -> Outcome<Self> {
        let certificate = Certificate::from_pem(&std::fs::read(&place.certificate)?)?.to_owned();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[certificate]))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let idle = if workload.is_new { 0 } else { 10_000 };
        let proxy = match workload.way {
            Way::Connect => Some(Proxy::new(&format!("http://{}", place.proxy()))?),
            _ => None,
        };
        let config = Agent::config_builder()
            .max_idle_connections(idle)
            .max_idle_connections_per_host(idle)
            .proxy(proxy)
            .tls_config(tls)
            .build();
        Ok(Self { agent: config.new_agent(), buffer: vec![0; 1 << 16] })
    }
}

impl BlockingClient for Ureq {
    fn send(&mut self, job: &Job) -> Outcome {
        let response = match job.kind {
            Kind::Get | Kind::Down => self.agent.get(&job.uri).call()?,
            Kind::Post => self.agent.post(&job.uri).send(&[b'x'; 1024][..])?,
            Kind::Up => {
                let length = job.sends();
                let mut body = Reader { bulk: Bulk::new(length), chunk: &[] };
                let request = self.agent.post(&job.uri).header("content-length", length);
                request.send(SendBody::from_reader(&mut body))?
            }
        };
        let (mut body, mut length) = (response.into_body().into_reader(), 0);
        loop {
            match body.read(&mut self.buffer)? {
                0 => return job.check(length),
                read => length += read,
            }
        }
    }
}

/// A body to be read.
pub struct Reader {
    pub bulk: Bulk,
    pub chunk: &'static [u8],
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.chunk.is_empty() {
            self.chunk = self.bulk.take().unwrap_or_default();
        }
        self.chunk.read(buffer)
    }
}
