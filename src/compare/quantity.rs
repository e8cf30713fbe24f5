//! What is compared of a report, and what stands in the way of comparing it.

use schemars::JsonSchema;
use serde::Serialize;

use super::evidence::Side;
use crate::gpu::Shape;
use crate::report::{self, Arithmetic, Measurement, Ratio, Report, Status};

/// How much the clock probes of two reports may differ, for the clock to be called the same.
const SAME_CLOCK: f64 = 0.02;

/// How reports are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Settings {
    /// The smallest relative change that is faster or slower.
    pub threshold: f64,
    /// Where both reports have one repeat: the assumed spread between medians of repeats, as a
    /// relative standard deviation.
    pub assumed_spread: f64,
    /// Whether software adapters are compared with hardware.
    pub software_against_hardware: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threshold: 0.02, assumed_spread: 0.04, software_against_hardware: false }
    }
}

/// What is compared: a cost, of which less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A kernel's time over that of its group's copy or add, within rounds.
    OverCopy,
    /// The time of an op's step over that of fma's, within rounds.
    StepFmas,
    /// A step of the numerator over a step of the denominator, within rounds.
    StepRatio,
    /// The time of a dispatch over its elements, in ns.
    NsPerElement,
    /// The time of fma's step, in ps an element: the unit of the steps.
    FmaStepPs,
}

impl Quantity {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::OverCopy, Self::StepFmas, Self::StepRatio, Self::NsPerElement, Self::FmaStepPs];
}

/// Why a row is ambiguous or incomparable.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Unclear {
    /// The interval holds no change as well as one of the threshold.
    TooWide,
    /// Significant by itself, and not after Holm's correction.
    NotSignificant {
        /// The rows that the correction counts.
        rows: u64,
    },
    /// It differs, and the threshold lies within its interval.
    NearThreshold,
    /// One report has no times of it.
    NotMeasured {
        /// Which.
        side: Which,
        /// What became of the row there.
        status: Status,
        /// Why.
        because: Option<report::Reason>,
    },
    /// Its copy or add has no times to pair.
    NoCopyTime {
        /// In which report.
        side: Which,
        /// The id of copy's or add's row.
        copy: String,
    },
    /// A repeat has fewer than six rounds, or a median that is not above 0.
    TooFewRounds {
        /// In which report.
        side: Which,
    },
    /// Elements or bytes are not the same.
    OtherWork,
    /// One adapter, and two shapes.
    OtherShape,
    /// One report is timed by the GPU, the other by the wall clock.
    OtherClock,
    /// Absolute times of two adapters.
    OtherAdapter,
    /// One adapter is software.
    SoftwareAgainstHardware,
    /// The clock probes differ by more than 2 %.
    ClockDiffers,
    /// There is no clock probe.
    NoProbe,
}

/// One of the two reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// What is compared with.
    Base,
    /// The other.
    New,
}

/// What of a report is compared, row by row.
pub(super) struct Subject<'a> {
    pub id: &'a str,
    pub quantity: Quantity,
    /// Rows that are timed together.
    pub group: String,
    /// Whether it has times, whatever can be made of them.
    pub is_measured: bool,
    pub side: Result<Side, Unclear>,
    report: &'a Report,
    /// Elements and bytes; none of a chain.
    work: Option<[u64; 2]>,
    shape: Option<Shape>,
    shader: Option<&'a str>,
    /// Chains of a lane; 0 of a kernel.
    chains: u32,
    probe_ns: Option<f64>,
}

/// Whether both are known and not the same.
fn differ<T: PartialEq>(base: Option<T>, new: Option<T>) -> bool {
    base.zip(new).is_some_and(|(base, new)| base != new)
}

/// Everything that a report has to compare, in the order in which it is shown.
pub(super) fn subjects(report: &Report, which: Which) -> Vec<Subject<'_>> {
    let of = Of { report, which };
    let (fmas, ops): (Vec<_>, Vec<_>) = report.arithmetic.iter().partition(|row| row.op == "fma");
    let mut subjects = Vec::new();
    for group in report.measurements.chunk_by(|a, b| a.group() == b.group()) {
        let [copy, others @ ..] = group else { continue };
        subjects.extend(others.iter().map(|row| of.over_copy(row, copy)));
    }
    subjects.extend(ops.into_iter().map(|row| {
        of.chain(row, Quantity::StepFmas, quotients(row.own.steps_ns(), row.fma.steps_ns()))
    }));
    subjects.extend(report.ratios.iter().filter_map(|ratio| of.step_ratio(ratio)));
    subjects.extend(report.measurements.iter().map(|row| {
        let elements = row.elements as f64;
        let rounds = row.samples_ns.iter().map(|ns| Some((*ns)? / elements));
        of.kernel(row, Quantity::NsPerElement, rounds)
    }));
    subjects.extend(fmas.into_iter().map(|row| {
        let elements = row.elements as f64;
        let rounds = row.own.steps_ns().map(|ns| Some(ns? / elements * 1e3));
        of.chain(row, Quantity::FmaStepPs, rounds)
    }));
    subjects
}

/// By round, the one over the other.
fn quotients(own: impl Rounds, other: impl Rounds) -> impl Rounds {
    own.zip(other).map(|(own, other)| Some(own? / other?))
}

/// A figure of each round; none where the round gave none.
trait Rounds: Iterator<Item = Option<f64>> {}

impl<I: Iterator<Item = Option<f64>>> Rounds for I {}

/// Makes the subjects of one report.
struct Of<'a> {
    report: &'a Report,
    which: Which,
}

impl<'a> Of<'a> {
    fn over_copy(&self, row: &'a Measurement, copy: &Measurement) -> Subject<'a> {
        let [own, of_copy] = [row, copy].map(|row| row.samples_ns.iter().copied());
        let mut subject = self.kernel(row, Quantity::OverCopy, quotients(own, of_copy));
        let is_paired =
            copy.status == Status::Ok && copy.rounds_per_repeat == row.rounds_per_repeat;
        if subject.is_measured && !is_paired {
            let copy = copy.id.clone();
            subject.side = Err(Unclear::NoCopyTime { side: self.which, copy });
        }
        subject
    }

    /// Of steps alone: a ratio of streaming kernels is the quotient of two rows that are judged,
    /// and other ratios are made of figures that were not timed together.
    fn step_ratio(&self, ratio: &'a Ratio) -> Option<Subject<'a>> {
        if ratio.quantity != report::Quantity::Step {
            return None;
        }
        let row = |ids: &[String]| self.report.arithmetic.iter().find(|row| ids.contains(&row.id));
        let (numerator, denominator) = (row(&ratio.numerator_rows)?, row(&ratio.denominator_rows)?);
        let rounds = quotients(numerator.own.steps_ns(), denominator.own.steps_ns());
        Some(Subject { id: &ratio.id, ..self.chain(numerator, Quantity::StepRatio, rounds) })
    }

    fn kernel(&self, row: &'a Measurement, quantity: Quantity, rounds: impl Rounds) -> Subject<'a> {
        Subject {
            id: &row.id,
            quantity,
            group: row.group().to_owned(),
            is_measured: row.status == Status::Ok,
            side: self.side(row.status, row.reason.as_ref(), rounds, row.rounds_per_repeat),
            report: self.report,
            work: Some([row.elements, row.bytes]),
            shape: row.shape,
            shader: row.wgsl_sha256.as_deref(),
            chains: 0,
            probe_ns: row.probe_median_ns(),
        }
    }

    fn chain(&self, row: &'a Arithmetic, quantity: Quantity, rounds: impl Rounds) -> Subject<'a> {
        Subject {
            id: &row.id,
            quantity,
            group: row.group.to_string(),
            is_measured: row.status == Status::Ok,
            side: self.side(row.status, row.reason.as_ref(), rounds, row.rounds_per_repeat),
            report: self.report,
            work: None,
            shape: row.shape,
            shader: row.wgsl_sha256.as_deref(),
            chains: row.chains,
            probe_ns: row.probe_median_ns(),
        }
    }

    fn side(
        &self,
        status: Status,
        because: Option<&report::Reason>,
        rounds: impl Rounds,
        per_repeat: u32,
    ) -> Result<Side, Unclear> {
        let side = self.which;
        if status != Status::Ok {
            return Err(Unclear::NotMeasured { side, status, because: because.cloned() });
        }
        Side::new(rounds, per_repeat).ok_or(Unclear::TooFewRounds { side })
    }
}

impl Subject<'_> {
    /// What it is matched by.
    pub fn key(&self) -> (Quantity, &str) {
        (self.quantity, self.id)
    }

    /// What is not the same about how it was measured.
    pub fn changes(&self, new: &Self) -> Vec<String> {
        let changes = [
            ("shader", differ(self.shader, new.shader)),
            ("shape", differ(self.shape, new.shape)),
            ("chains", self.chains != new.chains),
        ];
        changes.iter().filter(|(_, is)| *is).map(|(what, _)| (*what).to_owned()).collect()
    }

    /// What keeps two rows that have times from being judged.
    pub fn obstacle(&self, new: &Self, settings: &Settings) -> Option<Unclear> {
        let (adapter, new_adapter) = (&self.report.adapter, &new.report.adapter);
        let is_kernel = self.work.is_some();
        let is_one_adapter = adapter.is_like(new_adapter);
        if adapter.is_software != new_adapter.is_software && !settings.software_against_hardware {
            Some(Unclear::SoftwareAgainstHardware)
        } else if self.work != new.work {
            Some(Unclear::OtherWork)
        } else if is_kernel && is_one_adapter && differ(self.shape, new.shape) {
            Some(Unclear::OtherShape)
        } else if is_kernel && self.report.clock.kind != new.report.clock.kind {
            Some(Unclear::OtherClock)
        } else if !matches!(self.quantity, Quantity::NsPerElement | Quantity::FmaStepPs) {
            // What does not change with the core clock.
            None
        } else if is_one_adapter {
            self.clock_obstacle(new)
        } else {
            Some(Unclear::OtherAdapter)
        }
    }

    /// Whether the probes tell that the core clock was the same.
    fn clock_obstacle(&self, new: &Self) -> Option<Unclear> {
        let step_ns =
            |subject: &Self| Some(subject.probe_ns? / f64::from(subject.report.clock.probe_steps?));
        let Some((base, new)) = step_ns(self).zip(step_ns(new)) else {
            return Some(Unclear::NoProbe);
        };
        ((new / base).ln().abs() > SAME_CLOCK.ln_1p()).then_some(Unclear::ClockDiffers)
    }
}
