//! Bodies that end, or have ended, without being polled.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use http::HeaderValue;
use http_body::{Body as HttpBody, Frame};

use super::*;
use crate::tests::script::run;

/// A body whose end becomes known without a poll, as with a channel whose sender ends it.
struct Channel(Arc<AtomicBool>);

impl HttpBody for Channel {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.0.load(Ordering::SeqCst) {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_body_that_ends_between_call_and_poll_has_its_last_chunk() {
    let script = Script::default();
    let (mut connection, _tasks) = scripted(&script);
    let has_ended = Arc::new(AtomicBool::new(false));
    let request = request(Method::POST, Body::new(Channel(has_ended.clone())));
    let mut sending = connection.call(request);
    has_ended.store(true, Ordering::SeqCst);
    assert!(run(|cx| pin!(&mut sending).poll(cx)).is_none());
    let heard = String::from_utf8(script.heard()).unwrap();
    assert!(heard.contains("transfer-encoding: chunked"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n0\r\n\r\n"), "{heard:?}");
}

#[test]
fn a_length_that_an_ended_body_does_not_have_is_refused() {
    let script = Script::new(b"\r\n\r\n", ["HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"]);
    let (mut connection, _tasks) = scripted(&script);
    let has_ended = Arc::new(AtomicBool::new(false));
    let mut post = request(Method::POST, Body::new(Channel(has_ended.clone())));
    has_ended.store(true, Ordering::SeqCst);
    post.headers_mut().insert("content-length", HeaderValue::from_static("5"));
    let mut sending = connection.call(post);
    let refused = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap_err();
    assert!(refused.into_error().is_builder() && script.heard().is_empty());
}

#[test]
fn a_length_that_an_empty_body_does_not_have_is_refused_whatever_it_hints() {
    // `MapFrame` says that it has ended, and nothing of its size.
    let body = http_body_util::BodyExt::map_frame(http_body_util::Empty::<Bytes>::new(), |it| it);
    assert!(body.is_end_stream() && body.size_hint().exact().is_none());
    let script = Script::new(b"\r\n\r\n", ["HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"]);
    let target = Target::new(Origin::try_from(&"https://example.com".parse().unwrap()).unwrap());
    let info = ConnectInfo::default().with_encryption();
    let runtime = Runtime::new(Tasks::default(), NoTimer);
    let mut connection: Http1<_> =
        handshake(script.clone(), info, &target, &Http1Config::default(), &runtime).unwrap();
    let post = Request::post("https://example.com/").header("content-length", "5");
    let mut sending = connection.call(post.body(body).unwrap());
    let refused = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap_err();
    assert!(refused.into_error().is_builder() && script.heard().is_empty());
}
