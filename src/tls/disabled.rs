//! stub
use crate::connect::*;
use crate::target::Target;
use tower_layer::Layer;
/// x
#[derive(Clone, Debug, Default)]
pub struct TlsConfig;
/// x
#[derive(Clone, Debug)]
pub struct TlsLayer;
impl TlsLayer {
    /// x
    pub fn new(_: TlsConfig) -> Self {
        Self
    }
}
impl<C> Layer<C> for TlsLayer {
    type Service = C;
    fn layer(&self, c: C) -> C {
        c
    }
}
