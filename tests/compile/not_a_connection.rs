// says: is not a connection that takes a
// says: a `NegotiateLayer` is missing below the `PoolLayer`
use tower_transport::pool::Connection;

fn takes<C: Connection<String>>(_: C) {}

fn main() {
    takes(());
}
