//! A server of the system's packages: in a folder of its own, on free ports, gone when it is dropped.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tower_transport::{Transport, tls::TlsConfig, transport::TransportBuilder};

/// Whom proxies know, as it stands in their URLs.
pub(crate) const USER: &str = "user:password@";

/// The same password, as crypt(3) has it.
pub(crate) const CRYPTED_PASSWORD: &str = "$6$tower$V2c74Zs7XVY5T08Z8iSuIp0YX7pim8EUmGyDgiKStP81ADESzdobvss\
    RaASawavb3c1aUYeU2DgUw7irFC2HQ1";

/// A process that is ended, and it alone, when this is dropped.
pub(crate) struct Server {
    child: Child,
    folder: Folder,
}

/// A folder that is removed when it is dropped. It holds the certificate as `cert.pem` and `key.pem`, and is open to
/// servers that give up root.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Server {
    /// Starts it, and waits until it listens on `ports`.
    pub(crate) async fn start(command: &mut Command, folder: Folder, ports: &[u16]) -> Self {
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let program = command.get_program().to_owned();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("starting {program:?}: {error}"));
        let mut server = Self { child, folder };
        for port in ports {
            server.listens(*port).await;
        }
        server
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn listens(&mut self, port: u16) {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..1000 {
            ticks.tick().await;
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended with {ended:?}: {}", self.log());
        }
        panic!("the server does not listen on {port}: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then this finds nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("tower-transport-{}-{}", std::process::id(), free_port());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("www")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        let (certificate, key) = (identity().cert.pem(), identity().signing_key.serialize_pem());
        fs::write(path.join("cert.pem"), format!("{certificate}{key}")).unwrap();
        fs::write(path.join("key.pem"), key).unwrap();
        fs::write(path.join("www/hello.txt"), "Hello, world!").unwrap();
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a configuration, in which `FOLDER` is this folder.
    pub(crate) fn configure(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, text.replace("FOLDER", self.path.to_str().unwrap())).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A port that was free just now, and that the system gives to nobody who does not ask for it.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16 % 6000;
    let mut ports = std::iter::repeat_with(|| {
        20_000 + (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % 12_000
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// A transport that trusts these servers.
pub(crate) fn transport() -> TransportBuilder {
    Transport::builder().tls(trust())
}

/// Trust in these servers.
pub(crate) fn trust() -> TlsConfig {
    TlsConfig::roots_pem(identity().cert.pem()).unwrap()
}

fn identity() -> &'static CertifiedKey<rcgen::KeyPair> {
    static IDENTITY: OnceLock<CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    let names = || vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    IDENTITY.get_or_init(|| generate_simple_self_signed(names()).unwrap())
}
