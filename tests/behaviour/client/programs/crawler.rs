//! A crawler with cookies, and two connections to each host.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, response::IntoResponse};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tower_transport::{
    Error, Transport,
    client::{Client, ResponseExt, UriExt},
};

/// The URLs that can be reached from one, on these hosts.
async fn crawl(
    transport: Transport,
    start: &str,
    hosts: &[&str],
) -> Result<BTreeSet<String>, Error> {
    let client = Client::builder().transport(transport).build()?;
    let mut seen = BTreeSet::from([start.to_owned()]);
    let visit = |url: String| async { client.get(url).await?.error_for_status() };
    let mut visits = FuturesUnordered::from_iter([visit(start.to_owned())]);
    while let Some(page) = visits.next().await {
        let Ok(page) = page else { continue };
        let (Some(url), text) = (page.url(), page.text()) else { continue };
        for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let Ok(linked) = url.resolve(link) else { continue };
            let is_ours = linked.host().is_some_and(|host| hosts.contains(&host));
            if is_ours && seen.insert(linked.to_string()) {
                visits.push(visit(linked.to_string()));
            }
        }
    }
    Ok(seen)
}

/// The front page sets a cookie, without which there are no other pages; page `/n` links to `/2n` and `/2n+1`.
async fn site(request: Request, busy: Arc<Mutex<HashMap<String, usize>>>) -> impl IntoResponse {
    let host = request.headers()["host"].to_str().unwrap().to_owned();
    *busy.lock().unwrap().entry(host.clone()).or_default() += 1;
    tokio::task::yield_now().await;
    assert!(busy.lock().unwrap()[&host] <= 2, "more than two at once");
    *busy.lock().unwrap().get_mut(&host).unwrap() -= 1;
    let has_cookie = request.headers().get("cookie").is_some_and(|cookie| cookie == "seen=1");
    let links = match request.uri().path()[1..].parse::<u32>() {
        Ok(n) if has_cookie && n < 8 => format!("<a href=\"{}\"> <a href=\"./{}#x\">", 2 * n, 2 * n + 1),
        Ok(_) => String::new(),
        Err(_) => "<a href=\"/1\"> <a href=\"//b.example/\"> <a href=\"mailto:x\"> <a href=\"//c.example/\">".to_owned(),
    };
    ([("set-cookie", "seen=1")], links)
}

#[tokio::test]
async fn every_page_of_two_hosts_is_found() {
    let busy = Arc::default();
    let router = Router::new().fallback(move |request| site(request, Arc::clone(&busy)));
    let transport = super::served(router).max_connections_per_host(2).build().unwrap();
    let found = crawl(transport, "http://a.example/", &["a.example", "b.example"]).await.unwrap();
    assert_eq!(found.len(), 2 * 16);
    assert!(found.contains("http://b.example/15"));
}
