//! The whole stack in a world that follows from a seed: the order of tasks, the time, the network, servers and proxies.
//!
//! A run prints its seed when it fails. `SEED=17 cargo test --all-features --test simulation` runs one again, exactly as
//! it was; `SEEDS=100000` runs so many, `FROM=1000` begins with another one.

#![cfg(all(
    feature = "http1",
    feature = "http2",
    feature = "_rustls",
    feature = "tokio",
    not(miri)
))]
#![allow(clippy::disallowed_methods, reason = "the simulation is the runtime")]

#[path = "simulation/network.rs"]
mod network;
#[path = "../src/tests/peer.rs"]
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
mod peer;
#[path = "simulation/scheduler.rs"]
mod scheduler;
#[path = "simulation/server.rs"]
mod server;
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
#[path = "behaviour/support/socks_server.rs"]
mod socks_server;
#[allow(dead_code, reason = "the tests of behaviour use the rest")]
#[path = "behaviour/support/tls_peer.rs"]
mod tls_peer;
#[path = "simulation/world.rs"]
mod world;

use std::{env, panic};

use world::Weather;

/// How many seeds each test runs, unless `SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs all seeds that were asked for, and says which one has failed.
fn all_seeds(weather: Weather) {
    if let Some(seed) = number("SEED") {
        println!("{:?}", world::run(seed, weather));
        return;
    }
    let from = number("FROM").unwrap_or(0);
    let mut all = world::Outcome::default();
    for seed in from..from + number("SEEDS").unwrap_or(SEEDS) {
        match panic::catch_unwind(|| world::run(seed, weather)) {
            Ok(outcome) => all.add(&outcome),
            Err(panic) => {
                eprintln!("run it again: SEED={seed} cargo test --all-features --test simulation");
                panic::resume_unwind(panic);
            }
        }
    }
    println!("{weather:?}: {all:?}");
}

#[test]
fn in_a_calm_no_request_that_may_be_sent_again_is_lost_and_none_is_acted_on_twice() {
    all_seeds(Weather::Calm);
}

#[test]
fn in_a_storm_nothing_is_mixed_up_doubled_or_left_behind() {
    all_seeds(Weather::Storm);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..20 {
        for weather in [Weather::Calm, Weather::Storm] {
            let (first, second) = (world::run(seed, weather), world::run(seed, weather));
            // Signatures differ, and with them the lengths of handshakes.
            if !first.is_over_tls {
                assert_eq!(first, second, "seed {seed}");
            }
        }
    }
}
