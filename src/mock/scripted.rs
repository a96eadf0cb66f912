//! Plays a script on each connection, in memory.

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
    playing::{Playing, Turn},
    script::Script,
};
use crate::{
    connect::{ConnectInfo, Connected, Connecting},
    error::{Error, Kind},
    options::Protocols,
    rt::Sleep,
    target::Target,
};

/// A connector whose connections each play the next [`Script`], whatever the target. Clones play from the same pile.
///
/// What was asked for and written can be seen afterwards. Bytes that a script does not expect are shown as they are, in
/// the error that reading fails with and by [`assert_done`](Self::assert_done), credentials included: this is for tests.
///
/// # `https`
///
/// For an `https` or `wss` URL a script plays what is inside of TLS: no TLS is put over it, so the same script serves for
/// `http` and `https`, and no certificate is needed. ALPN is taken to have chosen what the target asks for, HTTP/1.1 unless it
/// is HTTP/2 alone. With [`below_tls`](Self::below_tls) scripts are given the bytes of TLS itself, which fail on purpose,
/// as of a host that does not speak it. So are those that are for an `https` origin behind a proxy: a script cannot stand
/// for what is inside of TLS inside of a tunnel. A ClientHello where the head of a request is expected is a mistake at once.
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
    stage: Arc<Mutex<Stage>>,
    is_below_tls: bool,
}

/// The bytes of a [`ScriptedConnector`].
///
/// It has hyper's [`Read`] and [`Write`].
pub struct ScriptedIo {
    playing: Arc<Mutex<Playing>>,
    pause: Option<Sleep>,
    reader: Option<Waker>,
}

struct Stage {
    scripts: VecDeque<Script>,
    /// In the order in which they were asked for.
    connections: Vec<Arc<Mutex<Playing>>>,
}

impl ScriptedConnector {
    /// A connector for as many connections as there are scripts, in their order. One more than that fails.
    pub fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let stage = Stage { scripts: scripts.into_iter().collect(), connections: Vec::new() };
        Self { stage: Arc::new(Mutex::new(stage)), is_below_tls: false }
    }

    /// Plays the bytes of TLS itself for [`https`](Self#https) URLs, not what is inside of it.
    pub fn below_tls(mut self) -> Self {
        self.is_below_tls = true;
        self
    }

    /// What was asked for, one target for each connection, made or not.
    pub fn targets(&self) -> Vec<Target> {
        self.connections().iter().map(|playing| lock(playing).target.clone()).collect()
    }

    /// All that was written on the connection of this number in [`targets`](Self::targets), from 0. Nothing, if there is
    /// no such connection.
    pub fn written(&self, connection: usize) -> Vec<u8> {
        let connections = self.connections();
        let playing = connections.get(connection);
        playing.map_or_else(Vec::new, |playing| lock(playing).written.clone())
    }

    /// Makes sure that every script was played to its end, and that nothing happened that is in none.
    ///
    /// # Panics
    ///
    /// If that is not so, with all that is missing: this is an assertion for tests.
    #[track_caller]
    pub fn assert_done(&self) {
        let mut lacking: Vec<_> = self.connections().iter().enumerate().filter_map(lacks).collect();
        let unplayed = lock(&self.stage).scripts.len();
        if unplayed > 0 {
            lacking.push(format!("scripts without a connection: {unplayed}"));
        }
        assert!(lacking.is_empty(), "not as scripted: {}", lacking.join("; "));
    }

    fn connections(&self) -> Vec<Arc<Mutex<Playing>>> {
        lock(&self.stage).connections.clone()
    }

    fn connect(&self, target: Target) -> Result<Connected<ScriptedIo>, Error> {
        let doing = format!("connecting to {target}");
        let failed = |error| Error::new(Kind::Connect, doing).because(error);
        let info = self.info(&target);
        let mut stage = lock(&self.stage);
        let playing = Playing::new(target, stage.scripts.pop_front());
        let begun = playing.begin();
        let playing = Arc::new(Mutex::new(playing));
        stage.connections.push(playing.clone());
        drop(stage);
        begun.map_err(failed)?;
        Ok(Connected { io: ScriptedIo { playing, pause: None, reader: None }, info })
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

fn lacks((number, playing): (usize, &Arc<Mutex<Playing>>)) -> Option<String> {
    let mut playing = lock(playing);
    let lacking = playing.lacks()?;
    Some(format!("connection {number} to {}: {lacking}", playing.target))
}

impl fmt::Debug for ScriptedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = lock(&self.stage);
        let (scripts, connections) = (stage.scripts.len(), stage.connections.len());
        drop(stage);
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
    /// Waits out the pause that the script is in, if it is.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
            self.pause = None;
            let paused = lock(&self.playing).go_on();
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
            let turn = lock(&self.playing).turn(buffer.remaining());
            match turn {
                Turn::Read(bytes) => buffer.put_slice(&bytes),
                Turn::End => {}
                Turn::Fail(error) => return Poll::Ready(Err(error)),
                Turn::Wait => {
                    self.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Turn::Pause(runtime, duration) => {
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
        let written = lock(&self.playing).write(bytes);
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
