//! A server in a process of its own that does as little as can be done: whatever is asked, it greets.
//!
//! It speaks HTTP/1.1 or HTTP/2 with prior knowledge, as the first bytes say, and looks at nothing but the ends of
//! requests; so nothing of a server is in the counts of the client. It does for a proxy, too: what is forwarded it greets,
//! and tunnels lead to itself.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
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
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The argument by which a bench is told to be the peer.
pub(crate) const ARGUMENT: &str = "be-the-peer";

/// The server, until this is dropped.
pub(crate) struct Peer {
    pub(crate) address: String,
    process: Child,
}

impl Peer {
    /// Runs this program once more, as the server.
    pub(crate) fn start() -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut process = Command::new(program).arg(ARGUMENT).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        if let Some(said) = process.stdout.take() {
            BufReader::new(said).read_line(&mut address)?;
        }
        Ok(Self { address: address.trim().to_owned(), process })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the server, for ever.
pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        std::thread::spawn(move || attend(stream));
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
            stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
            http2(stream, rest)
        }
        None => http1(stream, input),
    }
}

fn http1(mut stream: TcpStream, mut input: Vec<u8>) -> io::Result<()> {
    loop {
        while let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            let answer = if input.starts_with(b"CONNECT ") { TUNNEL } else { HTTP1_ANSWER };
            input.drain(..end + 4);
            stream.write_all(answer)?;
        }
        more(&mut stream, &mut input)?;
    }
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

fn more(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 1 << 14];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => {
            input.extend(&buffer[..read]);
            Ok(())
        }
    }
}
