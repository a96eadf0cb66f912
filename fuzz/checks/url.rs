//! URLs as users write them: what is accepted can be sent, and is itself when it is read again.

use tower_transport::transport::IntoUrl;

pub(crate) fn check(url: &str) {
    let Ok(uri) = url.into_url() else { return };
    assert!(uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()), "{url:?}");
    assert!(uri.authority().is_some_and(|it| !it.as_str().contains('@')), "{url:?}");
    let text = uri.to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert_eq!(text.as_str().into_url().expect("a URL"), uri, "{url:?}");
}
