//! A server of threads: says hello, echoes bodies, gives lines, and never answers `/never`.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Starts it, and returns its URL.
pub(crate) fn start() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // An error says that the client has gone.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    Ok(url)
}

fn serve(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let head = head.to_ascii_lowercase();
        let body = read_body(&mut reader, &head)?;
        let answer = match head.split(' ').nth(1) {
            Some("/echo") => body,
            Some("/lines") => "one line of many\n".repeat(10_000).into_bytes(),
            Some("/never") => return reader.read_to_end(&mut Vec::new()).map(drop),
            _ => b"hello".to_vec(),
        };
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len())?;
        writer.write_all(&answer)?;
    }
}

fn read_body(reader: &mut impl BufRead, head: &str) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = head.split("content-length: ").nth(1) {
        let length = length.lines().next().and_then(|length| length.parse().ok());
        reader.take(length.unwrap_or(0)).read_to_end(&mut body)?;
    }
    while head.contains("transfer-encoding: chunked") {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        reader.by_ref().take(size).read_to_end(&mut body)?;
        // The end of the chunk, or of all.
        reader.read_line(&mut String::new())?;
        if size == 0 {
            break;
        }
    }
    Ok(body)
}
