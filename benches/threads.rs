//! What two threads lose by sharing a transport: `cargo bench --bench threads`, on two quiet cores.
//!
//! Two tasks on two threads send requests over connections in memory, so that nothing hides the locks of the pool: over
//! sockets a request takes several times as long, and threads meet less often. In each round they share one transport, and
//! then have one each. Both take turns, and the median of the rounds' ratios is printed.

#![allow(clippy::disallowed_methods, reason = "a measurement owns its runtime and its clock")]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

#[allow(dead_code, unused_imports, reason = "only the connections in memory")]
#[path = "support/clients.rs"]
mod clients;

use clients::{Client, IdleOrigins, Outcome};

const ROUNDS: usize = 41;
const REQUESTS: u32 = 20_000;

fn main() -> ExitCode {
    match losses() {
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
    for (what, origins) in [("one origin", 1), ("an origin for each thread", 2)] {
        let (mut ratios, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let shared = round(&runtime, true, origins)?;
            let own = round(&runtime, false, origins)?;
            ratios.push(shared.as_secs_f64() / own.as_secs_f64());
            alone.push(own.as_secs_f64() * 1e6 / f64::from(REQUESTS));
        }
        println!(
            "{what}: {:+.1} % for sharing a transport, of {:.2} µs per request",
            (median(ratios) - 1.0) * 100.0,
            median(alone)
        );
    }
    Ok(())
}

/// How long both tasks take together.
fn round(runtime: &Runtime, is_shared: bool, origins: usize) -> Outcome<Duration> {
    runtime.block_on(async {
        let first = IdleOrigins::open(origins).await?;
        let second = if is_shared { first.clone() } else { IdleOrigins::open(origins).await? };
        let clients = [first.only_origin(0), second.only_origin(origins - 1)];
        let began = Instant::now();
        let tasks = clients.map(|mut client| {
            tokio::spawn(async move {
                for _ in 0..REQUESTS {
                    client.send().await?;
                }
                Outcome::Ok(())
            })
        });
        for task in tasks {
            task.await??;
        }
        Ok(began.elapsed())
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
