// compiles
//
// The right order, and a request that is spawned.
use tower_layer::Layer;
use tower_transport::{Body, RequestExt, Transport, connect::{Connect, TcpConnector}, http::NegotiateLayer, pool::PoolLayer, target::Target};

fn connects<C: Connect<Target>>(connector: C) -> C {
    connector
}

fn spawn<F: Future + Send + 'static>(_: F) {}

fn main() {
    let negotiate = NegotiateLayer::<Body>::new().layer(connects(TcpConnector::new()));
    let _pool = PoolLayer::new().layer(negotiate);
    spawn(Transport::new().request("GET", "http://example.com/").into_future());
}
