//! The fastest variant of an activation, of those that are right for every input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::measurement::{Measurement, Status};
use super::ratio::NUMERATOR;
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;

/// The fastest variant of a direction and dtype, with those that it was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fastest {
    /// forward or backward.
    pub direction: String,
    /// How elements are stored.
    pub dtype: String,
    /// What was compared.
    pub by: Comparison,
    /// The name of the variant.
    pub variant: String,
    /// The id of its row.
    pub id: String,
    /// Variants whose intervals overlap with its own.
    pub tied: Vec<String>,
    /// Variants that are slower.
    pub slower: Vec<String>,
}

/// What variants were compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Steps in registers: arithmetic alone.
    Arithmetic,
    /// Streaming the largest tensors that were measured in several variants.
    Stream,
}

/// By direction and dtype: in registers where chains were timed, else by streaming.
pub(super) fn fastest(report: &Report) -> Vec<Fastest> {
    let mut found = Vec::new();
    for dtype in Dtype::ALL {
        for direction in Direction::ALL {
            let in_registers = in_registers(report, dtype, direction);
            found.extend(in_registers.or_else(|| by_streaming(report, dtype, direction)));
        }
    }
    found
}

/// A variant with its row's id, and whether it can't be told from the fastest.
type Other = (String, bool);

fn in_registers(report: &Report, dtype: Dtype, direction: Direction) -> Option<Fastest> {
    let prefix = match direction {
        Direction::Forward => format!("{NUMERATOR}/"),
        Direction::Backward => format!("backward/{NUMERATOR}/"),
    };
    let rows = report.arithmetic.iter().filter(|row| row.dtype == dtype.name());
    let candidates: Vec<_> = rows
        .filter_map(|row| {
            let variant = row.op.strip_prefix(&prefix)?;
            let fmas = row.derived()?.step_fmas;
            is_sound(report, direction, dtype, variant).then_some((row, variant, fmas))
        })
        .collect();
    let (row, variant, best) =
        candidates.iter().min_by(|(.., a), (.., b)| a.median.total_cmp(&b.median))?;
    let others = candidates.iter().filter(|(_, other, _)| other != variant);
    let others = others.map(|(_, other, fmas)| ((*other).to_owned(), fmas.low <= best.high));
    Fastest::among(direction, dtype, Comparison::Arithmetic, (variant, &row.id), others.collect())
}

fn by_streaming(report: &Report, dtype: Dtype, direction: Direction) -> Option<Fastest> {
    let is_candidate = |row: &&Measurement| {
        row.activation == NUMERATOR
            && row.direction == direction.name()
            && row.dtype == dtype.name()
            && row.status == Status::Ok
            && is_sound(report, direction, dtype, &row.variant)
    };
    let rows: Vec<&Measurement> = report.measurements.iter().filter(is_candidate).collect();
    let groups = rows.chunk_by(|a, b| a.elements == b.elements).filter(|group| group.len() > 1);
    let group = groups.max_by_key(|group| group[0].elements)?;
    let best = group.iter().min_by(|a, b| a.median_ns().total_cmp(&b.median_ns()))?;
    let others = group.iter().filter(|row| row.id != best.id);
    let is_tied = |row: &Measurement| row.over(best).is_none_or(|ratio| ratio.low <= 1.0);
    let others = others.map(|row| (row.variant.clone(), is_tied(row))).collect();
    Fastest::among(direction, dtype, Comparison::Stream, (&best.variant, &best.id), others)
}

fn is_sound(report: &Report, direction: Direction, dtype: Dtype, variant: &str) -> bool {
    let path = format!("{}/{}/{NUMERATOR}/{variant}", direction.name(), dtype.name());
    report.accuracy.iter().any(|found| found.kernel == path && found.is_sound())
}

impl Fastest {
    /// None where there are no others.
    fn among(
        direction: Direction,
        dtype: Dtype,
        by: Comparison,
        (variant, id): (&str, &str),
        others: Vec<Other>,
    ) -> Option<Self> {
        let (tied, slower): (Vec<Other>, Vec<Other>) =
            others.into_iter().partition(|(_, is_tied)| *is_tied);
        let names = |others: Vec<Other>| others.into_iter().map(|(name, _)| name).collect();
        (!tied.is_empty() || !slower.is_empty()).then(|| Self {
            direction: direction.name().to_owned(),
            dtype: dtype.name().to_owned(),
            by,
            variant: variant.to_owned(),
            id: id.to_owned(),
            tied: names(tied),
            slower: names(slower),
        })
    }
}
