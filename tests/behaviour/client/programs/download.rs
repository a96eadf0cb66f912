//! A download that goes on where an earlier one broke, if the file is still the same.

use std::{fs, io::Write, path::Path, sync::Arc};

use axum::{
    Router, body::Body as Answer, http::HeaderMap, http::StatusCode, response::IntoResponse,
    routing::get,
};
use futures_util::StreamExt;
use tower_transport::client::{Client, ResponseExt};
use tower_transport::options::BodyProgress;
use tower_transport::{Error, error::BoxError};

async fn download(
    client: &Client,
    url: &str,
    path: &Path,
    shown: impl Fn(BodyProgress) + Send + Sync + 'static,
) -> Result<(), BoxError> {
    let (part, tag) = (path.with_extension("part"), path.with_extension("etag"));
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&part)?;
    let mut request = client.stream("GET", url).header("accept-encoding", "identity");
    if let (length @ 1.., Ok(tag)) = (file.metadata()?.len(), fs::read_to_string(&tag)) {
        request = request.header("range", format!("bytes={length}-")).header("if-range", tag);
    }
    let response = request.on_download(shown).await?.error_for_status().await?;
    if response.status() != StatusCode::PARTIAL_CONTENT {
        file.set_len(0)?;
        let etag = response.headers().get("etag").map_or(&b""[..], |etag| etag.as_bytes());
        fs::write(&tag, etag)?;
    }
    let mut body = response.into_body();
    while let Some(chunk) = body.chunk().await? {
        file.write_all(&chunk)?;
    }
    fs::rename(part, path)?;
    Ok(fs::remove_file(tag)?)
}

const CONTENT: &str = "0123456789abcdef";

/// Sends half of what is asked for, and breaks off, unless it is the end that is asked for.
async fn answer(headers: HeaderMap, etag: &'static str) -> impl IntoResponse {
    let range = headers.get("range").and_then(|it| it.to_str().ok()?.strip_prefix("bytes="));
    let is_same = headers.get("if-range").is_some_and(|tag| tag == etag);
    let from = range.and_then(|it| it.strip_suffix('-')?.parse().ok()).filter(|_| is_same);
    let status = if from.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let rest = &CONTENT[from.unwrap_or(0)..];
    let begins = futures_util::stream::once(std::future::ready(Ok(&rest[..8])));
    let breaks = begins.chain(futures_util::stream::once(async {
        // Meanwhile what there is is sent.
        crate::support::origin::run_ready_tasks().await;
        Err("broken")
    }));
    let body = if from.is_some() { Answer::from(rest) } else { Answer::from_stream(breaks) };
    (status, [("etag", etag), ("content-length", &*rest.len().to_string())], body).into_response()
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let router = |etag| Router::new().route("/file", get(move |headers| answer(headers, etag)));
    let client = |etag| {
        let transport = super::served(router(etag)).build().unwrap();
        Client::builder().transport(transport).build().unwrap()
    };
    let path =
        std::env::temp_dir().join(format!("tower-transport-download-{}", std::process::id()));
    let url = "http://a.example/file";
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let shown = |seen: &Arc<std::sync::Mutex<Vec<_>>>| {
        let seen = seen.clone();
        move |progress: BodyProgress| {
            seen.lock().unwrap().push((progress.bytes(), progress.total()))
        }
    };
    for etag in ["\"old\"", "\"new\""] {
        let broken = download(&client(etag), url, &path, |_| {}).await.unwrap_err();
        assert!(broken.downcast_ref::<Error>().is_some_and(Error::was_sent), "{broken}");
    }
    // What there was of the old file was not kept.
    download(&client("\"new\""), url, &path, shown(&seen)).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
    assert_eq!(*seen.lock().unwrap(), [(8, Some(8))]);
    fs::remove_file(&path).unwrap();
}
