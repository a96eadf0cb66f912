//! Sockets of the system, at every moment: those that are dialing or closing, and those to proxies, count.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::runtime::Builder;
use tower_transport::{
    Error, RequestExt, Transport, connect::StaticResolver, options::ProxyOverride, proxy::Proxy,
    target::Route, tls::TlsConfig,
};

use crate::tls_peer::Authority;

const LIMIT: usize = 5;
const REQUESTS: usize = 1_000;
const AT_ONCE: usize = 50;

/// An origin of every name, with TLS and without, and a proxy to itself: a tunnel goes on in the same socket.
struct Server {
    port: u16,
    tls: Arc<ServerConfig>,
    accepted: AtomicUsize,
    most: AtomicUsize,
}

impl Server {
    fn start(tls: ServerConfig) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tls, accepted, most) = (Arc::new(tls), AtomicUsize::new(0), AtomicUsize::new(0));
        let server = Arc::new(Self { port, tls, accepted, most });
        let accepting = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = accepting.clone();
                server.accepted.fetch_add(1, Ordering::SeqCst);
                server.count();
                // An error means that the client has closed the connection.
                thread::spawn(move || drop(server.talk(stream.unwrap())));
            }
        });
        server
    }

    /// Open sockets of clients to this port, by their ports and inodes. One that is closed, and only its end is still to be
    /// acknowledged, has no inode.
    fn sockets(&self) -> HashSet<String> {
        let remote = format!("0100007F:{:04X}", self.port);
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let of_row = |row: &str| {
            let columns: Vec<_> = row.split_whitespace().collect();
            let is_open = columns.get(2) == Some(&&*remote) && columns.get(9) != Some(&"0");
            is_open.then(|| [columns[1], columns[9]].concat())
        };
        table.lines().filter(|row| row.contains(&remote)).filter_map(of_row).collect()
    }

    /// The table is not read in one moment: only sockets that are in it twice were all open at once, between the readings.
    fn count(&self) {
        let mut open = self.sockets();
        if open.len() > self.most.load(Ordering::SeqCst) {
            let again = self.sockets();
            open.retain(|socket| again.contains(socket));
        }
        self.most.fetch_max(open.len(), Ordering::SeqCst);
    }

    fn talk(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut first = [0];
        while stream.peek(&mut first)? == 1 {
            if first[0] == 22 {
                let session = ServerConnection::new(self.tls.clone()).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(session, stream);
                while self.answer(&mut stream)? {}
                return Ok(());
            }
            if !self.answer(&mut stream)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether there may be another request.
    fn answer(&self, stream: &mut (impl Read + Write)) -> io::Result<bool> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        self.count();
        let head = String::from_utf8_lossy(&head);
        let path = head.split(' ').nth(1).and_then(|target| target.rsplit('/').next());
        match (head.starts_with("CONNECT "), path) {
            (true, _) => stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?,
            (_, Some("hang-up")) => stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")?,
            (_, Some("close")) => {
                let last =
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
                stream.write_all(last)?;
                // The client is the first to close.
                while stream.read(&mut [0; 64])? > 0 {}
                return Ok(false);
            }
            (_, Some("long")) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n")?;
                for _ in 0..250 {
                    stream.write_all(&[b'x'; 8000])?;
                }
            }
            _ => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")?,
        }
        stream.flush()?;
        Ok(path != Some("hang-up"))
    }
}

/// The `n`-th request: of each scheme, host, way and end in turn.
async fn send(transport: &Transport, server: &Server, n: usize) -> Result<(), Error> {
    let port = server.port;
    let scheme = if n % 4 == 3 { "https" } else { "http" };
    let host = ["a", "b", "c"][n / 4 % 3];
    let path = ["", "close", "long", "", "hang-up"][n % 5];
    let proxy: Proxy = format!("http://127.0.0.1:{port}").parse()?;
    let route = match n / 3 % 3 {
        0 => Route::Direct,
        1 => proxy.into(),
        _ => proxy.tunnel_http(true).into(),
    };
    let request = transport.stream("GET", format!("{scheme}://{host}.example:{port}/{path}"));
    let sending = request.extension(ProxyOverride::to(route)).into_future();
    if n.is_multiple_of(7) {
        // Some are given up, at any moment.
        let patience = Duration::from_micros(n as u64 % 50 * 40);
        return tokio::time::timeout(patience, sending).await.map_or(Ok(()), |sent| sent.map(drop));
    }
    let mut body = sending.await?.into_body();
    match path {
        // A part of it is read, and the rest left.
        "long" => assert!(body.chunk().await?.is_some()),
        // Its end is that of the connection.
        "hang-up" if scheme == "https" => assert!(body.chunk().await?.is_some()),
        _ => assert_eq!(body.read().await?, "hello"),
    }
    Ok(())
}

#[test]
fn no_more_sockets_are_open_than_allowed_closing_ones_and_those_to_proxies_included() {
    let authority = Authority::new();
    let leaf = authority.certify_as("a.example", |leaf| {
        let names = ["b.example", "c.example"].map(|name| name.try_into().unwrap());
        leaf.subject_alt_names.extend(names.map(rcgen::SanType::DnsName));
    });
    let server = Server::start(leaf.server(&["http/1.1"]));
    let names = ["a.example", "b.example", "c.example"];
    let resolver = names
        .into_iter()
        .fold(StaticResolver::new(), |resolver, name| resolver.address(name, [[127, 0, 0, 1]]));
    let builder = Transport::builder().resolver(resolver).max_connections(LIMIT);
    let transport = builder.tls(TlsConfig::roots_pem(authority.pem()).unwrap()).build().unwrap();

    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = (0..AT_ONCE).map(|first| {
            let (transport, server) = (transport.clone(), server.clone());
            tokio::spawn(async move {
                for n in (first..REQUESTS).step_by(AT_ONCE) {
                    send(&transport, &server, n).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert!(transport.close().await);
    });
    let (accepted, most) =
        (server.accepted.load(Ordering::SeqCst), server.most.load(Ordering::SeqCst));
    println!("{REQUESTS} requests, {accepted} connections, at most {most} open at once");
    assert_eq!(most, LIMIT);
    assert!(server.sockets().is_empty());
}
