//! A script without async: `cargo run --example blocking --features blocking,client,json`.
//!
//! It downloads, uploads and waits like any program that reads and writes files. Threads share one client.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, Read, Write},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tower_transport::{
    ResponseExt,
    blocking::{self, Body, Canceler, Client},
    options::Timeouts,
};

#[path = "support/threads.rs"]
mod threads;

fn main() -> Result<(), Box<dyn Error>> {
    let server = threads::start()?;

    // One request over one connection.
    let response = blocking::request("GET", format!("{server}/hello")).send()?;
    println!("{} {:?}", response.status(), response.body());

    // A client: a base URL, JSON both ways, one limit of time for each request.
    let client = Client::builder().base_url(&server).timeout(Duration::from_secs(5)).build()?;
    let note = json!({ "title": "no async" });
    let stored: Value = client.post("/echo").json(&note).send()?.error_for_status()?.json()?;
    assert_eq!(stored, note);

    // A download is `Read`, `BufRead`, and an iterator of chunks.
    let path = std::env::temp_dir().join(format!("blocking-{}", std::process::id()));
    let mut download = client.stream("GET", "/lines").send()?.into_body();
    println!("{} bytes saved", io::copy(&mut download, &mut File::create(&path)?)?);
    let first = client.stream("GET", "/lines").send()?.into_body().lines().next();
    println!("the first line: {}", first.ok_or("no line")??);
    let chunks = client.stream("GET", "/lines").send()?.into_body();
    let length =
        chunks.map(|chunk| Ok(chunk?.len())).sum::<Result<usize, tower_transport::Error>>()?;

    // An upload is a file, whatever is `Read`, or something to write into.
    let file = client.put("/echo").body(Body::open(&path)?).send()?;
    assert_eq!(file.body().len(), length);
    let reader = client.post("/echo").body_reader(io::repeat(b'.').take(100_000)).send()?;
    assert_eq!(reader.body().len(), 100_000);
    let mut upload = client.post("/echo").writer()?;
    for row in 1..=3 {
        writeln!(upload, "{row};{}", row * row)?;
    }
    print!("{}", upload.finish()?.text());
    std::fs::remove_file(path)?;

    // Threads share its connections.
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| client.get("/hello").send())).collect();
        threads.into_iter().try_for_each(|it| it.join().expect("no panic").map(drop))
    })?;

    // A wait ends by a timeout, or by another thread.
    let short = Timeouts::none().read(Duration::from_millis(50));
    let error = client.get("/never").timeouts(short).send().unwrap_err();
    println!("{error}");
    let canceler = Canceler::new();
    let request = client.get("/never").canceler(&canceler);
    let waiting = thread::spawn(move || request.send());
    canceler.cancel();
    println!("{}", waiting.join().expect("no panic").unwrap_err());

    client.close()?;
    Ok(())
}
