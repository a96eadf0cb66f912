//! A small `curl -i`: `cargo run --example get -- URL`.
//!
//! Prints the head and the body of the answer, or an error with its causes. It ends with 0 if there was an answer
//! whatever its status, with 1 if there was none or not all of it, and with 2 if it was called in a wrong way.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use http::Response;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: get URL");
        return ExitCode::from(2);
    };
    match get(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads along has seen enough: `get URL | head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn get(url: &str) -> Result<(), Box<dyn Error>> {
    let response = tower_transport::stream("GET", url).await?;
    let mut out = io::stdout().lock();
    write_head(&mut out, &response)?;
    let mut body = response.into_body();
    while let Some(chunk) = body.chunk().await? {
        out.write_all(&chunk)?;
    }
    Ok(out.flush()?)
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

/// What was being done, and why it failed, as far down as it is known.
fn tell(error: &dyn Error) {
    eprintln!("get: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
