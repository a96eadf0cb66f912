//! Servers that say what is written down, whatever they are asked.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_transport::{
    Transport,
    connect::{MemoryConnector, MemoryListener},
    transport::TransportBuilder,
};

use crate::support::given_runtime;

/// An answer that ends with this is the last: the connection is closed behind it.
pub(crate) const CLOSE: &str = "<close>";

/// The answer to most requests.
pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: plain/text\r\n\
    Content-Length: 13\r\n\
    \r\n\
    Hello, world!";

/// Answers the requests of each connection one after the other. A connection more than there are is refused.
pub(crate) fn http1(connections: &'static [&'static [&'static str]]) -> TransportBuilder {
    let (connector, mut listener) = MemoryConnector::pair();
    tokio::spawn(async move {
        for answers in connections {
            let Some((io, _)) = listener.accept().await else { return };
            tokio::spawn(answer(io, answers));
        }
    });
    given_runtime::transport().connector(connector)
}

async fn answer(mut io: DuplexStream, answers: &[&str]) -> std::io::Result<()> {
    for answer in answers {
        read_head(&mut io).await?;
        io.write_all(answer.trim_end_matches(CLOSE).as_bytes()).await?;
        if answer.ends_with(CLOSE) {
            return Ok(());
        }
    }
    read_to_end(io).await
}

pub(crate) async fn read_head(io: &mut DuplexStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await?);
    }
    Ok(())
}

pub(crate) async fn read_to_end(mut io: DuplexStream) -> std::io::Result<()> {
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.map(drop)
}

/// A transport, and where its connections arrive.
pub(crate) fn listened_to() -> (TransportBuilder, MemoryListener) {
    let (connector, listener) = MemoryConnector::pair();
    (given_runtime::transport().connector(connector), listener)
}

/// A line for each connection: as `example.com:80 HTTP/1.1 Active 1`.
pub(crate) fn rows(transport: &Transport) -> Vec<String> {
    let rows = transport.stats().connections.into_iter().map(|row| {
        let protocol = row.protocol.map_or_else(String::new, |version| format!("{version:?}"));
        format!("{} {protocol} {:?} {}", row.key, row.state, row.served)
    });
    rows.collect()
}
