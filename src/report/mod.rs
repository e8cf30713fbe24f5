//! The report: what ran where and what it found, as one JSON object, and what follows from it.
//!
//! The types here are the schema; their documentation is the schema's. Units stand at the end of a
//! key, in base units. A number that does not exist is null; there is no NaN and no infinity.

mod accuracy;
mod arithmetic;
pub(crate) mod check;
mod fastest;
mod measurement;
mod pair;
pub mod provenance;
mod ratio;
pub mod read;
mod reason;
mod ridge;
pub mod system;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use accuracy::{Accuracy, AccuracyBin};
pub use arithmetic::{Arithmetic, Bracket, ChainSamples, DerivedArithmetic};
pub use fastest::{Comparison, Fastest};
#[cfg(test)]
pub(crate) use measurement::tests::measurement as measured;
pub use measurement::{BoundBy, Derived, Measurement, Status, Validation};
pub use pair::{Pair, default_kernel, default_op};
pub use ratio::{BOTH, Quantity, Ratio, chains};
pub use reason::{ChainOf, Dropped, Reason};
pub use ridge::{DerivedRidge, Ridge, RidgeMember};
pub use write::{Destination, expand};

use crate::gpu::{AdapterFacts, Shape};
use crate::measure::stats::Estimate;
use crate::report::provenance::Tool;
use crate::report::system::System;

/// What [`Report::schema`] is of every report.
pub const SCHEMA: &str = "actbench.report";

/// The version of the schema that this program writes: major and minor. A minor version adds keys
/// and nothing else, not even a value of an enumeration, so that every program reads every minor
/// version of its major version.
pub const SCHEMA_VERSION: &str = "2.0";

/// One run on one adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// actbench.report.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// Major and minor version of the schema.
    #[schemars(regex(pattern = r"^2\.[0-9]+$"))]
    pub schema_version: String,
    /// The program that measured.
    pub tool: Tool,
    /// What it was asked for, and how that went.
    pub run: Run,
    /// The machine around the adapter.
    pub system: System,
    /// The adapter that was measured.
    pub adapter: AdapterFacts,
    /// What all samples were taken with.
    pub clock: Clock,
    /// What a dispatch costs that does nothing; null if it was not measured.
    pub dispatch_overhead: Option<DispatchOverhead>,
    /// From which size on memory bounds the copy; null if it was not measured.
    pub memory_scan: Option<MemoryScan>,
    /// The shapes that were tried.
    #[serde(default)]
    pub shapes: Vec<ShapeTrial>,
    /// Every kernel at every size, those that were not measured included; the members of a group
    /// one after the other.
    pub measurements: Vec<Measurement>,
    /// Every op on the chain.
    #[serde(default)]
    pub arithmetic: Vec<Arithmetic>,
    /// Streaming kernels by the number of activations for each element.
    #[serde(default)]
    pub ridges: Vec<Ridge>,
    /// How far each kernel is from the reference, over inputs chosen to find it wrong.
    #[serde(default)]
    pub accuracy: Vec<Accuracy>,
    /// The pairs: computed from the above on writing and again on loading.
    #[serde(default)]
    pub ratios: Vec<Ratio>,
    /// The fastest variants of the pairs' numerators. Computed likewise.
    #[serde(default)]
    pub fastest: Vec<Fastest>,
}

/// What was asked for, and how that went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// How it ended.
    pub status: RunStatus,
    /// Why it ended early.
    pub reason: Option<Reason>,
    /// What a reader of the whole report should know.
    #[serde(default)]
    pub notes: Vec<Reason>,
    /// When it began, in UTC (RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: jiff::Timestamp,
    /// How long it took, from opening the first device to the last sample.
    pub duration_s: f64,
    /// The program's arguments, the first of them its own path.
    pub argv: Vec<String>,
    /// How much was measured.
    pub profile: Profile,
    /// Which activations are compared.
    #[serde(default = "default_pairs")]
    pub pairs: Vec<Pair>,
    /// The seed of all inputs.
    pub seed: u64,
    /// What the user said about the run, by `--label`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The regular expression over ids that chose what to measure; null if all.
    pub filter: Option<String>,
    /// The time that the user allowed; null if any.
    pub max_time_s: Option<f64>,
    /// Whether streaming kernels had wgpu's run-time checks of bounds and loops.
    #[serde(default)]
    pub shader_checks: bool,
    /// How many times the device was opened anew and everything measured.
    pub repeats: u32,
    /// Where the time went.
    #[serde(default)]
    pub spent: Spent,
}

/// Those of a run that asked for none.
fn default_pairs() -> Vec<Pair> {
    vec![Pair::default()]
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything that was asked for has a measurement, if not every one a time.
    Complete,
    /// Ended by the user or by the time allowed.
    Interrupted,
    /// Ended by the machine.
    Failed,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The default variants, once.
    Quick,
    /// All variants and dtypes, in several repeats.
    Standard,
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Quick, Self::Standard]
            .into_iter()
            .find(|profile| profile.to_string() == name)
            .ok_or_else(|| "a profile is quick or standard".to_owned())
    }
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Spent {
    /// Opening devices.
    pub open_s: f64,
    /// Finding shapes, dispatch overhead and memory-bound sizes.
    pub prepare_s: f64,
    /// Compiling shaders.
    pub compile_s: f64,
    /// Making inputs and uploading them.
    pub inputs_s: f64,
    /// Comparing results with the reference.
    pub validate_s: f64,
    /// Running before the first sample.
    pub warm_up_s: f64,
    /// Taking samples.
    pub measure_s: f64,
}

/// What samples are taken with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Clock {
    /// Whose clock it is.
    pub kind: ClockKind,
    /// Length of a tick; null on the wall clock.
    pub period_ns: Option<f64>,
    /// Smallest step seen, which may be many ticks; null if none was looked for.
    pub quantum_ns: Option<f64>,
    /// Steps of the clock probe, in every repeat; null without one.
    pub probe_steps: Option<u32>,
}

/// Whose clock samples are taken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// Timestamps on the device, at the begin and the end of a pass.
    GpuTimestamps,
    /// The host's, from submission to completion.
    Wall,
}

/// The time of a dispatch of one word.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DispatchOverhead {
    /// One dispatch of many in a pass, each behind the one before it.
    pub dispatch_ns: Estimate,
    /// From submission to completion, by the wall clock.
    pub submit_to_complete_ns: Estimate,
}

/// From which size on memory bounds the copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryScan {
    /// Bytes that a dispatch moves, from which on it is memory that bounds it.
    pub from_bytes: u64,
    /// Whether the throughput stood still at larger sizes; false if the largest size that fits had
    /// to do.
    pub settled: bool,
    /// The copy by size.
    pub scan: Vec<MemoryPoint>,
}

/// The copy at one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryPoint {
    /// Elements of each tensor.
    pub elements: u64,
    /// Bytes that a dispatch moves.
    pub bytes: u64,
    /// Throughput of the quarter of its samples that was least disturbed.
    pub bytes_per_second: f64,
}

/// A shape that was tried on a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShapeTrial {
    /// `direction/dtype/activation/variant`.
    pub kernel: String,
    /// Elements of each tensor.
    pub elements: u64,
    /// The shape.
    #[serde(flatten)]
    pub shape: Shape,
    /// Time of one dispatch.
    pub ns: Estimate,
    /// Whether the measurements were taken in it.
    pub chosen: bool,
}

impl Report {
    /// Computes what follows from the samples: the `derived` of every row, the ratios and the
    /// summary.
    pub fn derive(&mut self) {
        for measurement in &mut self.measurements {
            measurement.derived = measurement.derived();
        }
        for rate in &mut self.arithmetic {
            rate.derived = rate.derived();
        }
        for ridge in &mut self.ridges {
            ridge.derived = ridge.derived();
        }
        self.ratios = ratio::ratios(self);
        self.fastest = fastest::fastest(self);
    }

    /// Removes what identifies a person or a machine.
    pub fn anonymize(&mut self) {
        anonymize(&mut self.run, &mut self.system, &mut self.adapter);
    }
}

/// Removes the host's name, where the adapter sits, and folders in the arguments, of which whatever
/// follows the last slash or backslash stays. What the user chose to say stays as well: labels, the
/// filter, file names.
pub fn anonymize(run: &mut Run, system: &mut System, adapter: &mut AdapterFacts) {
    system.host = None;
    adapter.pci_bus_id = None;
    for argument in &mut run.argv {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => (format!("{flag}="), value),
            _ => (String::new(), argument.as_str()),
        };
        *argument = flag + value.rsplit(['/', '\\']).next().unwrap_or_default();
    }
}

/// The JSON Schema (draft 2020-12) of a report, as published in `schema/report-2.schema.json`.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
