//! Authorization to origins: what is said to whom, and how challenges are answered.

use std::{
    error::Error as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use tower::Layer;
use tower_transport::{
    Body,
    auth::{Asker, Authorizing, Challenge},
    client::{Auth, AuthLayer, AuthRequest, Client, Redirect, RedirectLayer, WithAuth},
    error::BoxError,
    mock::StrictService,
    target::Origin,
};

use super::site::*;

const BASIC: &str = "Basic dXNlcjpwYXNz";

fn client(site: &Site) -> WithAuth<StrictService<Site>> {
    AuthLayer::new().layer(site.strict())
}

/// Authorization below redirects, where it belongs.
fn with_redirects(site: &Site, layer: AuthLayer) -> Redirect<WithAuth<StrictService<Site>>> {
    RedirectLayer::new().layer(layer.layer(site.strict()))
}

fn said(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get("authorization").map(|value| value.to_str().unwrap())
}

fn all_said(site: &Site) -> Vec<Option<String>> {
    site.seen().iter().map(|request| said(request).map(str::to_owned)).collect()
}

fn basic() -> Auth {
    Auth::basic("user", "pass")
}

fn with(auth: Auth, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(auth);
    request
}

fn origin(url: &str) -> Origin {
    Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap()
}

/// Asks by this challenge until something is said that `accepts`.
fn asking(challenge: &'static str, accepts: fn(&str) -> bool) -> Site {
    Site::new(move |request| match said(request).is_some_and(accepts) {
        true => ok(),
        false => answer(401, &[("www-authenticate", challenge)], "who?"),
    })
}

fn param(value: &str, name: &str) -> Option<String> {
    let value = value.split_once(' ').unwrap().1;
    value.split(", ").find_map(|part| {
        let (known, value) = part.split_once('=')?;
        (known == name).then(|| value.trim_matches('"').to_owned())
    })
}

#[tokio::test]
async fn basic_and_bearer_are_said_unasked() {
    let site = Site::new(|_| ok());
    for (auth, expected) in [(basic(), BASIC), (Auth::bearer("abc"), "Bearer abc")] {
        send(&client(&site), with(auth, get("http://a/"))).await.unwrap();
        let seen = site.seen();
        assert_eq!(said(&seen[0]), Some(expected));
        assert!(seen[0].headers()["authorization"].is_sensitive());
    }
}

#[tokio::test]
async fn a_request_without_credentials_is_sent_as_it_is() {
    let site = asking("Basic realm=\"a\"", |_| true);
    let response = send(&client(&site), get("http://a/")).await.unwrap();
    assert_eq!((response.status().as_u16(), all_said(&site)), (401, vec![None]));
}

#[tokio::test]
async fn a_request_after_one_with_credentials_is_sent_without_them() {
    let site = asking("Basic realm=\"a\"", |_| true);
    let client = client(&site);
    let other = Auth::bearer("other");
    for sent in [with(basic(), get("http://a/")), get("http://a/"), with(other, get("http://a/"))] {
        send(&client, sent).await.unwrap();
    }
    let expected = [Some(BASIC), None, Some("Bearer other")];
    assert_eq!(all_said(&site), expected.map(|said| said.map(str::to_owned)));
}

#[tokio::test]
async fn a_401_that_is_not_answered_has_its_body() {
    use http_body_util::BodyExt;
    let site = asking("Basic realm=\"a\"", |_| false);
    let response = send(&client(&site), with(basic(), get("http://a/"))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "who?");
    assert_eq!(site.lines().len(), 1);
}

#[tokio::test]
async fn an_authorization_of_the_callers_own_is_left_alone() {
    let site = asking("Basic realm=\"a\"", |said| said == BASIC);
    let sent = request("GET", "http://a/", &[("authorization", "Own 1")], "");
    let response = send(&client(&site), with(basic(), sent)).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), all_said(&site)),
        (401, vec![Some("Own 1".to_owned())])
    );
}

#[tokio::test]
async fn a_user_in_the_url_is_said_in_basic_and_taken_out() {
    let site = Site::new(|_| ok());
    for (url, expected) in [
        ("http://user:pass@a/", Some(BASIC)),
        ("http://us%65r:p%61ss@a:80/", Some(BASIC)),
        ("http://user@a/", Some("Basic dXNlcjo=")),
        ("http://:@a/", None),
        ("http://a/", None),
    ] {
        send(&client(&site), get(url)).await.unwrap();
        let seen = site.seen();
        assert_eq!(said(&seen[0]), expected, "{url}");
        assert!(!seen[0].uri().to_string().contains('@'));
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_or_said_fails_before_it_is_sent_without_being_repeated() {
    let site = Site::new(|_| ok());
    let broken = get("http://user:secret%ff@a/");
    let injected = with(Auth::bearer("secret\r\nx: y"), get("http://a/"));
    let of_a_file = with(Auth::basic("user", "secret\n"), get("http://a/"));
    let with_a_colon = with(Auth::basic("us:er", "secret"), get("http://a/"));
    let in_the_url = get("http://us%3Aer:secret@a/");
    for sent in [broken, injected, of_a_file, with_a_colon, in_the_url] {
        let error = send(&client(&site), sent).await.unwrap_err();
        assert!(error.is_builder() && error.is_unsent());
        assert!(!format!("{error} {error:?} {:?}", error.source()).contains("secret"));
    }
    assert!(site.lines().is_empty());
}

#[cfg(feature = "digest")]
mod digest {
    use super::*;

    const MD5: &str = r#"Digest realm="a", nonce="n1", qop="auth", algorithm=MD5, opaque="o""#;

    #[tokio::test]
    async fn a_digest_challenge_is_answered_and_its_nonce_used_again_with_the_next_count() {
        let site = asking(MD5, |said| said.starts_with("Digest"));
        let auth = Auth::digest("user", "pass");
        for path in ["http://a/x?y", "http://a/z"] {
            let response = send(&client(&site), with(auth.clone(), get(path))).await.unwrap();
            assert_eq!(response.status(), 200);
        }
        let said = all_said(&site);
        assert_eq!((said.len(), &said[0]), (3, &None));
        let (one, two) = (said[1].as_deref().unwrap(), said[2].as_deref().unwrap());
        assert_eq!(param(one, "uri").unwrap(), "/x?y");
        assert_eq!(param(one, "opaque").unwrap(), "o");
        assert_eq!(
            (param(one, "nc").unwrap(), param(two, "nc").unwrap()),
            ("00000001".into(), "00000002".into())
        );
        assert_eq!(param(two, "uri").unwrap(), "/z");
    }

    #[tokio::test]
    async fn algorithms_with_and_without_session_and_qop_are_answered() {
        for (challenge, has_cnonce) in [
            (r#"Digest realm="a", nonce="n""#, false),
            (r#"Digest realm="a", nonce="n", algorithm=MD5-sess, qop="auth""#, true),
            (r#"Digest realm="a", nonce="n", algorithm=SHA-256, qop="auth,auth-int""#, true),
            (r#"Digest realm="a", nonce="n", algorithm=SHA-256-sess, qop=auth"#, true),
            (r#"Digest realm="a", nonce="n", algorithm=SHA-512-256, qop="auth""#, true),
        ] {
            let site = asking(challenge, |said| said.starts_with("Digest"));
            let sent = with(Auth::digest("user", "pass"), get("http://a/"));
            assert_eq!(send(&client(&site), sent).await.unwrap().status(), 200, "{challenge}");
            let said = all_said(&site).remove(1).unwrap();
            assert_eq!(param(&said, "cnonce").is_some(), has_cnonce, "{said}");
        }
    }

    #[tokio::test]
    async fn digest_never_says_the_password_in_the_clear() {
        for challenge in
            ["Basic realm=\"a\"", "Digest realm=\"a\", nonce=\"n\", algorithm=X, Basic realm=\"a\""]
        {
            let site = asking(challenge, |_| true);
            let sent = with(Auth::digest("user", "pass"), get("http://a/"));
            assert_eq!(send(&client(&site), sent).await.unwrap().status(), 401);
            assert_eq!(all_said(&site), [None]);
        }
    }

    #[tokio::test]
    async fn basic_gives_way_to_digest_where_that_is_asked_for() {
        let site = asking(MD5, |said| said.starts_with("Digest"));
        let response = send(&client(&site), with(basic(), get("http://a/"))).await.unwrap();
        assert_eq!((response.status().as_u16(), site.lines().len()), (200, 2));
    }

    #[tokio::test]
    async fn a_nonce_belongs_to_its_origin() {
        let site = asking(MD5, |said| said.starts_with("Digest"));
        let auth = Auth::digest("user", "pass");
        for url in ["http://a/", "http://b/"] {
            send(&client(&site), with(auth.clone(), get(url))).await.unwrap();
        }
        let said = all_said(&site);
        assert_eq!((said.len(), &said[2]), (4, &None));
        assert_eq!(param(said[3].as_deref().unwrap(), "nc").unwrap(), "00000001");
    }

    #[tokio::test]
    async fn the_nonces_of_64_origins_are_remembered_and_the_oldest_is_asked_for_again() {
        let site = asking(MD5, |said| said.starts_with("Digest"));
        let (client, auth) = (client(&site), Auth::digest("user", "pass"));
        let requests = async |n: usize| {
            let sent = with(auth.clone(), get(&format!("http://h{n}/")));
            assert_eq!(send(&client, sent).await.unwrap().status(), 200);
            site.lines().len()
        };
        for n in 0..65 {
            assert_eq!(requests(n).await, 2);
        }
        assert_eq!((requests(1).await, requests(64).await), (1, 1));
        assert_eq!(requests(0).await, 2);
    }

    #[tokio::test]
    async fn a_stale_nonce_is_renewed_and_a_wrong_password_is_not_said_twice() {
        let count = AtomicUsize::new(0);
        let site = Site::new(move |_| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            let challenge = format!("Digest realm=\"a\", nonce=\"n{n}\", qop=\"auth\", stale=true");
            if n < 2 { answer(401, &[("www-authenticate", &challenge)], "") } else { ok() }
        });
        let sent = with(Auth::digest("user", "pass"), get("http://a/"));
        assert_eq!(send(&client(&site), sent).await.unwrap().status(), 200);
        let site = asking(MD5, |_| false);
        let sent = with(Auth::digest("user", "wrong"), get("http://a/"));
        assert_eq!(send(&client(&site), sent).await.unwrap().status(), 401);
        assert_eq!(site.lines().len(), 2);
    }

    /// Asks without `qop` for the nonce of the last refusal, which serves once.
    fn forgetting(password: &'static str) -> Site {
        let count = AtomicUsize::new(0);
        Site::new(move |request| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            let said = said(request).unwrap_or_default();
            let is_latest = n > 0 && said.contains(&format!("nonce=\"n{}\"", n - 1));
            match is_latest && password == "pass" {
                true => ok(),
                false => {
                    let challenge = format!("Digest realm=\"a\", nonce=\"n{n}\"");
                    answer(401, &[("www-authenticate", &challenge)], "")
                }
            }
        })
    }

    #[tokio::test]
    async fn a_server_without_qop_that_forgets_its_nonces_is_answered_anew() {
        let (site, auth) = (forgetting("pass"), Auth::digest("user", "pass"));
        let client = client(&site);
        for requests in [2, 2, 2] {
            let sent = with(auth.clone(), get("http://a/"));
            assert_eq!(send(&client, sent).await.unwrap().status(), 200);
            assert_eq!(site.lines().len(), requests);
        }
    }

    #[tokio::test]
    async fn a_wrong_password_is_said_once_to_a_server_without_qop() {
        let (site, auth) = (forgetting("another"), Auth::digest("user", "pass"));
        let sent = with(auth, get("http://a/"));
        assert_eq!(send(&client(&site), sent).await.unwrap().status(), 401);
        assert_eq!(site.lines().len(), 2);
    }

    #[tokio::test]
    async fn what_is_signed_is_the_target_as_it_stands_in_the_request_line() {
        for (url, target) in
            [("http://a?x=1", "/?x=1"), ("http://a", "/"), ("http://a/b c?d", "/b%20c?d")]
        {
            let site = asking(MD5, |said| said.starts_with("Digest"));
            let client = Client::over(AuthLayer::new().layer(site.strict()));
            client.get(url).auth(Auth::digest("user", "pass")).await.unwrap();
            let said = all_said(&site).remove(1).unwrap();
            assert_eq!(param(&said, "uri").unwrap(), target);
        }
    }

    #[tokio::test]
    async fn a_server_that_calls_every_nonce_stale_is_answered_three_times() {
        let count = AtomicUsize::new(0);
        let site = Site::new(move |_| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            let challenge = format!("Digest realm=\"a\", nonce=\"n{n}\", qop=\"auth\", stale=true");
            answer(401, &[("www-authenticate", &challenge)], "")
        });
        let sent = with(Auth::digest("user", "pass"), get("http://a/"));
        assert_eq!(send(&client(&site), sent).await.unwrap().status(), 401);
        assert_eq!(site.lines().len(), 4);
    }

    #[tokio::test]
    async fn the_body_is_sent_with_the_answer_and_a_stream_ends_with_the_401() {
        let site = asking(MD5, |said| said.starts_with("Digest"));
        let digest = || Auth::digest("user", "pass");
        let again = request("PUT", "http://a/", &[], Body::again(|| Body::iter(["body"])));
        assert_eq!(send(&client(&site), with(digest(), again)).await.unwrap().status(), 200);
        assert!(site.seen().iter().all(|request| request.body() == "body"));
        let stream = request("PUT", "http://a/", &[], Body::iter(["body"]));
        assert_eq!(send(&client(&site), with(digest(), stream)).await.unwrap().status(), 401);
    }

    #[tokio::test]
    async fn a_request_dropped_at_any_poll_sends_nothing_more() {
        let service = || {
            let site = asking(MD5, |said| said.starts_with("Digest"));
            (client(&site), site)
        };
        at_every_poll(service, || with(Auth::digest("user", "pass"), get("http://a/"))).await;
    }
}

#[tokio::test]
async fn a_header_of_64_kib_of_challenges_does_no_harm() {
    let challenge = Box::leak("Digest a=b, ".repeat(5500).into_boxed_str());
    let site = asking(challenge, |_| false);
    let sent = with(Auth::digest("user", "pass"), get("http://a/"));
    assert_eq!(send(&client(&site), sent).await.unwrap().status(), 401);
}

#[tokio::test]
async fn credentials_of_a_request_stay_with_its_origin_along_redirects() {
    for (from, to) in [
        ("http://a/", "http://b/"),
        ("http://a/", "http://a:81/"),
        ("https://a/", "http://a/"),
        ("http://a/", "http://a.b/"),
        ("http://a/", "http://user:pass@b/"),
    ] {
        let site = Site::new(move |request| match request.uri() == from {
            true => redirect(302, to),
            false => answer(401, &[("www-authenticate", "Basic realm=\"a\"")], ""),
        });
        let in_url = get(&from.replace("://", "://user:pass@"));
        for sent in [with(basic(), get(from)), in_url] {
            let response = send(&with_redirects(&site, AuthLayer::new()), sent).await.unwrap();
            assert_eq!(response.status(), 401);
            assert_eq!(all_said(&site), [Some(BASIC.to_owned()), None], "{from} {to}");
        }
    }
}

#[tokio::test]
async fn credentials_travel_from_http_to_https_of_the_same_host() {
    let site = from_to("http://a/", "https://a/");
    for sent in [with(basic(), get("http://a/")), get("http://user:pass@a/")] {
        send(&with_redirects(&site, AuthLayer::new()), sent).await.unwrap();
        assert_eq!(all_said(&site), [Some(BASIC.to_owned()), Some(BASIC.to_owned())]);
    }
}

#[tokio::test]
async fn credentials_are_said_again_when_a_hop_leads_back() {
    let site = Site::new(|request| match request.uri().to_string().as_str() {
        "http://a/" => redirect(302, "http://b/"),
        "http://b/" => redirect(302, "http://a/back"),
        _ => ok(),
    });
    for sent in [with(basic(), get("http://a/")), get("http://user:pass@a/")] {
        send(&with_redirects(&site, AuthLayer::new()), sent).await.unwrap();
        let basic = Some(BASIC.to_owned());
        assert_eq!(all_said(&site), [basic.clone(), None, basic]);
    }
}

#[tokio::test]
async fn each_origin_receives_what_is_for_it_along_redirects() {
    let site = Site::new(|request| match request.uri().host().unwrap() {
        "a" => redirect(302, "http://b/"),
        "b" => redirect(302, "http://c/"),
        _ => ok(),
    });
    let layer = AuthLayer::new()
        .for_origin(origin("http://a"), Auth::bearer("old"))
        .for_origin(origin("http://a:80"), Auth::bearer("a"))
        .lookup(|origin| (origin.host() == "c").then(|| Auth::bearer("c")));
    send(&with_redirects(&site, layer), get("http://a/")).await.unwrap();
    assert_eq!(all_said(&site), [Some("Bearer a".to_owned()), None, Some("Bearer c".to_owned())]);
}

#[tokio::test]
async fn nobody_can_be_asked_for() {
    let site = Site::new(|_| ok());
    let layer = AuthLayer::new().for_origin(origin("http://a"), basic()).layer(site.strict());
    send(&layer, with(Auth::none(), get("http://a/"))).await.unwrap();
    send(&layer, with(Auth::bearer("b").bound_to(origin("http://b")), get("http://a/")))
        .await
        .unwrap();
    assert_eq!(all_said(&site), [None, Some(BASIC.to_owned())]);
}

#[tokio::test]
async fn a_scheme_of_the_callers_sees_who_asks_and_answers() {
    let site = asking("Token t=\"1\"", |said| said == "Token one");
    let auth = Auth::by(|request: &Authorizing<'_>| {
        assert_eq!(request.asker, Asker::Origin);
        let asked = request.challenges().into_iter().find(|asked| asked.is("Token"))?;
        (asked.param("t") == Some(b"1")).then(|| HeaderValue::from_static("Token one"))
    });
    let response = send(&client(&site), with(auth, get("http://a/"))).await.unwrap();
    assert_eq!((response.status().as_u16(), site.lines().len()), (200, 2));
}

/// Tokens that are made after a wait; what was asked for each.
fn refreshing() -> (Auth, Arc<Mutex<Vec<usize>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let auth = Auth::by_async(move |request: AuthRequest| {
        noted.lock().unwrap().push(request.refusals());
        let asked = request.challenges().iter().map(Challenge::scheme).collect::<Vec<_>>().len();
        assert_eq!(asked, request.refusals().min(1));
        let value = HeaderValue::try_from(format!("Bearer {}", request.refusals())).unwrap();
        async move {
            tokio::task::yield_now().await;
            Ok::<_, BoxError>(Some(value))
        }
    });
    (auth, asked)
}

#[tokio::test]
async fn who_makes_a_token_sees_what_it_is_for_and_what_was_refused() {
    let site = asking("Bearer realm=\"a\"", |said| said == "Bearer 1");
    let shown = Arc::new(Mutex::new(Vec::new()));
    let noted = shown.clone();
    let auth = Auth::by_async(move |request: AuthRequest| {
        let (origin, method, target) = (request.origin(), request.method(), request.target());
        let refused = request.refused().map(|it| it.to_str().unwrap().to_owned());
        noted.lock().unwrap().push((format!("{method} {origin} {target}"), refused));
        let value = HeaderValue::try_from(format!("Bearer {}", request.refusals())).unwrap();
        std::future::ready(Ok::<_, BoxError>(Some(value)))
    });
    let sent = request("PUT", "http://a:81/b%20c?d", &[], "");
    assert_eq!(send(&client(&site), with(auth, sent)).await.unwrap().status(), 200);
    let shown = shown.lock().unwrap();
    let what = String::from("PUT http://a:81 /b%20c?d");
    assert_eq!(*shown, [(what.clone(), None), (what, Some("Bearer 0".to_owned()))]);
}

#[tokio::test]
async fn a_request_without_an_origin_is_left_to_the_service() {
    let site = Site::new(|_| ok());
    let layer = AuthLayer::new().lookup(|_| Some(Auth::bearer("any"))).layer(site.strict());
    send(&layer, get("/path")).await.unwrap();
    assert_eq!(all_said(&site), [None]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_refreshed() {
    let site = asking("Bearer realm=\"a\"", |said| said == "Bearer 2");
    let (auth, asked) = refreshing();
    let response = send(&client(&site), with(auth, get("http://a/"))).await.unwrap();
    assert_eq!((response.status().as_u16(), &*asked.lock().unwrap()), (200, &vec![0, 1, 2]));
    assert_eq!(site.lines().len(), 3);
}

#[tokio::test]
async fn a_token_that_is_the_same_as_before_ends_with_the_401() {
    let site = asking("Bearer realm=\"a\"", |_| false);
    let auth = Auth::by_async(|_: AuthRequest| async {
        Ok::<_, BoxError>(Some(HeaderValue::from_static("Bearer same")))
    });
    let response = send(&client(&site), with(auth, get("http://a/"))).await.unwrap();
    assert_eq!((response.status().as_u16(), site.lines().len()), (401, 1));
    let silent = Auth::by_async(|_: AuthRequest| async { Ok::<_, BoxError>(None) });
    let response = send(&client(&site), with(silent, get("http://a/"))).await.unwrap();
    assert_eq!((response.status().as_u16(), all_said(&site)), (401, vec![None]));
}

#[tokio::test]
async fn a_refresh_that_fails_is_the_error_and_says_what_was_sent() {
    let site = asking("Bearer realm=\"a\"", |_| false);
    for fails_at in [0, 1] {
        let auth = Auth::by_async(move |request: AuthRequest| async move {
            match request.refusals() == fails_at {
                true => Err(BoxError::from("the vault is closed")),
                false => Ok(Some(HeaderValue::from_static("Bearer 1"))),
            }
        });
        let error = send(&client(&site), with(auth, get("http://a/"))).await.unwrap_err();
        assert_eq!(error.to_string(), "authorizing a request to http://a");
        assert_eq!((error.is_unsent(), error.was_sent()), (fails_at == 0, fails_at == 1));
    }
}

#[tokio::test]
async fn a_refresh_dropped_at_any_poll_sends_nothing_more() {
    let service = || {
        let site = asking("Bearer realm=\"a\"", |said| said == "Bearer 2");
        (client(&site), site)
    };
    at_every_poll(service, || with(refreshing().0, get("http://a/"))).await;
}

#[tokio::test]
async fn no_text_shows_who_we_are() {
    let auth = [basic(), Auth::digest("user", "secret"), Auth::bearer("secret"), Auth::none()];
    let layer = AuthLayer::new().for_origin(origin("http://a"), Auth::basic("user", "secret"));
    let site = Site::new(|_| ok());
    let service = layer.clone().layer(site.strict());
    let texts = format!("{auth:?} {layer:?} {service:?}");
    assert!(!texts.contains("secret") && !texts.contains("pass"), "{texts}");
    assert!(texts.contains("Auth(none)"));
}

#[tokio::test]
async fn a_request_that_asks_for_no_credentials_has_none_on_any_hop() {
    let site = from_to("https://a/", "https://b/");
    let layer = AuthLayer::new().for_origin(origin("https://b"), Auth::bearer("b"));
    send(&with_redirects(&site, layer), with(Auth::none(), get("https://a/"))).await.unwrap();
    assert_eq!(all_said(&site), [None, None]);
}
