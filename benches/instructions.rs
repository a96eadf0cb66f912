//! Counts the instructions of a warm request, by callgrind: `cargo bench --bench instructions`.
//!
//! It runs itself under valgrind, once for few requests and once for many: the difference, by request, is what one
//! costs. With a name and a number, as `instructions "our pool" 2 1000`, it is what valgrind is to look at: that client,
//! over that version of HTTP, so many requests.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use http::Version;

#[path = "support/clients.rs"]
mod clients;
#[path = "support/peer.rs"]
mod peer;

use clients::{ALL, Client, Measure, Outcome, ROUTES, measure};

const FEW: usize = 1000;
const MANY: usize = 3000;

/// Sends so many requests.
struct Send(usize);

impl Measure for Send {
    type Measured = ();

    async fn of(self, mut client: impl Client) -> Outcome {
        for _ in 0..self.0 {
            client.get().await?;
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [peer::ARGUMENT] => peer::serve().map_err(Into::into),
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

#[tokio::main(flavor = "current_thread")]
async fn send(name: &str, version: &str, requests: &str) -> Outcome {
    let peer = peer::Peer::start()?;
    let version = if version == "2" { Version::HTTP_2 } else { Version::HTTP_11 };
    measure(Send(requests.parse()?), (name, version), &peer.address).await
}

fn table() -> Outcome {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("There is no valgrind here (apt-get install valgrind): nothing was counted.");
        return Ok(());
    }
    println!("per warm request, one at a time    instructions    of bare hyper's");
    let mut bare = 0;
    for &(name, version) in ALL {
        let counted = each(name, version)?;
        if name == "bare hyper" {
            bare = counted;
        }
        let ratio = counted as f64 / bare as f64;
        println!("{version:?}  {name:<22} {counted:>15} {ratio:>18.2}");
    }
    println!("\nper choice of a route              instructions");
    for &name in ROUTES {
        println!("{name:<32} {:>15}", each(name, Version::HTTP_11)?);
    }
    Ok(())
}

/// How many instructions one request takes.
fn each(name: &str, version: Version) -> Outcome<u64> {
    let counted = count(name, version, MANY)? - count(name, version, FEW)?;
    Ok(counted / (MANY - FEW) as u64)
}

/// How many instructions a run of so many requests takes.
fn count(name: &str, version: Version, requests: usize) -> Outcome<u64> {
    let out = std::env::temp_dir().join(format!("callgrind-{}.out", std::process::id()));
    let version = if version == Version::HTTP_2 { "2" } else { "1.1" };
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())])
        .arg(std::env::current_exe()?)
        .args([name, version, &requests.to_string()])
        .output()?;
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into());
    }
    let total = total(&out);
    let _ = std::fs::remove_file(out);
    total
}

fn total(out: &Path) -> Outcome<u64> {
    let out = std::fs::read_to_string(out)?;
    let total = out.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind gave no total")?.trim().parse()?)
}
