//! Sigmoid against ReLU: what follows from measurements and rates, matched by quantity, direction, storage and regime.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::accuracy::Accuracy;
use super::measurement::{Inputs, Measurement, Regime, Status};
use super::rate::Rate;
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Storage;
use crate::kernels::ops::Op;
use crate::measure::stats::Estimate;

/// One figure of sigmoid against ReLU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// `gap/quantity/direction/storage`, and `n=elements` where it is that of a size; unique in a report.
    pub id: String,
    /// What the figure is.
    pub quantity: Quantity,
    /// forward, backward, or forward+backward.
    pub direction: String,
    /// How elements are stored; of rungs, what they are computed in.
    pub storage: String,
    /// Elements of each tensor; null of what has no size.
    #[serde(default)]
    pub elements: Option<u64>,
    /// What bounds the yardstick at that size.
    #[serde(default)]
    pub regime: Option<Regime>,
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
    /// Of a figure that joins a stream and a ladder, the witness's time at the one over that at the other: 1 where the core's clock was the same. Null
    /// without witnesses.
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
    /// A rung of sigmoid over a rung of ReLU, each with its fma.
    Rung,
    /// The same without the fma in either, where ReLU's own cost is not nothing.
    RungNet,
    /// 1 - (difference of streaming times) / (difference of rungs): the share of sigmoid's further arithmetic that memory hides.
    Hidden,
    /// How many rungs of sigmoid take as long as the yardstick of a memory-bound size.
    UnderMemory,
}

impl Quantity {
    /// Its name in ids.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Rung => "rung",
            Self::RungNet => "rung_net",
            Self::Hidden => "hidden",
            Self::UnderMemory => "under_memory",
        }
    }
}

/// A forward and a backward pass together.
pub const BOTH: &str = "forward+backward";

/// Every figure that the rows of a report give.
pub(super) fn gaps(report: &Report) -> Vec<Gap> {
    let mut gaps = rungs(&report.rates);
    for panels in of_one_size(&report.measurements) {
        gaps.extend(of_size(report, panels));
    }
    gaps
}

/// Rows of one storage and size, both directions.
fn of_one_size(measurements: &[Measurement]) -> impl Iterator<Item = &[Measurement]> {
    measurements.chunk_by(|a, b| a.storage == b.storage && a.elements == b.elements)
}

/// Sigmoid's ladder and ReLU's of a direction, the default forms.
pub(super) fn ladders<'a>(
    rates: &'a [Rate],
    direction: Direction,
    storage: &str,
) -> Option<(&'a Rate, &'a Rate)> {
    let of = |activation| {
        let op = Op::of_default(activation, direction)?;
        rates.iter().find(|rate| rate.storage == storage && rate.op == op.name)
    };
    of("sigmoid").zip(of("relu"))
}

fn rungs(rates: &[Rate]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for storage in [Storage::F32, Storage::F16Native] {
        for direction in Direction::ALL {
            let Some((sigmoid, relu)) = ladders(rates, direction, storage.name()) else { continue };
            for (quantity, value) in
                [(Quantity::Rung, sigmoid.over(relu)), (Quantity::RungNet, sigmoid.net_over(relu))]
            {
                let Some(value) = value else { continue };
                let between = (vec![sigmoid.id.clone()], vec![relu.id.clone()]);
                gaps.push(Gap::new(
                    quantity,
                    direction.name(),
                    storage.name(),
                    None,
                    between,
                    value,
                ));
            }
        }
    }
    gaps
}

/// The figures of one storage and size.
fn of_size(report: &Report, rows: &[Measurement]) -> Vec<Gap> {
    let is_plain = |row: &&Measurement| {
        row.status == Status::Ok
            && row.inputs == Inputs::Normal
            && !row.shader_checks
            && row.time_ns().is_some()
    };
    let rows: Vec<&Measurement> = rows.iter().filter(is_plain).collect();
    let mut gaps = Vec::new();
    for direction in Direction::ALL {
        let of_direction: Vec<&Measurement> =
            rows.iter().copied().filter(|row| row.direction == direction.name()).collect();
        gaps.extend(of_panel(report, direction, &of_direction));
    }
    gaps.extend(of_both_passes(&rows, &report.accuracy));
    gaps
}

/// The figures of one panel.
fn of_panel(report: &Report, direction: Direction, rows: &[&Measurement]) -> Vec<Gap> {
    let Some(yardstick) = rows.iter().copied().find(|row| row.activation == direction.yardstick())
    else {
        return Vec::new();
    };
    let gap = |quantity, sigmoid: String, relu: Option<String>, value| {
        let size = Some((yardstick.elements, yardstick.regime));
        let between = (vec![sigmoid], relu.into_iter().collect());
        Gap::new(quantity, direction.name(), &yardstick.storage, size, between, value)
    };
    let mut gaps = Vec::new();
    let fastest = |activation| {
        let candidates = rows.iter().copied().filter(|row| row.bytes == yardstick.bytes);
        candidates
            .filter(|row| is_sound(row, activation, &report.accuracy))
            .min_by(|a, b| by_time(a, b))
    };
    if let Some((sigmoid, relu)) = fastest("sigmoid").zip(fastest("relu"))
        && let Some(ratio) = sigmoid.over(relu)
    {
        gaps.push(gap(Quantity::Stream, sigmoid.id.clone(), Some(relu.id.clone()), ratio));
    }
    // The arithmetic of f16 in memory is that of f32.
    let arithmetic = if yardstick.storage == Storage::F16.name() {
        Storage::F32.name()
    } else {
        &yardstick.storage
    };
    let Some((sigmoid_rung, relu_rung)) = ladders(&report.rates, direction, arithmetic) else {
        return gaps;
    };
    let of_ladder = |rate: &Rate| {
        let form = rate.op.trim_start_matches("backward/");
        rows.iter().copied().find(|row| format!("{}/{}", row.activation, row.form) == form)
    };
    if yardstick.regime != Some(Regime::Launch)
        && let Some((sigmoid, relu)) = of_ladder(sigmoid_rung).zip(of_ladder(relu_rung))
        && let Some(seen_ps) =
            sigmoid.less(relu).map(|ns| ns.times(1e3 / sigmoid.elements_as_f64()))
        && let Some(shown) =
            sigmoid_rung.less(relu_rung).and_then(|climbed_ps| seen_ps.over(climbed_ps))
    {
        let hidden = shown.times(-1.0).plus(1.0);
        let gap = gap(Quantity::Hidden, sigmoid.id.clone(), Some(relu.id.clone()), hidden);
        gaps.push(Gap { clocks: clocks(sigmoid, sigmoid_rung), ..gap });
    }
    if yardstick.regime == Some(Regime::Memory)
        && let Some((memory_ns, rung)) = yardstick.time_ns().zip(sigmoid_rung.derived())
        && let Some(rungs) = memory_ns.times(1e3 / yardstick.elements_as_f64()).over(rung.rung_ps)
    {
        let gap = gap(Quantity::UnderMemory, sigmoid_rung.id.clone(), None, rungs);
        gaps.push(Gap { clocks: clocks(yardstick, sigmoid_rung), ..gap });
    }
    gaps
}

/// Sigmoid : ReLU over a forward and a backward pass, each in the fastest pair of forms of which one keeps what the other reads. The passes
/// are timed in panels of their own: the ratio is the mean of theirs, weighted with ReLU's times.
fn of_both_passes(rows: &[&Measurement], accuracy: &[Accuracy]) -> Option<Gap> {
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
                (forward.form == "with_mask") == (backward.form == "from_mask")
            })
            .min_by(|a, b| time(a).total_cmp(&time(b)))
    };
    let (sigmoid, relu) = passes("sigmoid").zip(passes("relu"))?;
    let [forward, backward] = [sigmoid.0.over(relu.0)?, sigmoid.1.over(relu.1)?];
    let weight = relu.0.median_ns() / (relu.0.median_ns() + relu.1.median_ns());
    let size =
        Some((relu.0.elements, relu.0.regime.filter(|regime| relu.1.regime == Some(*regime))));
    let ids = |(forward, backward): (&Measurement, &Measurement)| {
        vec![forward.id.clone(), backward.id.clone()]
    };
    let ratio = forward.mean_with(weight, backward);
    Some(Gap::new(Quantity::Stream, BOTH, &relu.0.storage, size, (ids(sigmoid), ids(relu)), ratio))
}

fn clocks(stream: &Measurement, ladder: &Rate) -> Option<f64> {
    Some(stream.witness_median_ns()? / ladder.witness_median_ns()?)
}

/// Whether a row is that of an activation in a form that was found right for every input.
fn is_sound(row: &Measurement, activation: &str, accuracy: &[Accuracy]) -> bool {
    row.activation == activation
        && accuracy.iter().any(|found| found.kernel == row.path() && found.is_sound())
}

fn by_time(a: &Measurement, b: &Measurement) -> std::cmp::Ordering {
    a.median_ns().total_cmp(&b.median_ns())
}

impl Gap {
    fn new(
        quantity: Quantity,
        direction: &str,
        storage: &str,
        size: Option<(u64, Option<Regime>)>,
        (sigmoid, relu): (Vec<String>, Vec<String>),
        value: Estimate,
    ) -> Self {
        let of_size = size.map(|(elements, _)| format!("/n={elements}")).unwrap_or_default();
        Self {
            id: format!("gap/{}/{direction}/{storage}{of_size}", quantity.name()),
            quantity,
            direction: direction.to_owned(),
            storage: storage.to_owned(),
            elements: size.map(|(elements, _)| elements),
            regime: size.and_then(|(_, regime)| regime),
            sigmoid,
            relu,
            value: value.median,
            low: value.low,
            high: value.high,
            clocks: None,
        }
    }

    /// The figure with its interval.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate { median: self.value, low: self.low, high: self.high }
    }
}
