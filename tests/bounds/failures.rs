//! Failures leave nothing: no memory, no socket, no slot.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use allocation_counter::measure;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::duplex;
use tower::service_fn;
use tower_transport::{RequestExt, Transport, connect::Connected, target::Target, tls::TlsConfig};

use crate::{
    number, runtime,
    tls_peer::{Authority, accept},
};

/// A transport to a server in the same runtime, and how many of its connections are open.
fn transport(trusted: &Authority, server: ServerConfig) -> (Transport, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    let connect = move |_: Target| {
        let (near, far) = duplex(4 << 10);
        let (open, server) = (counted.clone(), server.clone());
        open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            assert!(accept(server, far).await.is_err(), "the client refuses the certificate");
            open.fetch_sub(1, Ordering::SeqCst);
        });
        async { Ok::<_, io::Error>(Connected::new(TokioIo::new(near))) }
    };
    let builder = Transport::builder().connector(service_fn(connect));
    let tls = TlsConfig::roots_pem(trusted.pem()).unwrap();
    (builder.tls(tls).build().unwrap(), open)
}

/// `HANDSHAKES=10000` refuses ten thousand.
#[test]
fn refused_certificates_leave_nothing_behind() {
    let (runtime, trusted, stranger) = (runtime(), Authority::new(), Authority::new());
    let server = stranger.certify("origin.example").server(&["h2", "http/1.1"]);
    let (transport, open) = transport(&trusted, server);
    let refused = |times| {
        runtime.block_on(async {
            for _ in 0..times {
                let error = transport.request("GET", "https://origin.example/").await.unwrap_err();
                assert!(error.is_tls() && !error.was_sent(), "{error:?}");
            }
            tokio::task::yield_now().await;
        })
    };
    refused(100);
    let times = number("HANDSHAKES", 1_000);
    let left = measure(|| refused(times)).bytes_current;
    println!("{times} refused certificates: {left} bytes");
    assert!(left.abs() < 4 << 10, "{left} bytes");
    assert_eq!((open.load(Ordering::SeqCst), transport.stats().connections.len()), (0, 0));
}

/// A refused dial, a silent server and a broken response in turn.
#[test]
fn failures_of_any_kind_leave_nothing_behind() {
    let (runtime, n) = (runtime(), Cell::new(0));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let connect = move |_: Target| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let (near, mut far) = duplex(1 << 10);
            let says = match number % 4 {
                0 => return Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                1 => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                2 => "HTTP/9 what",
                _ => "",
            };
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                far.write_all(says.as_bytes()).await.unwrap();
                if number % 4 == 3 {
                    // Silent, until the client gives up.
                    let _ = tokio::io::copy(&mut far, &mut tokio::io::sink()).await;
                }
            });
            Ok(Connected::new(TokioIo::new(near)))
        }
    };
    let transport = Transport::builder().connector(service_fn(connect)).build().unwrap();
    let failing = |times: usize| {
        runtime.block_on(async {
            for _ in 0..times {
                let url = "http://origin.example/";
                n.set(n.get() + usize::from(transport.request("POST", url).await.is_err()));
            }
            tokio::task::yield_now().await;
        })
    };
    failing(400);
    let times = 10_000;
    let left = measure(|| failing(times)).bytes_current;
    println!("{times} failures: {left} bytes");
    assert!(left.abs() < 4 << 10, "{left} bytes");
    assert_eq!((n.get(), connections.load(Ordering::SeqCst)), (times + 400, times + 400));
    assert!(transport.stats().connections.is_empty());
}
