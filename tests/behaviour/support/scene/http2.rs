//! Scripted servers of HTTP/2.

use super::{
    super::{frames::each_http2, scripted::Step},
    Scene,
};

impl Scene {
    /// HTTP/2 over TCP, with prior knowledge.
    pub(crate) fn http2(scripts: Vec<Vec<Step>>) -> Self {
        Self::tcp_with(each_http2(scripts), |builder| builder.http2_prior_knowledge())
    }

    /// The same in memory.
    pub(crate) fn http2_in_memory(scripts: Vec<Vec<Step>>) -> Self {
        Self::memory_with(each_http2(scripts), |builder| builder.http2_prior_knowledge())
    }
}
