//! Redirects between origins that are reached through different proxies, or through none.

use http::HeaderValue;
use tower_transport::{
    Client, ResponseExt,
    proxy::{Proxy, ProxyRules},
};

use crate::support::net::{Behavior, Net};

const TO_B: &str = "HTTP/1.1 302 Found\r\nLocation: http://b.example/\r\nContent-Length: 0\r\n\r\n";

fn proxy(name: &str) -> Proxy {
    format!("http://{name}:{name}-secret@{name}.example:3128").parse().unwrap()
}

/// What Basic sends to a proxy.
fn basic(name: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(format!("{name}:{name}-secret"))
}

/// Sends a request to A with credentials for a proxy of its own, along a redirect to B.
async fn follow(net: &Net, rules: ProxyRules) {
    let client = Client::builder().no_env().proxy(rules);
    let connector = net.connector();
    let client = client.configure_transport(|transport| transport.connector(connector));
    let own = HeaderValue::from_static("Basic caller-secret");
    let request = client.build().unwrap().get("http://a.example/");
    let response = request.header("proxy-authorization", own).await.unwrap();
    assert_eq!((response.text(), response.history().len()), ("hello".to_owned(), 1));
}

#[tokio::test]
async fn a_redirect_past_the_proxy_tells_the_origin_nothing_that_is_for_it() {
    let net = Net::new();
    let p = net.plain("p.example:3128", Behavior::Say(TO_B));
    let b = net.plain("b.example:80", Behavior::Serve);
    follow(&net, ProxyRules::all(proxy("p")).no_proxy("b.example").unwrap()).await;
    assert!(p.received_text("GET http://a.example/") && !p.received_text("b.example"));
    assert!(b.received_text("GET / ") && !b.received_text("authorization"), "{:?}", b.heads());
    assert!(!b.received_text("secret") && !b.received_text(&basic("p")));
}

#[tokio::test]
async fn a_redirect_into_the_proxy_tells_it_what_is_for_it_alone() {
    let net = Net::new();
    let a = net.plain("a.example:80", Behavior::Say(TO_B));
    let p = net.plain("p.example:3128", Behavior::Serve);
    follow(&net, ProxyRules::all(proxy("p")).no_proxy("a.example").unwrap()).await;
    assert!(a.received_text("GET / ") && !a.received_text("authorization"), "{:?}", a.heads());
    assert!(p.received_text("GET http://b.example/") && p.received_text(&basic("p")));
    assert!(!p.received_text("caller-secret"), "{:?}", p.heads());
}

#[tokio::test]
async fn a_redirect_to_an_origin_of_another_proxy_tells_it_nothing_of_the_first() {
    let net = Net::new();
    let p = net.plain("p.example:3128", Behavior::Say(TO_B));
    let q = net.plain("q.example:3128", Behavior::Serve);
    follow(&net, ProxyRules::all(proxy("p")).host("b.example", proxy("q")).unwrap()).await;
    assert!(p.received_text("GET http://a.example/"));
    assert!(!p.received_text(&basic("q")) && !q.received_text(&basic("p")), "{:?}", q.heads());
    assert!(q.received_text(&basic("q")) && !q.received_text("caller-secret"));
}
