//! What forms are written as, and what is refused.

use futures_util::stream;
use http::HeaderName;

use super::{fuzzing::*, *};
use crate::error::Kind;

/// A body of these chunks that can be sent once and knows no length.
fn chunks(chunks: &[&'static str]) -> Body {
    Body::iter(chunks.to_vec())
}

async fn written(form: Form) -> (HeaderValue, Result<Bytes, Error>) {
    let (content_type, mut body) = form.into_parts().unwrap();
    let read = body.read().await;
    (content_type, read)
}

async fn parts(form: Form) -> Vec<ReadPart> {
    let (content_type, bytes) = written(form).await;
    read(&bytes.unwrap(), &boundary_of(&content_type)).expect("a form")
}

fn refused(form: Form) -> String {
    let error = form.into_parts().unwrap_err();
    assert!(error.is_builder(), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_form_is_written_by_rfc_7578() {
    let form = Form::new()
        .boundary("B")
        .text("a", "1")
        .part("f", Part::bytes("{}").file_name("f.json"))
        .part("s", Part::body(chunks(&["x", "", "y"])));
    let (content_type, bytes) = written(form).await;
    assert_eq!(content_type, "multipart/form-data; boundary=B");
    let expected = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
        --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.json\"\r\n\
        content-type: application/json\r\n\r\n{}\r\n\
        --B\r\nContent-Disposition: form-data; name=\"s\"\r\n\r\nxy\r\n--B--\r\n";
    assert_eq!(bytes.unwrap(), expected);
}

#[tokio::test]
async fn a_form_without_parts_is_its_end() {
    let (_, bytes) = written(Form::new().boundary("B")).await;
    assert_eq!(bytes.unwrap(), "--B--\r\n");
}

#[tokio::test]
async fn the_length_is_known_if_all_parts_know_theirs() {
    let known = || Form::new().text("a", "1").part("b", Part::bytes(vec![0; 10]));
    for form in [
        known(),
        known().part("c", Part::body("full")),
        known().part("c", Part::body(chunks(&["x", "y"])).length(2)),
        known().part("c", Part::file("Cargo.toml").await.unwrap()),
    ] {
        let (_, mut body) = form.into_parts().unwrap();
        let length = body.length().unwrap();
        assert_eq!(body.read().await.unwrap().len() as u64, length);
    }
    let (_, body) = known().part("c", Part::body(chunks(&["x"]))).into_parts().unwrap();
    assert_eq!(body.length(), None);
    let huge = || Part::body(chunks(&["x"])).length(u64::MAX);
    let (_, body) = Form::new().part("a", huge()).part("b", huge()).into_parts().unwrap();
    assert_eq!(body.length(), None, "the sum is no length");
}

#[tokio::test]
async fn a_form_is_sent_again_if_all_parts_can_be() {
    let again = Body::again(|| chunks(&["one ", "two"]));
    let file = Part::file("Cargo.toml").await.unwrap();
    let form = Form::new().text("a", "1").part("b", Part::body(again)).part("c", file);
    let (_, mut body) = form.into_parts().unwrap();
    let first = body.read().await.unwrap();
    for _ in 0..2 {
        body = body.try_clone().expect("it can be had again");
        assert!(body.read().await.unwrap() == first);
    }
    let (_, body) = Form::new().part("a", Part::body(chunks(&["x"]))).into_parts().unwrap();
    assert!(body.try_clone().is_none());
}

#[tokio::test]
async fn a_file_has_its_name_its_type_and_its_content() {
    let form = Form::new().part("f", Part::file("Cargo.toml").await.unwrap());
    let parts = parts(form).await;
    assert_eq!(parts[0].file_name.as_deref(), Some("Cargo.toml"));
    assert_eq!(parts[0].headers, ["content-type: application/toml"]);
    assert!(parts[0].content == std::fs::read("Cargo.toml").unwrap());
    let error = Part::file("src/client/no such file").await.unwrap_err();
    assert!(error.is_body() && error.is_io());
}

#[tokio::test]
async fn fields_of_a_part_replace_what_the_suffix_says() {
    let named = || Part::bytes("x").file_name("x.png");
    let form = Form::new()
        .part("a", named())
        .part("b", named().content_type("text/x").header(HeaderName::from_static("x-a"), "1"))
        .part("c", Part::bytes("x").file_name("x"))
        .part("d", Part::bytes("x"));
    let parts = parts(form).await;
    let headers: Vec<_> = parts.iter().map(|part| part.headers.join("|")).collect();
    let unknown = "content-type: application/octet-stream";
    assert_eq!(headers, ["content-type: image/png", "content-type: text/x|x-a: 1", unknown, ""]);
}

#[tokio::test]
async fn nothing_in_a_name_is_read_as_more_than_a_name() {
    for evil in ["a\"; filename=\"x", "a\r\nX-Evil: 1\r\n\r\nbody", "a\n--B\r\n", "\r\n--B--\r\n"] {
        let form = Form::new().boundary("B").part(evil, Part::bytes("x").file_name(evil));
        let parts = parts(form).await;
        assert_eq!(parts.len(), 1, "{evil:?}");
        assert_eq!(parts[0].headers, ["content-type: application/octet-stream"]);
        assert_eq!(parts[0].content, b"x");
        for text in [&parts[0].name, parts[0].file_name.as_ref().unwrap()] {
            assert!(!text.contains(['"', '\r', '\n']), "{text:?}");
        }
    }
}

#[test]
fn what_cannot_be_escaped_is_refused() {
    assert!(refused(Form::new().text("a\0b", "")).contains("NUL"));
    assert!(refused(Form::new().part("a", Part::bytes("").file_name("x\0.png"))).contains("NUL"));
    for evil in ["text/plain\r\nX: y", "a\nb", "a\0b"] {
        let part = Part::bytes("").content_type(evil);
        assert!(refused(Form::new().part("a", part)).contains("content-type"), "{evil:?}");
        assert!(refused(Form::new().boundary(evil)).contains("boundary"));
    }
    let part = Part::bytes("").header(CONTENT_DISPOSITION, "form-data; name=\"b\"");
    assert!(refused(Form::new().part("a", part)).contains("Content-Disposition"));
}

#[test]
fn a_boundary_of_the_caller_is_not_in_the_content() {
    let form = |content: &'static str| Form::new().boundary("B").text("a", content);
    assert!(refused(form("x\r\n--B--\r\n")).contains("\"a\" holds the boundary"));
    assert!(form("x--B").into_parts().is_ok());
}

#[tokio::test]
async fn a_length_that_is_not_the_contents_is_an_error() {
    assert!(refused(Form::new().part("a", Part::bytes("xyz").length(2))).contains("has 3 bytes"));
    for (length, how) in [(1, "longer"), (4, "shorter")] {
        let part = Part::body(chunks(&["x", "yz"])).length(length);
        let (_, bytes) = written(Form::new().part("a", part).text("b", "never sent")).await;
        let error = bytes.unwrap_err();
        assert!(error.is_body() && error.to_string().contains(how), "{error}");
    }
}

#[tokio::test]
async fn the_error_of_a_content_is_the_forms_and_nothing_comes_after_it() {
    let broken = stream::iter([Ok("x"), Err(Error::custom(Kind::Body, "the disk is gone"))]);
    let form = Form::new().part("a", Part::body(Body::stream(broken))).text("b", "never sent");
    let (_, mut body) = form.into_parts().unwrap();
    let error = loop {
        match body.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() && error.to_string().contains("the disk is gone"));
    assert!(body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn contents_are_taken_one_chunk_at_a_time() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let many = (0..1000).map(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        vec![0; 1024]
    });
    let form = Form::new().part("a", Part::body(Body::iter(many)).length(1000 * 1024));
    let (_, mut body) = form.into_parts().unwrap();
    for chunks in 0..=1000 {
        body.chunk().await.unwrap().unwrap();
        assert_eq!(taken.load(Ordering::Relaxed), chunks, "the head comes first");
    }
}

#[test]
fn a_request_gets_the_body_and_its_type() {
    let request = http::Request::post("http://a.example/").header("content-type", "text/plain");
    let request = request.multipart(Form::new().boundary("B").text("a", "1")).unwrap();
    let types: Vec<_> = request.headers().get_all("content-type").iter().collect();
    assert_eq!(types, ["multipart/form-data; boundary=B"]);
    assert!(request.body().length().is_some());
    let request = http::Request::post("http://a b/").multipart(Form::new());
    assert!(request.unwrap_err().is_builder());
}
