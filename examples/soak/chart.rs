//! What was measured, as lines of text and as an SVG chart.

use std::fmt::Write;

#[derive(Default)]
pub(crate) struct Series {
    pub(crate) rate: Vec<f64>,
    pub(crate) memory: Vec<f64>,
    pub(crate) descriptors: Vec<f64>,
}

impl Series {
    fn all(&self) -> [(&'static str, &[f64]); 3] {
        [
            ("requests/s", &self.rate),
            ("memory, MiB", &self.memory),
            ("descriptors", &self.descriptors),
        ]
    }

    /// Whether memory and descriptors were at the end about what they were after the first third.
    pub(crate) fn is_flat(&self) -> bool {
        [(&self.memory, 8.0), (&self.descriptors, 40.0)].iter().all(|(values, more)| {
            let third = values.len() / 3;
            let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
            values.len() < 12
                || most(&values[2 * third..]) <= most(&values[third..2 * third]) * 1.25 + more
        })
    }

    pub(crate) fn text(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let mut text = String::new();
        for (name, values) in self.all() {
            let most = values.iter().copied().fold(1e-9, f64::max);
            let bar = |value: &f64| BARS[((value / most * 7.0) as usize).min(7)];
            let line: String = values.iter().map(bar).collect();
            let last = values.last().copied().unwrap_or_default();
            let _ = writeln!(text, "{name:>12} {line} {last:.0}, at most {most:.0}");
        }
        text
    }

    pub(crate) fn svg(&self) -> String {
        let mut svg = String::from(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 330\" font-family=\"sans-serif\" font-size=\"12\">\n",
        );
        for (row, (name, values)) in self.all().into_iter().enumerate() {
            let most = values.iter().copied().fold(1e-9, f64::max);
            let (top, width) = (row as f64 * 110.0, 620.0 / values.len().max(2) as f64);
            let points: Vec<_> = values
                .iter()
                .enumerate()
                .map(|(at, value)| {
                    format!(
                        "{:.1},{:.1}",
                        10.0 + at as f64 * width,
                        top + 100.0 - value / most * 75.0
                    )
                })
                .collect();
            let _ = writeln!(
                svg,
                "<text x=\"10\" y=\"{}\">{name}, at most {most:.0}</text>",
                top + 15.0
            );
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"#36c\" points=\"{}\"/>",
                points.join(" ")
            );
        }
        svg + "</svg>\n"
    }
}
