//! The client, in a process of its own: sends what a workload is, and says what it took.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    },
    unistd::Pid,
};
use tokio::sync::Barrier;

use crate::{
    clients::{
        BlockingClient, Client, bare, blocking, legacy, ours, ours_blocking::OursBlocking, pool,
        reqwest,
    },
    work::{Job, Outcome, Peer, Place, Way, Workload},
};

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// CPU of the client, user and system, of one request.
    pub cpu_micros: f64,
    pub per_second: f64,
    pub peak_mib: f64,
}

impl Sample {
    pub fn print(&self) -> String {
        format!("{} {} {}", self.cpu_micros, self.per_second, self.peak_mib)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
        let mut next = || numbers.next()?;
        Some(Self { cpu_micros: next()?, per_second: next()?, peak_mib: next()? })
    }
}

/// Keeps this process on one core, if there are two.
pub fn stay_on(core: usize) -> Outcome {
    if thread::available_parallelism()?.get() < 2 {
        return Ok(());
    }
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}

pub fn run(peer: Peer, workload: &Workload, place: &Place, time: Duration) -> Outcome<Sample> {
    let jobs = jobs(workload, place)?;
    match peer {
        Peer::Ureq => return in_threads(blocking::Ureq::new(workload, place)?, jobs, time),
        Peer::Blocking => return in_threads(OursBlocking::new(workload, place)?, jobs, time),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match peer {
            Peer::Hyper | Peer::Pool => over_hyper(peer, workload, place, jobs, time).await,
            Peer::Legacy => match workload.way {
                Way::Plain => shared(legacy::plain(workload), jobs, time).await,
                Way::Tls => shared(legacy::direct(workload, place)?, jobs, time).await,
                Way::Connect => shared(legacy::through_proxy(workload, place)?, jobs, time).await,
            },
            Peer::Reqwest => shared(reqwest::Reqwest::new(workload, place)?, jobs, time).await,
            Peer::Ours => shared(ours::Ours::new(workload, place)?, jobs, time).await,
            Peer::Ureq | Peer::Blocking => unreachable!("they have threads"),
        }
    })
}

async fn over_hyper(
    peer: Peer,
    workload: &Workload,
    place: &Place,
    jobs: Vec<Vec<Job>>,
    time: Duration,
) -> Outcome<Sample> {
    let dial = bare::Dial::new(workload.way, place)?;
    match (peer, workload.is_http2) {
        (Peer::Hyper, false) => in_tasks(|| bare::BareHttp1::new(dial.clone()), jobs, time).await,
        (Peer::Hyper, true) => {
            let sender = dial.http2(&jobs[0][0].uri).await?;
            shared(bare::BareHttp2(sender), jobs, time).await
        }
        (_, false) => shared(pool::http1(dial), jobs, time).await,
        (_, true) => shared(pool::http2(dial), jobs, time).await,
    }
}

/// What each worker sends, in turn: the origins are divided among them.
fn jobs(workload: &Workload, place: &Place) -> Outcome<Vec<Vec<Job>>> {
    let workers = workload.at_once;
    let origins = |worker: usize| (worker..workload.origins.max(workers)).step_by(workers);
    let job = |origin: usize| Job::new(workload, place, origin % workload.origins);
    (0..workers).map(|worker| origins(worker).map(job).collect()).collect()
}

/// All workers have the same client. Its first request goes alone: some open a connection of HTTP/2 for each of those that
/// come at once to an origin that they do not know, which is no steady state.
async fn shared(
    client: impl Client + Clone,
    jobs: Vec<Vec<Job>>,
    time: Duration,
) -> Outcome<Sample> {
    client.clone().send(0, &jobs[0][0]).await?;
    in_tasks(|| client.clone(), jobs, time).await
}

/// Sends by tasks, each after it has sent everything once, so that what is counted finds warm connections.
async fn in_tasks<C: Client>(
    client: impl Fn() -> C,
    jobs: Vec<Vec<Job>>,
    time: Duration,
) -> Outcome<Sample> {
    let begin = Arc::new(Barrier::new(jobs.len() + 1));
    let until = Arc::new(Mutex::new(Instant::now()));
    let workers: Vec<_> = jobs
        .into_iter()
        .map(|jobs| {
            let (mut client, begin, until) = (client(), begin.clone(), until.clone());
            tokio::spawn(async move {
                for _ in 0..2 {
                    for (at, job) in jobs.iter().enumerate() {
                        client.send(at, job).await?;
                    }
                }
                begin.wait().await;
                begin.wait().await;
                let until = *until.lock().map_err(|_| "poisoned")?;
                let mut sent = 0;
                'sending: loop {
                    for (at, job) in jobs.iter().enumerate() {
                        client.send(at, job).await?;
                        sent += 1;
                        if Instant::now() >= until {
                            break 'sending;
                        }
                    }
                }
                Outcome::Ok(sent)
            })
        })
        .collect();
    let collected = async {
        begin.wait().await;
        let meter = Meter::start()?;
        *until.lock().map_err(|_| "poisoned")? = Instant::now() + time;
        begin.wait().await;
        Outcome::Ok(meter)
    };
    let (mut sent, mut meter) = (0, None);
    let mut collected = std::pin::pin!(collected);
    let mut workers = workers.into_iter();
    // A worker that fails in the warm-up never comes to the barrier: it must not be waited for.
    let mut first = workers.next().ok_or("no jobs")?;
    tokio::select! {
        done = &mut collected => {
            meter = Some(done?);
            sent += first.await??;
        }
        ended = &mut first => {
            sent += ended??;
        }
    }
    for worker in workers {
        sent += worker.await??;
    }
    let meter = match meter {
        Some(meter) => meter,
        None => collected.await?,
    };
    meter.stop(sent)
}

/// The same by threads.
fn in_threads(client: impl BlockingClient, jobs: Vec<Vec<Job>>, time: Duration) -> Outcome<Sample> {
    let begin = Arc::new(std::sync::Barrier::new(jobs.len() + 1));
    let until = Arc::new(Mutex::new(Instant::now()));
    let workers: Vec<_> = jobs
        .into_iter()
        .map(|jobs| {
            let (mut client, begin, until) = (client.clone(), begin.clone(), until.clone());
            thread::Builder::new().stack_size(256 << 10).spawn(move || {
                let mut warm_up = || -> Outcome {
                    for job in jobs.iter().chain(&jobs) {
                        client.send(job)?;
                    }
                    Ok(())
                };
                let warmed_up = warm_up();
                begin.wait();
                begin.wait();
                warmed_up?;
                let until = *until.lock().map_err(|_| "poisoned")?;
                let mut sent = 0;
                for job in jobs.iter().cycle() {
                    client.send(job)?;
                    sent += 1;
                    if Instant::now() >= until {
                        break;
                    }
                }
                Outcome::Ok(sent)
            })
        })
        .collect::<Result<_, _>>()?;
    begin.wait();
    let meter = Meter::start()?;
    *until.lock().map_err(|_| "poisoned")? = Instant::now() + time;
    begin.wait();
    let mut sent = 0;
    for worker in workers {
        sent += worker.join().map_err(|_| "a worker panicked")??;
    }
    meter.stop(sent)
}

struct Meter {
    cpu_micros: i64,
    began: Instant,
}

impl Meter {
    fn start() -> Outcome<Self> {
        Ok(Self { cpu_micros: cpu_micros()?, began: Instant::now() })
    }

    fn stop(self, sent: usize) -> Outcome<Sample> {
        let (cpu, wall) = (cpu_micros()? - self.cpu_micros, self.began.elapsed());
        Ok(Sample {
            cpu_micros: cpu as f64 / sent as f64,
            per_second: sent as f64 / wall.as_secs_f64(),
            peak_mib: peak_mib()?,
        })
    }
}

fn cpu_micros() -> Outcome<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

fn peak_mib() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).ok_or("no peak of memory")?;
    Ok(kib.trim().parse::<f64>()? / 1024.0)
}
