//! The whole client: what it adds to its layers.

use std::{
    convert::Infallible,
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower_transport::{
    Body, Error, Transport,
    client::{Auth, Client, ResponseExt, StreamedResponseExt},
    http::NegotiateLayer,
    mock::{Script, ScriptedConnector},
    options::{MaxBody, Redirects, Timeouts, TotalTimeout},
    pool::PoolLayer,
};

use super::site::*;

#[tokio::test]
async fn a_body_read_whole_is_limited_and_a_stream_is_not() {
    let site = Site::new(|_| answer(200, &[], "12345"));
    let client = Client::builder().max_body(4).build_over(site).unwrap();
    let error = client.get("http://a/").await.unwrap_err();
    assert!(error.is_decode() && error.was_sent(), "{error:?}");
    assert_eq!(client.get("http://a/").max_body(5).await.unwrap().body(), "12345");
    assert_eq!(client.get("http://a/").max_body(None).await.unwrap().body(), "12345");
    let mut streamed = client.get("http://a/").streamed().await.unwrap();
    assert_eq!(streamed.body_mut().read().await.unwrap(), "12345");
    let up_to =
        async |bytes| client.stream("GET", "http://a/").await.unwrap().read_up_to(bytes).await;
    assert_eq!(up_to(5).await.unwrap(), "12345");
    assert!(up_to(4).await.unwrap_err().is_decode());
}

#[tokio::test]
async fn a_body_over_its_limit_is_an_error_with_the_url_and_the_limit() {
    let site = Site::new(|request| match request.uri().path() {
        "/v1/moved" => redirect(302, "/large?sig=secret"),
        _ => answer(200, &[], "12345"),
    });
    let client = Client::builder().base_url("http://a/v1/").max_body(4).build_over(site).unwrap();
    for (path, url) in [("large", "http://a/v1/large"), ("moved", "http://a/large?sig=***")] {
        let error = client.get(path).await.unwrap_err();
        assert_eq!(error.url(), Some(url));
        let text = format!(
            "reading the response body of {url}: it is larger than its limit, 4 bytes (`max_body`)"
        );
        assert_eq!(error.to_string(), text);
        let error = client.stream("GET", path).await.unwrap().read_up_to(4).await.unwrap_err();
        assert_eq!(error.url(), Some(url));
    }
}

#[tokio::test]
async fn the_limit_of_a_client_is_no_extension_of_its_requests() {
    let site = Site::new(|_| answer(200, &[], "12345"));
    let client = |bytes| Client::builder().max_body(bytes).build_over(site.clone()).unwrap();
    let (small, large) = (client(4), client(5));
    let built = || small.get("http://a/").build().unwrap();
    assert_eq!(built().extensions().get::<MaxBody>(), None);
    assert_eq!(large.send(built()).await.unwrap().body(), "12345", "the limit is the sender's");
    assert!(small.send(large.get("http://a/").build().unwrap()).await.is_err());
    assert!(small.get("http://a/").try_clone().unwrap().await.unwrap_err().is_decode());
    small.get("http://a/").streamed().await.unwrap();
    small.stream("GET", "http://a/").await.unwrap();
    let seen = site.seen();
    assert!(seen.iter().all(|request| request.extensions().is_empty()), "{seen:?}");
}

#[tokio::test]
async fn a_body_without_a_length_is_limited_as_it_comes() {
    let endless = || Body::iter(std::iter::repeat_n("12345678", 1 << 24));
    let service = tower::service_fn(move |_: http::Request<Body>| async move {
        Ok::<_, Error>(Response::new(endless()))
    });
    let client = Client::builder().max_body(1 << 16).build_over(service).unwrap();
    let error = client.get("http://a/").await.unwrap_err();
    assert!(error.is_decode(), "{error:?}");
    assert!(
        error.to_string().contains("of http://a/: ") && error.to_string().contains(" 65536 "),
        "{error}"
    );
}

#[tokio::test]
async fn a_request_goes_before_what_the_client_says() {
    let site = Site::new(|_| ok());
    let client = Client::builder()
        .timeout(Duration::from_secs(5))
        .timeouts(Timeouts::default().total(Duration::from_secs(4)).read(Duration::from_secs(1)))
        .header("x-a", "client")
        .auth(Auth::bearer("client"))
        .build_over(site.clone())
        .unwrap();
    client.get("http://a/").await.unwrap();
    let own = Timeouts::default().total(Duration::from_secs(600));
    client.get("http://a/").timeouts(own).header("x-a", "own").no_auth().await.unwrap();
    client.get("http://a/").timeout(None).bearer_auth("own").await.unwrap();
    let seen = site.seen();
    let total = |n: usize| seen[n].extensions().get::<TotalTimeout>().copied();
    let said = |n: usize, name: &str| seen[n].headers().get(name).map(|it| it.to_str().unwrap());
    // The shorter of two that the client was given.
    assert_eq!(total(0), Some(TotalTimeout::new(Duration::from_secs(4))));
    assert_eq!((total(1), total(2)), (None, Some(TotalTimeout::new(None))));
    assert_eq!(seen[1].extensions().get(), Some(&own));
    assert_eq!((said(0, "x-a"), said(1, "x-a")), (Some("client"), Some("own")));
    let authorizations = [0, 1, 2].map(|n| said(n, "authorization"));
    assert_eq!(authorizations, [Some("Bearer client"), None, Some("Bearer own")]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_a_request_is_over_all_its_tries_and_may_be_longer_than_the_clients() {
    let slow = tower::service_fn(|_: http::Request<Body>| async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        Ok::<_, Error>(Response::new(Full::new(Bytes::from("late"))))
    });
    let client = Client::builder().timeout(Duration::from_secs(3)).build_over(slow).unwrap();
    assert!(client.get("http://a/").await.unwrap_err().is_timeout());
    assert_eq!(
        client.get("http://a/").timeout(Duration::from_secs(20)).await.unwrap().body(),
        "late"
    );
    let error = client.get("http://a/").timeout(Duration::from_secs(1)).await.unwrap_err();
    assert!(error.to_string().contains("1 s"), "{error}");
}

#[tokio::test]
async fn a_user_in_the_url_is_said_and_shown_nowhere() {
    let site = Site::new(|_| answer(401, &[], "who?"));
    let client = Client::over(site.clone());
    let request = client.get("http://me:pass%40word@a/x");
    assert!(!format!("{request:?}").contains("word"));
    let response = request.await.unwrap();
    assert_eq!(response.url().unwrap(), "http://a/x");
    let error = response.error_for_status().unwrap_err();
    assert!(!format!("{error:?} {error}").contains("word"));
    assert_eq!(site.seen()[0].headers()["authorization"], "Basic bWU6cGFzc0B3b3Jk");
}

#[tokio::test]
async fn no_text_tells_a_secret() {
    let site = Site::new(|_| ok());
    let builder = Client::builder()
        .base_url("http://a/")
        .auth(Auth::basic("user", "secret-1"))
        .header("x-token", "secret-2");
    let text = format!("{builder:?}");
    let client = builder.build_over(site).unwrap();
    let request = client.get("x").cookie("session", "secret-3").bearer_auth("secret-4");
    let text = text + &format!("{client:?} {request:?}");
    let response = request.await.unwrap();
    let sent = response.extensions().get::<tower_transport::client::Sent>().unwrap();
    assert!(sent.headers().values().any(|value| value.as_bytes().ends_with(b"secret-3")));
    let text = text + &format!("{sent:?} {:?}", response.extensions());
    let wrong = client.get("x").cookie("c;", "secret-5").await.unwrap_err();
    let text = text + &format!("{wrong:?} {wrong}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn settings_that_exclude_each_other_or_are_not_valid_are_errors_of_build() {
    let transport = Transport::new;
    let refused = [
        Client::builder().transport(transport()).max_connections(1).build().err(),
        Client::builder().no_env().transport(transport()).build().err(),
        Client::builder().no_env().build_over(Site::new(|_| ok())).err(),
        Client::builder().transport(transport()).build_over(Site::new(|_| ok())).err(),
        Client::builder().base_url("http://a/?q").build().err(),
        Client::builder().header("a b", "").build().err(),
        Client::builder().redirect_headers(["a b"]).build().err(),
        Client::builder().timeout(Duration::ZERO).build().err(),
        Client::builder().timeouts(Timeouts::default().read(Duration::ZERO)).build().err(),
        Client::builder().max_connections(0).build().err(),
    ];
    for (n, error) in refused.into_iter().enumerate() {
        assert!(error.is_some_and(|error| error.is_builder()), "{n}");
    }
}

#[tokio::test]
async fn nothing_is_called_unready_and_nothing_is_sent_after_a_drop() {
    let client = || {
        let site = Site::new(|request| match request.uri().path() {
            "/" => redirect(307, "/next"),
            _ => ok(),
        });
        (Client::over(site.strict()), site)
    };
    at_every_poll(client, || request("PUT", "http://a/", &[], "body")).await;
}

#[tokio::test]
async fn a_request_that_is_awaited_can_be_dropped_at_every_poll() {
    use futures_util::FutureExt;
    for polls in 1..100 {
        let site = from_to("http://a/", "/next");
        let client = Client::over(site.strict());
        let mut future = client.get("http://a/").into_future();
        for _ in 0..polls {
            if futures_util::poll!(&mut future).is_ready() {
                return assert!(polls > 1);
            }
        }
        drop(future);
        site.seen();
        tokio::task::yield_now().await;
        assert!(site.seen().is_empty());
        assert!(client.get("http://a/").send().map(|it| it.is_ok()).await);
    }
    panic!("it never ends");
}

#[tokio::test]
async fn lines_come_as_they_are_written_and_json_errors_name_the_url() {
    let site = Site::new(|_| answer(200, &[], "{\"a\":1}\n{\"a\":"));
    let client = Client::over(site);
    let mut lines = client.stream("GET", "http://a/log").await.unwrap().lines();
    assert_eq!(lines.next().await.unwrap().unwrap(), "{\"a\":1}");
    assert_eq!(lines.next().await.unwrap().unwrap(), "{\"a\":");
    assert_eq!(lines.next().await.unwrap(), None);
}

#[cfg(feature = "json")]
#[tokio::test]
async fn an_error_of_json_names_the_url_and_the_line() {
    let site = Site::new(|_| answer(200, &[], "{\"a\":1,\n\"b\":x}"));
    let client = Client::over(site);
    let text = "reading the body of http://a/x as JSON: line 2, near `{\"a\":1, \"b\":x}`";
    let response = client.get("http://a/x").await.unwrap();
    let error = response.json::<std::collections::HashMap<String, u8>>().unwrap_err();
    assert_eq!((error.to_string().as_str(), error.url()), (text, Some("http://a/x")));
    let streamed = client.get("http://a/x").streamed().await.unwrap();
    let error = StreamedResponseExt::json::<Vec<u8>>(streamed).await.unwrap_err();
    assert!(error.is_data() && error.cause::<serde_json::Error>().is_some());
}

#[tokio::test]
async fn a_page_leads_to_the_next_by_its_links() {
    let site = Site::new(|request| match request.uri().query() {
        None => answer(200, &[("link", "<?page=2>; rel=next")], "one"),
        _ => answer(200, &[("link", "</list>; rel=first")], "two"),
    });
    let client = Client::builder().base_url("http://a/list").build_over(site).unwrap();
    let (mut pages, mut url) = (Vec::new(), Some(String::from("http://a/list")));
    while let Some(next) = url.take() {
        let response = client.get(next).await.unwrap();
        url = response.links().rel("next").map(|link| link.url().to_owned());
        pages.push(response.text());
    }
    assert_eq!(pages, ["one", "two"]);
}

#[tokio::test]
async fn a_file_is_whole_or_not_there() {
    let folder = std::env::temp_dir().join(format!("tower-transport-save-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let names = || std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name());
    let path = folder.join("saved");
    let client = Client::over(Site::new(|_| answer(200, &[], "12345")));
    let saved = client.stream("GET", "http://a/").await.unwrap().save_to(&path).await.unwrap();
    assert_eq!((saved, std::fs::read(&path).unwrap()), (5, b"12345".to_vec()));

    let script = Script::new()
        .expect_head()
        .respond("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")
        .close();
    let transport = Transport::builder().connector(ScriptedConnector::new([script])).build();
    let broken = Client::builder().transport(transport.unwrap()).build().unwrap();
    let response = broken.stream("GET", "http://a/").await.unwrap();
    assert!(response.save_to(&path).await.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"12345");
    for _ in 0..1000 {
        if names().count() == 1 {
            break;
        }
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
    assert_eq!(names().collect::<Vec<_>>(), ["saved"]);
    let nowhere = client.stream("GET", "http://a/").await.unwrap().save_to(folder.join("x/y"));
    assert!(nowhere.await.unwrap_err().is_io());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_directory_is_no_file_to_save_to_and_nothing_is_downloaded() {
    let read = Arc::new(AtomicUsize::new(0));
    let counted = read.clone();
    let service = tower::service_fn(move |_: http::Request<Body>| {
        let counted = counted.clone();
        let chunks =
            (0..10).map(move |_| counted.fetch_add(1, Relaxed)).map(|_| Bytes::from("chunk"));
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::iter(chunks))))
    });
    let response = Client::over(service).stream("GET", "http://a/").await.unwrap();
    let error = response.save_to(std::env::temp_dir()).await.unwrap_err();
    assert!(error.is_io(), "{error:?}");
    assert_eq!(read.load(Relaxed), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_stays_a_link_and_a_private_file_private() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let folder = std::env::temp_dir().join(format!("tower-transport-over-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (path, link) = (folder.join("saved"), folder.join("link"));
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("saved", &link).unwrap();
    let client = Client::over(Site::new(|_| answer(200, &[], "12345")));
    client.stream("GET", "http://a/").await.unwrap().save_to(&link).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"12345");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_setting_at_the_end_of_its_range_is_no_panic() {
    let site = Site::new(|request| {
        answer(
            200,
            &[],
            request
                .uri()
                .path()
                .strip_prefix('/')
                .map_or("", |it| if it == "empty" { "" } else { "ab" }),
        )
    });
    for (max_body, path, is_taken) in
        [(0, "empty", true), (0, "x", false), (2, "x", true), (u64::MAX, "x", true)]
    {
        let client = Client::builder().timeout(Duration::MAX).max_body(max_body);
        let client = client.build_over(site.clone()).unwrap();
        let response = client.get(format!("http://a/{path}")).await;
        assert_eq!(response.is_ok(), is_taken, "{max_body} {path}");
    }
    site.seen();
    let client = Client::over(site.clone());
    assert!(client.get("http://a/").timeout(Duration::ZERO).await.unwrap_err().is_timeout());
    assert!(site.seen().is_empty());
    for (max_line, is_taken) in [(0, false), (1, false), (2, true), (usize::MAX, true)] {
        let lines = client.stream("GET", "http://a/x").await.unwrap().lines();
        assert_eq!(lines.max_line(max_line).next().await.is_ok(), is_taken, "{max_line}");
    }
}

#[tokio::test]
async fn a_redirect_followed_by_hand_tells_another_origin_nothing_secret_of_the_client() {
    let site = Site::new(|request| match request.uri().path() {
        "/" => redirect(307, "http://b/next"),
        "/next" => redirect(307, "http://a/back"),
        _ => ok(),
    });
    let mut secret = http::HeaderValue::from_static("secret");
    secret.set_sensitive(true);
    let client = Client::builder()
        .redirects(Redirects::none())
        .header("x-api-key", "k")
        .header("accept-language", "en")
        .header("accept", secret)
        .auth(Auth::bearer("client"))
        .build_over(site.clone())
        .unwrap();
    for authorization in [None, Some("own")] {
        let mut first = client.get("http://a/");
        if let Some(own) = authorization {
            first = first.header("authorization", own);
        }
        let mut response = first.await.unwrap();
        while let Some(next) = response.next_request().cloned() {
            response = client.send(next.to_request().unwrap()).await.unwrap();
        }
        let seen = site.seen();
        let has = |n: usize, name| seen[n].headers().contains_key(name);
        assert_eq!(seen.len(), 3);
        assert!(has(0, "x-api-key") && has(0, "authorization") && has(0, "accept"));
        assert!(!has(1, "x-api-key") && !has(1, "authorization") && !has(1, "accept"));
        // What was taken off stays off.
        assert!(!has(2, "x-api-key") && !has(2, "accept"));
        assert!(has(1, "accept-language") && has(2, "accept-language"));
    }
}

#[tokio::test]
async fn a_client_over_a_pool_knows_its_connection() {
    let hi = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    let script = Script::new().expect_head().respond(hi).expect_head().respond(hi);
    let pool = tower::ServiceBuilder::new()
        .layer(PoolLayer::new())
        .layer(NegotiateLayer::new())
        .service(ScriptedConnector::new([script]));
    let client = Client::over(pool);
    let response = client.get("http://a/").await.unwrap();
    assert!(response.connection().is_some_and(|connection| !connection.is_reused()));
    let streamed = client.get("http://a/").on_download(|_| {}).streamed().await.unwrap();
    assert!(streamed.connection().is_some_and(|connection| connection.is_reused()));
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_a_request_take_the_place_of_the_clients_with_its_total() {
    let slow = tower::service_fn(|_: http::Request<Body>| async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        Ok::<_, Error>(Response::new(Full::new(Bytes::from("late"))))
    });
    let total = Timeouts::default().total(Duration::from_secs(3));
    let client = Client::builder().timeouts(total).build_over(slow).unwrap();
    assert!(client.get("http://a/").await.unwrap_err().is_timeout());
    assert_eq!(client.get("http://a/").timeouts(Timeouts::none()).await.unwrap().body(), "late");
    // That of `timeout` is beside all timeouts.
    let client = Client::builder().timeouts(total).timeout(Duration::from_secs(5));
    let client = client.build_over(slow).unwrap();
    let error = client.get("http://a/").timeouts(Timeouts::none()).await.unwrap_err();
    assert!(error.to_string().contains("after 5 s"), "{error}");
    let error = client.get("http://a/").await.unwrap_err();
    assert!(error.to_string().contains("after 3 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_a_request_lift_the_total_of_a_client_over_its_own_transport() {
    let script = Script::new().expect_head().stall();
    let total = Timeouts::none().total(Duration::from_secs(3));
    let client = Client::builder()
        .configure_transport(|it| it.connector(ScriptedConnector::new([script.clone(), script])))
        .timeouts(total)
        .build()
        .unwrap();
    let start = tokio::time::Instant::now();
    assert!(client.get("http://a/").await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed().as_secs(), 3);
    let own = Timeouts::none().read(Duration::from_secs(9));
    assert!(client.get("http://a/").timeouts(own).await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed().as_secs(), 12);
}

#[tokio::test]
async fn the_text_of_a_foreign_error_is_in_the_error() {
    let service = tower::service_fn(|_: http::Request<Body>| async {
        Err::<Response<Full<Bytes>>, _>(std::io::Error::other("boom"))
    });
    let error = Client::over(service).get("http://a/").await.unwrap_err();
    assert!(error.to_string().contains("boom"), "{error}");
}

#[tokio::test]
async fn the_protocol_of_a_response_is_named_as_programs_know_it() {
    use http::Version;
    for (version, name) in [
        (Version::HTTP_09, "HTTP/0.9"),
        (Version::HTTP_10, "HTTP/1.0"),
        (Version::HTTP_11, "HTTP/1.1"),
        (Version::HTTP_2, "HTTP/2"),
        (Version::HTTP_3, "HTTP/3"),
    ] {
        let site = Site::new(move |_| {
            let mut answer = ok();
            *answer.version_mut() = version;
            answer
        });
        assert_eq!(Client::over(site).get("http://a/").await.unwrap().protocol(), name);
    }
}

#[tokio::test]
async fn text_that_is_not_in_its_charset_is_an_error_that_names_the_url_if_there_is_one() {
    let body = || Full::new(Bytes::from_static(b"caf\xe9"));
    let client = Client::over(Site::new(move |_| Response::new(body())));
    let error = client.get("http://a/").await.unwrap().text_strict().unwrap_err();
    assert!(error.is_data() && error.url() == Some("http://a/"), "{error:?}");
    let alone = Response::new(Bytes::from_static(b"caf\xe9"));
    let error = alone.text_strict().unwrap_err();
    assert!(error.is_data() && error.url().is_none(), "{error:?}");
}

#[tokio::test]
async fn a_body_read_up_to_a_limit_is_held_to_it_where_its_length_is_known_and_where_not() {
    let bodies: [fn() -> Body; 2] = [|| Body::from("12345"), || Body::iter(["123", "45"])];
    for body in bodies {
        let up_to = |bytes| Response::new(body()).read_up_to(bytes);
        assert_eq!(up_to(5).await.unwrap(), "12345");
        let error = up_to(4).await.unwrap_err();
        assert!(error.is_decode() && error.was_sent(), "{error:?}");
    }
}

#[tokio::test]
async fn the_body_of_a_response_can_be_sent_again_once_it_has_ended() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let script = Script::new().expect_head().respond(chunked);
    let transport = Transport::builder().connector(ScriptedConnector::new([script])).build();
    let client = Client::builder().transport(transport.unwrap()).build().unwrap();
    let mut body = client.stream("GET", "http://a/").await.unwrap().into_body();
    assert!(body.try_clone().is_none());
    assert_eq!(body.read().await.unwrap(), "ok");
    assert_eq!(body.try_clone().unwrap().length(), Some(0));
    assert_eq!(Body::from(()).try_clone().unwrap().length(), Some(0));
}

#[cfg(all(feature = "form", feature = "json"))]
#[tokio::test]
async fn a_content_type_of_the_callers_own_stays() {
    let site = Site::new(|_| ok());
    let client = Client::over(site.clone());
    let own = || client.post("http://a/").header("content-type", "application/vnd.api+json");
    own().json(&[1]).await.unwrap();
    own().form(&[("a", "1")]).await.unwrap();
    let later = client.post("http://a/").json(&[1]).header("content-type", "text/plain");
    later.header("Content-Type", "application/vnd.api+json").await.unwrap();
    for seen in site.seen() {
        let said: Vec<_> = seen.headers().get_all("content-type").iter().collect();
        assert_eq!(said, ["application/vnd.api+json"]);
    }
}

#[test]
fn the_default_client_is_the_new_one() {
    let (default, new) = (Client::default(), Client::new());
    assert_eq!(format!("{default:?}"), format!("{new:?}"));
    assert!(default.service().stats().idle_connections() == 0);
}

#[tokio::test]
async fn the_service_below_the_layers_can_be_looked_at() {
    let client = Client::over(Site::new(|_| ok()));
    client.get("http://a/").await.unwrap();
    assert_eq!(client.service().lines(), ["GET http://a/"]);
}

#[tokio::test]
async fn a_request_that_is_polled_after_its_end_is_an_error_and_no_panic() {
    let client = Client::over(Site::new(|_| ok()));
    let mut whole = client.get("http://a/").into_future();
    assert_eq!((&mut whole).await.unwrap().body(), "ok");
    assert!((&mut whole).await.unwrap_err().is_canceled());
    let mut streamed = client.stream("GET", "http://a/").into_future();
    assert_eq!((&mut streamed).await.unwrap().status(), 200);
    assert!((&mut streamed).await.unwrap_err().is_canceled());
}
