//! tower-transport beside its peers: the same requests by each, in one run, interleaved.
//!
//! `cargo run --release` measures (`-- --quick` in less time, and less exactly), writes `results.tsv`, and renews
//! `docs/performance.md` and its chart; `-- draw` does the latter alone. Client and server are processes of their own, each
//! on a core of its own.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

mod chart;
mod client;
mod clients;
mod document;
mod results;
mod server;
mod work;

use client::Sample;
use results::{Results, Samples};
use work::{Outcome, PEERS, Peer, Place, WORKLOADS, Workload};

/// How often each peer does each workload, and for how long.
struct Mode {
    rounds: usize,
    time: Duration,
    /// After this time a run is given up.
    patience: Duration,
}

impl Mode {
    /// A thousand connections need longer until each has been used more than a few times.
    fn time_for(&self, workload: &Workload) -> Duration {
        let is_wide = workload.at_once.max(workload.origins) >= 1000;
        if is_wide { self.time.max(Duration::from_millis(1000)) } else { self.time }
    }
}

const FULL: Mode =
    Mode { rounds: 7, time: Duration::from_millis(1000), patience: Duration::from_secs(30) };
const QUICK: Mode =
    Mode { rounds: 3, time: Duration::from_millis(200), patience: Duration::from_secs(8) };

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = match arguments[..] {
        [] => compare(&FULL),
        ["--quick"] => compare(&QUICK),
        ["draw"] => Results::load().and_then(|results| document::renew(&results)),
        ["server"] => client::stay_on(1).and_then(|()| server::serve()),
        ["client", peer, workload, place, millis] => one(peer, workload, place, millis),
        _ => Err("`--quick`, `draw`, or nothing".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Is the client.
fn one(peer: &str, workload: &str, place: &str, millis: &str) -> Outcome {
    client::stay_on(0)?;
    let peer = Peer::of(peer).ok_or("no such peer")?;
    let workload = Workload::of(workload).ok_or("no such workload")?;
    let place = Place::parse(place).ok_or("no such place")?;
    let time = Duration::from_millis(millis.parse()?);
    println!("{}", client::run(peer, workload, &place, time)?.print());
    Ok(())
}

fn compare(mode: &Mode) -> Outcome {
    let began = Instant::now();
    let server = Server::start()?;
    let mut samples: Vec<Vec<Samples>> = Vec::new();
    samples.resize_with(WORKLOADS.len(), || PEERS.iter().map(|_| Samples::default()).collect());
    for round in 0..mode.rounds {
        eprintln!("round {} of {}, after {} s", round + 1, mode.rounds, began.elapsed().as_secs());
        for (workload, samples) in WORKLOADS.iter().zip(&mut samples) {
            // Nobody is always the first.
            for at in (0..PEERS.len()).map(|at| (at + round) % PEERS.len()) {
                if PEERS[at].does(workload) && samples[at].goes_on() {
                    samples[at].add(server.asked_by(PEERS[at], workload, mode)?);
                }
            }
        }
    }
    let Mode { rounds, time, .. } = mode;
    let results = Results::new(
        &format!("median of {rounds} rounds of {time:?} for each client and workload"),
        &samples,
    );
    results.save()?;
    document::renew(&results)?;
    eprintln!("{} s in all", began.elapsed().as_secs());
    Ok(())
}

/// The server, until this is dropped.
struct Server {
    process: Child,
    place: Place,
}

impl Server {
    fn start() -> Outcome<Self> {
        let program = std::env::current_exe()?;
        let mut process = Command::new(program).arg("server").stdout(Stdio::piped()).spawn()?;
        let mut place = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut place)?;
        let place = Place::parse(&place).ok_or("the server did not say where it is")?;
        Ok(Self { process, place })
    }

    /// Runs the client; `None` if it does not come to an end.
    fn asked_by(&self, peer: Peer, workload: &Workload, mode: &Mode) -> Outcome<Option<Sample>> {
        let mut client = Command::new(std::env::current_exe()?)
            .args(["client", peer.name(), workload.name, &self.place.print()])
            .arg(mode.time_for(workload).as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let until = Instant::now() + mode.patience;
        let status = loop {
            if let Some(status) = client.try_wait()? {
                break status;
            }
            if Instant::now() > until {
                client.kill()?;
                break client.wait()?;
            }
            thread::sleep(Duration::from_millis(10));
        };
        let mut said = String::new();
        client.stdout.take().ok_or("no output")?.read_to_string(&mut said)?;
        let sample = Sample::parse(&said).filter(|_| status.success());
        if sample.is_none() {
            eprintln!("{}, {}: {status}", workload.name, peer.name());
        }
        Ok(sample)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.place.certificate);
    }
}
