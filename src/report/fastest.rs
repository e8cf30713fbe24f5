//! The fastest variant of an activation, of those that can be recommended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::Measurement;
use super::ratio::is_sound;
use super::{Report, accuracy};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;

/// The fastest variant of a direction and dtype, with those that it was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fastest {
    /// Of which activation.
    pub activation: String,
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
    let mut found: Vec<Fastest> = Vec::new();
    for activation in report.run.pairs.iter().map(|pair| pair.numerator.as_str()) {
        if found.iter().any(|fastest| fastest.activation == activation) {
            continue;
        }
        for dtype in Dtype::ALL {
            for direction in Direction::ALL {
                let of = Of { activation, dtype, direction };
                found.extend(of.in_registers(report).or_else(|| of.by_streaming(report)));
            }
        }
    }
    found
}

/// What is looked for.
struct Of<'a> {
    activation: &'a str,
    dtype: Dtype,
    direction: Direction,
}

impl Of<'_> {
    fn in_registers(&self, report: &Report) -> Option<Fastest> {
        let Self { activation, dtype, direction } = *self;
        let prefix = match direction {
            Direction::Forward => format!("{activation}/"),
            Direction::Backward => format!("backward/{activation}/"),
        };
        let rows = report.arithmetic.iter().filter(|row| row.dtype == dtype.name());
        let candidates: Vec<_> = rows
            .filter_map(|row| {
                let variant = row.op.strip_prefix(&prefix)?;
                let fmas = row.derived()?.step_fmas;
                let (direction, dtype) = (direction.name(), dtype.name());
                let kernel = format!("{direction}/{dtype}/{activation}/{variant}");
                let is_sound = accuracy::is_sound(&report.accuracy, &kernel);
                is_sound.then_some((row, variant, fmas))
            })
            .collect();
        let (row, variant, best) =
            candidates.iter().min_by(|(.., a), (.., b)| a.median.total_cmp(&b.median))?;
        let others = candidates.iter().filter(|(_, other, _)| other != variant);
        let others = others.map(|(_, other, fmas)| (*other, fmas.low <= best.high));
        self.among(Comparison::Arithmetic, (variant, &row.id), others)
    }

    fn by_streaming(&self, report: &Report) -> Option<Fastest> {
        let is_candidate = |row: &&Measurement| {
            row.direction == self.direction.name()
                && row.dtype == self.dtype.name()
                && is_sound(row, self.activation, &report.accuracy)
        };
        let rows: Vec<&Measurement> = report.measurements.iter().filter(is_candidate).collect();
        let groups = rows.chunk_by(|a, b| a.elements == b.elements).filter(|group| group.len() > 1);
        let group = groups.max_by_key(|group| group[0].elements)?;
        let best = group.iter().min_by(|a, b| a.median_ns().total_cmp(&b.median_ns()))?;
        let others = group.iter().filter(|row| row.id != best.id);
        let is_tied = |row: &Measurement| row.over(best).is_none_or(|ratio| ratio.low <= 1.0);
        let others = others.map(|row| (row.variant.as_str(), is_tied(row)));
        self.among(Comparison::Stream, (&best.variant, &best.id), others)
    }

    /// Of other variants, each with whether it can't be told from the fastest. None where there are
    /// no others.
    fn among<'a>(
        &self,
        by: Comparison,
        (variant, id): (&str, &str),
        others: impl Iterator<Item = (&'a str, bool)>,
    ) -> Option<Fastest> {
        let mut fastest = Fastest {
            activation: self.activation.to_owned(),
            direction: self.direction.name().to_owned(),
            dtype: self.dtype.name().to_owned(),
            by,
            variant: variant.to_owned(),
            id: id.to_owned(),
            tied: Vec::new(),
            slower: Vec::new(),
        };
        for (variant, is_tied) in others {
            let place = if is_tied { &mut fastest.tied } else { &mut fastest.slower };
            place.push(variant.to_owned());
        }
        (fastest.tied.len() + fastest.slower.len() > 0).then_some(fastest)
    }
}
