//! Calls `get` as one would in a shell, against a server in this process, and checks what comes back.

use std::error::Error;

use super::{arguments::parse, get, http_proxy::HttpProxy, server::Server};

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let (server, proxy) = (Server::start().await?, HttpProxy::start().await?);
    let url = |path: &str| format!("{}{path}", server.url);

    let hello = called(&[&url("/")]).await?;
    assert!(hello.starts_with("HTTP/1.1 200 OK\n") && hello.ends_with("\n\nHello, world"));

    let moved = called(&[&url("/moved")]).await?;
    assert!(moved.contains("302") && moved.contains("location: /headers"));
    let followed = called(&["-L", &url("/moved"), "-u", "user:pass:word", "-H", "X-A: 1"]).await?;
    assert!(followed.contains("200 OK") && followed.contains("x-a: 1"));
    assert!(followed.contains("authorization: Basic dXNlcjpwYXNzOndvcmQ="));
    // It came in gzip, and was decoded.
    assert!(followed.contains("GET /headers") && followed.contains("accept-encoding: gzip"));

    let json = called(&["--json", "{\"a\": 1}", &url("/post")]).await?;
    assert!(json.contains("POST /post") && json.contains("content-type: application/json"));
    assert!(json.contains("(8 bytes)"));
    let put = called(&["-X", "PUT", "-d", "@Cargo.toml", &url("/post")]).await?;
    let length = std::fs::metadata("Cargo.toml")?.len();
    assert!(put.contains("PUT /post") && put.contains(&format!("({length} bytes)")));

    let file = std::env::temp_dir().join(format!("tower-transport-get-{}", std::process::id()));
    let name = file.to_string_lossy().into_owned();
    let head = called(&["-v", "-o", &name, &url("/bytes/1000000")]).await?;
    let written = std::fs::metadata(&file)?.len();
    std::fs::remove_file(&file)?;
    assert!(head.ends_with("\n\n") && written == 1_000_000);

    let through = format!("http://user:password@{}", proxy.address);
    let forwarded = called(&["-x", &through, &url("/")]).await?;
    assert!(forwarded.ends_with("Hello, world") && !proxy.log().is_empty());

    assert!(called(&["http://localhost:1/"]).await.is_err());
    for wrong in [&["-X"][..], &["-L"], &["a", "b"], &["-z", "a"], &["a", "-H", "nothing"]] {
        assert!(parse(&wrong.iter().map(|it| it.to_string()).collect::<Vec<_>>()).is_none());
    }
    Ok(())
}

async fn called(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    println!("$ get {}", arguments.join(" "));
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    let mut out = Vec::new();
    get(parse(&arguments).ok_or("called in a wrong way")?, &mut out).await?;
    Ok(String::from_utf8(out)?)
}
