//! The behaviour card of an adapter for a terminal.

use super::grid::Grid;
use super::numbers::number;
use super::text::{COLUMNS, plain, wrapped};
use crate::validate::behaviour::{Behaviour, Finding, Value};

/// A table of at most `COLUMNS` columns, a block per group.
pub fn text(card: &Behaviour) -> String {
    let names = card.findings.iter().map(|finding| finding.name.len() + 2).max().unwrap_or(0);
    let results = card.findings.iter().map(|finding| result(finding).len()).max().unwrap_or(0);
    let rest = COLUMNS.saturating_sub(names + results + 4).max(20);
    let row = |finding: &Finding| {
        let Finding { name, question, meaning, evidence, .. } = finding;
        let lines = [Some(question), Some(meaning), evidence.as_ref()];
        let lines = lines.into_iter().flatten().map(|line| textwrap::fill(&plain(line), rest));
        vec![name.clone(), result(finding), lines.collect::<Vec<_>>().join("\n")]
    };
    let mut grid = Grid::new(["probe", "result", "what was computed, and what the result means"])
        .with_words(2);
    for group in card.findings.chunk_by(|a, b| a.group == b.group) {
        grid.push(Some(group[0].group.clone()), group.iter().map(row).collect());
    }
    format!("{}\n\n{}", wrapped(&plain(&card.adapter)), grid.text())
}

fn result(finding: &Finding) -> String {
    match finding.result {
        Value::Number(value) => number(value),
        Value::Word(word) => word.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::behaviour::Word;

    #[test]
    fn the_table_fits_and_shows_words_numbers_and_evidence() {
        let finding = |name: &str, result, evidence: Option<&str>| Finding {
            group: "NaN".to_owned(),
            name: name.to_owned(),
            question: "max(NaN, 0)".to_owned(),
            result,
            meaning: "max(x, 0) turns NaN into 0: a diverged network looks dead".to_owned(),
            evidence: evidence.map(str::to_owned),
        };
        let long = "0x7fc00000, 0x00000000 -> 0x3f000000; ".repeat(8);
        let card = Behaviour {
            adapter: "an adapter with a long name ".repeat(5),
            findings: vec![
                finding("max_nan_zero", Value::Word(Word::DoesNotCompile), Some(&long)),
                finding("a_probe_with_a_name_of_32_letters", Value::Number(1.134_567), None),
                finding("tanh_max_error", Value::Number(-1.19e-7), None),
            ],
        };
        let text = text(&card);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        for wanted in ["does_not_compile", " 1.13 ", "-1.19e-7", "max(NaN, 0)\n", "0x3f000000"] {
            assert!(text.contains(wanted), "no {wanted} in:\n{text}");
        }
    }
}
