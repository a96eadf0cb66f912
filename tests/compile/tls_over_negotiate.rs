// says: is not a connector
// says: `PoolLayer`, then `NegotiateLayer`, then `TlsLayer`, then the connector
use tower_layer::Layer;
use tower_transport::{Body, connect::{Connect, TcpConnector}, http::NegotiateLayer, target::Target};

fn connects<C: Connect<Target>>(_: C) {}

fn main() {
    connects(NegotiateLayer::<Body>::new().layer(TcpConnector::new()));
}
