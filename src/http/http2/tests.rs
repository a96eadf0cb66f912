//! HTTP/2 against a peer scripted in frames.

mod cancellation;
mod extended_connect;
mod floods;
mod goaway;
mod limits;
mod malformed;
mod peer;
mod progress;
mod requests;
mod responses;
mod silence;
mod tunnels;
mod uploads;
mod windows;
mod writes;
