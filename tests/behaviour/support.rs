//! Doubles and scenes that several behaviours share.

pub(crate) mod hosts;
