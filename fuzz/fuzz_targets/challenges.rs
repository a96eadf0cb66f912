//! Challenges of a server or a proxy, and what answers them.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::auth::fuzzing::challenges(input));
