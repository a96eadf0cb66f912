//! The chunks of a body.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::http::fuzzing::chunks(input));
