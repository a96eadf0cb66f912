//! What an idle connection costs.

use allocation_counter::measure;

use crate::{
    in_memory::{IdleConnections, bare},
    runtime,
};

const CONNECTIONS: usize = 10_000;

#[test]
fn ten_thousand_idle_connections_take_less_memory_than_those_of_bare_hyper_and_leave_none() {
    let (runtime, mut kept) = (runtime(), None);
    // What is allocated once, such as the runtime's queue for that many tasks.
    drop(runtime.block_on(IdleConnections::open(CONNECTIONS)).unwrap());
    runtime.block_on(tokio::task::yield_now());
    let ours =
        measure(|| kept = Some(runtime.block_on(IdleConnections::open(CONNECTIONS)).unwrap()));
    let closing = measure(|| {
        drop(kept.take());
        // Tasks that have ended are dropped in a turn of the runtime.
        runtime.block_on(tokio::task::yield_now());
    });
    let mut senders = Vec::new();
    let hyper = measure(|| senders = runtime.block_on(bare(CONNECTIONS)).unwrap());
    let each = |bytes: i64| bytes / CONNECTIONS as i64;
    let (left, ours, hyper) = (
        ours.bytes_current + closing.bytes_current,
        each(ours.bytes_current),
        each(hyper.bytes_current),
    );
    println!("memory of an idle connection: {ours} bytes, of bare hyper {hyper}; {left} are left");
    assert!((1..10_000).contains(&ours) && ours < hyper, "{ours} bytes, of hyper {hyper}");
    assert!(left < 1024, "{left} bytes are left");
}
