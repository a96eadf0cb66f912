//! Counts the instructions of a request, by callgrind: `cargo bench --bench instructions`.
//!
//! With a name and a number, as `instructions "our pool" 2 1000`, it is what valgrind is to look at: that client, over that
//! version of HTTP, so many requests.

use std::{collections::HashMap, process::ExitCode};

use http::Version;

#[allow(dead_code, unused_imports, reason = "of what is measured, neither memory nor system calls")]
#[path = "support/clients.rs"]
mod clients;
#[allow(dead_code, reason = "of counting, all but the system calls")]
#[path = "support/count.rs"]
mod count;
#[path = "support/peer.rs"]
mod peer;

use clients::{ALL, Outcome, ROUTES};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [peer::ARGUMENT] => peer::serve(),
        [count::SEND, name, version, requests, place] => {
            count::send(name, version, requests, place)
        }
        [name, version, requests] => send(name, version, requests),
        _ => table(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn send(name: &str, version: &str, requests: &str) -> Outcome {
    count::send(name, version, requests, &peer::Peer::start()?.place)
}

fn table() -> Outcome {
    if !count::has("valgrind") {
        println!("There is no valgrind here (apt-get install valgrind): nothing was counted.");
        return Ok(());
    }
    let peer = peer::Peer::start()?;
    let mut counted = HashMap::new();
    println!("per warm request                        instructions    of what it is compared with");
    for row in ALL {
        let of = count::instructions((row.name, row.version), &peer.place)?;
        counted.insert((row.name, row.version), of);
        let ratio = counted.get(&(row.compared_with, row.version)).map(|base| of / base);
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
        println!("{:?}  {:<30} {of:>12.0} {ratio:>8}", row.version, row.name);
    }
    println!("\nper choice of a route                   instructions");
    for &name in ROUTES {
        let of = count::instructions((name, Version::HTTP_11), &peer.place)?;
        println!("{name:<40} {of:>12.0}");
    }
    Ok(())
}
