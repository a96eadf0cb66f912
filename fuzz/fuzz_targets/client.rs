//! A whole client: whatever a server or a proxy says, it neither panics nor hangs.
#![no_main]

use tower_transport::rt::Task;

#[path = "../checks/client.rs"]
mod check;
#[path = "../../src/tests/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    check::check(input);
});
