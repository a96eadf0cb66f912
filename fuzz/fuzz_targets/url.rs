//! URLs as users write them: what is accepted can be sent, and is itself when it is read again.
#![no_main]

#[path = "../checks/url.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &str| check::check(input));
