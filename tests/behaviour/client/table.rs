//! Each thing that the API of requests and httpx has, as `Client` has it: a test named after each.

use std::{collections::HashMap, time::Duration};

use http::{HeaderMap, Method, Request, StatusCode, Uri};
use tower_transport::{
    Body, Transport,
    client::{
        Auth, Client, Cookie, CookieOverride, Decoding, FinalUrl, Jar, ResponseExt, Sent,
        StreamedResponseExt, UriExt,
    },
    mock::{Script, ScriptedConnector},
    options::{Redirects, Retries, Timeouts, TlsIdentity, TotalTimeout},
    target::Origin,
    tls::TlsConfig,
};

use super::site::*;

fn echo() -> Site {
    Site::new(|_| ok())
}

#[tokio::test]
async fn client_of_auth_cookies_verify_cert_timeout_pool_limits_max_redirects_dispatch() {
    let jar = Jar::new();
    jar.set("http://a/", "kept", "1").unwrap();
    let client = Client::builder()
        .auth(Auth::basic("user", "password"))
        .cookie_jar(jar)
        .timeouts(Timeouts::default().read(Duration::from_secs(7)))
        .redirects(Redirects::limited(1));
    let site = Site::new(|_| redirect(302, "/again"));
    let client = client.build_over(site.clone()).unwrap();
    let error = client.get("http://a/").await.unwrap_err();
    assert!(error.is_redirect());
    let seen = site.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].headers()["authorization"], "Basic dXNlcjpwYXNzd29yZA==");
    assert_eq!(seen[0].headers()["cookie"], "kept=1");
    let timeouts = Timeouts::default().read(Duration::from_secs(7));
    assert_eq!(seen[0].extensions().get(), Some(&timeouts));

    let of_transport = Client::builder()
        .tls(TlsConfig::danger_accept_any_certificate())
        .max_connections(10)
        .no_env();
    assert!(of_transport.build().is_ok());
}

#[tokio::test]
async fn request_get_options_head_post_put_patch_delete() {
    let site = echo();
    let client = Client::over(site.clone());
    client.request("PURGE", "http://a/").await.unwrap();
    client.get("http://a/").await.unwrap();
    client.options("http://a/").await.unwrap();
    client.head("http://a/").await.unwrap();
    client.post("http://a/").await.unwrap();
    client.put("http://a/").await.unwrap();
    client.patch("http://a/").await.unwrap();
    client.delete("http://a/").await.unwrap();
    let seen = site.seen();
    let methods: Vec<_> = seen.iter().map(|request| request.method().as_str()).collect();
    assert_eq!(methods, ["PURGE", "GET", "OPTIONS", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
}

#[tokio::test]
async fn per_call_data_json_params_headers_cookies_auth_stream_allow_redirects_timeout() {
    let site = Site::new(|_| redirect(302, "/again"));
    let client = Client::over(site.clone());
    let mut headers = HeaderMap::new();
    headers.insert("x-a", "1".parse().unwrap());
    let response = client
        .post("http://a/")
        .form(&[("a", "1"), ("a", "2 3")])
        .query(&[("q", vec!["x", "y"])])
        .headers(headers)
        .cookie("c", "1")
        .basic_auth("user", "password")
        .streamed()
        .redirects(Redirects::none())
        .timeout(Duration::from_secs(9))
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
    client
        .put("http://a/")
        .json(&HashMap::from([("a", 1)]))
        .redirects(Redirects::none())
        .await
        .unwrap();
    let seen = site.seen();
    assert_eq!(
        (seen[0].body().as_ref(), seen[1].body().as_ref()),
        (&b"a=1&a=2+3"[..], &b"{\"a\":1}"[..])
    );
    let said = |n: usize, name: &str| seen[n].headers()[name].to_str().unwrap().to_owned();
    assert_eq!(seen[0].uri(), "http://a/?q=x&q=y");
    assert_eq!(said(0, "content-type"), "application/x-www-form-urlencoded");
    assert_eq!(said(1, "content-type"), "application/json");
    assert_eq!((said(0, "x-a"), said(0, "cookie")), ("1".into(), "c=1".into()));
    assert_eq!(said(0, "authorization"), "Basic dXNlcjpwYXNzd29yZA==");
    let total = TotalTimeout::new(Duration::from_secs(9));
    assert_eq!(seen[0].extensions().get(), Some(&total));
}

#[tokio::test]
async fn per_call_verify_cert() {
    let site = echo();
    let identity = TlsIdentity::from(TlsConfig::danger_accept_any_certificate());
    Client::over(site.clone()).get("https://a/").tls(identity.clone()).await.unwrap();
    assert_eq!(site.seen()[0].extensions().get(), Some(&identity));
}

#[tokio::test]
async fn prepare_request_send_close() {
    let site = echo();
    let client =
        Client::builder().base_url("http://a/v1/").header("x-a", "1").auth(Auth::bearer("t"));
    let client = client.build_over(site.clone()).unwrap();
    let request = Request::get("/users").body("").unwrap();
    let prepared = client.prepare(request).unwrap();
    assert_eq!(prepared.uri(), "http://a/v1/users");
    assert_eq!(prepared.headers()["x-a"], "1");
    assert_eq!(client.send(prepared).await.unwrap().body(), "ok");
    let sent = site.seen();
    assert_eq!(sent[0].uri(), "http://a/v1/users");
    assert_eq!(sent[0].headers().get_all("x-a").iter().count(), 1);
    assert_eq!(sent[0].headers()["authorization"], "Bearer t");

    let client = Client::new();
    assert!(client.close().await);
    assert!(client.get("http://a.invalid/").await.unwrap_err().is_closed());
}

#[tokio::test]
async fn response_status_code_headers_content_request() {
    let site = from_to("http://a/", "http://b/");
    let client = Client::over(site);
    let response = client
        .post("http://a/")
        .cookie("c", "1")
        .header("accept", "x/y")
        .body("text")
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().is_empty());
    assert_eq!(response.body(), "ok");
    let sent = response.extensions().get::<Sent>().unwrap();
    assert_eq!((sent.method(), sent.url().to_string()), (&Method::POST, "http://b/".into()));
    // Fields that another origin may not receive were not sent.
    assert!(sent.headers().contains_key("accept") && !sent.headers().contains_key("cookie"));
    assert_eq!(format!("{sent:?}"), "Sent(POST http://b/)");
}

#[tokio::test]
async fn reason_phrase_protocol_url_text_encoding_json_cookies_history() {
    let script = Script::new()
        .expect_head()
        .respond("HTTP/1.1 302 Found\r\nlocation: /b?c=1#d\r\ncontent-length: 0\r\n\r\n")
        .expect_head()
        .respond(concat!(
            "HTTP/1.1 200 As You Wish\r\ncontent-type: application/json; Charset=\"UTF-8\"\r\n",
            "set-cookie: a=1; path=/\r\nset-cookie: b=\"2\"\r\ncontent-length: 10\r\n\r\n",
            "{\"n\":\"\u{e9}\"}"
        ));
    let transport = Transport::builder().connector(ScriptedConnector::new([script])).build();
    let client = Client::builder().transport(transport.unwrap()).build().unwrap();
    let response = client.get("http://a/").await.unwrap();
    assert_eq!((response.reason(), response.protocol()), ("As You Wish", "HTTP/1.1"));
    assert_eq!(response.url().unwrap(), "http://a/b?c=1");
    assert_eq!(response.text(), "{\"n\":\"\u{e9}\"}");
    assert_eq!(response.content_type(), Some("application/json"));
    assert_eq!(response.charset().as_deref(), Some("utf-8"));
    let json: HashMap<String, String> = response.json().unwrap();
    assert_eq!(json["n"], "\u{e9}");
    assert_eq!(response.cookies().collect::<Vec<_>>(), [("a", "1"), ("b", "\"2\"")]);
    assert_eq!(client.cookies().unwrap().len(), 2);
    let history: Vec<_> = response.history().iter().map(|hop| hop.status().as_u16()).collect();
    assert_eq!(history, [302]);
    assert!(response.connection().is_some() && response.timings().is_none());
}

#[tokio::test]
async fn is_redirect_next() {
    let site = from_to("http://a/", "/next");
    let client = Client::over(site.clone());
    let response = client.get("http://a/").redirects(Redirects::none()).await.unwrap();
    assert!(response.status().is_redirection());
    let next = response.next_request().unwrap().to_request().unwrap();
    let response = client.send(next).await.unwrap();
    assert_eq!((response.body().as_ref(), response.next_request().is_none()), (&b"ok"[..], true));
    assert_eq!(site.lines(), ["GET http://a/", "GET http://a/next"]);
}

#[tokio::test]
async fn raise_for_status() {
    let site = Site::new(|request| match request.uri().path() {
        "/400" => answer(400, &[("x-why", "1")], "because"),
        "/500" => answer(500, &[], "no"),
        "/304" => answer(304, &[], ""),
        _ => ok(),
    });
    let client = Client::over(site);
    let get = async |path: &str| {
        let response = client.get(format!("http://a/{path}?sig=secret")).await.unwrap();
        response.error_for_status()
    };
    assert_eq!(get("200").await.unwrap().status(), 200);
    assert_eq!(get("304").await.unwrap().status(), 304);
    let error = get("500").await.unwrap_err();
    assert!(error.is_status() && error.was_sent());
    let error = get("400").await.unwrap_err();
    let text = "GET http://a/400?sig=*** was answered with 400 Bad Request";
    assert_eq!((error.to_string(), error.url()), (text.into(), Some("http://a/400?sig=***")));
    let response = error.response().unwrap();
    assert_eq!(
        (error.status().unwrap().as_u16(), response.body().as_ref()),
        (400, &b"because"[..])
    );
    assert_eq!(response.headers()["x-why"], "1");
    assert!(!format!("{error:?}").contains("secret"));

    let streamed = client.stream("GET", "http://a/400").await.unwrap();
    let error = streamed.error_for_status().await.unwrap_err();
    assert_eq!(error.response().unwrap().body(), "because");
    let streamed = client.stream("GET", "http://a/200").await.unwrap().error_for_status().await;
    assert_eq!(StreamedResponseExt::text(streamed.unwrap()).await.unwrap(), "ok");
}

#[tokio::test]
async fn read_stream_raw_close() {
    let site = Site::new(|_| answer(200, &[("content-encoding", "deflate")], "raw"));
    let client = Client::over(site.clone());
    let stream = || client.stream("GET", "http://a/").extension(Decoding::off());
    assert_eq!(stream().await.unwrap().into_body().read().await.unwrap(), "raw");
    let mut body = stream().await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "raw");
    assert_eq!(body.chunk().await.unwrap(), None);
    assert!(site.seen().iter().all(|request| !request.headers().contains_key("accept-encoding")));
    // The bytes are no deflate.
    assert!(client.get("http://a/").await.unwrap_err().is_decode());
}

#[tokio::test]
async fn request_method_url_content_headers_cookies() {
    let client = Client::over(echo());
    let request =
        client.put("http://a/b").body("text").header("x-a", "1").cookie("c", "1").build().unwrap();
    assert_eq!((request.method(), request.uri().to_string()), (&Method::PUT, "http://a/b".into()));
    assert_eq!(request.body().length(), Some(4));
    assert_eq!(
        (&request.headers()["x-a"], &request.headers()["cookie"]),
        (&"1".parse().unwrap(), &"c=1".parse().unwrap())
    );
    let explicit: Request<Body> =
        Request::get("http://a/").header("host", "b").body(Body::empty()).unwrap();
    assert_eq!(client.send(explicit).await.unwrap().status(), 200);
}

#[tokio::test]
async fn url_scheme_authority_host_port_path_query_full_path_fragment() {
    let url = Uri::from_static("https://example.org:8443/a/b?c=d");
    assert_eq!(
        (url.scheme_str(), url.authority().unwrap().as_str()),
        (Some("https"), "example.org:8443")
    );
    assert_eq!((url.host(), url.port_u16()), (Some("example.org"), Some(8443)));
    assert_eq!((url.path(), url.query()), ("/a/b", Some("c=d")));
    assert_eq!(url.path_and_query().unwrap(), "/a/b?c=d");

    // One that redirects without a fragment inherits that of the request.
    for (location, fragment) in [("http://a/next", "one"), ("http://a/next#two", "two")] {
        let site = Site::new(move |request| match request.uri().path() {
            "/" => redirect(302, location),
            _ => ok(),
        });
        let response = Client::over(site).get("http://a/#one").await.unwrap();
        let last = response.extensions().get::<FinalUrl>().unwrap();
        assert_eq!((last.uri().path(), last.fragment()), ("/next", Some(fragment)));
    }
}

#[tokio::test]
async fn is_absolute_url_is_relative_url_allow_relative_params() {
    let site = echo();
    let client = Client::builder().base_url("http://a/v1").build_over(site.clone()).unwrap();
    for url in ["users/1", "/users/1", "http://b/users/1", "a b?c=é", "https:/x", "?q=http://x/"] {
        client.get(url).query(&[("n", 1)]).await.unwrap();
    }
    let expected = [
        "GET http://a/v1/users/1?n=1",
        "GET http://a/v1/users/1?n=1",
        "GET http://b/users/1?n=1",
        "GET http://a/v1/a%20b?c=%C3%A9&n=1",
        "GET http://a/v1/https:/x?n=1",
        "GET http://a/v1?q=http://x/&n=1",
    ];
    assert_eq!(site.lines(), expected);
    let without = Client::over(site.clone());
    for url in ["users", "/users", "", "//b/"] {
        assert!(without.get(url).await.unwrap_err().is_builder(), "{url}");
    }
    assert!(site.seen().is_empty());
}

#[test]
fn is_ssl_origin_copy_with_resolve_with() {
    let url = Uri::from_static("https://example.org/a/b?c=d");
    assert!(url.is_tls());
    assert_eq!(url.origin().unwrap(), Origin::try_from(&url).unwrap());
    assert_eq!(url.resolve("../e?f").unwrap(), "https://example.org/e?f");
    let mut parts = url.clone().into_parts();
    parts.authority = Some("other.org".parse().unwrap());
    assert_eq!(Uri::from_parts(parts).unwrap(), "https://other.org/a/b?c=d");
    assert_eq!(url.with_query([("q", "1 2")]).unwrap(), "https://example.org/a/b?c=d&q=1+2");
}

#[tokio::test]
async fn encoding_can_be_set() {
    let latin = Site::new(|_| {
        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"caf\xe9"));
        http::Response::builder().header("content-type", "text/plain").body(body).unwrap()
    });
    let response = Client::over(latin).get("http://a/").await.unwrap();
    assert_eq!((response.text(), response.charset()), ("caf\u{fffd}".into(), None));
    assert_eq!(response.text_with("latin1").unwrap(), "caf\u{e9}");
    assert!(response.text_strict().unwrap_err().is_data());
    assert!(response.text_with("none").unwrap_err().is_builder());
}

#[tokio::test]
async fn upload_and_download_progress() {
    let (seen, site) = (std::sync::Arc::new(std::sync::Mutex::new(Vec::new())), echo());
    let received = seen.clone();
    let request = Client::over(site).get("http://a/");
    request.on_download(move |it| received.lock().unwrap().push(it.bytes())).await.unwrap();
    assert_eq!(seen.lock().unwrap().last(), Some(&2));
}

#[test]
fn origin_is_ssl_host_port_equality() {
    let origin = |url: &'static str| Origin::try_from(&Uri::from_static(url)).unwrap();
    assert_eq!(origin("https://example.org"), origin("HTTPS://EXAMPLE.ORG:443"));
    let origin = origin("https://example.org");
    assert_eq!(
        (origin.scheme().is_tls(), origin.host(), origin.port()),
        (true, "example.org", 443)
    );
}

#[test]
fn headers() {
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "application/json".parse().unwrap());
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn cookies_jar_extract_cookies_set_cookie_header_set_get_delete_clear() {
    let site = Site::new(|_| answer(200, &[("set-cookie", "from=server")], ""));
    let client = Client::over(site.clone());
    let jar = client.cookies().unwrap();
    jar.set("http://a/", "name", "value").unwrap();
    client.get("http://a/").await.unwrap();
    assert_eq!(jar.get("http://a/", "from").as_ref().map(Cookie::value).unwrap(), "server");
    let second = client.get("http://a/");
    second.extension(CookieOverride::none()).await.unwrap();
    client.get("http://a/").await.unwrap();
    let seen = site.seen();
    let sent: Vec<_> =
        seen.iter().map(|it| it.headers().get("cookie").map(|it| it.to_str().unwrap())).collect();
    assert_eq!(sent, [Some("name=value"), None, Some("name=value; from=server")]);
    assert_eq!(jar.remove_all("name"), 1);
    jar.clear();
    assert!(jar.is_empty());
}

#[tokio::test]
async fn async_client_and_a_client_of_any_service() {
    use axum::{Router, routing::get};
    let client = Client::over(Router::new().route("/", get(|| async { "hello" })));
    let response = tokio::spawn(client.get("http://example.org/").send()).await.unwrap();
    assert_eq!(response.unwrap().text(), "hello");
}

#[tokio::test(start_paused = true)]
async fn retries_and_strict_timeouts() {
    let site = Site::new(|_| answer(503, &[], "later"));
    let client =
        Client::builder().timeout(Duration::from_secs(3)).build_over(site.clone()).unwrap();
    let response = client.get("http://a/").retries(Retries::new(3)).await.unwrap();
    assert_eq!((response.status().as_u16(), site.seen().len()), (503, 3));
}

/// What the page of the seed shows, line by line.
#[tokio::test]
async fn the_usage_section_line_by_line() {
    let script = Script::new().expect_head().respond(concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 49\r\n\r\n",
        "<!doctype html>\n<html>\n<head>\n<title>Example Doma"
    ));
    let transport = Transport::builder().connector(ScriptedConnector::new([script])).build();

    let client = Client::builder().transport(transport.unwrap()).build().unwrap();
    let response = client.get("http://example.com").await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.protocol(), "HTTP/1.1");
    assert!(response.text().starts_with("<!doctype html>\n<html>\n<head>\n<title>Example Doma"));
}
