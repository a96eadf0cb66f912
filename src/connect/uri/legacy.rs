//! Integration with hyper-util's client and connectors.

use bytes::Bytes;
use http::{Extensions, Uri};
use hyper_util::client::legacy::connect::{self, Connection, HttpInfo};
use tower_service::Service;

use super::UriConnector;
use crate::connect::{ConnectInfo, Connected};

impl<S: Service<Uri, Response: Connection>> UriConnector<S, fn(&S::Response) -> ConnectInfo> {
    /// A connector whose streams implement hyper-util's [`Connection`], which reports whether ALPN chose HTTP/2, and the
    /// addresses. It does not report encryption: a connector with TLS needs [`encrypts`](Self::encrypts), too.
    pub fn hyper_util(inner: S) -> Self {
        Self { inner, inform: |io| info(&io.connected()), encrypts: false }
    }
}

fn info(connected: &connect::Connected) -> ConnectInfo {
    let alpn = connected.is_negotiated_h2().then(|| Bytes::from_static(b"h2"));
    let info = ConnectInfo::default().with_alpn(alpn);
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    match extras.get::<HttpInfo>() {
        Some(http) => info.with_addrs(Some(http.local_addr()), Some(http.remote_addr())),
        None => info,
    }
}

impl<I> Connection for Connected<I> {
    fn connected(&self) -> connect::Connected {
        let connected = connect::Connected::new().extra(self.info.clone());
        if self.info.alpn() == Some(b"h2") { connected.negotiated_h2() } else { connected }
    }
}
