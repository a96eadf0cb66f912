// says: is not a connection that takes a
// says: a `NegotiateLayer` is missing below the `PoolLayer`
use tower_layer::Layer;
use tower_transport::{Body, connect::TcpConnector, pool::PoolLayer};

fn main() {
    let _pool = PoolLayer::<Body>::new().layer(TcpConnector::new());
}
