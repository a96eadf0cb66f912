//! A network in memory: hosts that accept, refuse or are silent, and streams that break in every way.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Sleep, Write};
use tower_service::Service;
use tower_transport::{connect::Connected, target::Target};

use super::scheduler::{Random, Scheduler};

/// Clones are the same network.
#[derive(Clone)]
pub(crate) struct Network {
    scheduler: Scheduler,
    state: Arc<Mutex<NetworkState>>,
}

#[derive(Default)]
struct NetworkState {
    hosts: BTreeMap<String, Host>,
    is_stormy: bool,
    open: usize,
    most_open: usize,
}

#[derive(Default)]
struct Host {
    is_down: bool,
    arrived: VecDeque<SimStream>,
    accepting: Option<Waker>,
    /// Both directions of each of its streams.
    links: Vec<[Arc<Mutex<Pipe>>; 2]>,
}

/// One direction of a stream.
struct Pipe {
    bytes: VecDeque<u8>,
    fault: Option<(u64, Fault)>,
    passed: u64,
    /// How long bytes, ends and resets are on their way.
    delay: Duration,
    /// Nothing arrives before that.
    held_until: Duration,
    is_finished: bool,
    is_reset: bool,
    /// The reader's end is closed: what is written is lost, and answered by a reset.
    is_gone: bool,
    /// Whether a reset discards what has not been read, as with a server that does not linger.
    is_abrupt: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What happens after so many bytes.
#[derive(Clone, Copy)]
enum Fault {
    Reset,
    /// The writer's end is closed, though it does not know.
    Finish,
    /// Nothing arrives for so long.
    Hold(Duration),
    /// Nothing arrives any more.
    Silence,
}

/// A stream between a client and a host, or one between a proxy and a host.
pub(crate) struct SimStream {
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
    network: Network,
    held: Option<Pin<Box<dyn Sleep>>>,
    /// The client's end counts as an open socket.
    is_client: bool,
}

const ROOM: usize = 16 * 1024;
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

impl Network {
    pub(crate) fn new(scheduler: &Scheduler) -> Self {
        Self { scheduler: scheduler.clone(), state: Arc::default() }
    }

    /// From now on, streams and dials have faults or have none. Streams that are open stay as they are.
    pub(crate) fn set_stormy(&self, is_stormy: bool) {
        self.state.lock().unwrap().is_stormy = is_stormy;
    }

    pub(crate) fn is_stormy(&self) -> bool {
        self.state.lock().unwrap().is_stormy
    }

    /// Client ends that are open.
    pub(crate) fn open(&self) -> usize {
        self.state.lock().unwrap().open
    }

    /// As many client ends as were open at once.
    pub(crate) fn most_open(&self) -> usize {
        self.state.lock().unwrap().most_open
    }

    /// The next stream that arrives at a host.
    pub(crate) async fn accept(&self, host: &str) -> SimStream {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock().unwrap();
            let host = state.hosts.entry(host.to_owned()).or_default();
            host.accepting = Some(cx.waker().clone());
            host.arrived.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Ends all streams of a host, and refuses new ones until it is up.
    pub(crate) fn crash(&self, host: &str) {
        let mut state = self.state.lock().unwrap();
        let host = state.hosts.entry(host.to_owned()).or_default();
        host.is_down = true;
        let (links, arrived) = (std::mem::take(&mut host.links), std::mem::take(&mut host.arrived));
        drop(state);
        let now = self.scheduler.elapsed();
        for pipe in links.iter().flatten() {
            Pipe::change(pipe, |pipe| pipe.reset(now));
        }
        drop(arrived);
    }

    pub(crate) fn restart(&self, host: &str) {
        self.state.lock().unwrap().hosts.entry(host.to_owned()).or_default().is_down = false;
    }

    /// Cuts all streams of a host off for so long: nothing arrives on either side.
    pub(crate) fn partition(&self, host: &str, time: Duration) {
        let until = self.scheduler.elapsed() + time;
        let mut state = self.state.lock().unwrap();
        for pipe in state.hosts.entry(host.to_owned()).or_default().links.iter().flatten() {
            let mut pipe = pipe.lock().unwrap();
            pipe.held_until = pipe.held_until.max(until);
        }
    }

    /// Opens a stream to a host.
    pub(crate) async fn connect(&self, host: &str, is_client: bool) -> io::Result<SimStream> {
        let (delay, is_silent) = self
            .scheduler
            .random(|random| (Duration::from_micros(random.below(5_000)), random.one_in(50)));
        self.scheduler.pause(delay).await;
        if is_silent && self.state.lock().unwrap().is_stormy {
            self.scheduler.pause(NEVER).await;
        }
        let mut state = self.state.lock().unwrap();
        let is_stormy = state.is_stormy;
        let at = state.hosts.entry(host.to_owned()).or_default();
        if at.is_down {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let pipe = || {
            let (fault, delay) = self.scheduler.random(|random| {
                (Fault::choose(random, is_stormy), Duration::from_micros(random.below(200_000)))
            });
            let mut pipe = Pipe::new(fault, delay);
            pipe.is_abrupt = is_stormy;
            Arc::new(Mutex::new(pipe))
        };
        let (there, back) = (pipe(), pipe());
        at.links.retain(|link| link.iter().any(|pipe| Arc::strong_count(pipe) > 1));
        at.links.push([there.clone(), back.clone()]);
        let stream =
            |incoming: &Arc<Mutex<Pipe>>, outgoing: &Arc<Mutex<Pipe>>, is_client| SimStream {
                incoming: incoming.clone(),
                outgoing: outgoing.clone(),
                network: self.clone(),
                held: None,
                is_client,
            };
        at.arrived.push_back(stream(&there, &back, false));
        let accepting = at.accepting.take();
        state.open += usize::from(is_client);
        state.most_open = state.most_open.max(state.open);
        drop(state);
        if let Some(waker) = accepting {
            waker.wake();
        }
        Ok(stream(&back, &there, is_client))
    }
}

/// The connector of the transport: every name is a host of the network.
impl Service<Target> for Network {
    type Response = Connected<SimStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Connected<SimStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let (network, host) = (self.clone(), target.origin.host().to_string());
        Box::pin(async move { network.connect(&host, true).await.map(Connected::new) })
    }
}

impl Fault {
    fn choose(random: &mut Random, is_stormy: bool) -> Option<(u64, Self)> {
        let (after, kind) = (random.below(4_000), random.below(16));
        let pause = Duration::from_millis(random.below(40_000));
        let fault = match kind {
            0 => Self::Reset,
            1 => Self::Finish,
            2 | 3 => Self::Hold(pause),
            4 => Self::Silence,
            _ => return None,
        };
        is_stormy.then_some((after, fault))
    }
}

impl Pipe {
    fn new(fault: Option<(u64, Fault)>, delay: Duration) -> Self {
        Self {
            bytes: VecDeque::new(),
            fault,
            passed: 0,
            delay,
            held_until: Duration::ZERO,
            is_finished: false,
            is_reset: false,
            is_gone: false,
            is_abrupt: false,
            reader: None,
            writer: None,
        }
    }

    /// What happens now arrives later.
    fn depart(&mut self, now: Duration) {
        if self.bytes.is_empty() {
            self.held_until = self.held_until.max(now + self.delay);
        }
    }

    fn finish(&mut self, now: Duration) {
        self.depart(now);
        self.is_finished = true;
    }

    fn reset(&mut self, now: Duration) {
        self.depart(now);
        self.is_reset = true;
    }

    fn change(pipe: &Arc<Mutex<Self>>, change: impl FnOnce(&mut Self)) {
        let mut pipe = pipe.lock().unwrap();
        change(&mut pipe);
        let wakers = [pipe.reader.take(), pipe.writer.take()];
        drop(pipe);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Takes bytes from the writer, and does what is due then.
    fn push(&mut self, bytes: &[u8], now: Duration) {
        self.passed += bytes.len() as u64;
        self.depart(now);
        if !self.is_finished && !self.is_gone {
            self.bytes.extend(bytes);
        }
        if let Some((_, fault)) = self.fault.take_if(|(after, _)| *after <= self.passed) {
            match fault {
                Fault::Reset => self.is_reset = true,
                Fault::Finish => self.is_finished = true,
                Fault::Hold(time) => self.held_until = now + time,
                Fault::Silence => self.held_until = NEVER,
            }
        }
    }
}

impl SimStream {
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(held) = &mut self.held {
                ready!(held.as_mut().poll(cx));
                self.held = None;
            }
            let (until, now) =
                (self.incoming.lock().unwrap().held_until, self.network.scheduler.elapsed());
            if until <= now {
                return Poll::Ready(());
            }
            // A reset arrives after the hold, as all else does.
            self.held = Some(self.network.scheduler.pause(until - now));
        }
    }
}

impl Read for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_held(cx).is_pending() {
            // A hold may begin or a crash come in between.
            self.incoming.lock().unwrap().reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = self.network.scheduler.random(|random| 1 + random.below(ROOM as u64)) as usize;
        let mut pipe = self.incoming.lock().unwrap();
        if pipe.is_reset && (pipe.is_abrupt || pipe.bytes.is_empty()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let count = pipe.bytes.len().min(buffer.remaining()).min(most);
        if count == 0 && !pipe.is_finished && buffer.remaining() > 0 {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes: Vec<u8> = pipe.bytes.drain(..count).collect();
        let writer = pipe.writer.take();
        drop(pipe);
        buffer.put_slice(&bytes);
        if let Some(waker) = writer {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let now = self.network.scheduler.elapsed();
        let most = self.network.scheduler.random(|random| 1 + random.below(ROOM as u64)) as usize;
        let mut answers = self.incoming.lock().unwrap();
        if answers.is_reset && answers.held_until <= now {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut pipe = self.outgoing.lock().unwrap();
        if pipe.is_gone && !answers.is_reset {
            answers.reset(now);
            let reader = answers.reader.take();
            drop((pipe, answers));
            reader.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(bytes.len()));
        }
        drop(answers);
        let count = bytes.len().min(most).min(ROOM - pipe.bytes.len().min(ROOM));
        if count == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.push(&bytes[..count], now);
        let reader = pipe.reader.take();
        drop(pipe);
        if let Some(waker) = reader {
            waker.wake();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = self.network.scheduler.elapsed();
        Pipe::change(&self.outgoing, |pipe| pipe.finish(now));
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        if self.is_client {
            self.network.state.lock().unwrap().open -= 1;
        }
        // As a kernel: unread bytes are answered by a reset, and so is what comes later.
        let now = self.network.scheduler.elapsed();
        let is_unread = !self.incoming.lock().unwrap().bytes.is_empty();
        Pipe::change(&self.outgoing, |pipe| match is_unread {
            true => pipe.reset(now),
            false => pipe.finish(now),
        });
        Pipe::change(&self.incoming, |pipe| pipe.is_gone = true);
    }
}
