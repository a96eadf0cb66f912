//! Coded bodies.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::client::decode::fuzzing::decode(input));
