//! One limit of time over all that is done for a request.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer, service_fn};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    client::{DeadlineLayer, NextRequest, RedirectLayer, RetryLayer},
    mock::{NeverConnects, Script, ScriptedConnector},
    options::{Deadline, Redirects, Retries, Timeouts},
};

use super::site::*;

const SECOND: Duration = Duration::from_secs(1);

/// Redirects for ever, and takes a second each time.
fn slow()
-> impl tower::Service<http::Request<Body>, Response = Answer, Error = Error, Future: Send> + Clone
{
    service_fn(|_| async {
        sleep(SECOND).await;
        Ok(redirect(302, "/"))
    })
}

#[tokio::test(start_paused = true)]
async fn redirects_count_together() {
    let start = Instant::now();
    let client =
        DeadlineLayer::new(10 * SECOND + SECOND / 2).layer(RedirectLayer::new().layer(slow()));
    let error = send(&client, get("http://a/?sig=secret")).await.unwrap_err();
    assert!(error.is_timeout() && !error.is_unsent() && !error.was_sent(), "{error:?}");
    assert_eq!(start.elapsed().as_millis() / 10, 1050);
    let text = "waiting for the answer to a request for http://a/?sig=***: timed out after 10.5 s (total timeout)";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn tries_and_pauses_count_together() {
    let start = Instant::now();
    let busy = service_fn(|_| async {
        sleep(2 * SECOND).await;
        Ok::<_, Error>(answer(503, &[("retry-after", "5")], ""))
    });
    let client = DeadlineLayer::new(8 * SECOND).layer(RetryLayer::new(Retries::new(9)).layer(busy));
    assert!(send(&client, get("http://a/")).await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed().as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn the_shortest_of_the_limits_counts() {
    let total = |seconds| Timeouts::default().total(Duration::from_secs(seconds));
    for (own, asked, outer, expected) in [
        (Some(5), None, None, 5),
        (Some(5), Some(3), None, 3),
        (Some(5), Some(9), None, 5),
        (None, Some(4), None, 4),
        (Some(5), Some(4), Some(2), 2),
    ] {
        let start = Instant::now();
        let client = DeadlineLayer::new(own.map(Duration::from_secs))
            .layer(RedirectLayer::new().layer(slow()));
        let mut sent = get("http://a/");
        if let Some(asked) = asked {
            sent.extensions_mut().insert(total(asked));
        }
        if let Some(outer) = outer {
            let end_at = (Instant::now() + Duration::from_secs(outer)).into_std();
            sent.extensions_mut().insert(Deadline::at(end_at));
        }
        assert!(send(&client, sent).await.unwrap_err().is_timeout());
        assert_eq!(start.elapsed().as_secs(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_none_and_zero_sends_nothing() {
    let site = Site::new(|_| ok());
    let unlimited = DeadlineLayer::new(None).layer(site.strict());
    send(&unlimited, get("http://a/")).await.unwrap();
    assert!(site.seen()[0].extensions().get::<Deadline>().is_none());
    let none = DeadlineLayer::new(Duration::ZERO).layer(site.strict());
    let error = send(&none, get("http://a/")).await.unwrap_err();
    assert!(error.is_timeout() && error.is_unsent() && site.lines().is_empty());
    let forever = DeadlineLayer::new(Duration::MAX).layer(site.strict());
    send(&forever, get("http://a/")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pool_ends_the_last_body_at_the_deadline_of_all_hops() {
    let script = Script::new()
        .expect_head()
        .respond("HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n")
        .expect_head()
        .respond("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
        .stall();
    let transport =
        Transport::builder().connector(ScriptedConnector::new([script])).build().unwrap();
    let client = DeadlineLayer::new(3 * SECOND).layer(RedirectLayer::new().layer(transport));
    let start = Instant::now();
    let mut body = client.stream("GET", "http://a/").await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "he");
    let error = body.chunk().await.unwrap_err();
    assert!(error.is_timeout() && error.was_sent(), "{error:?}");
    assert!(error.to_string().contains("timed out after 3 s (total timeout)"), "{error}");
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_pool_keeps_to_a_deadline_by_itself() {
    let transport = Transport::builder().connector(NeverConnects).build().unwrap();
    let end_at = (Instant::now() + 2 * SECOND).into_std();
    let error =
        transport.request("GET", "http://a/").extension(Deadline::at(end_at)).await.unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("after 2 s"), "{error}");
    let error =
        transport.request("GET", "http://a/").extension(Deadline::at(end_at)).await.unwrap_err();
    assert!(error.is_timeout() && error.is_unsent());
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_at_any_poll_sends_nothing_more() {
    let service = || {
        let site = Site::new(|_| ok());
        (DeadlineLayer::new(SECOND).layer(site.strict()), site)
    };
    at_every_poll(service, || get("http://a/")).await;
}

#[tokio::test(start_paused = true)]
async fn a_redirect_followed_by_hand_has_the_whole_time_again_and_the_callers_deadline() {
    let site = Site::new(|_| redirect(302, "/"));
    let by_hand = RedirectLayer::new().redirects(Redirects::none()).layer(site.strict());
    let client = DeadlineLayer::new(SECOND).layer(DeadlineLayer::new(2 * SECOND).layer(by_hand));
    let next = |response: &http::Response<_>| {
        response.extensions().get::<NextRequest>().unwrap().to_request().unwrap()
    };
    let response: Answer = send(&client, get("http://a/")).await.unwrap();
    sleep(5 * SECOND).await;
    send(&client, next(&response)).await.unwrap();
    for asked in [2, 600] {
        let own = Deadline::at((Instant::now() + asked * SECOND).into_std());
        let mut sent = get("http://a/");
        sent.extensions_mut().insert(own);
        let response = send(&client, sent).await.unwrap();
        assert_eq!(next(&response).extensions().get(), Some(&own));
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_request_that_a_filter_keeps_has_no_deadline_and_the_one_that_is_sent_has() {
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
    let filtered = kept.clone();
    let site = Site::new(|request| match request.uri().path() {
        "/" => redirect(302, "/to"),
        _ => ok(),
    });
    let redirects = RedirectLayer::new().filter(move |next| {
        *filtered.lock().unwrap() = Some(next.clone());
        true
    });
    let client = DeadlineLayer::new(SECOND).layer(redirects.layer(site.strict()));
    send(&client, get("http://a/")).await.unwrap();
    let deadlines = site.seen();
    assert_eq!(deadlines.len(), 2, "the redirect is followed");
    let deadlines = deadlines.iter().map(|seen| seen.extensions().get::<Deadline>());
    assert!(deadlines.clone().all(|it| it.is_some() && it == deadlines.clone().next().unwrap()));
    let kept = kept.lock().unwrap().take().unwrap().to_request().unwrap();
    assert_eq!(kept.extensions().get::<Deadline>(), None);
}
