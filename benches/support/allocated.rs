//! Counts calls of the allocator, and their bytes.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Runtime;

use super::{
    clients::{Client, Measure, Outcome},
    count::{COUNTED, WARM_UP, at_least},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations and bytes of one request, on average.
pub(crate) struct Allocated {
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
}

pub(crate) struct PerRequest;

impl Measure for PerRequest {
    type Measured = Allocated;

    fn of(self, runtime: &Runtime, mut client: impl Client) -> Outcome<Allocated> {
        runtime.block_on(at_least(WARM_UP, &mut client))?;
        let region = Region::new(ALLOCATOR);
        let requests = runtime.block_on(at_least(COUNTED, &mut client))?;
        let change = region.change();
        let per_request = |count: usize| count as f64 / requests as f64;
        Ok(Allocated {
            allocations: per_request(change.allocations + change.reallocations),
            bytes: per_request(change.bytes_allocated),
        })
    }
}

/// How many bytes are allocated now.
pub(crate) fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}
