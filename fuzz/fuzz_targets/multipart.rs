//! A form that is written and read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::client::multipart::fuzzing::multipart(
    input
));
