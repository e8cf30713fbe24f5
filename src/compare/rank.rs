//! Adapters in order of one figure: the geometric mean over the rows that all of them have.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::evidence::mean;
use crate::error::{Error, Result};
use crate::report::{BoundBy, Quantity, Report};

/// What is ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Bytes a second of copy and add, where memory bounds them.
    Memory,
    /// Steps a second of the chains of the first pair's numerator.
    Numerator,
    /// A step of a pair's numerator over one of its denominator.
    Ratio,
}

impl By {
    /// The rows that it rests on.
    pub fn rows(self) -> &'static str {
        match self {
            Self::Memory => "copy and add where memory bounds them",
            Self::Numerator => "chains of the pair's numerator",
            Self::Ratio => "steps of numerators over steps of denominators",
        }
    }

    /// What is larger the better a figure is.
    fn score(self, figure: f64) -> f64 {
        if self == Self::Ratio { figure.recip() } else { figure }
    }

    /// The figures of a report by row.
    fn figures(self, report: &Report) -> BTreeMap<&str, f64> {
        let figures: Vec<(&str, f64)> = match self {
            Self::Memory => (report.measurements.iter())
                .filter(|row| ["copy", "add"].contains(&row.activation.as_str()))
                .filter(|row| row.bound_by == Some(BoundBy::Memory))
                .filter_map(|row| Some((row.id.as_str(), row.bytes_per_second()?)))
                .collect(),
            Self::Numerator => (report.arithmetic.iter())
                .filter(|row| {
                    let op = row.op.trim_start_matches("backward/").split('/').next();
                    report.run.pairs.first().is_some_and(|pair| op == Some(&pair.numerator))
                })
                .filter_map(|row| Some((row.id.as_str(), 1e12 / row.derived()?.step_ps.median)))
                .collect(),
            Self::Ratio => (report.ratios.iter().filter(|row| row.quantity == Quantity::Step))
                .filter_map(|row| Some((row.id.as_str(), row.estimate?.median)))
                .collect(),
        };
        // A logarithm is taken of each.
        figures.into_iter().filter(|(_, figure)| *figure > 0.0 && figure.is_finite()).collect()
    }
}

/// Adapters in order, software apart from hardware.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ranking {
    /// What is ranked.
    pub by: By,
    /// Those that are not software, the best first.
    pub hardware: Group,
    /// Software adapters, which measure the CPU.
    pub software: Group,
}

/// Adapters that are ranked among each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// The rows that all of them have, on which the mean rests.
    pub rows: Vec<String>,
    /// How many rows some of them have, and not all: they are left out.
    pub left_out: u64,
    /// The best first.
    pub places: Vec<Place>,
}

/// An adapter's place.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Place {
    /// The report's file.
    pub file: String,
    /// The adapter.
    pub adapter: String,
    /// The geometric mean over the rows, in bytes or steps a second, or as a ratio.
    pub mean: f64,
    /// That of the best over this, or the other way round where less is better: at most 1.
    pub of_best: f64,
}

impl Ranking {
    /// Ranks reports, each with the name of its file.
    pub fn new(by: By, reports: &[(&str, &Report)]) -> Result<Self> {
        let (software, hardware): (Vec<_>, Vec<_>) =
            reports.iter().partition(|(_, report)| report.adapter.is_software);
        Ok(Self { by, hardware: Group::new(by, &hardware)?, software: Group::new(by, &software)? })
    }
}

impl Group {
    fn new(by: By, members: &[(&str, &Report)]) -> Result<Self> {
        let figures: Vec<_> = members.iter().map(|(_, report)| by.figures(report)).collect();
        let Some(first) = figures.first() else { return Ok(Self::default()) };
        if let Some(at) = figures.iter().position(BTreeMap::is_empty) {
            let (file, _) = members[at];
            return Err(Error::Usage(format!("{file} has no row to rank by: {}", by.rows())));
        }
        let is_shared = |id: &&str| figures.iter().all(|figures| figures.contains_key(*id));
        let rows: Vec<&str> = first.keys().copied().filter(is_shared).collect();
        if rows.is_empty() {
            let files = members.iter().map(|(file, _)| *file).collect::<Vec<_>>().join(", ");
            return Err(Error::Usage(format!("there is no row that all of these have: {files}")));
        }
        let some: BTreeSet<&str> = figures.iter().flat_map(BTreeMap::keys).copied().collect();
        let place = |((file, report), figures): (&(&str, &Report), &BTreeMap<&str, f64>)| Place {
            file: (*file).to_owned(),
            adapter: report.adapter.name.clone(),
            mean: mean(&rows.iter().map(|id| figures[id].ln()).collect::<Vec<_>>()).exp(),
            of_best: 1.0,
        };
        let mut places: Vec<Place> = members.iter().zip(&figures).map(place).collect();
        places.sort_by(|a, b| by.score(b.mean).total_cmp(&by.score(a.mean)));
        let best = by.score(places[0].mean);
        for place in &mut places {
            place.of_best = by.score(place.mean) / best;
        }
        let left_out = (some.len() - rows.len()) as u64;
        Ok(Self { rows: rows.into_iter().map(str::to_owned).collect(), left_out, places })
    }
}
