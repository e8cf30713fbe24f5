//! Where a streaming kernel leaves memory speed: the same tensors, and k activations for each element between load and store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::{Dropped, Measurement, Status, as_f64};
use super::rate::Rate;
use crate::gpu::Shape;
use crate::measure::stats::{self, Estimate};

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
    /// Why samples are null, of all k together.
    #[serde(default)]
    pub dropped: Dropped,
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
    /// k*: so many rungs of the ladder take as long as the yardstick, which moves the same bytes and computes next to nothing.
    pub rungs_under_memory: Estimate,
    /// Time at k = 0 over that of the yardstick: 1 where this kernel streams as fast as memory lets one.
    pub stream_over_yardstick: Estimate,
    /// Time of one more rung here, between the last two k, as a multiple of the ladder's rung: 1 where arithmetic bounds both.
    pub rung_over_ladder: Estimate,
    /// Where the line through the last two k meets the time at k = 0: near k* where memory and arithmetic overlap wholly, 0 where they do not at all.
    pub bend_rungs: Estimate,
    /// The k that was measured nearest to k*.
    pub knee_rungs: u32,
    /// By how much the time at that k exceeds the longer of that at k = 0 and that of its rungs.
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
            dropped: Dropped::default(),
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

    /// What follows beside the yardstick and the ladder that it names; none unless all are ok, at least three k were timed, and the time grows with k.
    #[must_use]
    pub fn derived(
        &self,
        measurements: &[Measurement],
        rates: &[Rate],
    ) -> Option<DerivedCrossover> {
        let [first, .., before, last] = &self.points[..] else { return None };
        if self.status != Status::Ok || first.rungs != 0 || last.rungs <= before.rungs {
            return None;
        }
        let ladder = rates.iter().find(|rate| rate.id == self.ladder)?;
        let yardstick = measurements.iter().find(|row| Some(&row.id) == self.yardstick.as_ref())?;
        let rung_ns = ladder.derived()?.rung_ps.times(as_f64(self.elements) / 1e3);
        let yardstick_ns = yardstick.time_ns()?;
        let rungs_under_memory = yardstick_ns.over(rung_ns)?;
        let (step, last_rungs) = (f64::from(last.rungs - before.rungs), f64::from(last.rungs));
        let slopes = rounds([last, before], |[last, before]| (last - before) / step);
        let slope_ns = self.estimate(slopes).filter(|slope| slope.low > 0.0)?;
        let bends = rounds([first, before, last], |[first, before, last]| {
            last_rungs - (last - first) / ((last - before) / step)
        });
        let distance = |point: &&CrossoverPoint| {
            (f64::from(point.rungs) / rungs_under_memory.median).ln().abs()
        };
        let knee = self.points[1..].iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        Some(DerivedCrossover {
            rungs_under_memory,
            stream_over_yardstick: self.time_ns(first)?.over(yardstick_ns)?,
            rung_over_ladder: slope_ns.over(rung_ns)?,
            bend_rungs: self.estimate(bends)?,
            knee_rungs: knee.rungs,
            knee_penalty: self.knee_penalty(first, knee, rung_ns)?,
        })
    }

    /// The penalty at a k, over the ends of the interval of the rung, which was measured apart from it.
    fn knee_penalty(
        &self,
        first: &CrossoverPoint,
        knee: &CrossoverPoint,
        rung_ns: Estimate,
    ) -> Option<Estimate> {
        let beside = |rung_ns: f64| {
            let arithmetic_ns = rung_ns * f64::from(knee.rungs);
            self.estimate(rounds([knee, first], |[knee, memory]| {
                knee / memory.max(arithmetic_ns) - 1.0
            }))
        };
        let Estimate { median, low, high } = rung_ns;
        Some(Estimate {
            median: beside(median)?.median,
            low: beside(high)?.low,
            high: beside(low)?.high,
        })
    }

    fn estimate(&self, rounds: impl Iterator<Item = Option<f64>>) -> Option<Estimate> {
        stats::of_rounds(rounds, self.rounds_per_device)
    }
}

/// What each round makes of the samples of some points.
fn rounds<const N: usize>(
    points: [&CrossoverPoint; N],
    make: impl Fn([f64; N]) -> f64,
) -> impl Iterator<Item = Option<f64>> {
    let length = points.iter().map(|point| point.samples_ns.len()).min().unwrap_or_default();
    (0..length).map(move |round| {
        let mut samples = [0.0; N];
        for (sample, point) in samples.iter_mut().zip(points) {
            *sample = point.samples_ns[round]?;
        }
        Some(make(samples))
    })
}
