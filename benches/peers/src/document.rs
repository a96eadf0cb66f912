//! Renews what stands between the markers in `docs/performance.md`, and the chart beside it.

use std::{fmt::Write, fs, path::PathBuf};

use crate::{
    chart,
    results::{Cell, Results},
    work::{Outcome, PEERS, Peer, WORKLOADS},
};

/// What is nearer to the first than this is first as well.
const NOISE: f64 = 1.02;

pub fn renew(results: &Results) -> Outcome {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("docs/performance.md");
    let mut text = fs::read_to_string(&path)?;
    let budgets = fs::read_to_string(root.join("benches/budgets.md"))?;
    let budgets = budgets.find("| request |").map_or("", |at| &budgets[at..]);
    replace(&mut text, "measured on", &about(results))?;
    replace(&mut text, "peers", &tables(results))?;
    replace(&mut text, "not first", &not_first(results))?;
    replace(&mut text, "budgets", budgets)?;
    fs::write(&path, text)?;
    Ok(fs::write(root.join("docs/performance.svg"), chart::draw(results))?)
}

/// Puts this between the markers of this name.
fn replace(text: &mut String, name: &str, with: &str) -> Outcome {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let from = text.find(&begin).ok_or_else(|| format!("there is no marker `{name}`"))?;
    let from = from + begin.len();
    let to = text[from..].find(&end).ok_or_else(|| format!("the marker `{name}` has no end"))?;
    text.replace_range(from..from + to, &format!("\n{}\n\n", with.trim()));
    Ok(())
}

fn about(results: &Results) -> String {
    results.about.iter().map(|line| format!("* {line}\n")).collect()
}

fn tables(results: &Results) -> String {
    let mut text = String::new();
    text.push_str("CPU of the client for each request, in µs, and over that of bare hyper:\n\n");
    table(&mut text, results, |cell| {
        let (micros, ratio) = (cell.sample.cpu_micros, cell.ratio);
        match cell.peer {
            Peer::Hyper => figures(micros),
            _ => format!("{} ({ratio:.2} ×)", figures(micros)),
        }
    });
    text.push_str(
        "\nRequests in a second, with one core for the client and one for the server:\n\n",
    );
    table(&mut text, results, |cell| figures(cell.sample.per_second));
    text.push_str("\nPeak of the client's memory, in MiB:\n\n");
    table(&mut text, results, |cell| format!("{:.1}", cell.sample.peak_mib));
    text
}

fn table(text: &mut String, results: &Results, show: impl Fn(&Cell) -> String) {
    let peers: Vec<_> = PEERS.into_iter().filter(|peer| results.has(*peer)).collect();
    let names = peers.iter().map(|peer| peer.name()).collect::<Vec<_>>().join(" | ");
    let _ = writeln!(text, "| | {names} |\n|---|{}", "--:|".repeat(peers.len()));
    for workload in &WORKLOADS {
        let _ = write!(text, "| {} |", workload.name);
        for &peer in &peers {
            let shown = match results.cell(workload, peer) {
                Some(cell) => show(cell),
                None if peer.does(workload) => "did not finish".to_owned(),
                None => "–".to_owned(),
            };
            let _ = write!(text, " {shown} |");
        }
        text.push('\n');
    }
}

/// Three figures that mean something.
fn figures(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => thousands(number.round() as u64),
    }
}

fn thousands(number: u64) -> String {
    match number {
        ..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

/// Where another costs less CPU, a line each.
fn not_first(results: &Results) -> String {
    let mut lines = String::new();
    for workload in &WORKLOADS {
        let of_workload = results.cells.iter().filter(|cell| cell.workload.name == workload.name);
        let first = of_workload.min_by(|one, other| one.ratio.total_cmp(&other.ratio));
        let (Some(ours), Some(first)) = (results.cell(workload, Peer::Ours), first) else {
            continue;
        };
        if ours.ratio > first.ratio * NOISE {
            let (name, peer) = (workload.name, first.peer.name());
            let (ours, first) = (ours.ratio, first.ratio);
            let _ = writeln!(
                lines,
                "* {name}: {ours:.2} × bare hyper; first is {peer} with {first:.2} ×"
            );
        }
    }
    if lines.is_empty() { "In this run, nowhere.".to_owned() } else { lines }
}
