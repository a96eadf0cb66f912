// says: `RequestBuilder<Client<u32>, Buffered>` is not a future
// within: 2500
use tower_transport::Client;

async fn get(client: &Client<u32>) {
    let _ = client.get("http://example.com/").await;
}

fn main() {
    drop(get(&Client::over(5)));
}
