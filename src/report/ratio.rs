//! A pair of activations: what follows from the rows, matched by quantity, direction, dtype, size.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::accuracy::Accuracy;
use super::arithmetic::Arithmetic;
use super::measurement::{BoundBy, Measurement, Status};
use super::pair::Pair;
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::kernels::ops::Op;
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
    /// The figure.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
    /// Of a figure that joins a stream and a chain, the clock probe's time at the one over that at
    /// the other: 1 where the core's clock was the same. Null without probes.
    pub clocks: Option<f64>,
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
    /// The same without the fma in either, where the denominator's own cost is not nothing.
    StepNet,
    /// Arithmetic of the numerator beyond that of the denominator, in registers: ns an element.
    ExtraArithmetic,
    /// Time of the numerator beyond that of the denominator, streaming: ns an element.
    ExtraTime,
    /// Steps of the numerator that take as long as copy of a memory-bound size.
    RidgePoint,
}

/// Its name in ids is that in JSON.
impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// A forward and a backward pass together.
pub const BOTH: &str = "forward+backward";

/// Every figure that the rows of a report give, by pair.
pub(super) fn ratios(report: &Report) -> Vec<Ratio> {
    let of_pair = |pair: &Pair| {
        let mut ratios = of_steps(pair, &report.arithmetic);
        let of_one_size =
            report.measurements.chunk_by(|a, b| a.dtype == b.dtype && a.elements == b.elements);
        for rows in of_one_size {
            ratios.extend(of_size(pair, report, rows));
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
    dtype: &str,
) -> Option<(&'a Arithmetic, &'a Arithmetic)> {
    let of = |activation: &str| {
        let op = Op::of_default(activation, direction)?;
        arithmetic.iter().find(|row| row.dtype == dtype && row.op == op.name)
    };
    of(&pair.numerator).zip(of(&pair.denominator))
}

fn of_steps(pair: &Pair, arithmetic: &[Arithmetic]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for dtype in Dtype::ALL {
        for direction in Direction::ALL {
            let Some((above, below)) = chains(pair, arithmetic, direction, dtype.name()) else {
                continue;
            };
            let of = Of { pair, direction: direction.name(), dtype: dtype.name(), size: None };
            let ids: Ids<'_> = [&[&above.id], &[&below.id]];
            let step = above.over(below).map(|step| of.ratio(Quantity::Step, ids, step));
            let net = above.net_over(below).map(|net| of.ratio(Quantity::StepNet, ids, net));
            ratios.extend(step.into_iter().chain(net));
        }
    }
    ratios
}

/// The figures of one dtype and size.
fn of_size(pair: &Pair, report: &Report, rows: &[Measurement]) -> Vec<Ratio> {
    let rows: Vec<&Measurement> = rows.iter().filter(|row| row.time_ns().is_some()).collect();
    let of_direction = |direction: Direction| {
        let rows = rows.iter().copied().filter(|row| row.direction == direction.name());
        of_group(pair, report, direction, &rows.collect::<Vec<_>>())
    };
    let ratios = Direction::ALL.into_iter().flat_map(of_direction);
    ratios.chain(of_both_passes(pair, &rows, &report.accuracy)).collect()
}

/// The figures of one group.
fn of_group(
    pair: &Pair,
    report: &Report,
    direction: Direction,
    rows: &[&Measurement],
) -> Vec<Ratio> {
    let Some(copy) = rows.iter().copied().find(|row| row.activation == direction.copy()) else {
        return Vec::new();
    };
    let size = Some((copy.elements, copy.bound_by));
    let of = Of { pair, direction: direction.name(), dtype: &copy.dtype, size };
    let mut ratios = Vec::new();
    let fastest = |activation: &str| {
        rows.iter()
            .copied()
            .filter(|row| row.bytes == copy.bytes && is_sound(row, activation, &report.accuracy))
            .min_by(|a, b| a.median_ns().total_cmp(&b.median_ns()))
    };
    if let Some((above, below)) = fastest(&pair.numerator).zip(fastest(&pair.denominator))
        && let Some(ratio) = above.over(below)
    {
        ratios.push(of.ratio(Quantity::Stream, [&[&above.id], &[&below.id]], ratio));
    }
    let dtype = Dtype::ALL.into_iter().find(|dtype| dtype.name() == copy.dtype);
    let Some((above, below)) = dtype
        .and_then(|dtype| chains(pair, &report.arithmetic, direction, dtype.computed_in().name()))
    else {
        return ratios;
    };
    let of_chain = |chain: &Arithmetic| {
        let variant = chain.op.trim_start_matches("backward/");
        rows.iter().copied().find(|row| row.member() == variant)
    };
    if copy.bound_by != Some(BoundBy::Launch)
        && let Some((stream, other)) = of_chain(above).zip(of_chain(below))
        && let Some((time_ns, arithmetic_ps)) = stream.less(other).zip(above.less(below))
    {
        for (quantity, ns) in [
            (Quantity::ExtraArithmetic, arithmetic_ps.times(1e-3)),
            (Quantity::ExtraTime, time_ns.times(1.0 / stream.elements as f64)),
        ] {
            let ratio = of.ratio(quantity, [&[&stream.id], &[&other.id]], ns);
            ratios.push(Ratio { clocks: clocks(stream, above), ..ratio });
        }
    }
    if copy.bound_by == Some(BoundBy::Memory)
        && let Some((memory_ns, step)) = copy.time_ns().zip(above.derived())
        && let Some(steps) = memory_ns.times(1e3 / copy.elements as f64).over(step.step_ps)
    {
        let ratio = of.ratio(Quantity::RidgePoint, [&[&above.id], &[]], steps);
        ratios.push(Ratio { clocks: clocks(copy, above), ..ratio });
    }
    ratios
}

/// A forward and a backward pass, each in the fastest pair of variants of which one keeps what the
/// other reads. The passes are timed in groups of their own: the ratio is the mean of theirs,
/// weighted with the denominator's times.
fn of_both_passes(pair: &Pair, rows: &[&Measurement], accuracy: &[Accuracy]) -> Option<Ratio> {
    let passes = |activation: &str| {
        let sound = |pass: Direction| {
            let rows = rows.iter().copied().filter(move |row| row.direction == pass.name());
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
    let (above, below) = passes(&pair.numerator).zip(passes(&pair.denominator))?;
    let [forward, backward] = [above.0.over(below.0)?, above.1.over(below.1)?];
    let weight = below.0.median_ns() / (below.0.median_ns() + below.1.median_ns());
    let bound_by = below.0.bound_by.filter(|bound_by| below.1.bound_by == Some(*bound_by));
    let ids: Ids<'_> = [&[&above.0.id, &above.1.id], &[&below.0.id, &below.1.id]];
    let ratio = forward.mean_with(weight, backward);
    let size = Some((below.0.elements, bound_by));
    Some(Of { pair, direction: BOTH, dtype: &below.0.dtype, size }.ratio(
        Quantity::Stream,
        ids,
        ratio,
    ))
}

fn clocks(stream: &Measurement, chain: &Arithmetic) -> Option<f64> {
    Some(stream.probe_median_ns()? / chain.probe_median_ns()?)
}

/// Whether a row is that of an activation in a variant that was found right for every input.
pub(super) fn is_sound(row: &Measurement, activation: &str, accuracy: &[Accuracy]) -> bool {
    row.status == Status::Ok
        && row.activation == activation
        && accuracy.iter().any(|found| found.is_sound(&row.path()))
}

/// The ids of the numerator's rows and of the denominator's.
type Ids<'a> = [&'a [&'a str]; 2];

/// What figures are of.
struct Of<'a> {
    pair: &'a Pair,
    direction: &'a str,
    dtype: &'a str,
    size: Option<(u64, Option<BoundBy>)>,
}

impl Of<'_> {
    fn ratio(&self, quantity: Quantity, ids: Ids<'_>, value: Estimate) -> Ratio {
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
            value: value.median,
            low: value.low,
            high: value.high,
            clocks: None,
        }
    }
}

impl Ratio {
    /// Whether it is one of that pair.
    pub fn is_of(&self, pair: &Pair) -> bool {
        [&*self.numerator, &*self.denominator] == pair.names()
    }

    /// The figure with its interval.
    pub fn estimate(&self) -> Estimate {
        Estimate { median: self.value, low: self.low, high: self.high }
    }
}
