//! What `get` writes to a terminal, in colour where that is one.

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
};

use http::Response;
use indicatif::ProgressStyle;
use tower_transport::events::{Event, EventListener, Note};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";

/// In colour, if that is asked for.
fn painted(text: impl std::fmt::Display, colour: &str, is_terminal: bool) -> String {
    match is_terminal {
        true => format!("{colour}{text}\x1b[0m"),
        false => text.to_string(),
    }
}

pub(crate) fn head<B>(out: &mut impl Write, response: &Response<B>) -> io::Result<()> {
    let is_terminal = io::stdout().is_terminal();
    let line = format!("{:?} {}", response.version(), response.status());
    let is_fine = !response.status().is_client_error() && !response.status().is_server_error();
    writeln!(out, "{}", painted(line, if is_fine { BOLD } else { RED }, is_terminal))?;
    for (name, value) in response.headers() {
        write!(out, "{}: ", painted(name, DIM, is_terminal))?;
        out.write_all(value.as_bytes())?;
        writeln!(out)?;
    }
    writeln!(out)
}

/// Tells what begins and ends, as `curl -v`.
pub(crate) struct Steps;

fn step(text: impl std::fmt::Display) {
    eprintln!("{}", painted(format!("* {text}"), DIM, io::stderr().is_terminal()));
}

impl EventListener for Steps {
    fn started(&self, event: &Event) {
        step(&event.step);
    }

    fn completed(&self, event: &Event) {
        step(format!("  {:?} in {:.1?}", event.step, event.elapsed()));
    }

    fn failed(&self, event: &Event, error: &tower_transport::Error) {
        step(format!("  {} failed in {:.1?}: {error}", event.step, event.elapsed()));
    }

    fn canceled(&self, event: &Event) {
        step(format!("  {} was given up", event.step));
    }

    fn noted(&self, note: &Note) {
        step(&note.kind);
    }
}

/// How a download is drawn.
pub(crate) fn style() -> ProgressStyle {
    let style = "{bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
    ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar())
}

pub(crate) fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// What was being done, and why it failed, as far down as it is known.
pub(crate) fn causes(error: &dyn Error) {
    eprintln!("{}", painted(format!("get: {error}"), RED, io::stderr().is_terminal()));
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
