//! Client certificates of single requests, over real handshakes.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use rcgen::SanType;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tower_transport::{
    Client, client::ResponseExt, connect::StaticResolver, options::TlsIdentity, tls::TlsConfig,
};

use crate::support::tls_peer::{Authority, Leaf};

/// Two origins on one socket, whose responses say on which connection they came, and to whom: `/away` redirects to the other
/// origin, `/near` to its own.
struct Origins {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    trusted: Authority,
    /// What certifies clients.
    issuer: Authority,
    /// The names behind certificates.
    known: Arc<Mutex<Vec<(Leaf, &'static str)>>>,
}

impl Origins {
    async fn new(demand: impl FnOnce(&Leaf, &Authority) -> ServerConfig) -> Self {
        let (trusted, issuer) = (Authority::new(), Authority::new());
        let certificate = trusted.certify_as("one.example", |params| {
            params.subject_alt_names.push(SanType::DnsName("other.example".try_into().unwrap()));
        });
        let acceptor = TlsAcceptor::from(Arc::new(demand(&certificate, &issuer)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, known) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let origins = Self { address, connections, trusted, issuer, known };
        let (connections, known) = (origins.connections.clone(), origins.known.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(acceptor.clone(), stream, number, known.clone()));
            }
        });
        origins
    }

    fn identity(&self, name: &'static str) -> TlsIdentity {
        let leaf = self.issuer.certify(name);
        let tls = TlsConfig::roots_pem(self.trusted.pem()).unwrap();
        let tls = tls.identity_pem(&leaf.certificate_pem, &leaf.key_pem).unwrap();
        self.known.lock().unwrap().push((leaf, name));
        tls.into()
    }

    /// A client without a certificate.
    fn client(&self) -> Client {
        let ip = [self.address.ip()];
        let resolver =
            StaticResolver::new().address("one.example", ip).address("other.example", ip);
        Client::builder()
            .no_env()
            .tls(TlsConfig::roots_pem(self.trusted.pem()).unwrap())
            .configure_transport(|transport| transport.resolver(resolver))
            .build()
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://one.example:{}{path}", self.address.port())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    number: usize,
    known: Arc<Mutex<Vec<(Leaf, &'static str)>>>,
) {
    let port = stream.local_addr().unwrap().port();
    // The client may refuse the server, or the server the client: that is for the test to judge.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let shown = stream.get_ref().1.peer_certificates().map(|chain| chain[0].clone());
    let name = shown.map_or("nobody", |shown| {
        let known = known.lock().unwrap();
        known.iter().find(|(leaf, _)| leaf.der() == shown).expect("it is known").1
    });
    let mut stream = BufReader::new(stream);
    while let Some(path) = request(&mut stream).await {
        let body = format!("{number} {name}");
        let head = match &*path {
            "/away" => format!("302 Found\r\nLocation: https://other.example:{port}/"),
            "/near" => "302 Found\r\nLocation: /".to_owned(),
            _ => "200 OK".to_owned(),
        };
        let response = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The path of the next request; `None` at the end of the connection.
async fn request(
    stream: &mut (impl AsyncBufReadExt + AsyncRead + AsyncWrite + Unpin),
) -> Option<String> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        line.clear();
    }
    first.split(' ').nth(1).map(str::to_owned)
}

#[tokio::test]
async fn two_identities_have_a_connection_each_and_are_never_mixed() {
    let origins = Origins::new(|leaf, issuer| leaf.server_for_clients_of(issuer)).await;
    let (client, alice, bob) =
        (origins.client(), origins.identity("alice"), origins.identity("bob"));
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        for (identity, name) in [(&alice, "alice"), (&bob, "bob")] {
            let response = client.get(origins.url("/")).tls(identity.clone()).await.unwrap();
            assert!(response.text().ends_with(name), "{} for {name}", response.text());
            seen.insert(response.text());
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(origins.connections(), 2);
    // Whoever has no certificate has none of theirs either.
    let error = client.get(origins.url("/")).await.unwrap_err();
    assert!(error.is_tls(), "{error:?}");
    assert_eq!(origins.connections(), 3);
}

#[tokio::test]
async fn two_identities_at_the_same_time_are_never_mixed() {
    let origins = Origins::new(|leaf, issuer| leaf.server_asking_clients_of(issuer)).await;
    let (client, alice, bob) =
        (origins.client(), origins.identity("alice"), origins.identity("bob"));
    let all = (0..60).map(|number| {
        let (client, url) = (client.clone(), origins.url("/"));
        let (tls, name) = match number % 3 {
            0 => (Some(alice.clone()), "alice"),
            1 => (Some(bob.clone()), "bob"),
            _ => (None, "nobody"),
        };
        async move {
            let request = client.get(url);
            let request = match tls {
                Some(tls) => request.tls(tls),
                None => request,
            };
            let response = request.await.unwrap().text();
            assert!(response.ends_with(name), "{response} for {name}");
        }
    });
    join_all(all).await;
}

#[tokio::test]
async fn an_identity_stays_at_its_origin_along_a_redirect() {
    let origins = Origins::new(|leaf, issuer| leaf.server_asking_clients_of(issuer)).await;
    let (client, alice) = (origins.client(), origins.identity("alice"));
    let near = client.get(origins.url("/near")).tls(alice.clone()).await.unwrap();
    assert_eq!((near.text(), near.history().len()), ("0 alice".to_owned(), 1));
    let away = client.get(origins.url("/away")).tls(alice).await.unwrap();
    assert_eq!((away.text(), away.history().len()), ("1 nobody".to_owned(), 1));
    assert_eq!(away.url().unwrap().host(), Some("other.example"));
}
