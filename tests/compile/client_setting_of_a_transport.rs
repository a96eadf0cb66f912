// says: no method named `redirects` found for struct `RequestBuilder
// within: 3000
use tower_transport::{RequestExt, Transport, options::Redirects};

fn main() {
    drop(Transport::new().request("GET", "http://example.com/").redirects(Redirects::none()));
}
