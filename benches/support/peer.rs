//! A server in a process of its own that does as little as can be done: whatever is asked, it greets.
//!
//! It speaks HTTP/1.1, HTTP/2 with prior knowledge, as the first bytes say, or HTTP/1.1 over TLS, and looks at nothing but
//! the ends of requests; so nothing of a server is in the counts of the client. It does for a proxy, too: what is forwarded
//! it greets, and tunnels lead to itself.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

const TUNNEL: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const HTTP1_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nHello, world";

/// `:status: 200` and `content-length: 12` (RFC 7541, appendix A).
const HTTP2_HEAD: &[u8] = &[0x88, 0x0f, 0x0d, 2, b'1', b'2'];
const HTTP2_BODY: &[u8] = b"Hello, world";
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The argument with which a bench is the peer.
pub(crate) const ARGUMENT: &str = "be-the-peer";

/// The server, until this is dropped.
pub(crate) struct Peer {
    /// Where it is: its address, its address for TLS, and the file with its certificate.
    pub(crate) place: String,
    process: Child,
}

impl Peer {
    /// Runs this program once more, as the server.
    pub(crate) fn start() -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut process = Command::new(program).arg(ARGUMENT).stdout(Stdio::piped()).spawn()?;
        let mut place = String::new();
        if let Some(said) = process.stdout.take() {
            BufReader::new(said).read_line(&mut place)?;
        }
        Ok(Self { place: place.trim().to_owned(), process })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(certificate) = self.place.rsplit(' ').next() {
            let _ = fs::remove_file(certificate);
        }
    }
}

/// Is the server, for ever.
pub(crate) fn serve() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let tls_listener = TcpListener::bind("127.0.0.1:0")?;
    let (config, certificate) = identity()?;
    println!("{} {} {certificate}", listener.local_addr()?, tls_listener.local_addr()?);
    thread::spawn(move || {
        accept(&tls_listener, move |stream| {
            let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            http1(StreamOwned::new(connection, stream), Vec::new())
        })
    });
    Ok(accept(&listener, attend)?)
}

/// A configuration with a certificate of its own, and the file with that.
fn identity() -> Result<(Arc<ServerConfig>, String), Box<dyn std::error::Error + Send + Sync>> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])?.self_signed(&key)?;
    let path: PathBuf =
        std::env::temp_dir().join(format!("tower-transport-peer-{}.pem", std::process::id()));
    fs::write(&path, certificate.pem())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), path.display().to_string()))
}

fn accept<F>(listener: &TcpListener, attend: F) -> io::Result<()>
where
    F: Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    for stream in listener.incoming() {
        let (stream, attend) = (stream?, attend.clone());
        stream.set_nodelay(true)?;
        thread::spawn(move || attend(stream));
    }
    Ok(())
}

fn attend(mut stream: TcpStream) -> io::Result<()> {
    let mut input = Vec::with_capacity(1 << 16);
    while input.len() < HTTP2_PREFACE.len() {
        more(&mut stream, &mut input)?;
    }
    match input.strip_prefix(HTTP2_PREFACE) {
        Some(rest) => {
            let rest = rest.to_vec();
            // SETTINGS_INITIAL_WINDOW_SIZE and as much for the connection: uploads never wait for it.
            stream.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]))?;
            stream.write_all(&frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0, 0]))?;
            http2(stream, rest)
        }
        None => http1(stream, input),
    }
}

fn http1(mut stream: impl Read + Write, mut input: Vec<u8>) -> io::Result<()> {
    loop {
        while let Some(end) = end_of_request(&input) {
            let answer = if input.starts_with(b"CONNECT ") { TUNNEL } else { HTTP1_ANSWER };
            input.drain(..end);
            stream.write_all(answer)?;
            stream.flush()?;
        }
        more(&mut stream, &mut input)?;
    }
}

/// Where the first request ends, if it is all there.
fn end_of_request(input: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"\ncontent-length: ";
    let head = 4 + input.windows(4).position(|window| window == b"\r\n\r\n")?;
    let is_length = |window: &[u8]| window.eq_ignore_ascii_case(LENGTH);
    let length = input[..head].windows(LENGTH.len()).position(is_length).map_or(0, |at| {
        let digits = input[at + LENGTH.len()..].iter().take_while(|c| c.is_ascii_digit());
        digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
    });
    (input.len() >= head + length).then_some(head + length)
}

fn http2(mut stream: TcpStream, mut input: Vec<u8>) -> io::Result<()> {
    loop {
        let mut output = Vec::new();
        while let Some(length) = whole_frame(&input) {
            answer(&input[..length], &mut output);
            input.drain(..length);
        }
        stream.write_all(&output)?;
        more(&mut stream, &mut input)?;
    }
}

/// How long the frame at the beginning is, if it is all there (RFC 9113 §4.1).
fn whole_frame(input: &[u8]) -> Option<usize> {
    let head = input.first_chunk::<9>()?;
    let length = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    (input.len() >= length).then_some(length)
}

fn answer(asked: &[u8], output: &mut Vec<u8>) {
    let stream = u32::from_be_bytes([asked[5], asked[6], asked[7], asked[8]]);
    match (asked[3], asked[4]) {
        (HEADERS | DATA, flags) if flags & END_STREAM != 0 => {
            output.extend(frame(HEADERS, END_HEADERS, stream, HTTP2_HEAD));
            output.extend(frame(DATA, END_STREAM, stream, HTTP2_BODY));
        }
        (SETTINGS, flags) if flags & ACK == 0 => output.extend(frame(SETTINGS, ACK, 0, &[])),
        (PING, flags) if flags & ACK == 0 => output.extend(frame(PING, ACK, 0, &asked[9..])),
        _ => {}
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn more(stream: &mut impl Read, input: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 1 << 14];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => {
            input.extend(&buffer[..read]);
            Ok(())
        }
    }
}
