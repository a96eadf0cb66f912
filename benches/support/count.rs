//! Counts instructions and system calls of a client, by running this program once more, under valgrind or strace.

use std::{
    fs,
    hint::black_box,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use http::Version;
use tokio::runtime::Runtime;

use super::clients::{Client, Measure, Outcome, measure};

/// The argument with which this program sends requests.
pub(crate) const SEND: &str = "send";

/// So many requests go before, until buffers and tables have their size.
pub(crate) const WARM_UP: usize = 200;
/// So many requests are counted.
pub(crate) const COUNTED: usize = 1000;

/// What is looked up before the first and after the last counted request, so that strace shows where they are.
const MARK: &str = "/nowhere/counted-requests";

/// Sends requests, some to warm up and these to be counted.
struct Send(usize);

impl Measure for Send {
    /// How many were counted.
    type Measured = usize;

    fn of(self, runtime: &Runtime, mut client: impl Client) -> Outcome<usize> {
        runtime.block_on(at_least(WARM_UP, &mut client))?;
        let mut outcome = Ok(0);
        let _ = fs::metadata(MARK);
        counted_region(&mut || outcome = runtime.block_on(at_least(self.0, &mut client)));
        let _ = fs::metadata(MARK);
        outcome
    }
}

/// Sends so many requests, or a few more where several are one call; says how many it were.
pub(crate) async fn at_least<C: Client>(requests: usize, client: &mut C) -> Outcome<usize> {
    let calls = requests.div_ceil(C::AT_ONCE).max(2);
    for _ in 0..calls {
        client.send().await?;
    }
    Ok(calls * C::AT_ONCE)
}

/// What is called in here is counted by callgrind, which knows it by this name.
#[inline(never)]
fn counted_region(call: &mut dyn FnMut()) {
    call();
    // Keeps the call from being the last thing, which the compiler would make a jump.
    black_box(());
}

/// Is the client: `send NAME VERSION REQUESTS PLACE`.
pub(crate) fn send(name: &str, version: &str, requests: &str, place: &str) -> Outcome {
    let version = if version == "2" { Version::HTTP_2 } else { Version::HTTP_11 };
    println!("{}", measure(Send(requests.parse()?), (name, version), place)?);
    Ok(())
}

/// Whether the program can be run.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A file that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(tool: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("{tool}-{}-{next}.out", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a tool with a client below it; says how many requests were counted, and what the tool wrote.
fn run(
    mut tool: Command,
    out: &Scratch,
    (name, version): (&str, Version),
    place: &str,
) -> Outcome<(f64, String)> {
    let version = if version == Version::HTTP_2 { "2" } else { "1.1" };
    let client = std::env::current_exe()?;
    tool.arg(client).args([SEND, name, version, &COUNTED.to_string(), place]);
    let run = tool.output()?;
    if !run.status.success() {
        let error = String::from_utf8_lossy(&run.stderr);
        return Err(format!("{name}, HTTP/{version}: {error}").into());
    }
    let requests = String::from_utf8_lossy(&run.stdout).trim().parse()?;
    Ok((requests, fs::read_to_string(&out.0)?))
}

/// The instructions of one request.
pub(crate) fn instructions(client: (&str, Version), place: &str) -> Outcome<f64> {
    let out = Scratch::new("callgrind");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--toggle-collect=*counted_region*"])
        .arg(format!("--callgrind-out-file={}", out.0.display()));
    let (requests, said) = run(valgrind, &out, client, place)?;
    let total = said.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total.ok_or("callgrind gave no total")?.trim().parse()?;
    Ok(total as f64 / requests)
}

/// System calls of one request.
#[derive(Default)]
pub(crate) struct SystemCalls {
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    /// Of `epoll_wait`.
    pub(crate) waits: f64,
    pub(crate) others: f64,
}

pub(crate) fn system_calls(client: (&str, Version), place: &str) -> Outcome<SystemCalls> {
    let out = Scratch::new("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-q", "-o"]).arg(&out.0);
    let (requests, said) = run(strace, &out, client, place)?;
    let mut counted = SystemCalls::default();
    let between = said.split(MARK).nth(1).ok_or("strace saw no mark")?;
    for line in between.lines().skip(1) {
        // `1234  recvfrom(9, …` begins a call; `1234  <... recvfrom resumed>` ends one that was seen before.
        let call = line.split_whitespace().nth(1).unwrap_or_default();
        let Some((name, _)) = call.split_once('(') else { continue };
        match name {
            "recvfrom" | "read" | "readv" | "recvmsg" => counted.reads += 1.0,
            "sendto" | "write" | "writev" | "sendmsg" => counted.writes += 1.0,
            "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => counted.waits += 1.0,
            _ => counted.others += 1.0,
        }
    }
    let of = |calls: f64| calls / requests;
    let SystemCalls { reads, writes, waits, others } = counted;
    // The one that shows the mark at the end.
    let others = (others - 1.0).max(0.0);
    Ok(SystemCalls { reads: of(reads), writes: of(writes), waits: of(waits), others: of(others) })
}
