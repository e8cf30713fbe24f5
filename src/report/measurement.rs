//! One kernel at one size: its samples, what became of it, and what follows from them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accuracy::finite;
use super::reason::{Dropped, Reason};
use crate::gpu::Shape;
use crate::gpu::dump::wgsl_sha256;
use crate::kernels::kernel::Kernel;
use crate::measure::stats::{self, Estimate};
use crate::{measure, validate};

/// Everything about one kernel at one size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    /// `direction/dtype/n=elements/activation/variant`; unique in a report.
    pub id: String,
    /// forward or backward.
    pub direction: String,
    /// f32, f16 (f16 in memory, f32 in arithmetic) or f16_native.
    pub dtype: String,
    /// copy, add, or what is computed.
    pub activation: String,
    /// How it is written.
    pub variant: String,
    /// Elements of each tensor.
    #[schemars(range(min = 1))]
    pub elements: u64,
    /// Bytes that one dispatch has to move: each of its tensors once.
    pub bytes: u64,
    /// What bounds it, as far as that was measured.
    pub bound_by: Option<BoundBy>,
    /// How its words were spread over invocations; null where it was not dispatched.
    pub shape: Option<Shape>,
    /// SHA-256 of the WGSL, in hexadecimal.
    pub wgsl_sha256: Option<String>,
    /// What became of it.
    pub status: Status,
    /// Why, where the status is not ok.
    pub reason: Option<Reason>,
    /// What a reader of the numbers should know.
    #[serde(default)]
    pub notes: Vec<Reason>,
    /// How the result compared with the f64 reference; null where it was not compared.
    pub validation: Option<Validation>,
    /// Dispatches in each sample, the same for a whole group.
    pub dispatches_per_sample: u32,
    /// Rounds in each repeat: the samples of the first repeat come first.
    #[serde(default)]
    pub rounds_per_repeat: u32,
    /// ns per dispatch, by round; null where the round gave no sample.
    pub samples_ns: Vec<Option<f64>>,
    /// ns of the clock probe around each sample, whose time is the inverse of the core clock; null
    /// without a probe.
    #[serde(default)]
    pub probe_ns: Vec<Option<f64>>,
    /// Why samples are null.
    #[serde(default)]
    pub dropped: Dropped,
    /// For other readers: computed from the samples on writing and again on loading. Here, ask the
    /// methods.
    pub(super) derived: Option<Derived>,
}

/// What bounds the time of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoundBy {
    /// Launching it.
    Launch,
    /// Caches, which hold its tensors.
    Cache,
    /// Memory.
    Memory,
}

impl fmt::Display for BoundBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// What became of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Measured.
    Ok,
    /// Measured, but its times can't be right.
    Invalid,
    /// The adapter lacks a feature.
    Unsupported,
    /// Not measured, for lack of room or time.
    #[default]
    Skipped,
    /// The result was wrong, so it was not timed.
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// How a result compared with the f64 reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Validation {
    /// Elements that were compared: all that have a defined result.
    pub elements: u64,
    /// Elements outside of what the WGSL specification allows.
    pub violations: u64,
    /// Largest error in units of the last place.
    pub max_ulp: Option<f64>,
    /// Largest error as a share of what the specification allows.
    pub max_share_of_bound: Option<f64>,
}

impl Validation {
    /// As a comparison found it.
    pub fn new(found: &validate::Accuracy) -> Self {
        Self {
            elements: found.inputs,
            violations: found.violations,
            max_ulp: finite(found.max_ulp),
            max_share_of_bound: finite(found.max_share),
        }
    }
}

/// What follows from the samples of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Derived {
    /// Median time of one dispatch.
    pub median_ns: f64,
    /// Lower end of the median's 95 % interval.
    pub low_ns: f64,
    /// Upper end of the median's 95 % interval.
    pub high_ns: f64,
    /// Bytes over the median time, in units of one, not of 2^30.
    pub bytes_per_second: f64,
    /// Median time over elements.
    pub ns_per_element: f64,
}

impl Measurement {
    /// Of a kernel at a size, before anything was done: skipped, without a reason or a sample.
    pub fn new(kernel: &Kernel, elements: u64) -> Self {
        Self {
            id: kernel.id(elements),
            direction: kernel.direction().name().to_owned(),
            dtype: kernel.dtype.name().to_owned(),
            activation: kernel.activation.name.to_owned(),
            variant: kernel.variant.name.to_owned(),
            elements,
            bytes: kernel.bytes(elements),
            wgsl_sha256: Some(wgsl_sha256(&kernel.wgsl())),
            ..Self::default()
        }
    }

    /// Writes down why it is not ok.
    pub fn mark(&mut self, status: Status, reason: Reason) {
        self.status = status;
        self.reason = Some(reason);
    }

    /// Appends the samples of a repeat.
    pub fn take(&mut self, samples: measure::Member) {
        self.dropped += Dropped::of(&samples);
        self.samples_ns.extend(samples.ns);
        self.probe_ns.extend(samples.probe_ns);
    }

    /// The time of one dispatch in ns; none of a row that is not ok.
    pub fn time_ns(&self) -> Option<Estimate> {
        if self.status != Status::Ok {
            return None;
        }
        stats::of_rounds(self.samples_ns.iter().copied(), self.rounds_per_repeat)
    }

    /// Its time over that of another member of its group, taken within rounds; none unless both are
    /// ok.
    pub fn over(&self, other: &Self) -> Option<Estimate> {
        self.beside(other, |own, others| own / others)
    }

    /// By how many ns its time exceeds that of another member of its group, taken within rounds;
    /// none unless both are ok.
    pub fn less(&self, other: &Self) -> Option<Estimate> {
        self.beside(other, |own, others| own - others)
    }

    fn beside(&self, other: &Self, join: impl Fn(f64, f64) -> f64) -> Option<Estimate> {
        let are_ok = self.status == Status::Ok && other.status == Status::Ok;
        if !are_ok || self.rounds_per_repeat != other.rounds_per_repeat {
            return None;
        }
        stats::of_pairs(&self.samples_ns, &other.samples_ns, self.rounds_per_repeat, join)
    }

    /// What follows from the samples; none where they are too few for an estimate.
    pub fn derived(&self) -> Option<Derived> {
        let Estimate { median, low, high } = self.time_ns()?;
        Some(Derived {
            median_ns: median,
            low_ns: low,
            high_ns: high,
            bytes_per_second: self.bytes as f64 / median * 1e9,
            ns_per_element: median / self.elements as f64,
        })
    }

    /// Median time of one element in ns.
    pub fn ns_per_element(&self) -> Option<f64> {
        Some(self.derived()?.ns_per_element)
    }

    /// Median throughput in bytes per second.
    pub fn bytes_per_second(&self) -> Option<f64> {
        Some(self.derived()?.bytes_per_second)
    }

    /// Median time of one dispatch in ns; infinite where there is none, so that it is never the
    /// fastest.
    pub fn median_ns(&self) -> f64 {
        self.time_ns().map_or(f64::INFINITY, |time| time.median)
    }

    /// Its activation and variant: what tells it from the other members of its group.
    pub fn member(&self) -> String {
        format!("{}/{}", self.activation, self.variant)
    }

    /// The kernel's path: its id without a size.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.direction, self.dtype, self.member())
    }

    /// The median time of the probe around its samples, in ns: the inverse of the core's clock.
    /// None without one.
    pub fn probe_median_ns(&self) -> Option<f64> {
        stats::median(self.probe_ns.iter().flatten().copied())
    }

    /// The id of the group: direction, dtype and size.
    pub fn group(&self) -> &str {
        self.id.match_indices('/').nth(2).map_or(&self.id, |(end, _)| &self.id[..end])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::kernels::activation::{Activation, Direction};
    use crate::kernels::dtype::Dtype;

    /// A forward kernel at 1000 elements with these samples.
    pub(crate) fn measurement(activation: &str, samples_ns: &[Option<f64>]) -> Measurement {
        let activation = Activation::named(activation).expect("in the table");
        let kernel = Kernel::default_variant(activation, Direction::Forward, Dtype::F32)
            .expect("a forward variant");
        let mut measurement = Measurement::new(&kernel, 1000);
        measurement.status = Status::Ok;
        measurement.samples_ns = samples_ns.to_vec();
        measurement
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The clock halves in the middle: each median moves, their ratio in a round does not.
        let relu = measurement(
            "relu",
            &[100.0, 200.0, 200.0, 0.0, 200.0, 100.0, 100.0].map(|ns| (ns > 0.0).then_some(ns)),
        );
        let sigmoid =
            measurement("sigmoid", &[150.0, 300.0, 300.0, 9.0, 300.0, 150.0, 150.0].map(Some));
        let ratio = sigmoid.over(&relu).expect("samples");
        assert_eq!((ratio.low, ratio.median, ratio.high), (1.5, 1.5, 1.5));
        assert_eq!(relu.bytes_per_second(), Some(8000.0 / 150.0 * 1e9));
        assert_eq!(relu.group(), "forward/f32/n=1000");
    }

    #[test]
    fn without_samples_there_is_no_number() {
        let none = measurement("relu", &[None, None]);
        assert!(none.time_ns().is_none() && none.derived().is_none() && none.over(&none).is_none());
    }
}
