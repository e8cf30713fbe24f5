//! Where arithmetic takes as long as memory: the same tensors, streamed with k activations for each
//! element between load and store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arithmetic::Arithmetic;
use super::measurement::{Measurement, Status};
use super::reason::{Dropped, Reason};
use crate::gpu::Shape;
use crate::measure::stats::{self, Estimate};

/// A kernel that streams memory-bound tensors and takes k steps of a chain on the way, by k.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ridge {
    /// `ridge/direction/dtype`; unique in a report.
    pub id: String,
    /// forward: x to y; backward: the saved tensor and dy to dx.
    pub direction: String,
    /// How elements are stored.
    pub dtype: String,
    /// What became of it.
    pub status: Status,
    /// Why, where the status is not ok.
    pub reason: Option<Reason>,
    /// What a reader of the numbers should know.
    #[serde(default)]
    pub notes: Vec<Reason>,
    /// The id of the chain whose steps are run.
    pub chain: String,
    /// The id of the copy that moves the same bytes.
    pub copy: Option<String>,
    /// Elements of each tensor.
    pub elements: u64,
    /// Bytes that one dispatch has to move, whatever k is.
    pub bytes: u64,
    /// How words were spread over invocations; null where it was not dispatched.
    pub shape: Option<Shape>,
    /// SHA-256 of the WGSL, in hexadecimal.
    pub wgsl_sha256: Option<String>,
    /// Dispatches in each sample.
    pub dispatches_per_sample: u32,
    /// Rounds in each repeat: the samples of the first repeat come first.
    pub rounds_per_repeat: u32,
    /// Why samples are null, of all k together.
    #[serde(default)]
    pub dropped: Dropped,
    /// By k from 0 on, all timed together.
    pub points: Vec<RidgeTime>,
    /// For other readers: computed from the samples on writing and again on loading. Here, ask the
    /// methods.
    pub(super) derived: Option<DerivedRidge>,
}

/// The samples of one k.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RidgeTime {
    /// k.
    pub steps: u32,
    /// ns per dispatch, by round; null where the round gave no sample.
    pub samples_ns: Vec<Option<f64>>,
}

/// What follows from the samples of a ridge, of the copy and of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DerivedRidge {
    /// Steps of the chain that take as long as copy, which moves the same bytes and computes
    /// nothing.
    pub ridge_point: Estimate,
    /// Time at k = 0 over that of copy: 1 where this kernel streams at memory speed.
    pub stream_over_copy: Estimate,
    /// Time of one more step between the last two k, over that of the chain: 1 where arithmetic
    /// bounds both.
    pub step_over_chain: Estimate,
    /// The k that was measured nearest to the ridge point.
    pub ridge_steps: u32,
    /// Time at that k over the larger of that at k = 0 and that of its steps: 1 where memory and
    /// arithmetic overlap wholly, up to 2 where they do not.
    pub ridge_over_larger: Estimate,
}

impl Ridge {
    /// Before anything was done: skipped, without a reason or a sample.
    pub fn new(direction: &str, dtype: &str, chain: String) -> Self {
        Self {
            id: format!("ridge/{direction}/{dtype}"),
            direction: direction.to_owned(),
            dtype: dtype.to_owned(),
            chain,
            ..Self::default()
        }
    }

    /// Time of one dispatch at one of the points, in ns.
    pub fn time_ns(&self, point: &RidgeTime) -> Option<Estimate> {
        if self.status != Status::Ok {
            return None;
        }
        stats::of_rounds(point.samples_ns.iter().copied(), self.rounds_per_repeat)
    }

    /// What follows beside the copy and the chain that it names. None unless all are ok, three k
    /// were timed, and the time grows with k.
    pub fn derived(
        &self,
        measurements: &[Measurement],
        arithmetic: &[Arithmetic],
    ) -> Option<DerivedRidge> {
        let [first, .., before, last] = &self.points[..] else { return None };
        if self.status != Status::Ok || first.steps != 0 || last.steps <= before.steps {
            return None;
        }
        let chain = arithmetic.iter().find(|row| row.id == self.chain)?;
        let copy = measurements.iter().find(|row| Some(&row.id) == self.copy.as_ref())?;
        let step_ns = chain.derived()?.step_ps.times(self.elements as f64 / 1e3);
        let copy_ns = copy.time_ns()?;
        let ridge_point = copy_ns.over(step_ns)?;
        let more = f64::from(last.steps - before.steps);
        let slope_ns = self.of_rounds(last, before, |last, before| (last - before) / more)?;
        if slope_ns.low <= 0.0 {
            return None;
        }
        let distance =
            |point: &&RidgeTime| (f64::from(point.steps) / ridge_point.median).ln().abs();
        let ridge = self.points[1..].iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        Some(DerivedRidge {
            ridge_point,
            stream_over_copy: self.time_ns(first)?.over(copy_ns)?,
            step_over_chain: slope_ns.over(step_ns)?,
            ridge_steps: ridge.steps,
            ridge_over_larger: self.ridge_over_larger(first, ridge, step_ns)?,
        })
    }

    /// At one k, over the ends of the interval of the step, which was measured apart from it.
    fn ridge_over_larger(
        &self,
        first: &RidgeTime,
        ridge: &RidgeTime,
        step_ns: Estimate,
    ) -> Option<Estimate> {
        let beside = |step_ns: f64| {
            let arithmetic_ns = step_ns * f64::from(ridge.steps);
            self.of_rounds(ridge, first, |ridge, memory| ridge / memory.max(arithmetic_ns))
        };
        let Estimate { median, low, high } = step_ns;
        Some(Estimate {
            median: beside(median)?.median,
            low: beside(high)?.low,
            high: beside(low)?.high,
        })
    }

    fn of_rounds(
        &self,
        point: &RidgeTime,
        other: &RidgeTime,
        join: impl Fn(f64, f64) -> f64,
    ) -> Option<Estimate> {
        stats::of_pairs(&point.samples_ns, &other.samples_ns, self.rounds_per_repeat, join)
    }
}
