//! Retries: what is sent again, after which pause, and what is not.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;
use tower::Layer;
use tower_transport::{
    Body, Error,
    client::{DeadlineLayer, Retry, RetryLayer},
    error::Kind,
    mock::StrictService,
    options::{Repeatable, Retries},
};

use super::site::*;

fn client(site: &Site) -> Retry<StrictService<Site>> {
    RetryLayer::new(Retries::new(3)).layer(site.strict())
}

/// Fails so often, and answers then.
fn failing(times: usize, fail: impl Fn() -> Result<Answer, Error> + Send + Sync + 'static) -> Site {
    let count = AtomicUsize::new(0);
    Site::failing(move |_| match count.fetch_add(1, Ordering::Relaxed) < times {
        true => fail(),
        false => Ok(ok()),
    })
}

fn busy(times: usize, headers: &'static [(&str, &str)]) -> Site {
    failing(times, move || Ok(answer(503, headers, "busy")))
}

fn io() -> Error {
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Error::custom(Kind::Io, "reading the answer").because(reset)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_unless_that_is_asked_for() {
    let site = busy(1, &[]);
    let layer = RetryLayer::new(Retries::none()).layer(site.strict());
    assert_eq!(send(&layer, get("http://a/")).await.unwrap().status(), 503);
    let mut asks = get("http://a/");
    asks.extensions_mut().insert(Retries::new(2));
    let site = busy(1, &[]);
    let layer = RetryLayer::new(Retries::none()).layer(site.strict());
    assert_eq!(send(&layer, asks).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn three_tries_are_three_and_the_last_answer_is_the_result() {
    let site = busy(2, &[]);
    assert_eq!(send(&client(&site), get("http://a/")).await.unwrap().status(), 200);
    assert_eq!(site.lines().len(), 3);
    let site = busy(3, &[]);
    assert_eq!(send(&client(&site), get("http://a/")).await.unwrap().status(), 503);
    assert_eq!(site.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_have_been_acted_on_is_sent_again_only_if_that_does_no_harm() {
    for (method, headers, is_marked, expected) in [
        ("GET", &[][..], false, 2),
        ("PUT", &[], false, 2),
        ("DELETE", &[], false, 2),
        ("POST", &[], false, 1),
        ("PATCH", &[], false, 1),
        ("POST", &[("idempotency-key", "1")], false, 2),
        ("POST", &[], true, 2),
    ] {
        for fail in [|| Ok(answer(503, &[], "")), || Err(io().with_sent(true))] {
            let site = failing(1, fail);
            let mut sent = request(method, "http://a/", headers, "body");
            if is_marked {
                sent.extensions_mut().insert(Repeatable);
            }
            let _ = send(&client(&site), sent).await;
            let seen = site.seen();
            assert_eq!(seen.len(), expected, "{method} {headers:?}");
            assert!(seen.iter().all(|request| request.body() == "body"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_which_nothing_was_sent_is_sent_again_whatever_its_method() {
    let site = failing(1, || Err(Error::custom(Kind::Connect, "connecting")));
    let sent = request("POST", "http://a/", &[], "body");
    assert_eq!(send(&client(&site), sent).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_again_is_not_tried_again() {
    for kind in
        [Kind::Builder, Kind::Unsupported, Kind::Closed, Kind::Redirect, Kind::Protocol, Kind::Tls]
    {
        let site = failing(1, move || {
            Err(Error::custom(kind, "failing").with_sent(kind == Kind::Protocol))
        });
        assert_eq!(send(&client(&site), get("http://a/")).await.unwrap_err().kind(), kind);
        assert_eq!(site.lines().len(), 1, "{kind:?}");
    }
    for status in [200, 301, 400, 401, 404, 500, 501] {
        let site = failing(1, move || Ok(answer(status, &[("retry-after", "1")], "")));
        assert_eq!(send(&client(&site), get("http://a/")).await.unwrap().status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn the_statuses_that_are_tried_again_can_be_chosen() {
    let chosen = [202, 404, 500, 999].map(|code| StatusCode::from_u16(code).unwrap());
    let layer = RetryLayer::new(Retries::new(3).statuses(chosen));
    for (method, status, result) in [
        ("GET", 202, 200),
        ("GET", 404, 200),
        ("GET", 500, 200),
        ("GET", 999, 200),
        ("POST", 500, 500),
        ("GET", 503, 503),
        ("GET", 501, 501),
    ] {
        let site = failing(1, move || Ok(answer(status, &[("retry-after", "1")], "")));
        let outcome =
            send(&layer.layer(site.strict()), request(method, "http://a/", &[], "")).await;
        assert_eq!(outcome.unwrap().status(), result, "{method} {status}");
    }
    let layer = RetryLayer::new(Retries::new(3).statuses([]));
    let site = busy(1, &[]);
    assert_eq!(send(&layer.layer(site.strict()), get("http://a/")).await.unwrap().status(), 503);
    let site = failing(1, || Err(io()));
    assert_eq!(send(&layer.layer(site.strict()), get("http://a/")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_reading_is_not_tried_again_and_one_of_connecting_is() {
    use tower_transport::error::Phase;
    for (phase, tries) in
        [(Phase::Read, 1), (Phase::Total, 1), (Phase::Connect, 2), (Phase::Pool, 2)]
    {
        let sent = matches!(phase, Phase::Read | Phase::Total);
        let site =
            failing(1, move || Err(Error::custom(Kind::Timeout(phase), "waiting").with_sent(sent)));
        let _ = send(&client(&site), get("http://a/")).await;
        assert_eq!(site.lines().len(), tries, "{phase:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_had_again_is_sent_once() {
    let site = busy(1, &[]);
    let stream = request("PUT", "http://a/", &[], Body::iter(["a"]));
    assert_eq!(send(&client(&site), stream).await.unwrap().status(), 503);
    let site = busy(1, &[]);
    let again = request("PUT", "http://a/", &[], Body::again(|| Body::iter(["a"])));
    assert_eq!(send(&client(&site), again).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_server_is_waited_for_as_it_asks() {
    let table: [(&'static [(&str, &str)], u64); 3] = [
        (&[("retry-after", "7")], 7),
        (&[("retry-after", "0")], 0),
        (
            &[
                ("date", "Sun, 06 Nov 1994 08:49:00 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT"),
            ],
            30,
        ),
    ];
    for (headers, seconds) in table {
        let (site, start) = (busy(1, headers), Instant::now());
        assert_eq!(send(&client(&site), get("http://a/")).await.unwrap().status(), 200);
        assert_eq!(start.elapsed().as_secs(), seconds, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_too_much_is_not_waited_for() {
    for after in ["61", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let headers: &'static [(&str, &str)] = vec![("retry-after", after)].leak();
        let (site, start) = (busy(1, headers), Instant::now());
        assert_eq!(send(&client(&site), get("http://a/")).await.unwrap().status(), 503);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
    let (site, start) = (busy(1, &[("retry-after", "-1")]), Instant::now());
    assert_eq!(send(&client(&site), get("http://a/")).await.unwrap().status(), 200);
    assert!(start.elapsed() <= Duration::from_millis(101));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_would_begin_after_the_deadline_is_not_waited_for() {
    let (site, start) = (busy(1, &[("retry-after", "20")]), Instant::now());
    let layer = DeadlineLayer::new(Duration::from_secs(10)).layer(client(&site));
    assert_eq!(send(&layer, get("http://a/")).await.unwrap().status(), 503);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn clones_share_a_budget_and_each_origin_has_its_own() {
    let site = Site::new(|_| answer(503, &[("retry-after", "0")], ""));
    let client = RetryLayer::new(Retries::new(2)).layer(site.strict());
    for _ in 0..100 {
        send(&client.clone(), get("http://a/")).await.unwrap();
    }
    // A hundred requests, what was saved before, and a tenth of them.
    let tries = site.lines().len();
    assert!((118..=122).contains(&tries), "{tries}");
    send(&client, get("http://b/")).await.unwrap();
    assert_eq!(site.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_says_whether_any_try_was_sent() {
    let count = AtomicUsize::new(0);
    let site = Site::failing(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Err(io().with_sent(true)),
        _ => Err(Error::custom(Kind::Connect, "connecting")),
    });
    let error = send(&client(&site), get("http://a/")).await.unwrap_err();
    assert!(error.was_sent() && error.is_connect());
    let site = failing(9, || Err(Error::custom(Kind::Connect, "connecting")));
    assert!(send(&client(&site), get("http://a/")).await.unwrap_err().is_unsent());
    assert_eq!(site.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_at_any_poll_sends_nothing_more() {
    let service = || {
        let site = busy(2, &[("retry-after", "1")]);
        (client(&site), site)
    };
    at_every_poll(service, || get("http://a/")).await;
}

#[tokio::test(start_paused = true)]
async fn any_number_is_taken() {
    let (none, most) = (Duration::ZERO, Duration::MAX);
    for (retries, status) in [
        (Retries::new(0), 503),
        (Retries::new(u32::MAX).backoff(none, none), 200),
        (Retries::new(u32::MAX).backoff(none, most), 200),
        (Retries::new(u32::MAX).backoff(most, none), 200),
        (Retries::new(3).max_retry_after(none), 200),
    ] {
        let site = busy(2, &[]);
        let layer = RetryLayer::new(retries).layer(site.strict());
        assert_eq!(send(&layer, get("http://a/")).await.unwrap().status(), status, "{retries:?}");
    }
    let site = busy(1, &[("retry-after", "99999999999999999999")]);
    let patient = Retries::new(2).max_retry_after(most).backoff(most, most);
    let layer = DeadlineLayer::new(most).layer(RetryLayer::new(patient).layer(site.strict()));
    let an_hour = tokio::time::timeout(Duration::from_secs(3600), send(&layer, get("http://a/")));
    assert!(an_hour.await.is_err());
}

/// Is ready once and fails then; is never to be polled again.
#[derive(Clone, Default)]
struct FailsOnce(std::sync::Arc<AtomicUsize>);

impl tower::Service<http::Request<Body>> for FailsOnce {
    type Response = Answer;
    type Error = Error;
    type Future = std::future::Ready<Result<Answer, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        std::task::Poll::Ready(match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            1 => Err(io()),
            _ => panic!("polled after it failed"),
        })
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        std::future::ready(Ok(answer(503, &[], "busy")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_to_be_ready_is_not_asked_again() {
    let service = FailsOnce::default();
    let client = RetryLayer::new(Retries::new(5)).layer(service.clone());
    let error = send(&client, get("http://a/")).await.unwrap_err();
    assert!(error.is_io() && !error.is_unsent(), "{error:?}");
    assert_eq!(service.0.load(Ordering::Relaxed), 2);
}
