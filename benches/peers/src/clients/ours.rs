//! tower-transport.

use bytes::Bytes;
use tower::Service;
use tower_transport::{Body, Transport, proxy::Proxy, tls::TlsConfig, transport::TransportBuilder};

use super::{Client, read, request};
use crate::work::{Bulk, Job, Kind, Outcome, Place, Way, Workload};

#[derive(Clone)]
pub struct Ours(Transport);

impl Ours {
    pub fn new(workload: &Workload, place: &Place) -> Outcome<Self> {
        Ok(Self(set_up(Transport::builder(), workload, place)?.build()?))
    }
}

pub fn set_up<T>(
    builder: TransportBuilder<T>,
    workload: &Workload,
    place: &Place,
) -> Outcome<TransportBuilder<T>> {
    let mut builder = builder
        .max_connections(10_000)
        .max_connections_per_host(10_000)
        .max_idle(if workload.is_new { 0 } else { 10_000 });
    if workload.is_http2 {
        builder = builder.http2_prior_knowledge();
    }
    if workload.way != Way::Plain {
        builder = builder.tls(TlsConfig::roots_pem(std::fs::read(&place.certificate)?)?);
    }
    if workload.way == Way::Connect {
        let proxy: Proxy = format!("http://{}", place.proxy()).parse()?;
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

impl Client for Ours {
    async fn send(&mut self, _: usize, job: &Job) -> Outcome {
        let body = match job.kind {
            Kind::Get | Kind::Down => Body::empty(),
            Kind::Post => Body::from(Bytes::from_static(&[b'x'; 1024])),
            Kind::Up => Body::new(Bulk::new(job.sends())),
        };
        read(job, self.0.call(request(job, body)).await?).await
    }
}
