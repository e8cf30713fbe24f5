//! A pair of activations: what follows from the rows, matched by quantity, direction, dtype, size.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::accuracy::{self, Accuracy};
use super::arithmetic::Arithmetic;
use super::measurement::{BoundBy, Measurement, Status};
use super::pair::{Pair, default_kernel, default_op};
use super::reason::Reason;
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;

/// One figure of a pair of activations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// `ratio/numerator:denominator/quantity/direction/dtype`, and `n=elements` of a size; unique in
    /// a report.
    pub id: String,
    /// Of which activation.
    pub numerator: String,
    /// Over which one.
    pub denominator: String,
    /// What the figure is.
    pub quantity: Quantity,
    /// forward, backward, or forward+backward.
    pub direction: String,
    /// How elements are stored; in registers, what they are computed in.
    pub dtype: String,
    /// Elements of each tensor; null of what has no size.
    pub elements: Option<u64>,
    /// What bounds copy at that size.
    pub bound_by: Option<BoundBy>,
    /// The ids of the numerator's rows.
    pub numerator_rows: Vec<String>,
    /// The ids of the denominator's rows.
    pub denominator_rows: Vec<String>,
    /// The figure; null where there is none.
    pub estimate: Option<Estimate>,
    /// Why there is none.
    pub reason: Option<Reason>,
}

/// What a figure is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Time over time, streaming tensors; of both passes, the times added up.
    Stream,
    /// A step over a step in registers, each with its fma.
    Step,
    /// An op over an op in registers, at least: less what the numerator's fma may take.
    OpLeast,
    /// And at most: less what the denominator's fma may take.
    OpMost,
}

/// Its name in ids is that in JSON.
impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// A forward and a backward pass together.
pub const BOTH: &str = "forward+backward";

/// Every figure that the rows of a report ask for, by pair.
pub(super) fn ratios(report: &Report) -> Vec<Ratio> {
    let of_pair = |pair: &Pair| {
        let mut ratios = of_steps(pair, &report.arithmetic);
        let of_one_size =
            report.measurements.chunk_by(|a, b| a.dtype == b.dtype && a.elements == b.elements);
        for rows in of_one_size {
            ratios.extend(of_size(pair, &report.accuracy, rows));
        }
        ratios
    };
    report.run.pairs.iter().flat_map(of_pair).collect()
}

/// The chains of a pair in a direction, the default variants.
pub fn chains<'a>(
    pair: &Pair,
    arithmetic: &'a [Arithmetic],
    direction: Direction,
    dtype: Dtype,
) -> Option<(&'a Arithmetic, &'a Arithmetic)> {
    let [above, below] = pair.names().map(|activation| {
        let op = default_op(activation, direction, dtype).ok()?;
        arithmetic.iter().find(|row| row.dtype == dtype.name() && row.op == op.name)
    });
    above.zip(below)
}

fn of_steps(pair: &Pair, arithmetic: &[Arithmetic]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for dtype in Dtype::ALL.into_iter().filter(|dtype| dtype.computed_in() == *dtype) {
        for direction in Direction::ALL {
            let of = Of { pair, direction: direction.name(), dtype: dtype.name(), size: None };
            let Some((above, below)) = chains(pair, arithmetic, direction, dtype) else {
                let is_there = |row: &Arithmetic, activation: &str| {
                    let op = default_op(activation, direction, dtype);
                    row.dtype == dtype.name() && op.is_ok_and(|op| op.name == row.op)
                };
                let lacks = lacks(
                    pair,
                    |name| arithmetic.iter().any(|row| is_there(row, name)),
                    |name| default_op(name, direction, dtype).err(),
                );
                let null = |lacks: Reason| {
                    IN_REGISTERS.map(|quantity| of.ratio(quantity, NO_ROWS, Err(lacks.clone())))
                };
                ratios.extend(lacks.map(null).into_iter().flatten());
                continue;
            };
            let ids: Ids<'_> = [&[&above.id], &[&below.id]];
            let without = [above, below].into_iter().find(|row| row.derived().is_none());
            let why = without.map_or(Reason::TooFewSamples, |row| {
                let of = row.id.clone();
                Reason::NoFigureOf { of }
            });
            let or_why = |found: Option<Estimate>| found.ok_or_else(|| why.clone());
            let most = above.op_over_at_most(below).ok_or_else(|| match without {
                None => Reason::NoCostOf { of: below.id.clone() },
                Some(_) => why.clone(),
            });
            let found = [or_why(above.over(below)), or_why(above.op_over_at_least(below)), most];
            let figures = IN_REGISTERS.into_iter().zip(found);
            ratios.extend(figures.map(|(quantity, found)| of.ratio(quantity, ids, found)));
        }
    }
    ratios
}

/// What a member of the pair lacks, where the other is there: a pair of which the filter left one
/// out has no figure and needs no reason.
fn lacks(
    pair: &Pair,
    is_there: impl Fn(&str) -> bool,
    lacking: impl Fn(&str) -> Option<Reason>,
) -> Option<Reason> {
    let is_any = pair.names().into_iter().any(is_there);
    pair.names().into_iter().find_map(lacking).filter(|_| is_any)
}

/// The figures of one dtype and size.
fn of_size(pair: &Pair, accuracy: &[Accuracy], rows: &[Measurement]) -> Vec<Ratio> {
    let of_direction = |direction| of_group(pair, accuracy, direction, rows);
    let mut ratios: Vec<Ratio> = Direction::ALL.into_iter().filter_map(of_direction).collect();
    if let [forward, backward] = &ratios[..] {
        let reason = forward.reason.clone().or(backward.reason.clone());
        ratios.extend(of_both_passes(pair, rows, accuracy, reason));
    }
    ratios
}

/// The figure of one group.
fn of_group(
    pair: &Pair,
    accuracy: &[Accuracy],
    direction: Direction,
    rows: &[Measurement],
) -> Option<Ratio> {
    let rows = rows.iter().filter(|row| row.direction == direction.name());
    let copy = rows.clone().find(|row| row.activation == direction.copy())?;
    let size = Some((copy.elements, copy.bound_by));
    let of = Of { pair, direction: direction.name(), dtype: &copy.dtype, size };
    let is_there = |name: &str| rows.clone().any(|row| row.activation == name);
    if !pair.names().into_iter().all(is_there) {
        let dtype = Dtype::ALL.into_iter().find(|dtype| dtype.name() == copy.dtype)?;
        let lacking = |name: &str| default_kernel(name, direction, dtype).err();
        let lacks = lacks(pair, is_there, lacking)?;
        return Some(of.ratio(Quantity::Stream, NO_ROWS, Err(lacks)));
    }
    let fastest = |activation: &str| {
        rows.clone()
            .filter(|row| row.bytes == copy.bytes && is_sound(row, activation, accuracy))
            .min_by(|a, b| a.median_ns().total_cmp(&b.median_ns()))
            .ok_or_else(|| Reason::NoFigureOf { of: activation.to_owned() })
    };
    let [above, below] = pair.names().map(fastest);
    let (above, below) = match (above, below) {
        (Ok(above), Ok(below)) => (above, below),
        (Err(reason), _) | (_, Err(reason)) => {
            return Some(of.ratio(Quantity::Stream, NO_ROWS, Err(reason)));
        }
    };
    let ratio = above.over(below).ok_or(Reason::TooFewSamples);
    Some(of.ratio(Quantity::Stream, [&[&above.id], &[&below.id]], ratio))
}

/// A forward and a backward pass, each in the fastest pair of variants of which one keeps what the
/// other reads. The passes are timed in groups of their own: the ratio is the mean of theirs,
/// weighted with the denominator's times.
fn of_both_passes(
    pair: &Pair,
    rows: &[Measurement],
    accuracy: &[Accuracy],
    reason: Option<Reason>,
) -> Option<Ratio> {
    let passes = |activation: &str| {
        let sound = |pass: Direction| {
            let rows = rows.iter().filter(move |row| row.direction == pass.name());
            rows.filter(|row| is_sound(row, activation, accuracy))
        };
        let pairs = sound(Direction::Forward).flat_map(|forward| {
            sound(Direction::Backward).map(move |backward| (forward, backward))
        });
        let time = |(forward, backward): &(&Measurement, &Measurement)| {
            forward.median_ns() + backward.median_ns()
        };
        pairs
            .filter(|(x, y)| (x.variant == "with_mask") == (y.variant == "from_mask"))
            .min_by(|a, b| time(a).total_cmp(&time(b)))
    };
    let first = rows.first()?;
    let of = |bound_by| {
        let size = Some((first.elements, bound_by));
        Of { pair, direction: BOTH, dtype: &first.dtype, size }
    };
    if let Some(reason) = reason {
        return Some(of(None).ratio(Quantity::Stream, NO_ROWS, Err(reason)));
    }
    let (above, below) = passes(&pair.numerator).zip(passes(&pair.denominator))?;
    let ratios = [above.0.over(below.0), above.1.over(below.1)];
    let [Some(forward), Some(backward)] = ratios else {
        return Some(of(None).ratio(Quantity::Stream, NO_ROWS, Err(Reason::TooFewSamples)));
    };
    let weight = below.0.median_ns() / (below.0.median_ns() + below.1.median_ns());
    let bound_by = below.0.bound_by.filter(|bound_by| below.1.bound_by == Some(*bound_by));
    let ids: Ids<'_> = [&[&above.0.id, &above.1.id], &[&below.0.id, &below.1.id]];
    let ratio = forward.mean_with(weight, backward);
    Some(of(bound_by).ratio(Quantity::Stream, ids, Ok(ratio)))
}

/// Whether a row is that of an activation, in a variant that can be recommended.
pub(super) fn is_sound(row: &Measurement, activation: &str, accuracy: &[Accuracy]) -> bool {
    row.status == Status::Ok
        && row.activation == activation
        && accuracy::is_sound(accuracy, &row.path())
}

/// What a pair has in registers.
const IN_REGISTERS: [Quantity; 3] = [Quantity::Step, Quantity::OpLeast, Quantity::OpMost];

/// The ids of the numerator's rows and of the denominator's.
type Ids<'a> = [&'a [&'a str]; 2];

const NO_ROWS: Ids<'_> = [&[], &[]];

/// What figures are of.
struct Of<'a> {
    pair: &'a Pair,
    direction: &'a str,
    dtype: &'a str,
    size: Option<(u64, Option<BoundBy>)>,
}

impl Of<'_> {
    fn ratio(&self, quantity: Quantity, ids: Ids<'_>, found: Result<Estimate, Reason>) -> Ratio {
        let Self { pair: Pair { numerator, denominator }, direction, dtype, size } = *self;
        let [numerator_rows, denominator_rows] =
            ids.map(|ids| ids.iter().copied().map(str::to_owned).collect());
        let of_size = size.map(|(elements, _)| format!("/n={elements}")).unwrap_or_default();
        Ratio {
            id: format!("ratio/{numerator}:{denominator}/{quantity}/{direction}/{dtype}{of_size}"),
            numerator: numerator.clone(),
            denominator: denominator.clone(),
            quantity,
            direction: direction.to_owned(),
            dtype: dtype.to_owned(),
            elements: size.map(|(elements, _)| elements),
            bound_by: size.and_then(|(_, bound_by)| bound_by),
            numerator_rows,
            denominator_rows,
            estimate: found.as_ref().ok().copied(),
            reason: found.err(),
        }
    }
}

impl Ratio {
    /// Whether it is one of that pair.
    pub fn is_of(&self, pair: &Pair) -> bool {
        [&*self.numerator, &*self.denominator] == pair.names()
    }
}
