//! Samples of all rounds, their medians, and the file that they are kept in.

use std::{fmt::Write, fs, path::PathBuf, process::Command};

use crate::{
    client::Sample,
    work::{Outcome, PEERS, Peer, WORKLOADS, Workload},
};

/// All that one peer took for one workload, a sample a round; `None` for a round in which it did not finish.
#[derive(Default)]
pub struct Samples(Vec<Option<Sample>>);

impl Samples {
    pub fn add(&mut self, sample: Option<Sample>) {
        self.0.push(sample);
    }

    /// Whether it is worth another round.
    pub fn goes_on(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    fn median(&self, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        median(self.0.iter().flatten().map(of).collect())
    }

    /// The median of the ratios of CPU within each round.
    fn ratio(&self, base: &Self) -> Option<f64> {
        let pairs = self.0.iter().zip(&base.0).filter_map(|(one, base)| one.zip(*base));
        median(pairs.map(|(one, base)| one.cpu_micros / base.cpu_micros).collect())
    }
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    let lower = numbers[(numbers.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// A cell of the tables.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub workload: &'static Workload,
    pub peer: Peer,
    pub sample: Sample,
    /// CPU over that of bare hyper.
    pub ratio: f64,
}

pub struct Results {
    /// How it was measured, and on what.
    pub about: Vec<String>,
    pub cells: Vec<Cell>,
}

/// The file, in the package and not in the published crate.
fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results.tsv")
}

impl Results {
    /// Samples are in the order of workloads and, inside, of peers.
    pub fn new(about: &str, samples: &[Vec<Samples>]) -> Self {
        let mut cells = Vec::new();
        for (workload, of_peers) in WORKLOADS.iter().zip(samples) {
            for (peer, samples) in PEERS.into_iter().zip(of_peers) {
                let cell = || {
                    let sample = Sample {
                        cpu_micros: samples.median(|sample| sample.cpu_micros)?,
                        per_second: samples.median(|sample| sample.per_second)?,
                        peak_mib: samples.median(|sample| sample.peak_mib)?,
                    };
                    Some(Cell { workload, peer, sample, ratio: samples.ratio(&of_peers[0])? })
                };
                cells.extend(cell());
            }
        }
        Self { about: [vec![about.to_owned()], machine()].concat(), cells }
    }

    pub fn cell(&self, workload: &Workload, peer: Peer) -> Option<&Cell> {
        let is = |cell: &&Cell| cell.workload.name == workload.name && cell.peer == peer;
        self.cells.iter().find(is)
    }

    /// Whether this peer was part of the run.
    pub fn has(&self, peer: Peer) -> bool {
        self.cells.iter().any(|cell| cell.peer == peer)
    }

    pub fn save(&self) -> Outcome {
        let mut text = String::new();
        for line in &self.about {
            let _ = writeln!(text, "# {line}");
        }
        text.push_str("workload\tpeer\tratio\tcpu_micros\tper_second\tpeak_mib\n");
        for Cell { workload, peer, sample, ratio } in &self.cells {
            let Sample { cpu_micros, per_second, peak_mib } = sample;
            let _ = writeln!(
                text,
                "{}\t{}\t{ratio:.3}\t{cpu_micros:.2}\t{per_second:.1}\t{peak_mib:.1}",
                workload.name,
                peer.name()
            );
        }
        Ok(fs::write(file(), text)?)
    }

    pub fn load() -> Outcome<Self> {
        let text = fs::read_to_string(file())?;
        let about = text.lines().filter_map(|line| line.strip_prefix("# ").map(str::to_owned));
        let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        let cells = lines.map(|line| parse(line).ok_or_else(|| format!("`{line}` is no result")));
        Ok(Self { about: about.collect(), cells: cells.collect::<Result<_, _>>()? })
    }
}

fn parse(line: &str) -> Option<Cell> {
    let mut parts = line.split('\t');
    let (workload, peer) = (Workload::of(parts.next()?)?, Peer::of(parts.next()?)?);
    let mut number = || parts.next()?.parse().ok();
    let ratio = number()?;
    let sample = Sample { cpu_micros: number()?, per_second: number()?, peak_mib: number()? };
    Some(Cell { workload, peer, sample, ratio })
}

/// What it was measured on, and whom.
fn machine() -> Vec<String> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu.unwrap_or_default().trim_start_matches(['\t', ' ', ':']).to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = said("uname", &["-sr"]).unwrap_or_default();
    let rustc = said("rustc", &["--version"]).unwrap_or_default();
    let date = said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    vec![format!("{date}; {cpu}, {cores} cores; {kernel}; {rustc}"), versions()]
}

fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let packages = ["hyper", "hyper-util", "h2", "reqwest", "ureq", "tokio", "rustls"];
    let version = |package: &str| {
        let of_package = lock.split(&format!("name = \"{package}\"\nversion = \"")).nth(1)?;
        Some(format!("{package} {}", of_package.split('"').next()?))
    };
    packages.into_iter().filter_map(version).collect::<Vec<_>>().join(", ")
}
