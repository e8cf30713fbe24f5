//! Adapters in order of one figure: the geometric mean over the rows that all of them have.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::render::grid::Grid;
use crate::render::numbers::{counted, significant};
use crate::render::text::{plain, wrapped};
use crate::report::{BoundBy, Quantity, Report, Status};

/// What is ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Bytes a second of the copies, copy and add, where memory bounds them.
    Memory,
    /// Steps of sigmoid a second, each with its fma: the chain.
    Sigmoid,
    /// A step of sigmoid over a step of ReLU, each with its fma.
    Ratio,
}

impl By {
    /// The figure's heading, and what a figure is divided by to be shown under it.
    fn heading(self) -> (&'static str, f64) {
        match self {
            Self::Memory => ("GB/s", 1e9),
            Self::Sigmoid => ("G sigmoids/s", 1e9),
            Self::Ratio => ("sigmoid : relu", 1.0),
        }
    }

    /// What the rows are that it rests on, in words.
    fn rows(self) -> &'static str {
        match self {
            Self::Memory => "copy and add where memory bounds them",
            Self::Sigmoid => "chains of sigmoid",
            Self::Ratio => "sigmoid : relu in whole steps",
        }
    }

    /// Whether the largest comes first.
    fn is_better_higher(self) -> bool {
        self != Self::Ratio
    }

    /// The figures of a report by row.
    fn figures(self, report: &Report) -> BTreeMap<&str, f64> {
        let figures: BTreeMap<&str, f64> = match self {
            Self::Memory => report
                .measurements
                .iter()
                .filter(|row| {
                    ["copy", "add"].contains(&row.activation.as_str())
                        && row.bound_by == Some(BoundBy::Memory)
                })
                .filter_map(|row| Some((row.id.as_str(), row.bytes_per_second()?)))
                .collect(),
            Self::Sigmoid => report
                .arithmetic
                .iter()
                .filter(|rate| rate.status == Status::Ok && rate.op.contains("sigmoid/"))
                .filter_map(|rate| Some((rate.id.as_str(), rate.derived()?.steps_per_second)))
                .collect(),
            Self::Ratio => {
                let steps = report.ratios.iter().filter(|ratio| ratio.quantity == Quantity::Step);
                steps.map(|ratio| (ratio.id.as_str(), ratio.value)).collect()
            }
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
        let group = |is_software| {
            let members: Vec<_> = reports
                .iter()
                .copied()
                .filter(|(_, report)| report.adapter.is_software == is_software)
                .collect();
            Group::new(by, &members)
        };
        Ok(Self { by, hardware: group(false)?, software: group(true)? })
    }

    /// For people.
    pub fn render(&self) -> String {
        let mut parts = Vec::new();
        for (title, group) in
            [("", &self.hardware), ("software adapters, which run on the CPU\n", &self.software)]
        {
            if !group.places.is_empty() {
                parts.push(title.to_owned() + &group.render(self.by));
            }
        }
        // What a report says ends up on terminals: nothing in it may command them.
        plain(&parts.join("\n\n")).into_owned()
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
        let rows: Vec<&str> = first
            .keys()
            .copied()
            .filter(|id| figures.iter().all(|figures| figures.contains_key(id)))
            .collect();
        if rows.is_empty() {
            let files = members.iter().map(|(file, _)| *file).collect::<Vec<_>>().join(", ");
            return Err(Error::Usage(format!("there is no row that all of these have: {files}")));
        }
        let mut all: Vec<&str> =
            figures.iter().flat_map(|figures| figures.keys().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let mut places: Vec<Place> = members
            .iter()
            .zip(&figures)
            .map(|((file, report), figures)| Place {
                file: (*file).to_owned(),
                adapter: report.adapter.name.clone(),
                mean: geometric_mean(rows.iter().map(|id| figures[id])),
                of_best: 1.0,
            })
            .collect();
        places.sort_by(|a, b| {
            let order = a.mean.total_cmp(&b.mean);
            if by.is_better_higher() { order.reverse() } else { order }
        });
        let best = places[0].mean;
        for place in &mut places {
            place.of_best =
                if by.is_better_higher() { place.mean / best } else { best / place.mean };
        }
        let left_out = (all.len() - rows.len()) as u64;
        Ok(Self { rows: rows.into_iter().map(str::to_owned).collect(), left_out, places })
    }

    fn render(&self, by: By) -> String {
        let (heading, unit) = by.heading();
        let places = self.places.iter().enumerate().map(|(at, place)| {
            let of_best = format!("{:.0} %", 100.0 * place.of_best);
            let mean = significant(place.mean / unit, 3);
            [
                (at + 1).to_string(),
                mean,
                of_best,
                place.adapter.replace('\n', " "),
                place.file.replace('\n', " "),
            ]
        });
        let table =
            Grid::of(["", heading, "of best", "adapter", "report"], places).with_words(2).text();
        let rows = counted(self.rows.len() as u64, "row");
        let left_out = match self.left_out {
            0 => String::new(),
            some => format!("; {some} that only some have are left out"),
        };
        let foot = format!("geometric mean over {rows} that all have ({}){left_out}", by.rows());
        format!("{table}\n{}", wrapped(&foot))
    }
}

fn geometric_mean(figures: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for figure in figures {
        sum += figure.ln();
        count += 1.0;
    }
    (sum / count).exp()
}
