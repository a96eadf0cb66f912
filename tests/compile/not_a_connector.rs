// says: is not a connector
// says: `Connected<Io>`
// says: `UriConnector`
use tower_transport::{connect::Connect, target::Target};

struct Mine;

fn connects<C: Connect<Target>>(_: C) {}

fn main() {
    connects(Mine);
}
