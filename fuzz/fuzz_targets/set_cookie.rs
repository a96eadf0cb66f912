//! `Set-Cookie` fields.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_transport::client::cookies::fuzzing::set_cookie(
    input
));
