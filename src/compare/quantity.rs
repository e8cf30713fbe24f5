//! What is compared of a report, and what stands in the way of comparing it.

use schemars::JsonSchema;
use serde::Serialize;

use super::Settings;
use super::evidence::Side;
use crate::gpu::Shape;
use crate::report::{self, Gap, Measurement, Rate, Report, Status};

/// How much the witnesses of two reports may differ, for the clock to be called the same.
const SAME_CLOCK: f64 = 0.02;

/// What is compared: a cost, of which less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A kernel's time over that of its panel's yardstick, within rounds.
    Yardsticks,
    /// The time of an op's rung over that of fma, within rounds.
    FmaRungs,
    /// A rung of sigmoid over a rung of ReLU, within rounds.
    SigmoidOverRelu,
    /// The time of a dispatch over its elements, in ns.
    NsPerElement,
    /// The time of the rung of fma, in ps an element: the unit of the rungs.
    FmaRungPs,
}

impl Quantity {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Yardsticks,
        Self::FmaRungs,
        Self::SigmoidOverRelu,
        Self::NsPerElement,
        Self::FmaRungPs,
    ];

    /// What a table of it is headed with.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Yardsticks => "time in yardsticks",
            Self::FmaRungs => "time in fma rungs",
            Self::SigmoidOverRelu => "sigmoid : relu",
            Self::NsPerElement => "ns an element",
            Self::FmaRungPs => "ps a rung",
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
    /// Its yardstick has no times.
    NoYardstick,
    /// A device has fewer than six rounds.
    TooFewRounds,
    /// Elements, bytes, inputs or run-time checks are not the same.
    OtherWork,
    /// On one adapter, the shapes that were found best are not the same.
    OtherShape,
    /// One report is timed by the device, the other by the wall clock.
    OtherClock,
    /// The adapters are not the same: absolute times say nothing of one another there.
    OtherAdapter,
    /// One adapter is software.
    SoftwareAgainstHardware,
    /// The witnesses differ, and so does the core clock.
    ClockDiffers,
    /// There is no witness of the core clock.
    NoWitness,
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
    pub panel: String,
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
    Op(&'a Rate),
}

/// Everything that a report has to compare, in the order in which it is shown.
pub(super) fn subjects(report: &Report) -> Vec<Subject<'_>> {
    let mut subjects = Vec::new();
    for panel in report.measurements.chunk_by(|a, b| a.group() == b.group()) {
        let [yardstick, others @ ..] = panel else { continue };
        subjects.extend(others.iter().map(|kernel| in_yardsticks(kernel, yardstick)));
    }
    subjects.extend(report.rates.iter().filter(|rate| rate.op != "fma").map(in_fma_rungs));
    subjects.extend(report.gaps.iter().filter_map(|gap| over_relu(report, gap)));
    subjects.extend(report.measurements.iter().map(absolute));
    subjects.extend(report.rates.iter().filter(|rate| rate.op == "fma").map(rung_of_fma));
    subjects
}

fn in_yardsticks<'a>(kernel: &'a Measurement, yardstick: &Measurement) -> Subject<'a> {
    let rounds = kernel
        .samples_ns
        .iter()
        .zip(&yardstick.samples_ns)
        .map(|(own, unit)| Some((*own)? / (*unit)?));
    let side = status(kernel.status, kernel.reason.as_deref()).and_then(|()| {
        if yardstick.status != Status::Ok || yardstick.rounds_per_device != kernel.rounds_per_device
        {
            return Err(Missing {
                reason: Reason::NoYardstick,
                next: format!("its yardstick {} has no times to pair: measure again", yardstick.id),
            });
        }
        enough(Side::new(rounds, kernel.rounds_per_device))
    });
    Subject {
        id: &kernel.id,
        quantity: Quantity::Yardsticks,
        panel: kernel.group().to_owned(),
        side,
        what: What::Kernel(kernel),
    }
}

fn absolute(kernel: &Measurement) -> Subject<'_> {
    #[expect(clippy::cast_precision_loss, reason = "sizes stay below 2^53")]
    let elements = kernel.elements as f64;
    let rounds = kernel.samples_ns.iter().map(|ns| Some((*ns)? / elements));
    let side = status(kernel.status, kernel.reason.as_deref())
        .and_then(|()| enough(Side::new(rounds, kernel.rounds_per_device)));
    Subject {
        id: &kernel.id,
        quantity: Quantity::NsPerElement,
        panel: kernel.group().to_owned(),
        side,
        what: What::Kernel(kernel),
    }
}

fn in_fma_rungs(rate: &Rate) -> Subject<'_> {
    let rounds = rate.own.rungs_ns().zip(rate.fma.rungs_ns()).map(|(own, fma)| Some(own? / fma?));
    op(rate, Quantity::FmaRungs, Side::new(rounds, rate.rounds_per_device))
}

/// Only of rungs: a gap of streaming kernels is the quotient of two rows that are judged, and the others are made of figures that were not timed together.
fn over_relu<'a>(report: &'a Report, gap: &'a Gap) -> Option<Subject<'a>> {
    if gap.quantity != report::Quantity::Rung {
        return None;
    }
    let named = |ids: &[String]| report.rates.iter().find(|rate| ids.contains(&rate.id));
    let (sigmoid, relu) = named(&gap.sigmoid).zip(named(&gap.relu))?;
    let rounds = sigmoid
        .own
        .rungs_ns()
        .zip(relu.own.rungs_ns())
        .map(|(sigmoid, relu)| Some(sigmoid? / relu?));
    let subject =
        op(sigmoid, Quantity::SigmoidOverRelu, Side::new(rounds, sigmoid.rounds_per_device));
    Some(Subject { id: &gap.id, ..subject })
}

fn rung_of_fma(rate: &Rate) -> Subject<'_> {
    #[expect(clippy::cast_precision_loss, reason = "elements of a cache")]
    let elements = rate.elements as f64;
    let rounds = rate.own.rungs_ns().map(|ns| Some(ns? / elements * 1e3));
    op(rate, Quantity::FmaRungPs, Side::new(rounds, rate.rounds_per_device))
}

fn op(rate: &Rate, quantity: Quantity, side: Option<Side>) -> Subject<'_> {
    let side = status(rate.status, rate.reason.as_deref()).and_then(|()| enough(side));
    let panel = format!("ladder {}", rate.panel);
    Subject { id: &rate.id, quantity, panel, side, what: What::Op(rate) }
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
        next: "a device has fewer than six rounds, or a median that is not above 0: measure again"
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
        let work = |row: &Measurement| (row.elements, row.bytes, row.inputs, row.shader_checks);
        if work(base) != work(new) {
            return because(
                Reason::OtherWork,
                "elements, bytes, inputs or checks are not the same: measure both with one version",
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
                "one is timed by the device, the other by the wall clock, with launching in it: use one backend",
            );
        }
    }
    match base.quantity {
        Quantity::Yardsticks | Quantity::FmaRungs | Quantity::SigmoidOverRelu => None,
        Quantity::NsPerElement | Quantity::FmaRungPs => {
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
        let next =
            "a witness says nothing across adapters: see the time in yardsticks and fma rungs";
        return Err((Reason::OtherAdapter, next.to_owned()));
    }
    let rung_ns = |what, report: &Report| {
        let witness_ns = match what {
            What::Kernel(kernel) => kernel.witness_median_ns(),
            What::Op(rate) => rate.witness_median_ns(),
        };
        Some(witness_ns? / f64::from(report.clock.witness_rungs?))
    };
    let (Some(base), Some(new)) = (rung_ns(base, base_report), rung_ns(new, new_report)) else {
        return Err((
            Reason::NoWitness,
            "it has no witness of the core clock: see the time in rungs and yardsticks".to_owned(),
        ));
    };
    if (new / base).ln().abs() > SAME_CLOCK.ln_1p() {
        let next =
            "the witnesses differ by more than 2 %: lock the clocks, or see the time in yardsticks";
        return Err((Reason::ClockDiffers, next.to_owned()));
    }
    Ok(())
}

/// A share in percent, as it was given.
pub fn percent(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}
