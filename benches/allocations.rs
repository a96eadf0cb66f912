//! Counts what a request asks of the allocator: `cargo bench --bench allocations`.

use std::process::ExitCode;

use http::Version;

#[allow(dead_code, reason = "not the memory that is in use")]
#[path = "support/allocated.rs"]
mod allocated;
#[allow(dead_code, unused_imports, reason = "of what is measured, neither ratios nor system calls")]
#[path = "support/clients.rs"]
mod clients;
#[allow(dead_code, reason = "of counting, only the numbers of requests")]
#[path = "support/count.rs"]
mod count;
#[path = "support/peer.rs"]
mod peer;

use allocated::{Allocated, PerRequest};
use clients::{ALL, Outcome, ROUTES, measure};

fn main() -> ExitCode {
    let is_peer = std::env::args().any(|argument| argument == peer::ARGUMENT);
    match if is_peer { peer::serve() } else { table() } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("allocations: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> Outcome {
    let peer = peer::Peer::start()?;
    println!("per warm request                           allocations    bytes");
    for row in ALL {
        let of = measure(PerRequest, (row.name, row.version), &peer.place)?;
        let Allocated { allocations, bytes } = of;
        println!("{:?}  {:<30} {allocations:>14.2} {bytes:>8.0}", row.version, row.name);
    }
    println!("\nper choice of a route                      allocations    bytes");
    for &name in ROUTES {
        let of = measure(PerRequest, (name, Version::HTTP_11), &peer.place)?;
        let Allocated { allocations, bytes } = of;
        println!("{name:<40} {allocations:>14.2} {bytes:>8.0}");
    }
    Ok(())
}
