//! The `Location` of a redirect.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::client::fuzzing::location(input));
