//! Where a streaming kernel leaves memory speed: the same tensors, and k activations for each element between load and store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::{Measurement, Status};
use super::rate::Rate;
use crate::gpu::Shape;
use crate::stats::{self, Estimate};

/// A kernel that streams tensors of the memory regime and climbs k rungs of a ladder on the way, by k.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Crossover {
    /// `crossover/direction/storage`; unique in a report.
    pub id: String,
    /// forward: x to y; backward: the saved tensor and dy to dx.
    pub direction: String,
    /// How elements are stored.
    pub storage: String,
    /// What became of it.
    pub status: Status,
    /// Why, where the status is not ok.
    #[serde(default)]
    pub reason: Option<String>,
    /// What a reader of the numbers should know, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The id of the ladder whose rungs are climbed.
    pub ladder: String,
    /// The id of the yardstick that moves the same bytes.
    #[serde(default)]
    pub yardstick: Option<String>,
    /// Elements of each tensor.
    pub elements: u64,
    /// Bytes that one dispatch has to move, whatever k is.
    pub bytes: u64,
    /// How words were spread over invocations; null where it was not dispatched.
    #[serde(default)]
    pub shape: Option<Shape>,
    /// SHA-256 of the WGSL, in hexadecimal.
    #[serde(default)]
    pub wgsl_sha256: Option<String>,
    /// Dispatches in each sample.
    pub dispatches_per_sample: u32,
    /// Rounds on each freshly opened device: the samples of the first device come first.
    pub rounds_per_device: u32,
    /// By k from 0 on, all timed together.
    pub points: Vec<CrossoverPoint>,
    /// For other readers: computed from the samples on writing and again on loading. Here, ask the methods.
    #[serde(default)]
    pub(super) derived: Option<DerivedCrossover>,
}

/// The samples of one k.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrossoverPoint {
    /// k.
    pub rungs: u32,
    /// ns per dispatch, by round; null where the round gave no sample.
    pub samples_ns: Vec<Option<f64>>,
}

/// What follows from the samples of a crossover, of the yardstick and of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DerivedCrossover {
    /// k*: so many rungs of the ladder take as long as the memory's part, which is the time at k = 0.
    pub rungs_under_memory: Estimate,
    /// Time of one more rung here, between the last two k, as a multiple of the ladder's rung: 1 where arithmetic bounds both.
    pub rung_over_ladder: Estimate,
    /// Where the line through the last two k meets the time at k = 0: k* where memory and arithmetic overlap wholly, 0 where they do not at all.
    pub bend_rungs: f64,
    /// The k that was measured nearest to k*.
    pub knee_rungs: u32,
    /// By how much the time at that k exceeds the longer of the memory's part and that of its rungs.
    pub knee_penalty: Estimate,
}

impl Crossover {
    /// Before anything was done: skipped, without a reason or a sample.
    #[must_use]
    pub fn new(direction: &str, storage: &str, ladder: String) -> Self {
        Self {
            id: format!("crossover/{direction}/{storage}"),
            direction: direction.to_owned(),
            storage: storage.to_owned(),
            status: Status::Skipped,
            reason: None,
            notes: Vec::new(),
            ladder,
            yardstick: None,
            elements: 0,
            bytes: 0,
            shape: None,
            wgsl_sha256: None,
            dispatches_per_sample: 0,
            rounds_per_device: 0,
            points: Vec::new(),
            derived: None,
        }
    }

    /// Time of one dispatch at one of the points, in ns.
    #[must_use]
    pub fn time_ns(&self, point: &CrossoverPoint) -> Option<Estimate> {
        (self.status == Status::Ok)
            .then(|| stats::of_rounds(point.samples_ns.iter().copied(), self.rounds_per_device))
            .flatten()
    }

    /// What follows beside the ladder that it names; none unless both are ok and at least three k were timed.
    #[must_use]
    pub fn derived(&self, ladder: &Rate) -> Option<DerivedCrossover> {
        let [first, .., before, last] = &self.points[..] else { return None };
        let is_rising = first.rungs == 0 && last.rungs > before.rungs;
        if self.status != Status::Ok || !is_rising || ladder.id != self.ladder {
            return None;
        }
        let rung_ns = ladder.derived()?.rung_ps.times(as_f64(self.elements) / 1e3);
        let memory_ns = self.time_ns(first)?;
        let rungs_under_memory = memory_ns.over(rung_ns)?;
        let step = f64::from(last.rungs - before.rungs);
        let slopes = rounds(last, before, |last, before| (last - before) / step);
        let slope_ns = stats::of_rounds(slopes, self.rounds_per_device).filter(|slope| slope.median != 0.0)?;
        let begin_ns = self.time_ns(last)?.median - slope_ns.median * f64::from(last.rungs);
        let distance = |point: &&CrossoverPoint| (f64::from(point.rungs) / rungs_under_memory.median).ln().abs();
        let knee = self.points[1..].iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let arithmetic_ns = rung_ns.median * f64::from(knee.rungs);
        let penalties = rounds(knee, first, |knee, memory| knee / memory.max(arithmetic_ns) - 1.0);
        Some(DerivedCrossover {
            rungs_under_memory,
            rung_over_ladder: slope_ns.over(rung_ns)?,
            bend_rungs: (memory_ns.median - begin_ns) / slope_ns.median,
            knee_rungs: knee.rungs,
            knee_penalty: stats::of_rounds(penalties, self.rounds_per_device)?,
        })
    }

    /// The yardstick among the rows of a report.
    #[must_use]
    pub fn yardstick<'a>(&self, measurements: &'a [Measurement]) -> Option<&'a Measurement> {
        let id = self.yardstick.as_ref()?;
        measurements.iter().find(|row| row.id == *id)
    }
}

/// What each round makes of two of the points.
fn rounds(a: &CrossoverPoint, b: &CrossoverPoint, make: impl Fn(f64, f64) -> f64) -> impl Iterator<Item = Option<f64>> {
    a.samples_ns.iter().zip(&b.samples_ns).map(move |(a, b)| Some(make((*a)?, (*b)?)))
}

fn as_f64(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes stay below 2^53")]
    let count = count as f64;
    count
}
