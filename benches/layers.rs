//! What the layers of a client cost a request that needs none of them, and what a whole [`Client`] does:
//! `cargo bench --features client,cookies,gzip --bench layers`.
//!
//! Counts instructions by running itself under callgrind, with as many requests and with twice as many. Fails above the
//! budgets. Allocations are counted by `tests/auto_traits.rs`: the allocator that counts costs instructions.

use std::{
    env,
    future::{IntoFuture, ready},
    pin::pin,
    process::Command,
    task::{Context, Waker},
};

use http::{Request, Response, Uri};
use tower::{Layer, Service, service_fn};
use tower_transport::{
    Body, Error,
    client::{
        AuthLayer, Client, CookiesLayer, DeadlineLayer, DecodeLayer, DefaultsLayer, RedirectLayer,
        RetryLayer,
    },
    options::Retries,
};

/// Instructions that all layers together may add to a request: 2 % above the 3308 measured.
const BUDGET: u64 = 3_374;

/// Instructions of a GET by a [`Client`] over a service that does nothing, from the URL as text to the body as bytes:
/// 2 % above the 9354 measured.
const BUDGET_OF_CLIENT: u64 = 9_541;

const REQUESTS: u64 = 1000;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [stack, requests] = &arguments[..]
        && let Ok(requests) = requests.parse()
    {
        return run(stack, requests);
    }
    let bare = per_request("bare");
    for stack in ["redirect", "retry", "auth", "deadline", "defaults", "cookies", "decode", "all"] {
        let added = per_request(stack).saturating_sub(bare);
        println!("{stack:>10} {added:6} instructions more than {bare}");
        assert!(added <= BUDGET, "{stack}: more than {BUDGET}");
    }
    let whole = per_request("client");
    println!("{:>10} {whole:6} instructions", "client");
    assert!(whole <= BUDGET_OF_CLIENT, "a client: more than {BUDGET_OF_CLIENT}");
}

fn per_request(stack: &str) -> u64 {
    counted(stack, 2 * REQUESTS).saturating_sub(counted(stack, REQUESTS)) / REQUESTS
}

/// The instructions of a whole run.
fn counted(stack: &str, requests: u64) -> u64 {
    let program = env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([stack, &requests.to_string()])
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    let (_, count) = said.rsplit_once("Collected : ").expect("a count");
    count.split_whitespace().next().and_then(|count| count.parse().ok()).expect("a number")
}

fn run(stack: &str, requests: u64) {
    let service =
        service_fn(|_: Request<Body>| ready(Ok::<_, Error>(Response::new(Body::empty()))));
    let all = || {
        let decoded = CookiesLayer::default().layer(DecodeLayer::new().layer(service));
        let once = RetryLayer::new(Retries::none()).layer(AuthLayer::new().layer(decoded));
        DefaultsLayer::new().layer(DeadlineLayer::new(None).layer(RedirectLayer::new().layer(once)))
    };
    match stack {
        "bare" => send(service, requests),
        "redirect" => send(RedirectLayer::new().layer(service), requests),
        "retry" => send(RetryLayer::new(Retries::none()).layer(service), requests),
        "auth" => send(AuthLayer::new().layer(service), requests),
        "deadline" => send(DeadlineLayer::new(None).layer(service), requests),
        "cookies" => send(CookiesLayer::default().layer(service), requests),
        "decode" => send(DecodeLayer::new().layer(service), requests),
        "defaults" => send(DefaultsLayer::new().layer(service), requests),
        "client" => get(&Client::over(service), requests),
        _ => send(all(), requests),
    }
}

fn send<S>(mut service: S, requests: u64)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
{
    let uri: Uri = "http://example.com/".parse().expect("a URL");
    for _ in 0..requests {
        let request = Request::get(uri.clone())
            .header("accept", http::HeaderValue::from_static("*/*"))
            .header("user-agent", http::HeaderValue::from_static("bench/1"));
        let mut future = pin!(service.call(request.body(Body::empty()).expect("a request")));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_ready());
    }
}

fn get<S>(client: &Client<S>, requests: u64)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send>
        + Clone
        + Send
        + 'static,
{
    for _ in 0..requests {
        let mut future = pin!(client.get("http://example.com/").into_future());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_ready());
    }
}
