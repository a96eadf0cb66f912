//! Servers that say what is written down, whatever they are asked.

use tower_transport::{
    Transport,
    connect::{MemoryConnector, MemoryListener},
    transport::TransportBuilder,
};

use crate::support::{
    given_runtime,
    scripted::{
        ScriptedPeer,
        Step::{self, Close, Head},
        draining, say,
    },
};

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
    let scripts = connections.iter().map(|answers| {
        let steps = answers.iter().flat_map(|answer| match answer.strip_suffix(CLOSE) {
            Some(last) => vec![Head, say(last), Close],
            None => vec![Head, say(*answer)],
        });
        steps.collect()
    });
    given_runtime::transport().connector(playing(scripts.collect()))
}

/// Plays a script on each connection and then reads to its end. A connection more than there are is refused.
pub(crate) fn playing(scripts: Vec<Vec<Step>>) -> MemoryConnector {
    let connections = scripts.len();
    ScriptedPeer::new(draining(scripts)).listen_for(connections)
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
