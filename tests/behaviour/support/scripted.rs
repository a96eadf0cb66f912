//! A peer that plays a script on each connection, and records what it receives.

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream},
    net::TcpStream,
    sync::Semaphore,
};
use tower_transport::{
    connect::{MemoryConnector, MemoryListener},
    target::Target,
};

use super::peer::Peer;

mod http2;

/// The next step of a peer on a connection. It closes the connection after the last one.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads the head of a request and records it.
    Head,
    /// Reads this many bytes.
    Read(usize),
    /// Reads and records HTTP/2 frames up to the first of this type.
    Frame(u8),
    /// Answers every HTTP/2 request from here on.
    ServeHttp2,
    /// The same, but refuses every n-th request, and sends GOAWAY after this many.
    ServeSome { refused: usize, answered: usize },
    /// Yields to the other tasks.
    Turn,
    /// Does nothing for so many seconds of a paused clock.
    Pause(u64),
    /// Writes.
    Say(Cow<'static, [u8]>),
    /// Writes byte by byte, and yields to the other tasks before each.
    SaySlowly(Vec<u8>),
    /// Writes this repeatedly until the client closes.
    SayForever(Vec<u8>),
    /// Waits until the test calls [`go`](ScriptedPeer::go).
    Wait,
    /// Signals the test.
    Signal,
    /// Reads a request and answers it.
    Answer,
    /// Answers every request from here on.
    Serve,
    /// Reads to the end.
    Drain,
    /// Reads no more, and keeps the connection.
    Hold,
    /// Ends the connection by its protocol's own signal.
    Finish,
    /// Closes the connection, whatever follows.
    Close,
    /// Ends the connection by a reset; only [`Signal`](Self::Signal) may follow.
    Reset,
}

/// Writes text.
pub(crate) fn say(text: impl Into<String>) -> Step {
    send(text.into().into_bytes())
}

/// Writes bytes.
pub(crate) fn send(bytes: impl Into<Cow<'static, [u8]>>) -> Step {
    Step::Say(bytes.into())
}

/// The response to every valid request.
pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// The interim response to `Expect`.
pub(crate) const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// The steps of the connection with this number.
pub(crate) type Script = Box<dyn Fn(usize) -> Vec<Step> + Send + Sync>;

/// Plays these steps on the first connection, and serves further ones.
pub(crate) fn first(steps: impl Into<Vec<Step>>) -> Script {
    each(vec![steps.into()])
}

/// Plays one script on each connection, and serves further ones.
pub(crate) fn each(scripts: Vec<Vec<Step>>) -> Script {
    Box::new(move |connection| {
        scripts.get(connection).cloned().unwrap_or_else(|| vec![Step::Serve])
    })
}

/// Plays one script on each connection, and then reads to its end. There are no further connections.
pub(crate) fn draining(scripts: Vec<Vec<Step>>) -> Script {
    Box::new(move |connection| [&scripts[connection][..], &[Step::Drain]].concat())
}

/// The state shared by a peer and its test.
pub(crate) struct ScriptedPeer {
    script: Script,
    connections: Mutex<Vec<Accepted>>,
    answered: AtomicUsize,
    heard: Mutex<Vec<String>>,
    gate: Semaphore,
    signals: (Mutex<usize>, Condvar),
    signals_async: Semaphore,
}

/// A connection that was accepted.
#[derive(Default)]
struct Accepted {
    target: Option<Target>,
    received: Vec<u8>,
    is_over: bool,
}

type Buffered<W> = Peer<BufReader<W>>;

/// A stream that can be reset.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(&self) {}
}

impl Wire for TcpStream {
    fn reset(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Wire for DuplexStream {}

#[cfg(feature = "_rustls")]
impl Wire for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl ScriptedPeer {
    pub(crate) fn new(script: Script) -> Arc<Self> {
        Arc::new(Self {
            script,
            connections: Mutex::default(),
            answered: AtomicUsize::new(0),
            heard: Mutex::default(),
            gate: Semaphore::new(0),
            signals: Default::default(),
            signals_async: Semaphore::new(0),
        })
    }

    /// The number of connections accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// The targets of connections in memory.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let connections = self.connections.lock().unwrap();
        connections.iter().filter_map(|accepted| accepted.target.clone()).collect()
    }

    /// The bytes that [`Head`](Step::Head), [`Read`](Step::Read) and [`Drain`](Step::Drain) have received on each connection, once
    /// the scripts of all are over.
    pub(crate) async fn received(&self) -> Vec<Vec<u8>> {
        for _ in 0..100_000 {
            tokio::task::yield_now().await;
            let connections = self.connections.lock().unwrap();
            if connections.iter().all(|accepted| accepted.is_over) {
                return connections.iter().map(|accepted| accepted.received.clone()).collect();
            }
        }
        panic!("a connection to the peer stays open");
    }

    /// Requests that were answered over HTTP/2 in [`ServeSome`](Step::ServeSome).
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// The number of requests whose line begins so.
    pub(crate) fn requests_starting(&self, line: &str) -> usize {
        self.heads().iter().filter(|head| head.starts_with(line)).count()
    }

    /// The heads of all requests that came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Lets one [`Step::Wait`] go on.
    pub(crate) fn go(&self) {
        self.gate.add_permits(1);
    }

    /// Waits for a [`Step::Signal`].
    pub(crate) async fn signaled(&self) {
        self.signals_async.acquire().await.unwrap().forget();
    }

    /// The same, but blocks the thread meanwhile. A script that does not get there fails the test instead of hanging
    /// it.
    pub(crate) fn signaled_while_busy(&self) {
        let (signals, changed) = &self.signals;
        let (signals, limit) = (signals.lock().unwrap(), Duration::from_secs(20));
        let (mut signals, _) =
            changed.wait_timeout_while(signals, limit, |count| *count == 0).unwrap();
        *signals = signals.checked_sub(1).expect("the script has come so far");
    }

    /// Counts a connection; returns its number.
    pub(crate) fn accept(&self) -> usize {
        self.accept_for(None)
    }

    fn accept_for(&self, target: Option<Target>) -> usize {
        let mut connections = self.connections.lock().unwrap();
        connections.push(Accepted { target, ..Accepted::default() });
        connections.len() - 1
    }

    /// Plays its scripts in this runtime, so that the clock can be paused.
    pub(crate) fn listen(self: &Arc<Self>) -> MemoryConnector {
        self.listen_for(usize::MAX)
    }

    /// The same, on this many connections; further ones are refused.
    pub(crate) fn listen_for(self: &Arc<Self>, connections: usize) -> MemoryConnector {
        let (connector, listener) = MemoryConnector::pair();
        if connections > 0 {
            tokio::spawn(self.clone().accept_from(listener, connections));
        }
        connector
    }

    async fn accept_from(self: Arc<Self>, mut listener: MemoryListener, connections: usize) {
        for _ in 0..connections {
            let Some((stream, target)) = listener.accept().await else { return };
            let (peer, connection) = (self.clone(), self.accept_for(Some(target)));
            tokio::spawn(async move { peer.play(connection, stream).await });
        }
    }

    /// Plays the script of this connection.
    pub(crate) async fn play(&self, connection: usize, wire: impl Wire) {
        // An error means that the client closed the connection: the script ends.
        let _ = self.play_steps(connection, wire).await;
        self.connections.lock().unwrap()[connection].is_over = true;
    }

    async fn play_steps(&self, connection: usize, wire: impl Wire) -> io::Result<()> {
        let mut peer = Peer::new(BufReader::new(wire));
        let mut steps = (self.script)(connection).into_iter();
        while let Some(step) = steps.next() {
            match step {
                Step::Close => break,
                Step::Reset => {
                    peer.io.get_ref().reset();
                    drop(peer);
                    steps.for_each(|_signal| self.signal());
                    break;
                }
                step => {
                    let received = self.step(step, &mut peer).await?;
                    self.connections.lock().unwrap()[connection].received.extend(received);
                }
            }
        }
        Ok(())
    }

    /// Returns what it has received, if that is recorded.
    async fn step(&self, step: Step, peer: &mut Buffered<impl Wire>) -> io::Result<Vec<u8>> {
        match step {
            Step::Head => return Ok(self.hear(peer).await?.into_bytes()),
            Step::Read(length) => return peer.read(length).await,
            Step::Drain => return peer.read_to_end().await,
            Step::Frame(kind) => self.hear_frames(kind, peer).await?,
            Step::ServeHttp2 => self.serve_http2(peer).await?,
            Step::ServeSome { refused, answered } => {
                self.serve_some(refused, answered, peer).await?
            }
            Step::Turn => tokio::task::yield_now().await,
            Step::Pause(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            Step::Say(bytes) => peer.write(bytes).await?,
            Step::SaySlowly(bytes) => peer.write_slowly(&bytes).await?,
            Step::SayForever(bytes) => loop {
                peer.write(&bytes).await?;
            },
            Step::Wait => self.gate.acquire().await.unwrap().forget(),
            Step::Signal => self.signal(),
            Step::Answer => self.answer(peer).await?,
            Step::Serve => loop {
                self.answer(peer).await?;
            },
            Step::Hold => std::future::pending().await,
            Step::Finish => peer.io.shutdown().await?,
            Step::Close | Step::Reset => {}
        }
        Ok(Vec::new())
    }

    fn signal(&self) {
        *self.signals.0.lock().unwrap() += 1;
        self.signals.1.notify_all();
        self.signals_async.add_permits(1);
    }

    async fn hear(&self, peer: &mut Buffered<impl Wire>) -> io::Result<String> {
        let head = peer.read_head().await?;
        self.heard.lock().unwrap().push(head.clone());
        Ok(head)
    }

    async fn answer(&self, peer: &mut Buffered<impl Wire>) -> io::Result<()> {
        let head = self.hear(peer).await?.to_ascii_lowercase();
        if head.contains("expect: 100-continue") {
            peer.write(CONTINUE).await?;
        }
        if head.contains("transfer-encoding: chunked") {
            skip_chunks(peer).await?;
        } else if let Some((_, rest)) = head.split_once("content-length: ") {
            let length = rest.lines().next().and_then(|length| length.parse().ok());
            peer.skip(length.unwrap_or(0)).await?;
        }
        peer.write(HELLO).await
    }
}

/// Skips chunks whose data contains no line like the last chunk.
async fn skip_chunks(peer: &mut Buffered<impl Wire>) -> io::Result<()> {
    let mut body = Vec::new();
    while !body.ends_with(b"0\r\n\r\n") {
        if peer.io.read_until(b'\n', &mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
