//! Claims as people read them: a line each, then the figures behind it.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::report::table::significant;
use crate::report::{Claim, Figure, Status};

/// Columns of a terminal.
const COLUMNS: u16 = 100;

/// What became of each claim, in a line; then the figures of each. At most 100 columns.
#[must_use]
pub fn table(claims: &[Claim]) -> String {
    let mut lines = plain(["claim", "here it", "because"]);
    for claim in claims {
        lines.add_row([claim.name.clone(), outcome(claim), because(claim)]);
    }
    let mut text = lines_of(&lines);
    for claim in claims.iter().filter(|claim| !claim.figures.is_empty()) {
        let _ = write!(text, "\n\n{}: {}\n", claim.name, wrapped(&claim.statement, claim.name.len() + 2));
        let mut figures = plain(["", "", ""]);
        figures.load_style(presets::NOTHING);
        for figure in &claim.figures {
            let note = figure.note.clone().unwrap_or_default();
            figures.add_row([figure.name.clone(), value(figure), note]);
        }
        text.push_str(lines_of(&figures).trim_start_matches('\n'));
        for note in &claim.notes {
            let _ = write!(text, "\n  {}", wrapped(note, 2));
        }
    }
    text
}

/// The lines alone, in Markdown.
#[must_use]
pub fn markdown(claims: &[Claim]) -> String {
    let mut text = "| claim | here it | because |\n|---|---|---|\n".to_owned();
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for claim in claims {
        let because = cell(&because(claim));
        let _ = writeln!(text, "| {}: {} | {} | {because} |", claim.name, cell(&claim.statement), outcome(claim));
    }
    text
}

fn outcome(claim: &Claim) -> String {
    match (claim.status, claim.outcome) {
        (Status::Ok, Some(outcome)) => outcome.name().to_owned(),
        (status, _) => format!("{status:?}").to_lowercase(),
    }
}

fn because(claim: &Claim) -> String {
    claim.conclusion.as_ref().or(claim.reason.as_ref()).cloned().unwrap_or_default()
}

/// Three significant digits, with the interval where there is one.
fn value(figure: &Figure) -> String {
    let Some(value) = figure.value else { return "none".to_owned() };
    let interval = match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", number(low), number(high)),
        _ => String::new(),
    };
    format!("{}{interval} {}", number(value), figure.unit).trim_end().to_owned()
}

/// Three significant digits, or a whole number; as a power of ten where zeros would be most of it.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1e6 && size.fract() == 0.0 {
        // What is counted.
        format!("{value:.0}")
    } else if (1e-3..1e6).contains(&size) {
        significant(value, 3)
    } else {
        format!("{value:.2e}")
    }
}

/// A sentence over lines that are indented by so much, but for the first.
fn wrapped(sentence: &str, indent: usize) -> String {
    let width = usize::from(COLUMNS) - indent;
    let mut lines = vec![String::new()];
    for word in sentence.split_whitespace() {
        let line = lines.last_mut().expect("one at least");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

fn plain(header: [&str; 3]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table.set_header(header);
    table.set_constraints([
        ColumnConstraint::ContentWidth,
        ColumnConstraint::ContentWidth,
        ColumnConstraint::UpperBoundary(Width::Fixed(COLUMNS)),
    ]);
    table
}

fn lines_of(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Outcome;
    use crate::stats::Estimate;

    fn claims() -> Vec<Claim> {
        let claim = Claim {
            name: "sparsity".to_owned(),
            statement: "ReLU makes zeros | and zeros can be skipped".to_owned(),
            status: Status::Ok,
            reason: None,
            outcome: Some(Outcome::HoldsOnlyWhen),
            conclusion: Some("more than 80 % of the activations are zero: ".to_owned() + &"word ".repeat(30)),
            seeds: vec![1, 2],
            figures: vec![
                Figure::estimated("speed", "x", Estimate { median: 2.0, low: 1.5, high: 2.5 }).noted("of the dense"),
                Figure::none("break-even", "%", "it is never reached"),
            ],
            plots: Vec::new(),
            notes: vec!["a note".to_owned()],
            duration_s: 1.0,
        };
        let failed = Claim {
            name: "gates".to_owned(),
            status: Status::Failed,
            reason: Some("the cell: element 3 is off".to_owned()),
            outcome: None,
            conclusion: None,
            figures: Vec::new(),
            ..claim.clone()
        };
        vec![claim, failed]
    }

    #[test]
    fn a_claim_is_a_line_with_its_figures_below() {
        let text = table(&claims());
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(COLUMNS)), "{text}");
        for part in ["holds only when", "failed", "element 3 is off", "2 [1.50, 2.50] x", "never reached", "a note"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[test]
    fn a_row_of_markdown_is_one_line() {
        let text = markdown(&claims());
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("zeros \\| and"));
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (12345.0, "12345"),
            (1.5, "1.50"),
            (-0.012345, "-0.0123"),
            (1.2e-9, "1.20e-9"),
            (3e7, "3.00e7"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
