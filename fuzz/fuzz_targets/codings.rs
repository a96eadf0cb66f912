//! The list of codings of a body.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::client::decode::fuzzing::codings(
    input
));
