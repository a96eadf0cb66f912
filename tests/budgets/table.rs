//! The table of costs: the same for what is allowed, `benches/budgets.md`, and for what was measured.

use std::fmt::Write;

/// What is written above the tables.
const PREFACE: &str = "\
# Budgets

What a request may cost the client. `tests/budgets.rs` fails where more than 2 % above is measured. This file is written by
`cargo test --profile bench --test budgets -- --write`; without `--write` it is only compared. The rows are
explained in [README.md](README.md).

The budget of instructions is the *ratio* to the same request by bare hyper, or, for idle connections and origins, to one of
them, counted in the same run; the instructions themselves are of the machine that wrote this, and are not compared.
Rows of others are there to compare with, and have no budget.
";

pub(crate) const COLUMNS: usize = 8;

pub(crate) struct Column {
    name: &'static str,
    decimals: usize,
    /// How much may be measured above the budget and its 2 %; `None` where nothing is compared.
    slack: Option<f64>,
}

const fn column(name: &'static str, decimals: usize, slack: Option<f64>) -> Column {
    Column { name, decimals, slack }
}

/// Tables that grow once in a while, and a wake that comes a moment later, are no news.
const SETTINGS: [Column; COLUMNS] = [
    column("ratio", 3, Some(0.0)),
    column("instructions", 0, None),
    column("allocations", 2, Some(0.02)),
    column("bytes", 0, Some(4.0)),
    column("reads", 2, Some(0.02)),
    column("writes", 2, Some(0.02)),
    column("waits", 2, Some(0.5)),
    column("other calls", 2, Some(0.05)),
];

/// Where in a row what is.
pub(crate) const RATIO: usize = 0;
pub(crate) const INSTRUCTIONS: usize = 1;
pub(crate) const ALLOCATIONS: usize = 2;
pub(crate) const BYTES: usize = 3;
pub(crate) const READS: usize = 4;
pub(crate) const WRITES: usize = 5;
pub(crate) const WAITS: usize = 6;
pub(crate) const OTHERS: usize = 7;

const TOLERANCE: f64 = 1.02;

pub(crate) type Costs = [Option<f64>; COLUMNS];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) costs: Costs,
}

/// Rows in their order: those of requests, then those of sizes, which have bytes only.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table(pub(crate) Vec<Row>);

impl Table {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().filter(|line| line.starts_with("| "));
        let lines =
            lines.filter(|line| !line.starts_with("| request |") && !line.starts_with("| size |"));
        lines.map(parse_row).collect::<Result<_, _>>().map(Self)
    }

    fn row(&self, title: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.title == title)
    }

    pub(crate) fn titles(&self) -> Vec<&str> {
        self.0.iter().map(|row| row.title.as_str()).collect()
    }

    /// What is above its budget, a sentence each.
    pub(crate) fn above(&self, budgets: &Self) -> Vec<String> {
        self.differences(budgets, |measured, budget, slack| measured > budget * TOLERANCE + slack)
    }

    /// What is so far below its budget that this could be lowered.
    pub(crate) fn below(&self, budgets: &Self) -> Vec<String> {
        self.differences(budgets, |measured, budget, slack| measured * TOLERANCE + slack < budget)
    }

    fn differences(&self, budgets: &Self, differs: fn(f64, f64, f64) -> bool) -> Vec<String> {
        let mut said = Vec::new();
        for row in self.0.iter().filter(|row| has_budget(&row.title)) {
            let Some(budget) = budgets.row(&row.title) else {
                said.push(format!("{}: has no budget", row.title));
                continue;
            };
            for ((setting, measured), budget) in SETTINGS.iter().zip(row.costs).zip(budget.costs) {
                let (Some(slack), Some(measured), Some(budget)) = (setting.slack, measured, budget)
                else {
                    continue;
                };
                if differs(measured, budget, slack) {
                    let Column { name, decimals, .. } = setting;
                    let title = &row.title;
                    said.push(format!(
                        "{title}: {name} {measured:.decimals$}, budget {budget:.decimals$}"
                    ));
                }
            }
        }
        said
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::from(PREFACE);
        let names = SETTINGS.map(|column| column.name).join(" | ");
        let rule = "--:|".repeat(COLUMNS);
        let _ = write!(text, "\n| request | {names} |\n|---|{rule}\n");
        for row in self.0.iter().filter(|row| is_request(&row.title)) {
            let _ = write!(text, "| {} |", row.title);
            for (setting, cost) in SETTINGS.iter().zip(row.costs) {
                let decimals = setting.decimals;
                let cell = cost.map_or_else(String::new, |cost| format!("{cost:.decimals$}"));
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text.push_str("\n| size | bytes |\n|---|--:|\n");
        for row in self.0.iter().filter(|row| !is_request(&row.title)) {
            let bytes = row.costs[BYTES].unwrap_or_default();
            let _ = writeln!(text, "| {} | {bytes:.0} |", row.title);
        }
        text
    }
}

fn is_request(title: &str) -> bool {
    title.starts_with("HTTP/")
}

/// Others are there to compare with.
fn has_budget(title: &str) -> bool {
    !title.contains("bare h") && !title.contains("hyper-util")
}

fn parse_row(line: &str) -> Result<Row, String> {
    let mut cells = line.trim_matches('|').split('|').map(str::trim);
    let title = cells.next().unwrap_or_default().to_owned();
    let numbers = cells.map(|cell| match cell {
        "" => Ok(None),
        cell => cell.parse().map(Some).map_err(|_| format!("`{cell}` in `{line}` is no number")),
    });
    let numbers: Vec<Option<f64>> = numbers.collect::<Result<_, _>>()?;
    let mut costs = Costs::default();
    match numbers[..] {
        [bytes] if !is_request(&title) => costs[BYTES] = bytes,
        _ if numbers.len() == COLUMNS => costs.copy_from_slice(&numbers),
        _ => return Err(format!("`{line}` has not as many cells as there are costs")),
    }
    Ok(Row { title, costs })
}
