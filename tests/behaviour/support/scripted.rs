//! An origin that plays a script on each connection, and records requests.

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
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Semaphore,
};
use tower_transport::connect::MemoryConnector;

#[cfg(feature = "http2")]
use super::frames::{self, ACK, DATA, END_STREAM, HEADERS, PING, WINDOW_UPDATE};

/// The next step of an origin on a connection. It closes the connection after the last one.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads the head of a request and records it.
    Head,
    /// Reads this many bytes.
    Read(usize),
    /// Reads and records HTTP/2 frames up to the first of this type.
    #[cfg(feature = "http2")]
    Frame(u8),
    /// Answers every HTTP/2 request from here on.
    #[cfg(feature = "http2")]
    ServeHttp2,
    /// The same, but refuses every n-th request, and sends GOAWAY after this many.
    #[cfg(feature = "http2")]
    ServeSome { refused: usize, answered: usize },
    /// Yields to the other tasks.
    Turn,
    /// Behavior nothing for so many seconds of a paused clock.
    Pause(u64),
    /// Writes.
    Say(Cow<'static, [u8]>),
    /// Waits until the test calls [`go`](Origin::go).
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
    /// Ends the connection by a reset; only [`Signal`](Self::Signal) may follow.
    Reset,
}

/// Writes text.
pub(crate) fn say(text: impl Into<String>) -> Step {
    Step::Say(text.into().into_bytes().into())
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

/// The state shared by an origin and its test.
pub(crate) struct Origin {
    script: Script,
    accepted: AtomicUsize,
    answered: AtomicUsize,
    heard: Mutex<Vec<String>>,
    gate: Semaphore,
    told: (Mutex<usize>, Condvar),
    told_async: Semaphore,
}

/// A stream that can be reset.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(&self) {}
}

impl Wire for TcpStream {
    fn reset(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Wire for tokio::io::DuplexStream {}

#[cfg(feature = "_rustls")]
impl Wire for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl Origin {
    pub(crate) fn new(script: Script) -> Arc<Self> {
        Arc::new(Self {
            script,
            accepted: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            heard: Mutex::default(),
            gate: Semaphore::new(0),
            told: Default::default(),
            told_async: Semaphore::new(0),
        })
    }

    /// The number of connections accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Requests that were answered over HTTP/2 in [`ServeSome`](Step::ServeSome).
    #[cfg(feature = "http2")]
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
        self.told_async.acquire().await.unwrap().forget();
    }

    /// The same, but blocks the thread meanwhile. A script that does not get there fails the test instead of hanging
    /// it.
    pub(crate) fn signaled_while_busy(&self) {
        let (told, changed) = &self.told;
        let (told, limit) = (told.lock().unwrap(), Duration::from_secs(20));
        let (mut told, _) = changed.wait_timeout_while(told, limit, |told| *told == 0).unwrap();
        *told = told.checked_sub(1).expect("the script has come so far");
    }

    /// Counts a connection; returns its number.
    pub(crate) fn accept(&self) -> usize {
        self.accepted.fetch_add(1, Ordering::SeqCst)
    }

    /// Plays its scripts in this runtime, so that the clock can be paused.
    pub(crate) fn listen(self: &Arc<Self>) -> MemoryConnector {
        let (connector, mut listener) = MemoryConnector::pair();
        let origin = self.clone();
        tokio::spawn(async move {
            while let Some((stream, _)) = listener.accept().await {
                let (origin, connection) = (origin.clone(), origin.accept());
                tokio::spawn(async move { origin.play(connection, stream).await });
            }
        });
        connector
    }

    /// Plays the script of this connection.
    pub(crate) async fn play(&self, connection: usize, wire: impl Wire) {
        let mut wire = BufReader::new(wire);
        let mut steps = (self.script)(connection).into_iter();
        while let Some(step) = steps.next() {
            if let Step::Reset = step {
                wire.get_ref().reset();
                drop(wire);
                return steps.for_each(|_told| self.tell());
            }
            // An error means that the client closed the connection: the script ends.
            if self.step(step, &mut wire).await.is_err() {
                return;
            }
        }
    }

    async fn step(&self, step: Step, wire: &mut BufReader<impl Wire>) -> io::Result<()> {
        match step {
            Step::Head => self.hear(wire).await.map(drop),
            Step::Read(length) => skip(wire, length as u64).await,
            #[cfg(feature = "http2")]
            Step::Frame(kind) => self.hear_frames(kind, wire).await,
            #[cfg(feature = "http2")]
            Step::ServeHttp2 => self.serve_http2(wire).await,
            #[cfg(feature = "http2")]
            Step::ServeSome { refused, answered } => self.serve_some(refused, answered, wire).await,
            Step::Turn => {
                tokio::task::yield_now().await;
                Ok(())
            }
            Step::Pause(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(())
            }
            Step::Say(bytes) => {
                wire.write_all(&bytes).await?;
                wire.flush().await
            }
            Step::Wait => {
                self.gate.acquire().await.unwrap().forget();
                Ok(())
            }
            Step::Signal => {
                self.tell();
                Ok(())
            }
            Step::Answer => self.answer(wire).await,
            Step::Serve => loop {
                self.answer(wire).await?;
            },
            Step::Drain => tokio::io::copy(wire, &mut tokio::io::sink()).await.map(drop),
            Step::Hold => std::future::pending().await,
            Step::Finish => wire.shutdown().await,
            Step::Reset => Ok(()),
        }
    }

    fn tell(&self) {
        *self.told.0.lock().unwrap() += 1;
        self.told.1.notify_all();
        self.told_async.add_permits(1);
    }

    async fn hear(&self, wire: &mut BufReader<impl Wire>) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if wire.read_line(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.heard.lock().unwrap().push(head.clone());
        Ok(head)
    }

    async fn answer(&self, wire: &mut BufReader<impl Wire>) -> io::Result<()> {
        let head = self.hear(wire).await?.to_ascii_lowercase();
        if head.contains("expect: 100-continue") {
            wire.write_all(CONTINUE.as_bytes()).await?;
            wire.flush().await?;
        }
        if head.contains("transfer-encoding: chunked") {
            skip_chunks(wire).await?;
        } else if let Some((_, rest)) = head.split_once("content-length: ") {
            let length = rest.lines().next().and_then(|length| length.parse().ok());
            skip(wire, length.unwrap_or(0)).await?;
        }
        wire.write_all(HELLO.as_bytes()).await?;
        wire.flush().await
    }

    #[cfg(feature = "http2")]
    async fn hear_frames(&self, last: u8, wire: &mut BufReader<impl Wire>) -> io::Result<()> {
        while self.hear_frame(wire).await?.kind != last {}
        Ok(())
    }

    #[cfg(feature = "http2")]
    async fn serve_http2(&self, wire: &mut BufReader<impl Wire>) -> io::Result<()> {
        loop {
            let Heard { kind, flags, stream, length } = self.hear_frame(wire).await?;
            let room = |stream| frames::frame(WINDOW_UPDATE, 0, stream, &length.to_be_bytes());
            let answer = match kind {
                HEADERS | DATA if flags & END_STREAM != 0 => frames::hello(stream),
                HEADERS => frames::headers(stream, 0, &[(":status", "100")]),
                DATA if length > 0 => [room(0), room(stream)].concat(),
                PING if flags & ACK == 0 => frames::frame(PING, ACK, 0, &[0; 8]),
                _ => continue,
            };
            wire.write_all(&answer).await?;
            wire.flush().await?;
        }
    }

    /// Answers some requests, refuses others, and leaves alone what comes after its GOAWAY.
    #[cfg(feature = "http2")]
    async fn serve_some(
        &self,
        refused: usize,
        answered: usize,
        wire: &mut BufReader<impl Wire>,
    ) -> io::Result<()> {
        let (mut heard, mut left) = (0, answered);
        loop {
            let Heard { kind, flags, stream, .. } = self.hear_frame(wire).await?;
            if kind == PING && flags & ACK == 0 {
                wire.write_all(&frames::frame(PING, ACK, 0, &[0; 8])).await?;
            }
            if left == 0 || !matches!(kind, HEADERS | DATA) || flags & END_STREAM == 0 {
                continue;
            }
            heard += 1;
            let answer = match heard % refused {
                0 => frames::reset(stream, frames::REFUSED_STREAM),
                _ => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    left -= 1;
                    frames::hello(stream)
                }
            };
            wire.write_all(&answer).await?;
            if left == 0 {
                wire.write_all(&frames::goaway(stream, frames::NO_ERROR)).await?;
            }
        }
    }

    #[cfg(feature = "http2")]
    async fn hear_frame(&self, wire: &mut BufReader<impl Wire>) -> io::Result<Heard> {
        let mut head = [0; 9];
        wire.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        skip(wire, u64::from(length)).await?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        self.heard.lock().unwrap().push(format!("frame {} on {stream}", head[3]));
        Ok(Heard { kind: head[3], flags: head[4], stream, length })
    }
}

/// The head of a frame.
#[cfg(feature = "http2")]
struct Heard {
    kind: u8,
    flags: u8,
    stream: u32,
    length: u32,
}

async fn skip(wire: &mut BufReader<impl Wire>, length: u64) -> io::Result<()> {
    match tokio::io::copy(&mut wire.take(length), &mut tokio::io::sink()).await? == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Skips chunks whose data contains no line like the last chunk.
async fn skip_chunks(wire: &mut BufReader<impl Wire>) -> io::Result<()> {
    let mut body = Vec::new();
    while !body.ends_with(b"0\r\n\r\n") {
        if wire.read_until(b'\n', &mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
