//! The head of a response.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::http::fuzzing::head(input));
