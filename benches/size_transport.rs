//! The size of a program that sends requests by a `Transport`, in a build with the default features:
//! `cargo bench --bench size_transport`. Fails above the budget.

use tower_transport::{Error, RequestExt, Transport};

#[path = "support/size.rs"]
mod size;

/// 3 % above what was measured on x86-64 Linux.
const BUDGET: u64 = 7_400_000;

fn main() {
    size::request_or_measure("a transport", BUDGET, |url| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = runtime.expect("a runtime").block_on(request(url));
        println!("{outcome:?}");
    });
}

async fn request(url: String) -> Result<usize, Error> {
    let response = Transport::new().request("GET", url).await?;
    Ok(response.body().len())
}
