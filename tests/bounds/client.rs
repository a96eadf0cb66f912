//! What the layers of a client remember of origins that are seen once.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::service_fn;
use tower_transport::{
    Body,
    client::{Auth, Client},
    options::Retries,
};

use crate::origins::{FLUCTUATION, growth, origins, url};

/// Asks for credentials, and sets a cookie.
async fn ask(request: Request<Body>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let response = match request.headers().contains_key("authorization") {
        true => Response::builder().header("set-cookie", "id=0123456789"),
        false => Response::builder()
            .status(401)
            .header("www-authenticate", "Digest realm=\"x\", nonce=\"y\", qop=\"auth\""),
    };
    Ok(response.body(Empty::new()).unwrap())
}

#[test]
fn origins_that_a_client_sees_once_leave_no_cookie_nonce_or_budget_beyond_the_limits() {
    let client = Client::builder().auth(Auth::digest("user", "secret")).retries(Retries::new(3));
    let client = client.build_over(service_fn(ask)).unwrap();
    let (left, most) = growth(&crate::runtime(), origins() / 5, async |origin| {
        assert_eq!(client.get(url(origin)).await.unwrap().status(), 200);
    });
    assert!(left < FLUCTUATION && most < FLUCTUATION as u64, "{left}, {most}");
}
