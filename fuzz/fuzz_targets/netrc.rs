//! A `.netrc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::client::netrc::fuzzing::netrc(input));
