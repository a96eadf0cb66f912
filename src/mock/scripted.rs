//! A connector that plays a script on each connection, in memory.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tower_service::Service;

use super::{
    lock,
    player::{ReadAction, ScriptPlayer},
    script::Script,
};
use crate::{
    connect::{ConnectInfo, Connected, Connecting},
    error::{Error, Kind},
    options::Protocols,
    rt::Sleep,
    target::Target,
};

/// A connector whose connections each play the next [`Script`], whatever the target. Clones share the scripts.
///
/// Targets and written bytes can be inspected afterwards. Unexpected bytes are shown unredacted, credentials
/// included, in the error of the read and by [`assert_done`](Self::assert_done): this is for tests only.
///
/// # `https`
///
/// For an `https` or `wss` URL a script is the content of the TLS stream: no TLS is added, so the same script serves
/// `http` and `https`, and no certificate is needed. ALPN is assumed to choose what the target asks for: HTTP/1.1,
/// unless the target allows HTTP/2 only. With [`below_tls`](Self::below_tls) scripts see the bytes of TLS itself, for
/// handshakes that fail on purpose. So do scripts for an `https` origin behind a proxy; [`Script::play`] can play the
/// content of TLS inside a tunnel. A ClientHello where a request head is expected fails at once.
///
/// ```
/// # #[cfg(all(feature = "http1", feature = "tokio"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use std::io::ErrorKind;
/// use tower_transport::{RequestExt, Transport, mock::{Script, ScriptedConnector}};
///
/// let connector = ScriptedConnector::new([
///     Script::fail(ErrorKind::ConnectionRefused),
///     Script::new().expect_head().reset(),
///     Script::new().expect_head().respond("HTTP/1.1 204 No Content\r\n\r\n"),
/// ]);
/// let transport = Transport::builder().connector(connector.clone()).build()?;
///
/// let refused = transport.request("POST", "http://api.example/").await.unwrap_err();
/// assert!(refused.is_connect() && !refused.was_sent());
/// let reset = transport.request("POST", "http://api.example/").await.unwrap_err();
/// assert!(reset.is_io() && reset.was_sent());
/// assert_eq!(transport.request("POST", "http://api.example/").await?.status(), 204);
///
/// assert_eq!(connector.targets().len(), 3);
/// assert!(connector.written(2).starts_with(b"POST / HTTP/1.1\r\n"));
/// connector.assert_done();
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "http1", feature = "tokio")))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct ScriptedConnector {
    queue: Arc<Mutex<ScriptQueue>>,
    is_below_tls: bool,
}

/// The stream of a [`ScriptedConnector`].
///
/// It implements hyper's [`Read`] and [`Write`].
pub struct ScriptedIo {
    player: Arc<Mutex<ScriptPlayer>>,
    pause: Option<Sleep>,
    reader: Option<Waker>,
}

struct ScriptQueue {
    scripts: VecDeque<Script>,
    /// In the order of the calls.
    connections: Vec<ScriptedConnection>,
}

#[derive(Clone)]
struct ScriptedConnection {
    target: Target,
    player: Arc<Mutex<ScriptPlayer>>,
}

impl ScriptedConnector {
    /// A connector for as many connections as there are scripts, in order. A further connection fails.
    pub fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let queue = ScriptQueue { scripts: scripts.into_iter().collect(), connections: Vec::new() };
        Self { queue: Arc::new(Mutex::new(queue)), is_below_tls: false }
    }

    /// Plays the bytes of TLS itself for [`https`](Self#https) URLs, instead of their content.
    pub fn below_tls(mut self) -> Self {
        self.is_below_tls = true;
        self
    }

    /// The targets, one for each connection, made or not.
    pub fn targets(&self) -> Vec<Target> {
        self.connections().into_iter().map(|connection| connection.target).collect()
    }

    /// All bytes written on the connection at this index of [`targets`](Self::targets). Empty without such a
    /// connection.
    pub fn written(&self, connection: usize) -> Vec<u8> {
        let connections = self.connections();
        let connection = connections.get(connection);
        connection.map_or_else(Vec::new, |connection| lock(&connection.player).written.clone())
    }

    /// Asserts that every script was played to its end, and that nothing unexpected happened.
    ///
    /// # Panics
    ///
    /// If a script was not finished, or something else happened, with a list.
    #[track_caller]
    pub fn assert_done(&self) {
        let mut missing: Vec<_> =
            self.connections().iter().enumerate().filter_map(unfinished).collect();
        let unplayed = lock(&self.queue).scripts.len();
        if unplayed > 0 {
            missing.push(format!("scripts without a connection: {unplayed}"));
        }
        assert!(missing.is_empty(), "not as scripted: {}", missing.join("; "));
    }

    fn connections(&self) -> Vec<ScriptedConnection> {
        lock(&self.queue).connections.clone()
    }

    fn connect(&self, target: Target) -> Result<Connected<ScriptedIo>, Error> {
        let doing = format!("connecting to {target}");
        let failed = |error| Error::new(Kind::Connect, doing).because(error);
        let info = self.info(&target);
        let mut queue = lock(&self.queue);
        let player = ScriptPlayer::new(queue.scripts.pop_front());
        let begun = player.begin();
        let player = Arc::new(Mutex::new(player));
        queue.connections.push(ScriptedConnection { target, player: player.clone() });
        drop(queue);
        begun.map_err(failed)?;
        Ok(Connected { io: ScriptedIo { player, pause: None, reader: None }, info })
    }

    fn info(&self, target: &Target) -> ConnectInfo {
        let alpn = match target.protocols {
            Protocols::Http2Only | Protocols::Http2PriorKnowledge => &b"h2"[..],
            _ => b"http/1.1",
        };
        let host = target.server_name.as_ref().map_or(target.origin.host(), |name| name.as_str());
        match target.origin.scheme().is_tls() && !self.is_below_tls {
            true => ConnectInfo::default().standing_for_tls(host, alpn),
            false => ConnectInfo::default(),
        }
    }
}

fn unfinished((number, connection): (usize, &ScriptedConnection)) -> Option<String> {
    let missing = lock(&connection.player).unfinished()?;
    Some(format!("connection {number} to {}: {missing}", connection.target))
}

impl fmt::Debug for ScriptedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = lock(&self.queue);
        let (scripts, connections) = (queue.scripts.len(), queue.connections.len());
        drop(queue);
        let mut out = f.debug_struct("ScriptedConnector");
        out.field("scripts", &scripts).field("connections", &connections).finish()
    }
}

impl fmt::Debug for ScriptedIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedIo").finish_non_exhaustive()
    }
}

impl Service<Target> for ScriptedConnector {
    type Response = Connected<ScriptedIo>;
    type Error = Error;
    type Future = Connecting<ScriptedIo>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connector = self.clone();
        Connecting::new(async move { connector.connect(target) })
    }
}

impl ScriptedIo {
    /// Waits for the end of the current pause, if there is one.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
            self.pause = None;
            let paused = lock(&self.player).end_pause();
            drop(paused);
        }
        Poll::Ready(())
    }
}

impl Read for ScriptedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_pause(cx));
            let action = lock(&self.player).next_read(buffer.remaining());
            match action {
                ReadAction::Read(bytes) => buffer.put_slice(&bytes),
                ReadAction::End => {}
                ReadAction::Fail(error) => return Poll::Ready(Err(error)),
                ReadAction::Wait => {
                    self.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                ReadAction::Pause(runtime, duration) => {
                    self.pause = Some(runtime.sleep(duration));
                    continue;
                }
            }
            return Poll::Ready(Ok(()));
        }
    }
}

impl Write for ScriptedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = lock(&self.player).write(bytes);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(written.map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
