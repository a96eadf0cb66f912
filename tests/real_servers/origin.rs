//! What is behind the proxies: an origin of each kind, and what it is asked.

use std::{fs, sync::LazyLock};

use bytes::Bytes;
use http::{StatusCode, Version};
use tower_transport::{Body, RequestExt, Transport, transport::TransportBuilder};

use crate::{
    nghttpd::Nghttpd,
    nginx::Nginx,
    requests::pieces,
    server::{Server, transport},
};

/// How an origin is spoken with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Http1,
    Http1OverTls,
    Http2OverTls,
    Http2PriorKnowledge,
}

/// An origin that is running.
pub(crate) struct Origin {
    pub(crate) kind: Kind,
    url: String,
    _server: Server,
}

const LARGE: usize = 8 << 20;
const UPLOAD: usize = 1 << 20;

impl Kind {
    pub(crate) fn url(self, host: &str, port: u16) -> String {
        let scheme = match self {
            Self::Http1 | Self::Http2PriorKnowledge => "http",
            Self::Http1OverTls | Self::Http2OverTls => "https",
        };
        format!("{scheme}://{host}:{port}/")
    }

    pub(crate) fn version(self) -> Version {
        match self {
            Self::Http1 | Self::Http1OverTls => Version::HTTP_11,
            Self::Http2OverTls | Self::Http2PriorKnowledge => Version::HTTP_2,
        }
    }

    /// A transport that speaks with it.
    pub(crate) fn transport(self) -> TransportBuilder {
        match self {
            Self::Http2PriorKnowledge => transport().http2_prior_knowledge(),
            _ => transport(),
        }
    }
}

impl Origin {
    /// It is to be called by this name.
    pub(crate) async fn start(kind: Kind, host: &str) -> Self {
        let (server, port) = match kind {
            Kind::Http2PriorKnowledge => {
                let nghttpd = Nghttpd::in_plain_text(&["--echo-upload"]).await;
                (nghttpd.server, nghttpd.port)
            }
            _ => {
                let nginx = Nginx::start().await;
                let port = match kind {
                    Kind::Http1 => nginx.plain,
                    Kind::Http1OverTls => nginx.http1_tls,
                    _ => nginx.tls,
                };
                (nginx.server, port)
            }
        };
        fs::write(server.folder().join("www/large"), noise()).unwrap();
        Self { kind, url: kind.url(host, port), _server: server }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What is uploaded arrives as it was, and so does what is downloaded.
    pub(crate) async fn gives_and_takes(&self, transport: &Transport) {
        let large = transport.request("GET", self.url("large")).await.unwrap();
        assert!(large.body() == noise(), "{} of {LARGE} bytes", large.body().len());
        let whole = Bytes::from_static(&noise()[..UPLOAD]);
        assert!(self.uploaded(transport, "whole", whole.clone().into()).await == whole);
        let pieces = pieces(64, UPLOAD / 64);
        assert!(self.uploaded(transport, "pieces", pieces).await == vec![b'x'; UPLOAD]);
    }

    /// What the origin has after an upload. nginx keeps it, and nghttpd sends it back.
    async fn uploaded(&self, transport: &Transport, name: &str, body: Body) -> Bytes {
        let url = self.url(&format!("put/{name}"));
        let response = transport.request("PUT", &url).body(body).await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        if response.status() == StatusCode::CREATED {
            return transport.request("GET", url).await.unwrap().into_body();
        }
        response.into_body()
    }
}

/// Bytes of which no two parts are the same.
fn noise() -> &'static [u8] {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..LARGE as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    });
    &NOISE
}
