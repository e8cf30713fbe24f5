//! The behaviour card of an adapter: what it does where WGSL leaves it free, as far as an activation can feel it.
//!
//! NaN, infinities, signed zeros, subnormals, division at the ends of its range, rounding, the errors of exp and division, and what
//! compilers rewrite. Small shaders compute each answer from operands in buffers. Nothing here fails: it is reported. What a kernel must not
//! do is [`crate::kernels::bounds`]' matter.

mod errors;
mod evaluate;
mod judge;
#[expect(clippy::too_many_lines, reason = "its functions are tables")]
mod probes;

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::{Deserialize, Serialize};

pub use judge::Word;

use self::errors::{Errors, SWEEPS};
use self::evaluate::Case;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::render::numbers::significant;

/// What is known of an adapter's arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Name, backend and driver of the adapter.
    pub adapter: String,
    /// The answers, in the order of the card.
    pub items: Vec<Item>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What it is about; items of a group stand together.
    pub group: String,
    /// Its name, which stays.
    pub name: String,
    /// What was asked, in a line.
    pub asks: String,
    /// What was seen.
    pub seen: Seen,
    /// What that means for an activation.
    pub meaning: String,
    /// Operands and results in bits where no word says enough, or what the compiler said.
    pub detail: Option<String>,
}

/// A word or a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Seen {
    /// Finite.
    Number(f64),
    /// One of a closed set.
    Word(Word),
}

/// Asks the adapter everything.
///
/// # Errors
/// If the device fails. A missing feature and a shader that does not compile are answers.
pub fn card(gpu: &Gpu) -> Result<Behaviour> {
    let mut items = Vec::new();
    for (group, probes) in probes::all() {
        for probe in probes {
            let item = |seen, meaning: &str, detail| Item {
                group: group.to_owned(),
                name: probe.name.to_owned(),
                asks: probe.asks.to_owned(),
                seen: Seen::Word(seen),
                meaning: meaning.to_owned(),
                detail,
            };
            items.push(match answered(probe.expression.evaluate(gpu, &probe.inputs))? {
                Ok(cases) => {
                    let word = probe.judge.judge(&cases);
                    let foreseen = probe.meanings.iter().find(|(meant, _)| *meant == word);
                    let says_too_little =
                        foreseen.is_none() || matches!(word, Word::Mixed | Word::Other);
                    let meaning = foreseen.map_or_else(|| meaning_of(word), |(_, meaning)| meaning);
                    item(word, meaning, says_too_little.then(|| evidence(&cases)))
                }
                Err((word, why)) => item(word, meaning_of(word), Some(why)),
            });
        }
    }
    for sweep in SWEEPS {
        let outcome = answered(sweep.expression.evaluate(gpu, &(sweep.inputs)()))?;
        let errors = outcome.map(|cases| Errors::of(&cases, sweep.bound));
        for figure in sweep.figures {
            let (seen, meaning, detail) = match &errors {
                Ok(errors) => match (figure.of)(errors) {
                    number if number.is_finite() => {
                        (Seen::Number(number), (figure.meaning)(number), None)
                    }
                    _ => {
                        let detail = format!("first at x = {:e}", errors.worst_x);
                        (Seen::Word(Word::NotFinite), meaning_of(Word::NotFinite), Some(detail))
                    }
                },
                Err((word, why)) => (Seen::Word(*word), meaning_of(*word), Some(why.clone())),
            };
            items.push(Item {
                group: "errors of functions".to_owned(),
                name: figure.name.to_owned(),
                asks: figure.asks.to_owned(),
                seen,
                meaning: meaning.to_owned(),
                detail,
            });
        }
    }
    Ok(Behaviour { adapter: gpu.facts.summary(), items })
}

/// What was computed, or the word for why nothing was.
fn answered(outcome: Result<Vec<Case>>) -> Result<std::result::Result<Vec<Case>, (Word, String)>> {
    match outcome {
        Ok(cases) => Ok(Ok(cases)),
        Err(Error::Unsupported(why)) => Ok(Err((Word::Unsupported, why))),
        Err(error @ Error::Compile { .. }) => Ok(Err((Word::DoesNotCompile, error.to_string()))),
        Err(error) => Err(error),
    }
}

/// What a word means that a probe did not foresee.
fn meaning_of(word: Word) -> &'static str {
    match word {
        Word::Mixed => "inputs of one kind are not treated alike",
        Word::Unsupported => "not asked",
        Word::DoesNotCompile => "a kernel that uses it would not compile either",
        Word::NotFinite => "within its domain it gives NaN or infinity",
        _ => "not among the answers that were thought of",
    }
}

/// Up to eight inputs with their results, in bits.
fn evidence(cases: &[Case]) -> String {
    let show = |case: &Case| {
        format!("{:#010x}, {:#010x} -> {:#010x}", case.operands[0], case.operands[1], case.result)
    };
    cases.iter().take(8).map(show).collect::<Vec<_>>().join("; ")
}

impl Behaviour {
    /// The item of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    /// The card as a table of at most 100 columns.
    #[must_use]
    pub fn render(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(100);
        table.set_header(["name", "seen", "asked: what it means"]);
        table.add_row(["adapter", "", &self.adapter]);
        for group in self.items.chunk_by(|a, b| a.group == b.group) {
            table.add_row([""]);
            table.add_row([group[0].group.as_str()]);
            for item in group {
                let detail =
                    item.detail.as_ref().map(|detail| format!(" [{detail}]")).unwrap_or_default();
                let meant = format!("{}: {}{detail}", item.asks, item.meaning);
                table.add_row([format!("  {}", item.name), item.seen.to_string(), meant]);
            }
        }
        table.set_constraints(
            [34, 18, 48].map(|width| ColumnConstraint::Absolute(Width::Fixed(width))),
        );
        let mut text = String::new();
        for line in table.lines() {
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(0.0) => f.write_str("0"),
            Self::Number(number) if number.fract() == 0.0 => write!(f, "{number}"),
            Self::Number(number) if number.abs() < 1e-3 => write!(f, "{number:.2e}"),
            Self::Number(number) => f.write_str(&significant(*number, 3)),
            Self::Word(word) => f.write_str(&word.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
