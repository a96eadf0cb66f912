// says: does not make connections that speak HTTP of a `Target`
// says: layers stand in this order: `PoolLayer`, `NegotiateLayer`, `TlsLayer`, then the connector
use tower_layer::Layer;
use tower_transport::{Body, connect::TcpConnector, http::NegotiateLayer, pool::PoolLayer};

fn main() {
    let (pool, negotiate) = (PoolLayer::<Body>::new(), NegotiateLayer::<Body>::new());
    let twice = negotiate.layer(pool.layer(negotiate.layer(TcpConnector::new())));
    let _pool = pool.layer(twice);
}
