//! TLS: who is trusted, what is offered, and what is said when it fails.

use std::{error::Error as _, io, sync::Arc};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::server::TlsStream;
use tower_layer::Layer;
use tower_service::Service;
use tower_transport::{
    Error,
    connect::{ConnectInfo, Connected},
    options::{Protocols, ServerName},
    target::{Origin, Target},
    tls::{MaybeTls, TlsConfig, TlsLayer},
};

use crate::support::{
    plug::Plug,
    tls_peer::{Authority, Leaf, accept, provider},
};

type Stream = MaybeTls<TokioIo<DuplexStream>>;

fn target(url: &str) -> Target {
    Target::new(Origin::try_from(&url.parse().unwrap()).unwrap())
}

/// The roots of `authority` and no others.
fn trusting(authority: &Authority) -> TlsConfig {
    TlsConfig::roots_pem(authority.pem()).unwrap()
}

/// Both sides of a handshake.
async fn shake(
    target: Target,
    tls: TlsConfig,
    server: ServerConfig,
) -> (Result<Connected<Stream>, Error>, io::Result<TlsStream<DuplexStream>>) {
    let (plug, far) = Plug::new();
    let mut connector = TlsLayer::new(tls).layer(plug);
    tokio::join!(connector.call(target), accept(server, far))
}

/// The handshake with a server of `leaf`, where `authority` is trusted.
async fn info(url: &str, authority: &Authority, leaf: &Leaf) -> Result<ConnectInfo, Error> {
    let (connected, _) = shake(target(url), trusting(authority), leaf.server(&[])).await;
    Ok(connected?.info)
}

/// What a handshake comes to when the server says `answer` and hangs up.
async fn error_of(answer: &[u8]) -> Error {
    let (plug, mut far) = Plug::new();
    let mut connector = TlsLayer::new(trusting(&Authority::new())).layer(plug);
    let answering = async {
        far.read_u8().await.unwrap();
        far.write_all(answer).await.unwrap();
        drop(far);
    };
    tokio::join!(connector.call(target("https://example.com")), answering).0.unwrap_err()
}

#[tokio::test]
async fn the_info_says_how_the_connection_is_private() {
    let authority = Authority::new();
    let leaf = authority.certify("example.com");
    let server = leaf.server(&["h2"]);
    let (connected, _) = shake(target("https://example.com"), trusting(&authority), server).await;
    let Connected { io, info } = connected.unwrap();
    assert!(io.is_tls());
    assert_eq!(info.tls_version(), Some("TLSv1.3"));
    assert_eq!(info.server_name(), Some("example.com"));
    assert_eq!(info.alpn(), Some(&b"h2"[..]));
    assert_eq!(info.peer_certificates(), [leaf.der().to_vec()]);
}

#[tokio::test]
async fn bytes_pass_both_ways() {
    let authority = Authority::new();
    let server = authority.certify("example.com").server(&[]);
    let (near, far) = shake(target("https://example.com"), trusting(&authority), server).await;
    let (mut near, mut far) = (TokioIo::new(near.unwrap().io), far.unwrap());
    near.write_all(b"ping").await.unwrap();
    assert_eq!(far.read_u32().await.unwrap(), u32::from_be_bytes(*b"ping"));
    far.write_all(b"pong").await.unwrap();
    assert_eq!(near.read_u32().await.unwrap(), u32::from_be_bytes(*b"pong"));
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_error() {
    let authority = Authority::new();
    let server = authority.certify("example.com").server(&[]);
    let (near, far) = shake(target("https://example.com"), trusting(&authority), server).await;
    drop(far);
    let error = TokioIo::new(near.unwrap().io).read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("close_notify"), "{error}");
}

#[tokio::test]
async fn http_passes_through() {
    let (plug, mut far) = Plug::new();
    let mut connector = TlsLayer::new(TlsConfig::platform()).layer(plug);
    let connected = connector.call(target("http://example.com")).await.unwrap();
    assert!(!connected.io.is_tls());
    assert_eq!(connected.info.tls_version(), None);
    TokioIo::new(connected.io).write_all(b"GET ").await.unwrap();
    assert_eq!(far.read_u32().await.unwrap(), u32::from_be_bytes(*b"GET "));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let leaf = authority.certify("other.example");
    let error = info("https://example.com", &authority, &leaf).await.unwrap_err();
    assert!(error.is_tls() && error.is_connect() && !error.was_sent());
    let expected = "TLS handshake with example.com:443: the certificate is not valid for this name";
    assert_eq!(error.to_string(), expected);
    assert!(error.source().unwrap().is::<rustls::Error>());
}

#[tokio::test]
async fn a_certificate_outside_its_time_is_refused() {
    let authority = Authority::new();
    let expired = authority.certify_as("example.com", |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let early = authority.certify_as("example.com", |params| {
        params.not_before = rcgen::date_time_ymd(3000, 1, 1);
    });
    for (leaf, why) in [(expired, "has expired"), (early, "is not valid yet")] {
        let error = info("https://example.com", &authority, &leaf).await.unwrap_err();
        assert!(error.to_string().ends_with(why), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused() {
    let authority = Authority::new();
    let stranger = Authority::new().certify("example.com");
    for leaf in [stranger, Leaf::self_signed("example.com")] {
        let error = info("https://example.com", &authority, &leaf).await.unwrap_err();
        let why = ": the certificate is not from an issuer that is trusted";
        assert!(error.to_string().ends_with(why), "{error}");
    }
}

#[tokio::test]
async fn the_platform_does_not_trust_a_stranger() {
    let server = Authority::new().certify("example.com").server(&[]);
    let (connected, _) = shake(target("https://example.com"), TlsConfig::platform(), server).await;
    assert!(connected.unwrap_err().is_tls());
}

#[tokio::test]
async fn roots_can_be_added_to_the_platforms_and_to_others() {
    let (company, other) = (Authority::new(), Authority::new());
    for before in [TlsConfig::platform(), trusting(&other)] {
        let tls = before.add_roots_pem(company.pem()).unwrap();
        let server = company.certify("example.com").server(&[]);
        let (connected, _) = shake(target("https://example.com"), tls, server).await;
        connected.unwrap();
    }
}

#[test]
fn roots_are_not_added_where_they_would_mean_nothing() {
    let authority = Authority::new();
    let any = TlsConfig::danger_accept_any_certificate();
    assert!(any.add_roots_pem(authority.pem()).unwrap_err().is_builder());
    assert!(TlsConfig::platform().add_roots_pem("nothing").unwrap_err().is_builder());
}

#[tokio::test]
async fn an_address_is_verified_as_an_address() {
    let authority = Authority::new();
    for (url, address) in [("https://127.0.0.1", "127.0.0.1"), ("https://[::1]:8443", "::1")] {
        let info = info(url, &authority, &authority.certify(address)).await.unwrap();
        assert_eq!(info.server_name(), Some(address));
    }
    let leaf = authority.certify("example.com");
    assert!(info("https://127.0.0.1", &authority, &leaf).await.unwrap_err().is_tls());
}

#[tokio::test]
async fn the_zone_of_an_address_is_not_verified() {
    let authority = Authority::new();
    let leaf = authority.certify("fe80::1");
    let info = info("https://[fe80::1%25eth0]", &authority, &leaf).await.unwrap();
    assert_eq!(info.server_name(), Some("fe80::1"));
}

#[tokio::test]
async fn the_dot_at_the_end_of_a_name_is_not_sent() {
    let authority = Authority::new();
    let server = authority.certify("example.com").server(&[]);
    let (near, far) = shake(target("https://example.com."), trusting(&authority), server).await;
    assert_eq!(near.unwrap().info.server_name(), Some("example.com"));
    assert_eq!(far.unwrap().get_ref().1.server_name(), Some("example.com"));
}

#[tokio::test]
async fn another_server_name_is_sent_and_verified_instead_of_the_host() {
    let authority = Authority::new();
    let server = authority.certify("inner.example").server(&[]);
    let mut target = target("https://127.0.0.1");
    target.server_name = Some(ServerName::new("inner.example"));
    let (near, far) = shake(target, trusting(&authority), server).await;
    assert_eq!(near.unwrap().info.server_name(), Some("inner.example"));
    assert_eq!(far.unwrap().get_ref().1.server_name(), Some("inner.example"));
}

#[tokio::test]
async fn a_server_name_that_is_none_is_a_builder_error() {
    for name in ["", "two words", "a..b"] {
        let (plug, _far) = Plug::new();
        let mut connector = TlsLayer::new(trusting(&Authority::new())).layer(plug);
        let mut target = target("https://example.com");
        target.server_name = Some(ServerName::new(name));
        assert!(connector.call(target).await.unwrap_err().is_builder(), "{name:?}");
    }
}

#[tokio::test]
async fn plain_text_where_tls_was_expected_says_so() {
    let error = error_of(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let expected = "TLS handshake with example.com:443: the server does not speak TLS";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_end_during_the_handshake_says_so() {
    for answer in [&b""[..], b"\x16\x03\x03\x00\x50\x02"] {
        let error = error_of(answer).await;
        assert!(error.is_tls() && error.is_io() && !error.was_sent(), "{error:?}");
        assert!(error.to_string().ends_with(": the server closed the connection"), "{error}");
    }
}

#[tokio::test]
async fn a_reset_during_the_handshake_says_so() {
    let (plug, far) = Plug::new();
    drop(far);
    let mut connector = TlsLayer::new(trusting(&Authority::new())).layer(plug);
    let error = connector.call(target("https://example.com")).await.unwrap_err();
    assert!(error.is_tls() && error.is_io(), "{error:?}");
    assert!(error.to_string().ends_with(": the server reset the connection"), "{error}");
}

#[tokio::test]
async fn an_alert_is_put_into_words() {
    // A fatal alert: handshake_failure.
    let error = error_of(b"\x15\x03\x03\x00\x02\x02\x28").await;
    assert!(error.to_string().ends_with("the server refused what was offered"), "{error}");
}

#[tokio::test]
async fn what_is_offered_is_what_may_be_spoken() {
    let authority = Authority::new();
    let both: &[&str] = &["h2", "http/1.1"];
    let table = [
        (Protocols::Negotiated, both, Some("h2")),
        (Protocols::Negotiated, &["http/1.1"], Some("http/1.1")),
        (Protocols::Negotiated, &[], None),
        (Protocols::Http1Only, both, Some("http/1.1")),
        (Protocols::Http2Only, both, Some("h2")),
        (Protocols::Http2PriorKnowledge, both, Some("h2")),
    ];
    let tls = trusting(&authority);
    for (protocols, server, chosen) in table {
        let mut target = target("https://example.com");
        target.protocols = protocols;
        let server = authority.certify("example.com").server(server);
        let (connected, _) = shake(target, tls.clone(), server).await;
        let info = connected.unwrap().info;
        assert_eq!(info.alpn(), chosen.map(str::as_bytes), "{protocols:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_nothing_of_what_is_offered_says_so() {
    let authority = Authority::new();
    let mut target = target("https://example.com");
    target.protocols = Protocols::Http1Only;
    let server = authority.certify("example.com").server(&["h2"]);
    let (connected, _) = shake(target, trusting(&authority), server).await;
    let error = connected.unwrap_err();
    let why = ": the server speaks none of the protocols offered";
    assert!(error.to_string().ends_with(why), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let me = clients.certify("me");
    let tls = trusting(&authority).identity_pem(&me.certificate_pem, &me.key_pem).unwrap();
    let server = authority.certify("example.com").server_for_clients_of(&clients);
    let (near, far) = shake(target("https://example.com"), tls, server).await;
    near.unwrap();
    assert_eq!(far.unwrap().get_ref().1.peer_certificates(), Some(&[me.der()][..]));
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_and_gets_none_says_no() {
    let authority = Authority::new();
    let server = authority.certify("example.com").server_for_clients_of(&Authority::new());
    let (near, far) = shake(target("https://example.com"), trusting(&authority), server).await;
    assert!(far.is_err());
    // In TLS 1.3 the client is done before the server has looked.
    let error = TokioIo::new(near.unwrap().io).read_u8().await.unwrap_err();
    assert!(error.to_string().contains("the server wants a client certificate"), "{error}");
}

#[tokio::test]
async fn danger_accepts_any_certificate_and_says_so() {
    let tls = TlsConfig::danger_accept_any_certificate();
    assert!(format!("{tls:?}").contains("DANGER"));
    let server = Leaf::self_signed("other.example").server(&[]);
    let (connected, _) = shake(target("https://example.com"), tls, server).await;
    assert!(connected.unwrap().io.is_tls());
}

/// A configuration of rustls's own, with an ALPN of its own.
fn rustls_config(authority: &Authority) -> Arc<ClientConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"irc".to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn a_configuration_of_rustls_is_used_with_the_targets_alpn() {
    let authority = Authority::new();
    let tls = TlsConfig::from(rustls_config(&authority));
    let server = authority.certify("example.com").server(&["irc", "h2"]);
    let (connected, _) = shake(target("https://example.com"), tls, server).await;
    let info = connected.unwrap().info;
    assert_eq!(info.tls_version(), Some("TLSv1.2"));
    assert_eq!(info.alpn(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_configuration_can_be_chosen_by_the_target() {
    let (known, stranger) = (Authority::new(), Authority::new());
    let (first, second) = (rustls_config(&known), rustls_config(&stranger));
    let tls = TlsConfig::per_target(move |target| match target.origin.host() {
        "example.com" => first.clone(),
        _ => second.clone(),
    });
    for (host, works) in [("example.com", true), ("example.org", false)] {
        let server = known.certify(host).server(&["h2"]);
        let (connected, _) = shake(target(&format!("https://{host}")), tls.clone(), server).await;
        assert_eq!(connected.is_ok(), works, "{host}");
    }
}

#[tokio::test]
async fn a_second_handshake_resumes_the_session_of_the_first() {
    let authority = Authority::new();
    let tls = trusting(&authority);
    let server = authority.certify("example.com").server(&["h2", "http/1.1"]);
    let mut kinds = Vec::new();
    for protocols in [Protocols::Negotiated, Protocols::Http1Only] {
        let mut target = target("https://example.com");
        target.protocols = protocols;
        let (near, far) = shake(target, tls.clone(), server.clone()).await;
        let (mut near, mut far) = (TokioIo::new(near.unwrap().io), far.unwrap());
        // Reading takes in the tickets that come behind the handshake.
        far.write_all(b"!").await.unwrap();
        near.read_u8().await.unwrap();
        kinds.push(far.get_ref().1.handshake_kind().unwrap());
    }
    assert_eq!(kinds, [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed]);
}

/// How the handshake with this server goes, and whether a session of an earlier one is resumed.
async fn is_resumed(tls: &TlsConfig, identity: Option<&TlsConfig>, server: &ServerConfig) -> bool {
    let mut target = target("https://example.com");
    target.tls_identity = identity.cloned().map(Into::into);
    let (near, far) = shake(target, tls.clone(), server.clone()).await;
    let (mut near, mut far) = (TokioIo::new(near.unwrap().io), far.unwrap());
    // Reading takes in the tickets that come behind the handshake.
    far.write_all(b"!").await.unwrap();
    near.read_u8().await.unwrap();
    far.get_ref().1.handshake_kind().unwrap() == rustls::HandshakeKind::Resumed
}

#[tokio::test]
async fn no_session_is_resumed_by_another_configuration() {
    let (authority, issuer) = (Authority::new(), Authority::new());
    let leaf = authority.certify("example.com");
    let server = leaf.server_of(issuer.clients().allow_unauthenticated());
    let plain = trusting(&authority);
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let leaf = issuer.certify(name);
        trusting(&authority).identity_pem(&leaf.certificate_pem, &leaf.key_pem).unwrap()
    });
    let more_roots = trusting(&authority).add_roots_pem(Authority::new().pem()).unwrap();
    // Each has its own sessions, whether the transport has it or the request.
    for (tls, identity) in [
        (&plain, None),
        (&alice, None),
        (&bob, None),
        (&more_roots, None),
        (&plain, Some(&alice)),
        (&plain, Some(&bob)),
    ] {
        let is_known = identity.is_some();
        assert_eq!(is_resumed(tls, identity, &server).await, is_known, "the first by {tls:?}");
        assert!(is_resumed(tls, identity, &server).await, "the second by {tls:?}");
    }
}

#[test]
fn a_configuration_never_shows_a_key() {
    let me = Authority::new().certify("me");
    let tls = TlsConfig::platform().identity_pem(&me.certificate_pem, &me.key_pem).unwrap();
    assert_eq!(format!("{tls:?}"), "TlsConfig(platform roots, client certificate)");
    assert!(format!("{:?}", TlsLayer::new(tls)).contains("client certificate"));
    let key = me.key_pem.lines().nth(1).unwrap();
    let broken = TlsConfig::platform().identity_pem("", &me.key_pem).unwrap_err();
    assert!(!format!("{broken:?}").contains(key));
}

#[test]
fn broken_pem_is_a_builder_error() {
    let (me, other) = (Authority::new().certify("me"), Authority::new().certify("me"));
    let torn = me.certificate_pem.replace("-----END", "");
    assert!(TlsConfig::roots_pem("").unwrap_err().is_builder());
    assert!(TlsConfig::roots_pem(&torn).unwrap_err().is_builder());
    let table =
        [(&*me.certificate_pem, ""), ("", &*me.key_pem), (&me.certificate_pem, &other.key_pem)];
    for (certificate, key) in table {
        let error = TlsConfig::platform().identity_pem(certificate, key).unwrap_err();
        assert!(error.is_builder(), "{error:?}");
    }
}

#[test]
fn a_configuration_of_rustls_takes_no_second_identity() {
    let authority = Authority::new();
    let me = authority.certify("me");
    let tls = TlsConfig::from(rustls_config(&authority));
    assert!(tls.identity_pem(&me.certificate_pem, &me.key_pem).unwrap_err().is_builder());
}
