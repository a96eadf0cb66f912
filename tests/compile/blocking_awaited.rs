// says: is not a future
// within: 3000
use tower_transport::blocking;

async fn get() {
    let _ = blocking::request("GET", "http://example.com/").await;
}

fn main() {
    drop(get());
}
