//! A claim about activation functions, put to the test on this adapter: what was found, by which
//! seeds, with which figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::path::Path;

use crate::error::{Error, Result};
use crate::gpu::{AdapterFacts, Gpu};
use crate::measure::stats::Estimate;
use crate::report::provenance::Tool;
use crate::report::system::System;
use crate::report::{self, Run, Status, check, read};

/// What [`Claims::schema`] is.
pub const SCHEMA: &str = "actbench.claims";

/// Claims that were put to the test on one adapter, as one JSON object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claims {
    /// actbench.claims.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// Major and minor version of the schema.
    #[schemars(regex(pattern = r"^2\.[0-9]+$"))]
    pub schema_version: String,
    /// The program that tried.
    pub tool: Tool,
    /// What it was asked for, and how that went.
    pub run: Run,
    /// The machine around the adapter.
    pub system: System,
    /// The adapter that computed.
    pub adapter: AdapterFacts,
    /// Every claim, those that were not reached included.
    pub claims: Vec<Claim>,
}

impl Claims {
    /// Of an open device, before anything was tried.
    pub fn new(gpu: &Gpu, run: Run, claims: Vec<Claim>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            schema_version: report::SCHEMA_VERSION.to_owned(),
            tool: Tool::this(),
            run,
            system: System::of_this_machine(),
            adapter: gpu.facts.clone(),
            claims,
        }
    }

    /// Reads the file of claims, or standard input if the path is `-`.
    pub fn read(path: &Path) -> Result<Self> {
        let json = read::bytes(path)?;
        Self::from_json(&json).map_err(|why| Error::Usage(read::complaint(path, &why)))
    }

    /// The claims that JSON is, or what is wrong with it.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let claims: Self = read::parse(json, SCHEMA)?;
        check::unique(claims.claims.iter().map(|claim| &claim.name))
            .map_err(|what| format!("is a broken report: {what}"))?;
        Ok(claims)
    }
}

/// The JSON Schema of a file of claims.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Claims).to_value()
}

/// A claim and what its experiment found. Claims are about algorithms: they take no part in
/// comparing or ranking adapters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// Its name on the command line; unique in a report.
    pub name: String,
    /// What is claimed.
    pub statement: String,
    /// What became of the experiment: failed is one whose computation was wrong.
    pub status: Status,
    /// Why, where the status is not ok.
    pub reason: Option<String>,
    /// Whether the claim holds here; null where the status is not ok.
    pub outcome: Option<Outcome>,
    /// That in a line, with the numbers that say so.
    pub conclusion: Option<String>,
    /// The seeds of all that was random.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// What was measured, in the order in which it is told.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// What is better seen than read.
    #[serde(default)]
    pub plots: Vec<Plot>,
    /// What a reader of the figures should know, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How long the experiment took.
    pub duration_s: f64,
}

/// Whether a claim holds on this adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// In everything that was tried.
    Holds,
    /// In some of what was tried; the conclusion says in what.
    HoldsOnlyWhen,
    /// In nothing that was tried.
    DoesNotHold,
}

impl Outcome {
    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::HoldsOnlyWhen => "holds only when",
            Self::DoesNotHold => "does not hold here",
        }
    }

    /// Of the cases that were tried: all, some, or none.
    pub fn of(cases: impl IntoIterator<Item = bool>) -> Self {
        let (mut some, mut all) = (false, true);
        for holds in cases {
            some |= holds;
            all &= holds;
        }
        match (some, all) {
            (true, true) => Self::Holds,
            (true, false) => Self::HoldsOnlyWhen,
            (false, _) => Self::DoesNotHold,
        }
    }
}

/// A number that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// Its unit; empty for a plain number.
    pub unit: String,
    /// The number, or its median over seeds or rounds; null if there is none, and then the note
    /// says why.
    pub value: Option<f64>,
    /// Lower end over seeds or rounds.
    pub low: Option<f64>,
    /// Upper end over seeds or rounds.
    pub high: Option<f64>,
    /// What a reader of the number should know.
    pub note: Option<String>,
}

/// Lines over two axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
}

/// An axis of a plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// What stands along it, with its unit.
    pub label: String,
    /// How it is divided.
    pub scale: Scale,
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By powers of two.
    Log2,
    /// By powers of ten.
    Log10,
}

/// A line of a plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// What it is of.
    pub label: String,
    /// From left to right.
    pub points: Vec<Point>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Upwards; null where there is no such number: not finite, or nothing was measured.
    pub y: Option<f64>,
    /// Lower end over seeds or rounds.
    pub low: Option<f64>,
    /// Upper end over seeds or rounds.
    pub high: Option<f64>,
}

impl Claim {
    /// Whether nothing is known of it yet.
    pub fn is_pending(&self) -> bool {
        self.status == Status::Skipped && self.reason.is_none()
    }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

/// What a number is that is not finite.
fn in_words(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "infinite",
        f64::NEG_INFINITY => "negative and infinite",
        _ => "no number",
    }
}

impl Figure {
    /// A number; one that is not finite is none, with a note that says what it was.
    pub fn new(name: impl Into<String>, unit: &str, value: f64) -> Self {
        let note = (!value.is_finite()).then(|| format!("it is {}", in_words(value)));
        Self {
            name: name.into(),
            unit: unit.to_owned(),
            value: finite(value),
            low: None,
            high: None,
            note,
        }
    }

    /// A number with its interval, or none; an end of it that is not finite is none, and the note
    /// says what it was.
    pub fn estimated(
        name: impl Into<String>,
        unit: &str,
        estimate: impl Into<Option<Estimate>>,
    ) -> Self {
        let Some(Estimate { median, low, high }) = estimate.into() else {
            return Self { value: None, ..Self::new(name, unit, 0.0) };
        };
        let figure = Self { low: finite(low), high: finite(high), ..Self::new(name, unit, median) };
        let ends = [("lowest", low), ("highest", high)]
            .into_iter()
            .filter(|(_, end)| !end.is_finite() && *end != median);
        ends.fold(figure, |figure, (which, end)| {
            figure.noted(format!("the {which} is {}", in_words(end)))
        })
    }

    /// A number that does not exist, and why.
    pub fn none(name: impl Into<String>, unit: &str, why: impl Into<String>) -> Self {
        Self::estimated(name, unit, None).noted(why)
    }

    /// With a note, behind the one that is there.
    pub fn noted(self, note: impl Into<String>) -> Self {
        let before = self.note.map(|note| note + "; ").unwrap_or_default();
        Self { note: Some(before + &note.into()), ..self }
    }
}

impl Axis {
    /// Evenly divided.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Linear }
    }

    /// Divided by powers of two.
    pub fn log2(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Log2 }
    }

    /// Divided by powers of ten.
    pub fn log10(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Log10 }
    }
}

impl Point {
    /// A point; its y is null if it is not finite.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y: finite(y), low: None, high: None }
    }

    /// A point with its interval; without a y if there is no estimate.
    pub fn estimated(x: f64, estimate: impl Into<Option<Estimate>>) -> Self {
        let estimate = estimate.into();
        let of = |end: fn(Estimate) -> f64| estimate.map(end).and_then(finite);
        Self {
            x,
            y: of(|estimate| estimate.median),
            low: of(|estimate| estimate.low),
            high: of(|estimate| estimate.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_of_all_of_some_or_of_none() {
        assert_eq!(Outcome::of([true, true]), Outcome::Holds);
        assert_eq!(Outcome::of([true, false]), Outcome::HoldsOnlyWhen);
        assert_eq!(Outcome::of([false, false]), Outcome::DoesNotHold);
        assert_eq!(Outcome::of([]), Outcome::DoesNotHold);
    }

    #[test]
    fn what_is_not_finite_is_null_and_said() {
        let figure = Figure::new("loss", "", f64::NAN);
        assert_eq!((figure.value, figure.note.as_deref()), (None, Some("it is no number")));
        let wide =
            Figure::estimated("ratio", "", Estimate { median: 2.0, low: 1.0, high: f64::INFINITY });
        assert_eq!((wide.value, wide.low, wide.high), (Some(2.0), Some(1.0), None));
        assert_eq!(wide.noted("rate 1").note.as_deref(), Some("the highest is infinite; rate 1"));
        assert_eq!(Point::new(1.0, f64::INFINITY).y, None);
        assert_eq!(Point::estimated(1.0, None).y, None);
    }
}
