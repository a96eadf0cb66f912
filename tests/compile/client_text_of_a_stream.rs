// says: the body of this response is streamed
// says: import `StreamedResponseExt`
// within: 3000
use tower_transport::{Client, ResponseExt};

async fn text() {
    let response = Client::new().get("http://example.com/").streamed().await.unwrap();
    println!("{}", response.text());
}

fn main() {
    drop(text());
}
