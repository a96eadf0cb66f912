//! hyper-util's legacy client.

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Builder, Client as Legacy,
        connect::{Connect, HttpConnector, proxy::Tunnel},
    },
    rt::{TokioExecutor, TokioTimer},
};

use super::{Client, read, request, tls_config};
use crate::work::{Bulk, Job, Outcome, Place, Workload};

pub fn direct(workload: &Workload, place: &Place) -> Outcome<impl Client + Clone> {
    Ok(LegacyClient(builder(workload).build(https(tcp(), place)?)))
}

pub fn through_proxy(workload: &Workload, place: &Place) -> Outcome<impl Client + Clone> {
    let proxy: Uri = format!("http://{}", place.proxy()).parse()?;
    Ok(LegacyClient(builder(workload).build(https(Tunnel::new(proxy, tcp()), place)?)))
}

/// Without the connector of TLS, which costs plain requests nothing but a box.
pub fn plain(workload: &Workload) -> impl Client + Clone {
    LegacyClient(builder(workload).build(tcp()))
}

fn builder(workload: &Workload) -> Builder {
    let mut builder = Legacy::builder(TokioExecutor::new());
    builder.http2_only(workload.is_http2).pool_timer(TokioTimer::new());
    if workload.is_new {
        builder.pool_max_idle_per_host(0);
    }
    builder
}

fn tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

fn https<C>(connector: C, place: &Place) -> Outcome<HttpsConnector<C>> {
    let config = tls_config(place)?.as_ref().clone();
    let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
    Ok(builder.enable_http1().wrap_connector(connector))
}

#[derive(Clone)]
struct LegacyClient<C>(Legacy<C, Bulk>);

impl<C: Connect + Clone + Send + Sync + 'static> Client for LegacyClient<C> {
    async fn send(&mut self, _: usize, job: &Job) -> Outcome {
        read(job, self.0.request(request(job, Bulk::new(job.sends()))).await?).await
    }
}
