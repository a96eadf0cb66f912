//! A small `curl -i`: `cargo run --features client,gzip --example get -- [options] URL`. Without arguments it demonstrates
//! itself against its own server.
//!
//! Prints the head and the body of the answer, or an error with its causes. It ends with 0 if there was an answer, whatever its
//! status, with 1 if there was none or it was incomplete, and with 2 after invalid arguments.

use std::{
    error::Error,
    fs::File,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use arguments::{Arguments, USAGE, parse};
use indicatif::ProgressBar;
use tower::ServiceBuilder;
use tower_transport::client::{Auth, AuthLayer, DecodeLayer, ProgressLayer, RedirectLayer};
use tower_transport::options::{Listener, Redirects};
use tower_transport::{Body, RequestExt, Transport, proxy::Proxy};

#[path = "support/get_arguments.rs"]
mod arguments;
#[path = "support/http_proxy.rs"]
mod http_proxy;
#[path = "support/server.rs"]
mod server;
#[path = "support/get_shown.rs"]
mod shown;
#[path = "support/site.rs"]
mod site;
#[path = "support/get_tour.rs"]
mod tour;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let outcome = match parse(&arguments) {
        _ if arguments.is_empty() => tour::run().await,
        Some(arguments) => get(arguments, &mut io::stdout().lock()).await,
        None => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe may close it early: `get URL | head`.
        Err(error) if shown::is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            shown::causes(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn get(arguments: Arguments, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let transport = match &arguments.proxy {
        Some(proxy) => Transport::builder().proxy(Proxy::new(proxy)?).build()?,
        None => Transport::builder().proxy_from_env().build()?,
    };
    let client = ServiceBuilder::new()
        .layer(ProgressLayer::new())
        .layer(RedirectLayer::new())
        .layer(AuthLayer::new())
        .layer(DecodeLayer::new().limit(None))
        .service(transport);

    let method = if arguments.body.is_some() { "POST" } else { "GET" };
    let method = arguments.method.unwrap_or(method.to_owned());
    let mut request = client.stream(method, arguments.url.unwrap_or_default());
    for (name, value) in arguments.fields {
        request = request.header(name, value);
    }
    request = match arguments.body {
        Some(body) if body.starts_with('@') => request.body(Body::file(&body[1..]).await?),
        Some(body) => request.body(body),
        None => request,
    };
    if let Some((user, password)) = arguments.user {
        request = request.extension(Auth::basic(user, password));
    }
    if !arguments.follows {
        request = request.extension(Redirects::none());
    }
    if arguments.is_verbose {
        request = request.extension(Listener::new(shown::Steps));
    }
    // Drawn only if stderr is a terminal and the body goes elsewhere.
    let bar = match arguments.file.is_some() || !io::stdout().is_terminal() {
        true => ProgressBar::no_length().with_style(shown::style()),
        false => ProgressBar::hidden(),
    };
    let drawn = bar.clone();
    let response = request
        .on_download(move |progress| {
            progress.total().inspect(|total| drawn.set_length(*total));
            drawn.set_position(progress.bytes());
        })
        .await?;

    shown::head(out, &response)?;
    let mut body = response.into_body();
    let mut file = arguments.file.map(File::create).transpose()?;
    while let Some(chunk) = body.chunk().await? {
        match &mut file {
            Some(file) => file.write_all(&chunk)?,
            None => out.write_all(&chunk)?,
        }
    }
    bar.finish_and_clear();
    Ok(out.flush()?)
}
