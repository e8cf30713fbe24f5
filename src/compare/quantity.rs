//! What is compared of a report, and what stands in the way of comparing it.

use schemars::JsonSchema;
use serde::Serialize;

use super::Settings;
use super::evidence::Side;
use crate::gpu::Shape;
use crate::render::reasons::sentence;
use crate::report::{self, Arithmetic, Measurement, Ratio, Report, Status};

/// How much the probes of two reports may differ, for the clock to be called the same.
const SAME_CLOCK: f64 = 0.02;

/// What is compared: a cost, of which less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A kernel's time over that of its group's copy, within rounds.
    OverCopy,
    /// The time of an op's step over that of fma, within rounds.
    FmaSteps,
    /// A step of sigmoid over a step of ReLU, within rounds.
    SigmoidOverRelu,
    /// The time of a dispatch over its elements, in ns.
    NsPerElement,
    /// The time of the step of fma, in ps an element: the unit of the steps.
    FmaStepPs,
}

impl Quantity {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::OverCopy,
        Self::FmaSteps,
        Self::SigmoidOverRelu,
        Self::NsPerElement,
        Self::FmaStepPs,
    ];

    /// What a table of it is headed with.
    pub fn heading(self) -> &'static str {
        match self {
            Self::OverCopy => "time in copies",
            Self::FmaSteps => "time in fma steps",
            Self::SigmoidOverRelu => "sigmoid : relu",
            Self::NsPerElement => "ns an element",
            Self::FmaStepPs => "ps a step",
        }
    }
}

/// Why a verdict is no clearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The interval holds no change as well as one beyond the threshold.
    TooWide,
    /// By itself the row differs; among so many rows that happens by chance.
    AmongMany,
    /// It differs, and the threshold lies within its interval.
    NearThreshold,
    /// One report has no times of it.
    NotMeasured,
    /// Its copy has no times.
    NoCopy,
    /// A repeat has fewer than six rounds.
    TooFewRounds,
    /// Elements, bytes, inputs or run-time checks are not the same.
    OtherWork,
    /// On one adapter, the shapes that were found best are not the same.
    OtherShape,
    /// One report is timed by the repeat, the other by the wall clock.
    OtherClock,
    /// The adapters are not the same: absolute times say nothing of one another there.
    OtherAdapter,
    /// One adapter is software.
    SoftwareAgainstHardware,
    /// The probes differ, and so does the core clock.
    ClockDiffers,
    /// There is no probe of the core clock.
    NoProbe,
}

impl Reason {
    /// What to do about an ambiguous row, `measure` being what to measure.
    pub fn what_to_do(self, measure: &str, threshold: f64) -> String {
        let percent = percent(threshold);
        match self {
            Self::AmongMany => {
                format!("it differs by itself, but among so many rows that is chance: {measure}")
            }
            Self::NearThreshold => {
                format!(
                    "it differs, but whether by {percent} % or more is not known: {measure}, or choose another --threshold"
                )
            }
            _ => format!("no change and one of {percent} % are both possible: {measure}"),
        }
    }
}

/// What of a report is compared, row by row.
pub(super) struct Subject<'a> {
    pub id: &'a str,
    pub quantity: Quantity,
    /// Rows that are timed together.
    pub group: String,
    pub side: Result<Side, Missing>,
    what: What<'a>,
}

/// Why there is nothing to compare, and what to do about it.
pub(super) struct Missing {
    pub reason: Reason,
    pub next: String,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Kernel(&'a Measurement),
    Op(&'a Arithmetic),
}

/// Everything that a report has to compare, in the order in which it is shown.
pub(super) fn subjects(report: &Report) -> Vec<Subject<'_>> {
    let mut subjects = Vec::new();
    for group in report.measurements.chunk_by(|a, b| a.group() == b.group()) {
        let [copy, others @ ..] = group else { continue };
        subjects.extend(others.iter().map(|kernel| over_copy(kernel, copy)));
    }
    subjects.extend(report.arithmetic.iter().filter(|rate| rate.op != "fma").map(in_fma_steps));
    subjects.extend(report.ratios.iter().filter_map(|ratio| over_relu(report, ratio)));
    subjects.extend(report.measurements.iter().map(absolute));
    subjects.extend(report.arithmetic.iter().filter(|rate| rate.op == "fma").map(step_of_fma));
    subjects
}

fn over_copy<'a>(kernel: &'a Measurement, copy: &Measurement) -> Subject<'a> {
    let rounds =
        kernel.samples_ns.iter().zip(&copy.samples_ns).map(|(own, unit)| Some((*own)? / (*unit)?));
    let side =
        status(kernel.status, kernel.reason.as_ref().map(sentence).as_deref()).and_then(|()| {
            if copy.status != Status::Ok || copy.rounds_per_repeat != kernel.rounds_per_repeat {
                return Err(Missing {
                    reason: Reason::NoCopy,
                    next: format!("its copy {} has no times to pair: measure again", copy.id),
                });
            }
            enough(Side::new(rounds, kernel.rounds_per_repeat))
        });
    Subject {
        id: &kernel.id,
        quantity: Quantity::OverCopy,
        group: kernel.group().to_owned(),
        side,
        what: What::Kernel(kernel),
    }
}

fn absolute(kernel: &Measurement) -> Subject<'_> {
    #[expect(clippy::cast_precision_loss, reason = "sizes stay below 2^53")]
    let elements = kernel.elements as f64;
    let rounds = kernel.samples_ns.iter().map(|ns| Some((*ns)? / elements));
    let side = status(kernel.status, kernel.reason.as_ref().map(sentence).as_deref())
        .and_then(|()| enough(Side::new(rounds, kernel.rounds_per_repeat)));
    Subject {
        id: &kernel.id,
        quantity: Quantity::NsPerElement,
        group: kernel.group().to_owned(),
        side,
        what: What::Kernel(kernel),
    }
}

fn in_fma_steps(rate: &Arithmetic) -> Subject<'_> {
    let rounds = rate.own.steps_ns().zip(rate.fma.steps_ns()).map(|(own, fma)| Some(own? / fma?));
    op(rate, Quantity::FmaSteps, Side::new(rounds, rate.rounds_per_repeat))
}

/// Only of steps: a ratio of streaming kernels is the quotient of two rows that are judged, and the others are made of figures that were not timed together.
fn over_relu<'a>(report: &'a Report, ratio: &'a Ratio) -> Option<Subject<'a>> {
    if ratio.quantity != report::Quantity::Step {
        return None;
    }
    let named = |ids: &[String]| report.arithmetic.iter().find(|rate| ids.contains(&rate.id));
    let (sigmoid, relu) = named(&ratio.numerator).zip(named(&ratio.denominator))?;
    let rounds = sigmoid
        .own
        .steps_ns()
        .zip(relu.own.steps_ns())
        .map(|(sigmoid, relu)| Some(sigmoid? / relu?));
    let subject =
        op(sigmoid, Quantity::SigmoidOverRelu, Side::new(rounds, sigmoid.rounds_per_repeat));
    Some(Subject { id: &ratio.id, ..subject })
}

fn step_of_fma(rate: &Arithmetic) -> Subject<'_> {
    #[expect(clippy::cast_precision_loss, reason = "elements of a cache")]
    let elements = rate.elements as f64;
    let rounds = rate.own.steps_ns().map(|ns| Some(ns? / elements * 1e3));
    op(rate, Quantity::FmaStepPs, Side::new(rounds, rate.rounds_per_repeat))
}

fn op(rate: &Arithmetic, quantity: Quantity, side: Option<Side>) -> Subject<'_> {
    let side = status(rate.status, rate.reason.as_ref().map(sentence).as_deref())
        .and_then(|()| enough(side));
    let group = format!("chain {}", rate.group);
    Subject { id: &rate.id, quantity, group, side, what: What::Op(rate) }
}

fn status(status: Status, reason: Option<&str>) -> Result<(), Missing> {
    if status == Status::Ok {
        return Ok(());
    }
    let reason = reason.unwrap_or("no reason was given");
    let next = format!("it is {}: {reason}", status.name());
    Err(Missing { reason: Reason::NotMeasured, next })
}

fn enough(side: Option<Side>) -> Result<Side, Missing> {
    side.ok_or_else(|| Missing {
        reason: Reason::TooFewRounds,
        next: "a repeat has fewer than six rounds, or a median that is not above 0: measure again"
            .to_owned(),
    })
}

impl<'a> Subject<'a> {
    /// What it is matched by.
    pub fn key(&self) -> (Quantity, &'a str) {
        (self.quantity, self.id)
    }

    /// Whether it has times, whatever can be made of them.
    pub fn is_measured(&self) -> bool {
        let status = match self.what {
            What::Kernel(kernel) => kernel.status,
            What::Op(rate) => rate.status,
        };
        status == Status::Ok
    }

    /// What is not the same about how it was measured.
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let shapes = |a: Option<Shape>, b: Option<Shape>| a.zip(b).is_some_and(|(a, b)| a != b);
        let mut changes = Vec::new();
        match (self.what, other.what) {
            (What::Kernel(base), What::Kernel(new)) => {
                if base
                    .wgsl_sha256
                    .as_ref()
                    .zip(new.wgsl_sha256.as_ref())
                    .is_some_and(|(base, new)| base != new)
                {
                    changes.push("shader".to_owned());
                }
                if shapes(base.shape, new.shape) {
                    changes.push("shape".to_owned());
                }
            }
            (What::Op(base), What::Op(new)) => {
                if base
                    .wgsl_sha256
                    .as_ref()
                    .zip(new.wgsl_sha256.as_ref())
                    .is_some_and(|(base, new)| base != new)
                {
                    changes.push("shader".to_owned());
                }
                if shapes(base.shape, new.shape) {
                    changes.push("shape".to_owned());
                }
                if base.chains != new.chains {
                    changes.push("chains".to_owned());
                }
            }
            _ => {}
        }
        changes
    }
}

/// What keeps two rows that have times from being judged, and what to do about it.
pub(super) fn obstacle(
    base: &Subject,
    new: &Subject,
    base_report: &Report,
    new_report: &Report,
    settings: &Settings,
) -> Option<(Reason, String)> {
    let because = |reason, next: &str| Some((reason, next.to_owned()));
    if base_report.adapter.is_software != new_report.adapter.is_software
        && !settings.software_against_hardware
    {
        return because(
            Reason::SoftwareAgainstHardware,
            "a software adapter measures the CPU: compare it with a software adapter, or pass --software-against-hardware",
        );
    }
    if let (What::Kernel(base), What::Kernel(new)) = (base.what, new.what) {
        let work = |row: &Measurement| (row.elements, row.bytes);
        if work(base) != work(new) {
            return because(
                Reason::OtherWork,
                "elements or bytes are not the same: measure both with one version",
            );
        }
        if base_report.adapter.is_like(&new_report.adapter)
            && base.shape.zip(new.shape).is_some_and(|(base, new)| base != new)
        {
            return because(
                Reason::OtherShape,
                "measured in another shape, which may be nearly as good and gives another ratio: `run --baseline` keeps the base's",
            );
        }
        if base_report.clock.kind != new_report.clock.kind {
            return because(
                Reason::OtherClock,
                "one is timed by the repeat, the other by the wall clock, with launching in it: use one backend",
            );
        }
    }
    match base.quantity {
        Quantity::OverCopy | Quantity::FmaSteps | Quantity::SigmoidOverRelu => None,
        Quantity::NsPerElement | Quantity::FmaStepPs => {
            same_clock(base.what, new.what, base_report, new_report).err()
        }
    }
}

/// Whether absolute times can be held against each other.
fn same_clock(
    base: What,
    new: What,
    base_report: &Report,
    new_report: &Report,
) -> Result<(), (Reason, String)> {
    if !base_report.adapter.is_like(&new_report.adapter) {
        let next = "a probe says nothing across adapters: see the time in copies and fma steps";
        return Err((Reason::OtherAdapter, next.to_owned()));
    }
    let step_ns = |what, report: &Report| {
        let probe_ns = match what {
            What::Kernel(kernel) => kernel.probe_median_ns(),
            What::Op(rate) => rate.probe_median_ns(),
        };
        Some(probe_ns? / f64::from(report.clock.probe_steps?))
    };
    let (Some(base), Some(new)) = (step_ns(base, base_report), step_ns(new, new_report)) else {
        return Err((
            Reason::NoProbe,
            "it has no probe of the core clock: see the time in steps and copies".to_owned(),
        ));
    };
    if (new / base).ln().abs() > SAME_CLOCK.ln_1p() {
        let next = "the probes differ by more than 2 %: lock the clocks, or see the time in copies";
        return Err((Reason::ClockDiffers, next.to_owned()));
    }
    Ok(())
}

/// A share in percent, as it was given.
pub fn percent(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}
