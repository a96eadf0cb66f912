//! Bytes: of what is moved with a request, and of a connection that is idle.

use std::future::IntoFuture;

use tower::Service;
use tower_transport::{Body, Error, RequestExt, Transport, target::Target};

use super::{
    allocated::in_use,
    clients::{Outcome, memory_per_idle_connection},
    table::{BYTES, Costs, Row},
};

const MEMORY: &str = "memory of an idle HTTP/1.1 connection";

/// What is moved with a request: every layer on top moves it again.
pub(crate) fn of_types() -> Outcome<Vec<Row>> {
    let mut transport = Transport::new();
    let request = http::Request::get("http://origin.example/").body(Body::empty())?;
    let url = "http://origin.example/";
    Ok(vec![
        row("future of `Transport::call`", size_of_val(&transport.call(request))),
        row("future of `request`", size_of_val(&transport.request("GET", url).into_future())),
        row("future of `stream`", size_of_val(&transport.stream("GET", url).into_future())),
        row("`RequestBuilder`", size_of_val(&transport.request("GET", url))),
        row("`Body`", size_of::<Body>()),
        row("`Target`", size_of::<Target>()),
        row("`Error`", size_of::<Error>()),
    ])
}

pub(crate) fn of_connections() -> Outcome<Vec<Row>> {
    let (ours, hyper) = memory_per_idle_connection(in_use)?;
    let bare = format!("{MEMORY}, bare hyper");
    Ok(vec![row(MEMORY, ours as usize), row(&bare, hyper as usize)])
}

/// Whether it is only measured where the optimiser has run.
pub(crate) fn needs_optimisation(title: &str) -> bool {
    title.starts_with(MEMORY)
}

fn row(title: &str, bytes: usize) -> Row {
    let mut costs = Costs::default();
    costs[BYTES] = Some(bytes as f64);
    Row { title: title.to_owned(), costs }
}
