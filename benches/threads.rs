//! What two threads lose by sharing a transport: `cargo bench --bench threads`, on two quiet cores.
//!
//! Two tasks on two threads send requests: over sockets, as in life, and over connections in memory, where nothing hides the
//! locks of the pool. In each round they share one transport, and then have one each. Both take turns, and the median of the
//! rounds' ratios is printed. Over sockets the server needs a core, too; so the CPU time of the client is what is compared,
//! not the time that passes.

#![allow(clippy::disallowed_methods, reason = "a measurement owns its runtime and its clock")]

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use http::Uri;
use tokio::runtime::Runtime;
use tower_transport::Transport;

#[allow(dead_code, reason = "other benches use the rest")]
#[path = "support/in_memory.rs"]
mod in_memory;
#[allow(dead_code, reason = "other benches use the rest")]
#[path = "support/outcome.rs"]
mod outcome;
#[path = "support/peer.rs"]
mod peer;

use in_memory::IdleOrigins;
use outcome::{Client, Outcome};
use peer::Peer;

const ROUNDS: usize = 41;
const REQUESTS: u32 = 20_000;
const SOCKET_REQUESTS: u32 = 5_000;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some(peer::ARGUMENT) => peer::serve(),
        _ => losses(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("threads: {error}");
            ExitCode::FAILURE
        }
    }
}

fn losses() -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let servers = [Peer::start()?, Peer::start()?];
    for (what, origins) in [("one origin", 1), ("an origin for each thread", 2)] {
        let uris: Vec<Uri> = servers[..origins].iter().map(origin).collect::<Outcome<_>>()?;
        compare(&format!("{what}, over sockets"), SOCKET_REQUESTS, |is_shared| {
            let open =
                async || IdleOrigins::over(Transport::builder().build()?, uris.clone()).await;
            Ok(round(&runtime, is_shared, origins, open, SOCKET_REQUESTS)?.0 / 2)
        })?;
    }
    for (what, origins) in [("one origin", 1), ("an origin for each thread", 2)] {
        compare(&format!("{what}, in memory"), REQUESTS, |is_shared| {
            let open = async || IdleOrigins::open(origins).await;
            Ok(round(&runtime, is_shared, origins, open, REQUESTS)?.1 / 2)
        })?;
    }
    Ok(())
}

fn origin(server: &Peer) -> Outcome<Uri> {
    let address = server.place.split(' ').next().unwrap_or_default();
    Ok(format!("http://{address}/").parse()?)
}

/// Prints how much more `round` takes with a shared transport.
fn compare(what: &str, requests: u32, mut round: impl FnMut(bool) -> Outcome<Duration>) -> Outcome {
    let (mut ratios, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (shared, own) = (round(true)?, round(false)?);
        ratios.push(shared.as_secs_f64() / own.as_secs_f64());
        alone.push(own.as_secs_f64() * 1e6 / f64::from(requests));
    }
    println!(
        "{what}: {:+.1} % for sharing a transport, of {:.2} µs per request",
        (median(ratios) - 1.0) * 100.0,
        median(alone)
    );
    Ok(())
}

/// The CPU time of both tasks, and how long they take together.
fn round(
    runtime: &Runtime,
    is_shared: bool,
    origins: usize,
    open: impl AsyncFn() -> Outcome<IdleOrigins>,
    requests: u32,
) -> Outcome<(Duration, Duration)> {
    runtime.block_on(async {
        let first = open().await?;
        let second = if is_shared { first.clone() } else { open().await? };
        let clients = [first.only_origin(0), second.only_origin(origins - 1)];
        let (began, cpu) = (Instant::now(), cpu_time()?);
        let tasks = clients.map(|mut client| {
            tokio::spawn(async move {
                for _ in 0..requests {
                    client.send().await?;
                }
                Outcome::Ok(())
            })
        });
        for task in tasks {
            task.await??;
        }
        Ok((cpu_time()? - cpu, began.elapsed()))
    })
}

/// Of all threads of this process, as Linux counts it.
fn cpu_time() -> Outcome<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let times = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
