//! Draws the chart: a row for each workload, a mark for each peer, at its CPU over that of bare hyper.

use std::fmt::Write;

use crate::{
    results::Results,
    work::{PEERS, Peer, WORKLOADS},
};

const WIDTH: f64 = 880.0;
/// Where the scale begins and ends.
const LEFT: f64 = 340.0;
const RIGHT: f64 = WIDTH - 30.0;
const TOP: f64 = 76.0;
const ROW: f64 = 27.0;
/// The scale: ratios are compared by their logarithms, and what is beyond stands at its end.
const LEAST: f64 = 0.5;
const MOST: f64 = 4.0;
const LINES: [f64; 7] = [0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0];

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.paper { fill: #ffffff }
.line { stroke: #d1d9e0 }
.one { stroke: #59636e; stroke-width: 1.5 }
.hyper { fill: #59636e }
.ours { fill: #cf222e }
.pool { fill: #0969da }
.legacy { fill: #8250df }
.reqwest { fill: #9a6700 }
.ureq { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .small { fill: #9198a1 }
  .paper { fill: #0d1117 }
  .line { stroke: #3d444d }
  .one { stroke: #9198a1 }
  .hyper { fill: #9198a1 }
  .ours { fill: #ff7b72 }
  .pool { fill: #58a6ff }
  .legacy { fill: #bc8cff }
  .reqwest { fill: #e3b341 }
  .ureq { fill: #56d364 }
}
";

pub fn draw(results: &Results) -> String {
    let bottom = TOP + ROW * WORKLOADS.len() as f64;
    let height = bottom + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>CPU of the client for each request, over that of bare \
         hyper</title>\n<style>\n{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
    );
    text(
        &mut svg,
        (16.0, 24.0),
        "",
        "CPU of the client for each request, over that of bare hyper: less is better",
    );
    legend(&mut svg, results);
    for at in LINES {
        let (x, class) = (x(at), if at == 1.0 { "one" } else { "line" });
        let from = TOP - 8.0;
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{x:.1} {from}V{bottom}\"/>");
        let label = format!("{at} ×");
        let _ = writeln!(
            svg,
            "<text class=\"small\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{label}</text>",
            bottom + 18.0
        );
    }
    for (row, workload) in WORKLOADS.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        text(&mut svg, (16.0, y + 4.5), "", workload.name);
        // Ours is drawn last, so that it lies above.
        for peer in PEERS.into_iter().filter(|peer| *peer != Peer::Ours).chain([Peer::Ours]) {
            if let Some(cell) = results.cell(workload, peer) {
                mark(&mut svg, peer, (x(cell.ratio), y), Some(cell.ratio));
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn x(ratio: f64) -> f64 {
    let part = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + part * (RIGHT - LEFT)
}

fn legend(svg: &mut String, results: &Results) {
    let mut left = 24.0;
    for peer in PEERS.into_iter().filter(|peer| results.has(*peer)) {
        mark(svg, peer, (left, 48.0), None);
        text(svg, (left + 10.0, 52.5), "", peer.name());
        left += 38.0 + 7.2 * peer.name().len() as f64;
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

/// Each peer has a shape as well as a colour.
fn mark(svg: &mut String, peer: Peer, (x, y): (f64, f64), ratio: Option<f64>) {
    let (class, shape) = match peer {
        Peer::Hyper => ("hyper", "M-1.5-7h3v14h-3z"),
        Peer::Ours => ("ours", "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z"),
        Peer::Blocking => ("ours", "M0-7l2 5h5l-4 3l2 5l-5-3l-5 3l2-5l-4-3h5z"),
        Peer::Pool => ("pool", "M-5-5h10v10h-10z"),
        Peer::Legacy => ("legacy", "M0-6l6 6l-6 6l-6-6z"),
        Peer::Reqwest => ("reqwest", "M0-6l6 10h-12z"),
        Peer::Ureq => ("ureq", "M0 6l6-10h-12z"),
    };
    let title = ratio.map(|ratio| format!("<title>{}: {ratio:.2} ×</title>", peer.name()));
    let _ = writeln!(
        svg,
        "<path class=\"{class}\" fill-opacity=\"0.85\" transform=\"translate({x:.1} {y:.1})\" d=\"{shape}\">{}</path>",
        title.unwrap_or_default()
    );
    // What does not fit on the scale says where it is.
    if let Some(ratio) = ratio.filter(|ratio| *ratio > MOST) {
        let _ = writeln!(
            svg,
            "<text class=\"small\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{ratio:.1} × →</text>",
            x - 10.0,
            y + 4.0
        );
    }
}
