//! Counts what a warm request asks of the allocator: `cargo bench --bench allocations`.

use std::{alloc::System, process::ExitCode};

use http::Version;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[path = "support/clients.rs"]
mod clients;
#[path = "support/peer.rs"]
mod peer;

use clients::{ALL, Client, Measure, Outcome, ROUTES, measure};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// So many requests go before, until buffers and tables have their size.
const WARM_UP: usize = 200;
const COUNTED: usize = 1000;

struct PerRequest;

/// Allocations and bytes of one request, on average.
struct Allocated {
    allocations: f64,
    bytes: f64,
}

impl Measure for PerRequest {
    type Measured = Allocated;

    async fn of(self, mut client: impl Client) -> Outcome<Allocated> {
        for _ in 0..WARM_UP {
            client.get().await?;
        }
        let region = Region::new(ALLOCATOR);
        for _ in 0..COUNTED {
            client.get().await?;
        }
        let change = region.change();
        let per_request = |count: usize| count as f64 / COUNTED as f64;
        Ok(Allocated {
            allocations: per_request(change.allocations + change.reallocations),
            bytes: per_request(change.bytes_allocated),
        })
    }
}

fn main() -> ExitCode {
    let outcome = if std::env::args().any(|argument| argument == peer::ARGUMENT) {
        peer::serve().map_err(Into::into)
    } else {
        table()
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("allocations: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn table() -> Outcome {
    let peer = peer::Peer::start()?;
    println!("per warm request, one at a time    allocations    bytes");
    for &(name, version) in ALL {
        let Allocated { allocations, bytes } =
            measure(PerRequest, (name, version), &peer.address).await?;
        println!("{version:?}  {name:<22} {allocations:>14.2} {bytes:>8.0}");
    }
    println!("\nper choice of a route              allocations    bytes");
    for &name in ROUTES {
        let Allocated { allocations, bytes } =
            measure(PerRequest, (name, Version::HTTP_11), &peer.address).await?;
        println!("{name:<32} {allocations:>14.2} {bytes:>8.0}");
    }
    Ok(())
}
