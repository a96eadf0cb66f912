//! The size of a program that sends requests by a `Client` with all that `client-full` has:
//! `cargo bench --features client-full --bench size_client`. Fails above the budget.

use std::collections::HashMap;

use tower_transport::{Client, Error, ResponseExt};

#[path = "support/size.rs"]
mod size;

/// 3 % above what was measured on x86-64 Linux.
const BUDGET: u64 = 8_990_000;

fn main() {
    size::request_or_measure("a client", BUDGET, |url| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = runtime.expect("a runtime").block_on(request(url));
        println!("{outcome:?}");
    });
}

async fn request(url: String) -> Result<usize, Error> {
    let client = Client::new();
    let response = client.get(&url).query(&[("a", 1)]).await?.error_for_status()?;
    let fields: HashMap<String, String> = response.json()?;
    let response = client.post(&url).json(&fields).await?.error_for_status()?;
    Ok(client.post(url).form(&fields).await?.text().len() + response.text().len())
}
