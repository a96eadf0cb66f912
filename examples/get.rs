//! A small `curl -i`: `cargo run --example get -- [-v] URL`.
//!
//! Prints the head and the body of the response, or an error with its causes; with `-v` also every step. The exit status is 0 for a
//! complete response whatever its status, 1 for a failure, and 2 for wrong arguments.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use http::Response;
use tower_transport::{
    events::{Event, EventListener, Note},
    options::Listener,
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (url, verbose) = match &arguments[..] {
        [flag, url] if flag == "-v" => (url, true),
        [url] => (url, false),
        _ => {
            eprintln!("usage: get [-v] URL");
            return ExitCode::from(2);
        }
    };
    match get(url, verbose).await {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the pipe: `get URL | head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn get(url: &str, verbose: bool) -> Result<(), Box<dyn Error>> {
    let mut request = tower_transport::stream("GET", url);
    if verbose {
        request = request.extension(Listener::new(Tells));
    }
    let response = request.await?;
    let mut out = io::stdout().lock();
    write_head(&mut out, &response)?;
    let mut body = response.into_body();
    while let Some(chunk) = body.chunk().await? {
        out.write_all(&chunk)?;
    }
    Ok(out.flush()?)
}

/// Prints starts and ends, as `curl -v` does.
struct Tells;

impl EventListener for Tells {
    fn started(&self, event: &Event) {
        eprintln!("* {}", event.step);
    }

    fn completed(&self, event: &Event) {
        eprintln!("*   {:?} in {:.1?}", event.step, event.elapsed());
    }

    fn failed(&self, event: &Event, error: &tower_transport::Error) {
        eprintln!("*   {} failed in {:.1?}: {error}", event.step, event.elapsed());
    }

    fn canceled(&self, event: &Event) {
        eprintln!("*   {} was given up", event.step);
    }

    fn noted(&self, note: &Note) {
        eprintln!("* {}", note.kind);
    }
}

fn write_head<B>(out: &mut impl Write, response: &Response<B>) -> io::Result<()> {
    writeln!(out, "{:?} {}", response.version(), response.status())?;
    for (name, value) in response.headers() {
        write!(out, "{name}: ")?;
        out.write_all(value.as_bytes())?;
        writeln!(out)?;
    }
    writeln!(out)
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints an error with all its causes.
fn tell(error: &dyn Error) {
    eprintln!("get: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
