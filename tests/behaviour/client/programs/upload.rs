//! An upload of a form that does not fit into memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{Router, extract::Request, routing::post};
use bytes::Bytes;
use http_body_util::BodyExt;
use tower_transport::{
    Body, Error,
    client::{Client, Form, Part, ResponseExt},
};

const PIECE: usize = 64 * 1024;

/// `made` counts the bytes that there were so far.
async fn upload(
    client: &Client,
    url: &str,
    length: u64,
    made: Arc<AtomicU64>,
) -> Result<String, Error> {
    let pieces = (0..length / PIECE as u64).map(move |_| {
        made.fetch_add(PIECE as u64, Ordering::Relaxed);
        Bytes::from(vec![7; PIECE])
    });
    let video = Part::body(Body::iter(pieces)).length(length).file_name("film.mp4");
    let form = Form::new().text("title", "A film").part("video", video);
    let response = client.post(url).multipart(form).await?.error_for_status()?;
    Ok(response.text())
}

/// Reads a form, and looks at how much more of it was made than has come.
async fn read(request: Request, made: Arc<AtomicU64>) -> String {
    let length = request.headers()["content-length"].to_str().unwrap().to_owned();
    let (mut body, mut read, mut ahead) = (request.into_body(), 0, 0);
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len() as u64;
        ahead = ahead.max(made.load(Ordering::Relaxed).saturating_sub(read));
    }
    assert_eq!(length, read.to_string());
    assert!(ahead < 1 << 20, "{ahead} bytes were in memory");
    format!("{read} bytes")
}

#[tokio::test]
async fn no_more_than_a_few_pieces_are_in_memory() {
    let made = Arc::new(AtomicU64::new(0));
    let counted = made.clone();
    let router = Router::new().route("/", post(move |request| read(request, counted.clone())));
    let transport = super::served(router).build().unwrap();
    let client = Client::builder().transport(transport).build().unwrap();
    let length = 32 << 20;
    let answer = upload(&client, "http://a.example/", length, made).await.unwrap();
    let of_answer: u64 = answer.strip_suffix(" bytes").unwrap().parse().unwrap();
    assert!(of_answer > length && of_answer < length + 1000);
}
