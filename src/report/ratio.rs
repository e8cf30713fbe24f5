//! Sigmoid against ReLU: what follows from measurements and arithmetic, matched by quantity, direction, dtype and bound_by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::accuracy::Accuracy;
use super::arithmetic::Arithmetic;
use super::measurement::{BoundBy, Inputs, Measurement, Status};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::kernels::ops::Op;
use crate::measure::stats::Estimate;

/// One figure of sigmoid against ReLU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// `ratio/quantity/direction/dtype`, and `n=elements` where it is that of a size; unique in a report.
    pub id: String,
    /// What the figure is.
    pub quantity: Quantity,
    /// forward, backward, or forward+backward.
    pub direction: String,
    /// How elements are stored; of steps, what they are computed in.
    pub dtype: String,
    /// Elements of each tensor; null of what has no size.
    #[serde(default)]
    pub elements: Option<u64>,
    /// What bounds the copy at that size.
    #[serde(default)]
    pub bound_by: Option<BoundBy>,
    /// The ids of sigmoid's rows.
    pub sigmoid: Vec<String>,
    /// The ids of ReLU's rows.
    pub relu: Vec<String>,
    /// The figure.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
    /// Of a figure that joins a stream and a chain, the probe's time at the one over that at the other: 1 where the core's clock was the same. Null
    /// without probes.
    #[serde(default)]
    pub clocks: Option<f64>,
}

/// What a figure is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Time of sigmoid over time of ReLU, streaming tensors; of both passes, the times added up.
    Stream,
    /// A step of sigmoid over a step of ReLU, each with its fma.
    Step,
    /// The same without the fma in either, where ReLU's own cost is not nothing.
    StepNet,
    /// 1 - (difference of streaming times) / (difference of steps): the share of sigmoid's further arithmetic that memory hides.
    Hidden,
    /// How many steps of sigmoid take as long as the copy of a memory-bound size.
    RidgePoint,
}

impl Quantity {
    /// Its name in ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Step => "step",
            Self::StepNet => "step_net",
            Self::Hidden => "hidden",
            Self::RidgePoint => "ridge_point",
        }
    }
}

/// A forward and a backward pass together.
pub const BOTH: &str = "forward+backward";

/// Every figure that the rows of a report give.
pub(super) fn ratios(report: &Report) -> Vec<Ratio> {
    let mut ratios = steps(&report.arithmetic);
    for groups in of_one_size(&report.measurements) {
        ratios.extend(of_size(report, groups));
    }
    ratios
}

/// Rows of one dtype and size, both directions.
fn of_one_size(measurements: &[Measurement]) -> impl Iterator<Item = &[Measurement]> {
    measurements.chunk_by(|a, b| a.dtype == b.dtype && a.elements == b.elements)
}

/// Sigmoid's chain and ReLU's of a direction, the default variants.
pub(super) fn chains<'a>(
    arithmetic: &'a [Arithmetic],
    direction: Direction,
    dtype: &str,
) -> Option<(&'a Arithmetic, &'a Arithmetic)> {
    let of = |activation| {
        let op = Op::of_default(activation, direction)?;
        arithmetic.iter().find(|rate| rate.dtype == dtype && rate.op == op.name)
    };
    of("sigmoid").zip(of("relu"))
}

fn steps(arithmetic: &[Arithmetic]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16Native] {
        for direction in Direction::ALL {
            let Some((sigmoid, relu)) = chains(arithmetic, direction, dtype.name()) else {
                continue;
            };
            for (quantity, value) in
                [(Quantity::Step, sigmoid.over(relu)), (Quantity::StepNet, sigmoid.net_over(relu))]
            {
                let Some(value) = value else { continue };
                let between = (vec![sigmoid.id.clone()], vec![relu.id.clone()]);
                ratios.push(Ratio::new(
                    quantity,
                    direction.name(),
                    dtype.name(),
                    None,
                    between,
                    value,
                ));
            }
        }
    }
    ratios
}

/// The figures of one dtype and size.
fn of_size(report: &Report, rows: &[Measurement]) -> Vec<Ratio> {
    let is_plain = |row: &&Measurement| {
        row.status == Status::Ok
            && row.inputs == Inputs::Normal
            && !row.shader_checks
            && row.time_ns().is_some()
    };
    let rows: Vec<&Measurement> = rows.iter().filter(is_plain).collect();
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
    let figure = |quantity, sigmoid: String, relu: Option<String>, value| {
        let size = Some((copy.elements, copy.bound_by));
        let between = (vec![sigmoid], relu.into_iter().collect());
        Ratio::new(quantity, direction.name(), &copy.dtype, size, between, value)
    };
    let mut ratios = Vec::new();
    let fastest = |activation| {
        let candidates = rows.iter().copied().filter(|row| row.bytes == copy.bytes);
        candidates
            .filter(|row| is_sound(row, activation, &report.accuracy))
            .min_by(|a, b| by_time(a, b))
    };
    if let Some((sigmoid, relu)) = fastest("sigmoid").zip(fastest("relu"))
        && let Some(ratio) = sigmoid.over(relu)
    {
        ratios.push(figure(Quantity::Stream, sigmoid.id.clone(), Some(relu.id.clone()), ratio));
    }
    // The arithmetic of f16 in memory is that of f32.
    let arithmetic = if copy.dtype == Dtype::F16.name() { Dtype::F32.name() } else { &copy.dtype };
    let Some((sigmoid_step, relu_step)) = chains(&report.arithmetic, direction, arithmetic) else {
        return ratios;
    };
    let of_chain = |rate: &Arithmetic| {
        let variant = rate.op.trim_start_matches("backward/");
        rows.iter().copied().find(|row| format!("{}/{}", row.activation, row.variant) == variant)
    };
    if copy.bound_by != Some(BoundBy::Launch)
        && let Some((sigmoid, relu)) = of_chain(sigmoid_step).zip(of_chain(relu_step))
        && let Some(seen_ps) =
            sigmoid.less(relu).map(|ns| ns.times(1e3 / sigmoid.elements_as_f64()))
        && let Some(shown) =
            sigmoid_step.less(relu_step).and_then(|chain_ps| seen_ps.over(chain_ps))
    {
        let hidden = shown.times(-1.0).plus(1.0);
        let ratio = figure(Quantity::Hidden, sigmoid.id.clone(), Some(relu.id.clone()), hidden);
        ratios.push(Ratio { clocks: clocks(sigmoid, sigmoid_step), ..ratio });
    }
    if copy.bound_by == Some(BoundBy::Memory)
        && let Some((memory_ns, step)) = copy.time_ns().zip(sigmoid_step.derived())
        && let Some(steps) = memory_ns.times(1e3 / copy.elements_as_f64()).over(step.step_ps)
    {
        let ratio = figure(Quantity::RidgePoint, sigmoid_step.id.clone(), None, steps);
        ratios.push(Ratio { clocks: clocks(copy, sigmoid_step), ..ratio });
    }
    ratios
}

/// Sigmoid : ReLU over a forward and a backward pass, each in the fastest pair of variants of which one keeps what the other reads. The passes
/// are timed in groups of their own: the ratio is the mean of theirs, weighted with ReLU's times.
fn of_both_passes(rows: &[&Measurement], accuracy: &[Accuracy]) -> Option<Ratio> {
    let passes = |activation: &str| {
        let sound = || rows.iter().copied().filter(|row| is_sound(row, activation, accuracy));
        let [forward, backward] =
            Direction::ALL.map(|pass| sound().filter(move |row| row.direction == pass.name()));
        let backward: Vec<&Measurement> = backward.collect();
        let pairs =
            forward.flat_map(|forward| backward.iter().map(move |backward| (forward, *backward)));
        let time = |(forward, backward): &(&Measurement, &Measurement)| {
            forward.median_ns() + backward.median_ns()
        };
        pairs
            .filter(|(forward, backward)| {
                (forward.variant == "with_mask") == (backward.variant == "from_mask")
            })
            .min_by(|a, b| time(a).total_cmp(&time(b)))
    };
    let (sigmoid, relu) = passes("sigmoid").zip(passes("relu"))?;
    let [forward, backward] = [sigmoid.0.over(relu.0)?, sigmoid.1.over(relu.1)?];
    let weight = relu.0.median_ns() / (relu.0.median_ns() + relu.1.median_ns());
    let size = Some((
        relu.0.elements,
        relu.0.bound_by.filter(|bound_by| relu.1.bound_by == Some(*bound_by)),
    ));
    let ids = |(forward, backward): (&Measurement, &Measurement)| {
        vec![forward.id.clone(), backward.id.clone()]
    };
    let ratio = forward.mean_with(weight, backward);
    Some(Ratio::new(Quantity::Stream, BOTH, &relu.0.dtype, size, (ids(sigmoid), ids(relu)), ratio))
}

fn clocks(stream: &Measurement, chain: &Arithmetic) -> Option<f64> {
    Some(stream.probe_median_ns()? / chain.probe_median_ns()?)
}

/// Whether a row is that of an activation in a variant that was found right for every input.
fn is_sound(row: &Measurement, activation: &str, accuracy: &[Accuracy]) -> bool {
    row.activation == activation
        && accuracy.iter().any(|found| found.kernel == row.path() && found.is_sound())
}

fn by_time(a: &Measurement, b: &Measurement) -> std::cmp::Ordering {
    a.median_ns().total_cmp(&b.median_ns())
}

impl Ratio {
    fn new(
        quantity: Quantity,
        direction: &str,
        dtype: &str,
        size: Option<(u64, Option<BoundBy>)>,
        (sigmoid, relu): (Vec<String>, Vec<String>),
        value: Estimate,
    ) -> Self {
        let of_size = size.map(|(elements, _)| format!("/n={elements}")).unwrap_or_default();
        Self {
            id: format!("ratio/{}/{direction}/{dtype}{of_size}", quantity.name()),
            quantity,
            direction: direction.to_owned(),
            dtype: dtype.to_owned(),
            elements: size.map(|(elements, _)| elements),
            bound_by: size.and_then(|(_, bound_by)| bound_by),
            sigmoid,
            relu,
            value: value.median,
            low: value.low,
            high: value.high,
            clocks: None,
        }
    }

    /// The figure with its interval.
    pub fn estimate(&self) -> Estimate {
        Estimate { median: self.value, low: self.low, high: self.high }
    }
}
