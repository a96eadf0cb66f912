use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http_body::Body as _;

use crate::body::{Body, replay};

/// The body, and how often it was made.
fn counted() -> (Body, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let body = Body::again(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Body::iter(["one ", "two"])
    });
    (body, made)
}

#[tokio::test]
async fn a_body_by_a_function_is_whole_each_time_that_it_is_had() {
    let (mut body, _) = counted();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "one ");
    let mut again = body.try_clone().unwrap();
    assert_eq!(again.read().await.unwrap(), "one two");
    assert_eq!(body.read().await.unwrap(), "two");
    assert_eq!(again.try_clone().unwrap().read().await.unwrap(), "one two");
}

#[tokio::test]
async fn the_function_is_called_for_bodies_that_are_looked_at_alone() {
    let (body, made) = counted();
    let again = body.try_clone().unwrap();
    assert!(replay(&body).is_some());
    assert_eq!(made.load(Ordering::Relaxed), 0);
    assert_eq!((again.length(), again.is_end_stream()), (None, false));
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert_eq!(format!("{body:?}"), "Body(repeatable)");
}

#[tokio::test]
async fn a_length_is_that_of_the_body_that_is_made() {
    let bytes = Bytes::from_static(b"hello");
    let mut body = Body::again(move || bytes.clone().into());
    assert_eq!(body.length(), Some(5));
    assert_eq!(body.read().await.unwrap(), "hello");
    assert!(body.is_end_stream());
    assert!(Body::again(Body::empty).is_end_stream());
}

#[tokio::test]
async fn an_iterator_is_a_body_that_is_sent_once() {
    let mut body = Body::iter(vec![Bytes::from_static(b"a"), Bytes::new(), "b".into()]);
    assert!(body.try_clone().is_none() && body.length().is_none());
    assert_eq!(body.read().await.unwrap(), "ab");
    assert!(body.chunk().await.unwrap().is_none());
}
