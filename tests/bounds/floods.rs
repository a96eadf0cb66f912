//! Floods of every HTTP/2 frame type: what each costs in memory, allocations and bytes written, and how it ends.

use std::{
    cell::Cell,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use allocation_counter::measure;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split},
    time::timeout,
};
use tower::service_fn;
use tower_transport::{
    Error, RequestExt, Transport, connect::Connected, http::Http2Config, target::Target,
};

use crate::{
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PING,
        PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, data, frame, goaway, settings,
    },
    number, runtime,
};

const ALTSVC: u8 = 10;
const UNKNOWN: u8 = 99;

const URL: &str = "http://origin.example/";

/// `:status: 200` and `:status: 103` (RFC 7541 appendix A, §6.2.2).
const OK: &[u8] = &[0x88];
const EARLY_HINTS: &[u8] = b"\x08\x03103";

/// How a request ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With the response that follows the flood.
    Served,
    /// With an error for which `is_protocol` holds.
    Protocol,
    /// The peer's next frame never comes, because it does not read ours.
    TimedOut,
}

impl End {
    fn of(error: &Error) -> Self {
        assert!(error.was_sent(), "{error:?}");
        match error.is_timeout() {
            true => Self::TimedOut,
            false if error.is_protocol() => Self::Protocol,
            false => panic!("{error:?}"),
        }
    }
}

struct Flood {
    name: &'static str,
    /// What comes before it, on stream 1, where the request is.
    before: Vec<u8>,
    /// The frames that come again and again.
    frames: Vec<u8>,
    /// How many bytes the client answers to them.
    answer: usize,
    end: End,
}

/// The most bytes that a flood may have allocated at once, beyond those of a usual response: buffers, and one frame.
const MEMORY: u64 = 72 << 10;

/// The most allocations for the frames that come again and again.
const ALLOCATIONS: f64 = 6.0;

/// The most bytes that the client may write besides its answers: its SETTINGS, resets and GOAWAY.
const WRITTEN: usize = 32 << 10;

fn flood(name: &'static str, frames: Vec<u8>, end: End) -> Flood {
    Flood { name, before: Vec::new(), frames, answer: 0, end }
}

impl Flood {
    fn after(self, before: Vec<u8>) -> Self {
        Self { before, ..self }
    }

    /// The client answers with so many bytes.
    fn answered(self, answer: usize) -> Self {
        Self { answer, ..self }
    }
}

fn head(flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, 1, OK)
}

fn hello() -> Vec<u8> {
    data(1, END_STREAM, "hello")
}

fn floods() -> Vec<Flood> {
    use End::{Protocol, Served};
    let (large, one) = (vec![b'x'; 16 << 10], 1_u32.to_be_bytes());
    let field = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
    let open_head = || frame(HEADERS, 0, 1, OK);
    let max_streams = [settings(&[(3, 1)]), settings(&[(3, 1000)])].concat();
    let windows = [settings(&[(4, 1)]), settings(&[(4, 1 << 20)])].concat();
    let long_goaway = frame(GOAWAY, 0, 0, &[&one[..], &[0; 4], &large[8..]].concat());
    let table = [settings(&[(1, 0)]), settings(&[(1, 4096)])].concat();
    vec![
        flood("DATA, empty", frame(DATA, 0, 1, &[]), Protocol).after(head(0)),
        flood("DATA, a byte", frame(DATA, 0, 1, b"x"), Served).after(head(0)),
        flood("DATA, only padding", frame(DATA, 8, 1, &[255; 256]), Protocol).after(head(0)),
        flood("DATA after the end", frame(DATA, 0, 1, b"x"), Served)
            .after([head(0), hello()].concat()),
        flood("DATA for no stream", frame(DATA, 0, 5, &[]), Protocol),
        flood("HEADERS, 1xx", frame(HEADERS, END_HEADERS, 1, EARLY_HINTS), Protocol),
        flood("HEADERS, a second head", head(0), Protocol),
        flood("HEADERS after the end", head(END_STREAM), Served).after([head(0), hello()].concat()),
        flood("HEADERS for no stream", frame(HEADERS, END_HEADERS, 5, OK), Protocol),
        flood("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), Served),
        flood("PRIORITY of many streams", frame(PRIORITY, 0, 999, &[0, 0, 0, 1, 1]), Served),
        flood("RST_STREAM", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), Protocol),
        flood("RST_STREAM for no stream", frame(RST_STREAM, 0, 5, &[0, 0, 0, 8]), Protocol),
        flood("SETTINGS, empty", frame(SETTINGS, 0, 0, &[]), Served).answered(9),
        flood("SETTINGS, streams", max_streams, Served).answered(18),
        flood("SETTINGS, windows", windows, Served).answered(18),
        flood("SETTINGS, table", table, Served).answered(18),
        flood("SETTINGS, unknown", settings(&[(99, 7)]).repeat(100), Served).answered(900),
        flood("SETTINGS, acknowledged", frame(SETTINGS, ACK, 0, &[]), Protocol),
        flood("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x82"), Protocol),
        flood("PING", frame(PING, 0, 0, &[0; 8]), Served).answered(17),
        flood("PING, answers", frame(PING, ACK, 0, &[0; 8]), Served),
        flood("GOAWAY", goaway(i32::MAX as u32, NO_ERROR), Served),
        flood("GOAWAY with a long text", long_goaway, Served),
        flood("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &one), Served),
        flood("WINDOW_UPDATE of the stream", frame(WINDOW_UPDATE, 0, 1, &one), Served),
        flood("WINDOW_UPDATE, none", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Protocol),
        flood("CONTINUATION, empty", frame(CONTINUATION, 0, 1, &[]), Protocol).after(open_head()),
        flood("CONTINUATION, a field", frame(CONTINUATION, 0, 1, &field), Protocol)
            .after(open_head()),
        flood("CONTINUATION without a head", frame(CONTINUATION, 0, 1, &field), Protocol),
        flood("ALTSVC", frame(ALTSVC, 0, 0, b"\0\0x"), Served),
        flood("unknown, empty", frame(UNKNOWN, 255, 1, &[]), Served),
        flood("unknown, long", frame(UNKNOWN, 0, 0, &large), Served),
    ]
}

/// What the peer counts.
#[derive(Default)]
struct Counts {
    /// Bytes that came from the client.
    written: Cell<usize>,
    /// How often the frames were written.
    taken: Cell<usize>,
    has_ended: Cell<bool>,
}

/// One connection: a request, the flood, and the rest of the response.
async fn peer(io: DuplexStream, scene: &Scene<'_>, counts: &Counts) -> io::Result<()> {
    let (mut reader, mut writer) = split(io);
    let mut buffer = [0; 4096];
    // The client's windows hold once its SETTINGS are acknowledged.
    let settings = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat();
    writer.write_all(&settings).await?;
    let mut heard = Vec::with_capacity(4096);
    while !heard.windows(5).any(|head| head == [HEADERS, END_HEADERS | END_STREAM, 0, 0, 0]) {
        reader.read_buf(&mut heard).await?;
    }
    let reading = async {
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            counts.written.set(counts.written.get() + length);
        }
    };
    let writing = async {
        if let Some(Flood { before, frames, .. }) = scene.flood {
            writer.write_all(before).await?;
            for _ in 0..scene.times {
                writer.write_all(frames).await?;
                counts.taken.set(counts.taken.get() + 1);
            }
        }
        counts.has_ended.set(true);
        let has_head = scene.flood.is_some_and(|flood| flood.before.starts_with(&head(0)));
        let end = [if has_head { Vec::new() } else { head(0) }, hello()].concat();
        writer.write_all(&end).await
    };
    match scene.reads {
        true => tokio::join!(reading, writing).1,
        false => writing.await,
    }?;
    std::future::pending().await
}

/// Over this connection alone.
fn transport(io: DuplexStream, config: Http2Config) -> Transport {
    let io = Arc::new(Mutex::new(Some(io)));
    let connect = move |_: Target| {
        let io = io.lock().unwrap().take().ok_or(io::ErrorKind::ConnectionRefused);
        async move { Ok::<_, io::Error>(Connected::new(TokioIo::new(io?))) }
    };
    let builder = Transport::builder().connector(service_fn(connect)).idle_timeout(None);
    builder.http2_prior_knowledge().http2(config).build().unwrap()
}

/// Reads a response and keeps nothing of it.
async fn read(transport: &Transport) -> Result<(), Error> {
    let mut body = transport.stream("GET", URL).await?.into_body();
    let mut last = None;
    while let Some(chunk) = body.chunk().await? {
        last = Some(chunk);
    }
    assert!(last.is_some_and(|chunk| chunk.ends_with(b"hello")), "the response is whole");
    Ok(())
}

/// How the request ends. Returns when the flood or the connection has ended.
async fn client(io: DuplexStream, counts: &Counts) -> End {
    let transport = transport(io, Http2Config::new());
    let end = read(&transport).await.map_or_else(|error| End::of(&error), |()| End::Served);
    let over = async {
        while !counts.has_ended.get() && !transport.stats().connections.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    // A peer that does not take a PING is given up after 15 s.
    timeout(Duration::from_secs(20), over).await.expect("the flood or the connection ends");
    end
}

/// How a response ends that is read only when all of it has come.
async fn late_client(io: DuplexStream, config: Http2Config, counts: &Counts) -> End {
    let transport = transport(io, config);
    let mut body = transport.stream("GET", URL).await.unwrap().into_body();
    while !counts.has_ended.get() && !transport.stats().connections.is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    match body.read().await {
        Ok(_) => End::Served,
        Err(error) => End::of(&error),
    }
}

struct Scene<'a> {
    flood: Option<&'a Flood>,
    times: usize,
    /// The peer reads what the client answers.
    reads: bool,
    /// With these settings, the client reads nothing of the response before all of it has come.
    late: Option<Http2Config>,
}

struct Cost {
    end: End,
    /// How often the frames were taken.
    frames: usize,
    /// The most bytes allocated at once.
    memory: u64,
    allocations: u64,
    written: usize,
    time: Duration,
}

impl Scene<'_> {
    fn cost(self) -> Cost {
        let (counts, mut end) = (Counts::default(), None);
        let (runtime, began) = (runtime(), Instant::now());
        let used = measure(|| {
            runtime.block_on(async {
                let (ours, theirs) = duplex(16 << 10);
                let peer = async {
                    // An error means that the client has closed the connection.
                    let _ = peer(theirs, &self, &counts).await;
                    std::future::pending().await
                };
                let client = async {
                    match self.late.clone() {
                        Some(config) => late_client(ours, config, &counts).await,
                        None => client(ours, &counts).await,
                    }
                };
                end = tokio::select! { end = client => Some(end), () = peer => None };
            });
        });
        let (frames, written) = (counts.taken.get(), counts.written.get());
        let (memory, allocations) = (used.bytes_max, used.count_total);
        Cost { end: end.unwrap(), frames, memory, allocations, written, time: began.elapsed() }
    }
}

impl Cost {
    /// What the flood costs beyond a usual response: memory in all, and allocations of each.
    fn beyond(&self, usual: &Self) -> (u64, f64) {
        let allocations = self.allocations.saturating_sub(usual.allocations);
        let each = allocations as f64 / self.frames.max(1) as f64;
        (self.memory.saturating_sub(usual.memory), each)
    }
}

fn all_floods(reads: bool) {
    let cost = |flood: Option<&Flood>| {
        Scene { flood, times: number("FRAMES", 10_000), reads, late: None }.cost()
    };
    // What is allocated once.
    cost(None);
    let usual = cost(None);
    for flood in &floods() {
        let (name, cost) = (flood.name, cost(Some(flood)));
        let Cost { end, frames, written, time, .. } = &cost;
        let (memory, allocations) = cost.beyond(&usual);
        println!(
            "{name:28} {end:?}: {frames} times in {time:?}, {memory} bytes, {allocations:.2} allocations each, {written} bytes written"
        );
        let expected = if reads || flood.answer == 0 { &flood.end } else { &End::TimedOut };
        assert_eq!(end, expected, "{name}");
        assert!(memory < MEMORY, "{name}: {memory} bytes");
        assert!(allocations < ALLOCATIONS || *frames < 500, "{name}: {allocations} for each");
        assert!(*written <= frames * flood.answer + WRITTEN, "{name}: {written} bytes written");
    }
}

#[test]
fn a_flood_of_any_frame_takes_bounded_memory_and_work() {
    all_floods(true);
}

#[test]
fn a_flood_of_any_frame_takes_bounded_memory_although_the_peer_reads_nothing() {
    all_floods(false);
}

/// Each reference is one byte, and stands for 4,000 (CVE-2016-6581).
#[test]
fn references_to_one_long_field_are_counted_each() {
    // A field that enters the table (RFC 7541 §6.2.1), with a value of 127 + 33 + 30 * 128 bytes; then references to it.
    let field = [&[0x88, 0x40, 1, b'x', 0x7f, 0x80 | 33, 30][..], &[b'y'; 4000]].concat();
    let references = vec![0x80 | 62; 16 << 10];
    let more = frame(CONTINUATION, 0, 1, &references);
    let last = frame(CONTINUATION, END_HEADERS, 1, &references);
    let frames = [frame(HEADERS, 0, 1, &field), more.repeat(4), last].concat();
    let flood = flood("HEADERS, references", frames, End::Protocol);
    let cost = |flood: Option<&Flood>| Scene { flood, times: 1, reads: true, late: None }.cost();
    cost(None);
    let (usual, cost) = (cost(None), cost(Some(&flood)));
    let (memory, allocations) = cost.beyond(&usual);
    println!("{} references: {memory} bytes, {allocations} allocations", 5 * references.len());
    assert_eq!(cost.end, End::Protocol);
    assert!(memory < 256 << 10, "{memory} bytes");
}

/// The memory of a response of so many frames that is not read meanwhile, beyond a usual one, and how many were taken
/// before it failed.
fn unread(config: &Http2Config, piece: &[u8], times: usize) -> (u64, usize) {
    let frames = frame(DATA, 0, 1, piece);
    let flood = flood("DATA, unread", frames, End::Protocol).after(head(0));
    let cost =
        |flood, times| Scene { flood, times, reads: true, late: Some(config.clone()) }.cost();
    cost(None, 0);
    let (usual, cost) = (cost(None, 0), cost(Some(&flood), times));
    let (memory, _) = cost.beyond(&usual);
    let Cost { end, frames, time, .. } = cost;
    println!("{} bytes unread: {frames} times in {time:?}, {memory} bytes", piece.len());
    assert_eq!(end, End::Protocol);
    (memory, frames)
}

#[test]
fn an_unread_response_holds_no_more_than_its_window_although_the_peer_ignores_it() {
    let default = Http2Config::new();
    for (config, window) in [(default.clone(), 4 << 20), (default.stream_window(1 << 18), 1 << 18)]
    {
        let (memory, _) = unread(&config, &[b'x'; 16 << 10], 512);
        assert!((window..2 * window + (256 << 10)).contains(&memory), "{memory} bytes");
    }
}

#[test]
fn small_frames_of_an_unread_response_are_bounded() {
    let default = Http2Config::new();
    let (memory, frames) = unread(&default, b"x", 300_000);
    // 263,172 are allowed, and more are on their way.
    let is_expected = memory < 200 << 20 && (263_000..266_000).contains(&frames);
    assert!(is_expected, "{memory} bytes for {frames} frames");
    let (memory, frames) = unread(&default.small_frame_budget(25_600), b"x", 10_000);
    // 100 are allowed.
    let is_expected = memory < 128 << 10 && (100..2_000).contains(&frames);
    assert!(is_expected, "{memory} bytes for {frames} frames");
}
