//! Sigmoid against ReLU: what follows from the rows, matched by quantity, direction, dtype, size.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::accuracy::Accuracy;
use super::arithmetic::Arithmetic;
use super::measurement::{BoundBy, Measurement, Status};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::kernels::ops::Op;
use crate::measure::stats::Estimate;

/// The activation that ratios are of, and the one that they are over.
pub const NUMERATOR: &str = "sigmoid";
/// See [`NUMERATOR`].
pub const DENOMINATOR: &str = "relu";

/// One figure of a pair of activations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// `ratio/quantity/direction/dtype`, and `n=elements` of a size; unique in a report.
    pub id: String,
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
    pub numerator: Vec<String>,
    /// The ids of the denominator's rows.
    pub denominator: Vec<String>,
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

impl Quantity {
    /// Its name in ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Step => "step",
            Self::StepNet => "step_net",
            Self::ExtraArithmetic => "extra_arithmetic",
            Self::ExtraTime => "extra_time",
            Self::RidgePoint => "ridge_point",
        }
    }
}

/// A forward and a backward pass together.
pub const BOTH: &str = "forward+backward";

/// Every figure that the rows of a report give.
pub(super) fn ratios(report: &Report) -> Vec<Ratio> {
    let mut ratios = of_steps(&report.arithmetic);
    let of_one_size =
        report.measurements.chunk_by(|a, b| a.dtype == b.dtype && a.elements == b.elements);
    for rows in of_one_size {
        ratios.extend(of_size(report, rows));
    }
    ratios
}

/// The chains of the pair in a direction, the default variants.
pub fn chains<'a>(
    arithmetic: &'a [Arithmetic],
    direction: Direction,
    dtype: &str,
) -> Option<(&'a Arithmetic, &'a Arithmetic)> {
    let of = |activation| {
        let op = Op::of_default(activation, direction)?;
        arithmetic.iter().find(|row| row.dtype == dtype && row.op == op.name)
    };
    of(NUMERATOR).zip(of(DENOMINATOR))
}

fn of_steps(arithmetic: &[Arithmetic]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16Native] {
        for direction in Direction::ALL {
            let Some((above, below)) = chains(arithmetic, direction, dtype.name()) else {
                continue;
            };
            let figures =
                [(Quantity::Step, above.over(below)), (Quantity::StepNet, above.net_over(below))];
            for (quantity, value) in figures {
                let ids = (vec![above.id.clone()], vec![below.id.clone()]);
                let ratio =
                    |value| Ratio::new(quantity, direction.name(), dtype.name(), None, ids, value);
                ratios.extend(value.map(ratio));
            }
        }
    }
    ratios
}

/// The figures of one dtype and size.
fn of_size(report: &Report, rows: &[Measurement]) -> Vec<Ratio> {
    let rows: Vec<&Measurement> = rows.iter().filter(|row| row.time_ns().is_some()).collect();
    let mut ratios = Vec::new();
    for direction in Direction::ALL {
        let of_direction: Vec<&Measurement> =
            rows.iter().copied().filter(|row| row.direction == direction.name()).collect();
        ratios.extend(of_group(report, direction, &of_direction));
    }
    ratios.extend(of_both_passes(&rows, &report.accuracy));
    ratios
}

/// The figures of one group.
fn of_group(report: &Report, direction: Direction, rows: &[&Measurement]) -> Vec<Ratio> {
    let Some(copy) = rows.iter().copied().find(|row| row.activation == direction.copy()) else {
        return Vec::new();
    };
    let figure = |quantity, above: String, below: Option<String>, value| {
        let size = Some((copy.elements, copy.bound_by));
        let ids = (vec![above], below.into_iter().collect());
        Ratio::new(quantity, direction.name(), &copy.dtype, size, ids, value)
    };
    let mut ratios = Vec::new();
    let fastest = |activation| {
        rows.iter()
            .copied()
            .filter(|row| row.bytes == copy.bytes && is_sound(row, activation, &report.accuracy))
            .min_by(|a, b| a.median_ns().total_cmp(&b.median_ns()))
    };
    if let Some((above, below)) = fastest(NUMERATOR).zip(fastest(DENOMINATOR))
        && let Some(ratio) = above.over(below)
    {
        ratios.push(figure(Quantity::Stream, above.id.clone(), Some(below.id.clone()), ratio));
    }
    // The arithmetic of f16 in memory is that of f32.
    let dtype =
        if copy.dtype == Dtype::F16.name() { Dtype::F32.name() } else { copy.dtype.as_str() };
    let Some((above, below)) = chains(&report.arithmetic, direction, dtype) else { return ratios };
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
            (Quantity::ExtraTime, time_ns.times(1.0 / stream.elements_as_f64())),
        ] {
            let ratio = figure(quantity, stream.id.clone(), Some(other.id.clone()), ns);
            ratios.push(Ratio { clocks: clocks(stream, above), ..ratio });
        }
    }
    if copy.bound_by == Some(BoundBy::Memory)
        && let Some((memory_ns, step)) = copy.time_ns().zip(above.derived())
        && let Some(steps) = memory_ns.times(1e3 / copy.elements_as_f64()).over(step.step_ps)
    {
        let ratio = figure(Quantity::RidgePoint, above.id.clone(), None, steps);
        ratios.push(Ratio { clocks: clocks(copy, above), ..ratio });
    }
    ratios
}

/// A forward and a backward pass, each in the fastest pair of variants of which one keeps what the
/// other reads. The passes are timed in groups of their own: the ratio is the mean of theirs,
/// weighted with the denominator's times.
fn of_both_passes(rows: &[&Measurement], accuracy: &[Accuracy]) -> Option<Ratio> {
    let passes = |activation: &str| {
        let sound = |pass: Direction| {
            let is_wanted = |row: &&Measurement| {
                row.direction == pass.name() && is_sound(row, activation, accuracy)
            };
            rows.iter().copied().filter(is_wanted).collect::<Vec<_>>()
        };
        let (forward, backward) = (sound(Direction::Forward), sound(Direction::Backward));
        let pairs = forward.iter().flat_map(|x| backward.iter().map(move |y| (*x, *y)));
        let time = |(forward, backward): &(&Measurement, &Measurement)| {
            forward.median_ns() + backward.median_ns()
        };
        pairs
            .filter(|(x, y)| (x.variant == "with_mask") == (y.variant == "from_mask"))
            .min_by(|a, b| time(a).total_cmp(&time(b)))
    };
    let (above, below) = passes(NUMERATOR).zip(passes(DENOMINATOR))?;
    let [forward, backward] = [above.0.over(below.0)?, above.1.over(below.1)?];
    let weight = below.0.median_ns() / (below.0.median_ns() + below.1.median_ns());
    let bound_by = below.0.bound_by.filter(|bound_by| below.1.bound_by == Some(*bound_by));
    let ids = |(forward, backward): (&Measurement, &Measurement)| {
        vec![forward.id.clone(), backward.id.clone()]
    };
    let ratio = forward.mean_with(weight, backward);
    let size = Some((below.0.elements, bound_by));
    Some(Ratio::new(Quantity::Stream, BOTH, &below.0.dtype, size, (ids(above), ids(below)), ratio))
}

fn clocks(stream: &Measurement, chain: &Arithmetic) -> Option<f64> {
    Some(stream.probe_median_ns()? / chain.probe_median_ns()?)
}

/// Whether a row is that of an activation in a variant that was found right for every input.
fn is_sound(row: &Measurement, activation: &str, accuracy: &[Accuracy]) -> bool {
    row.status == Status::Ok
        && row.activation == activation
        && accuracy.iter().any(|found| found.kernel == row.path() && found.is_sound())
}

impl Ratio {
    fn new(
        quantity: Quantity,
        direction: &str,
        dtype: &str,
        size: Option<(u64, Option<BoundBy>)>,
        (numerator, denominator): (Vec<String>, Vec<String>),
        Estimate { median, low, high }: Estimate,
    ) -> Self {
        let of_size = size.map(|(elements, _)| format!("/n={elements}")).unwrap_or_default();
        Self {
            id: format!("ratio/{}/{direction}/{dtype}{of_size}", quantity.name()),
            quantity,
            direction: direction.to_owned(),
            dtype: dtype.to_owned(),
            elements: size.map(|(elements, _)| elements),
            bound_by: size.and_then(|(_, bound_by)| bound_by),
            numerator,
            denominator,
            value: median,
            low,
            high,
            clocks: None,
        }
    }

    /// The figure with its interval.
    pub fn estimate(&self) -> Estimate {
        Estimate { median: self.value, low: self.low, high: self.high }
    }
}
