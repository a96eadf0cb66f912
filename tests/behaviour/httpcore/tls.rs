//! Connecting by TLS, when it fails at first.

use tower_transport::{RequestExt, connect::MemoryListener, tls::TlsConfig};

use super::script::{HELLO, listened_to};
use crate::support::{
    peer::Peer,
    tls_peer::{Authority, Leaf, accept},
};

/// Lets two connections go, and speaks TLS on the third.
async fn two_cut_off(mut listener: MemoryListener, leaf: Leaf) -> std::io::Result<()> {
    for _ in 0..2 {
        drop(listener.accept().await);
    }
    let (io, _) = listener.accept().await.unwrap();
    let mut peer = Peer::new(accept(leaf.server(&["http/1.1"]), io).await?);
    peer.answer([HELLO]).await?;
    peer.drain().await
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_cut_off_is_tried_again_from_the_start() {
    let authority = Authority::new();
    for (retries, served) in [(3, true), (0, false)] {
        let (builder, listener) = listened_to();
        tokio::spawn(two_cut_off(listener, authority.certify("example.com")));
        let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
        let transport = builder.tls(tls).connect_retries(retries).build().unwrap();
        match transport.request("GET", "https://example.com/").await {
            Ok(response) => assert!(served && response.body() == "Hello, world!"),
            Err(error) => assert!(!served && error.is_tls() && error.is_connect(), "{error:?}"),
        }
    }
}
