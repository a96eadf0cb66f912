//! `NO_PROXY`: any list decides about any host, and for all spellings of the host alike.
#![no_main]

#[path = "../checks/no_proxy.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &str| check::check(input));
