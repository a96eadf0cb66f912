// says: is not a future
use tower_transport::{RequestExt, Transport};

/// As `tokio::spawn`.
fn spawn<F: Future + Send + 'static>(_: F) {}

fn main() {
    spawn(Transport::new().request("GET", "http://example.com/"));
}
