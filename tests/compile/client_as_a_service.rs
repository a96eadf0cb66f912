// compiles
use std::{future::Future, pin::Pin};
use tower_transport::{
    Body, Client, Transport,
    client::{ClientFuture, ClientStack},
};

/// All of it has a name.
struct Held {
    client: Client,
    stack: Option<ClientStack<Transport>>,
}

fn spawn<F: Future + Send + 'static>(_: F) {}

fn main() {
    let held = Held { client: Client::new(), stack: None };
    spawn(held.client.get("http://example.com/").send());
    let _: Option<Pin<Box<ClientFuture<()>>>> = None;
    let _: (Option<ClientStack<Transport>>, Body) = (held.stack, Body::empty());
}
