//! Ridges: tensors of the memory bound_by, streamed with k steps of sigmoid's chain between load and store, by k.

use std::time::Instant;

use regex::Regex;

use super::quality::{Circumstances, Sampled};
use crate::error::{Error, Result};
use crate::gpu::dump::{self, Dump};
use crate::gpu::{Gpu, Shape, Workload};
use crate::kernels::activation::Direction;
use crate::kernels::chain::{Chain, Start};
use crate::kernels::dtype::Dtype;
use crate::kernels::ops::Op;
use crate::measure::stats::Estimate;
use crate::measure::{self, Fixed, Plan, Stopwatch as _};
use crate::report::{
    Arithmetic, BoundBy, Dropped, Measurement, Profile, Report, Ridge, RidgeTime, Status,
};
use crate::suite::probe::Probe;
use crate::validate::chain::ChainRunner;

use super::arithmetic;

/// k goes to at least so many times k*, so that arithmetic alone bounds the last ones.
const PAST_THE_KNEE: f64 = 4.0;

/// The largest k that is tried, where memory is slow beyond measure.
const MOST_STEPS: f64 = 1024.0;

/// At k = 0 it may take so many times as long as the copy, and a step so many times as long as on the chain: beyond, the kernel is not what k*
/// is about.
const MOST_OVER: f64 = 1.1;

/// A ridge before it is measured.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRidge {
    /// Which pass.
    pub direction: Direction,
    dtype: Dtype,
}

/// What the first device finds for a ridge, and those after it take over.
#[derive(Clone, Debug)]
pub struct Found {
    elements: u64,
    words: u32,
    steps: Vec<u32>,
    fixed: Option<Fixed>,
}

/// The ridges of a profile.
pub fn planned_ridges(profile: Profile, filter: Option<&Regex>) -> Vec<PlannedRidge> {
    if profile == Profile::Quick {
        return Vec::new();
    }
    let all = Dtype::ALL.into_iter().flat_map(|dtype| {
        Direction::ALL.into_iter().map(move |direction| PlannedRidge { direction, dtype })
    });
    all.filter(|planned| filter.is_none_or(|filter| filter.is_match(&planned.row().id))).collect()
}

impl PlannedRidge {
    fn op(self) -> &'static Op {
        Op::of_default("sigmoid", self.direction).expect("in the table")
    }

    /// The dtype of the chain whose steps it runs.
    pub fn computed_in(self) -> Dtype {
        self.dtype.computed_in()
    }

    /// Whether it is of a group, and so needs its copy.
    pub fn is_beside(self, direction: Direction, dtype: Dtype) -> bool {
        (self.direction, self.dtype) == (direction, dtype)
    }

    /// Whether it runs the steps of an op.
    pub fn runs(self, op: &Op, dtype: Dtype) -> bool {
        self.op().name == op.name && self.computed_in() == dtype
    }

    /// Its row, not reached yet.
    pub fn row(self) -> Ridge {
        let chain = Chain::new(self.op(), self.computed_in(), 1).path();
        Ridge::new(self.direction.name(), self.dtype.name(), chain)
    }

    fn chain(self, words: u32) -> Chain {
        let start = match self.direction {
            Direction::Forward => Start::X,
            Direction::Backward => Start::Saved,
        };
        // Not unrolled: a long shader costs some drivers more than a large tensor does.
        Chain { start, unroll: 1, ..Chain::new(self.op(), self.dtype, words) }
    }

    /// The copy of the smallest size that memory bounds.
    fn copy(self, measurements: &[Measurement]) -> Option<&Measurement> {
        let of_memory = measurements.iter().filter(|row| {
            row.bound_by == Some(BoundBy::Memory)
                && row.direction == self.direction.name()
                && row.dtype == self.dtype.name()
                && row.activation == self.direction.copy()
                && row.status == Status::Ok
        });
        of_memory.min_by_key(|row| row.elements)
    }
}

/// What a ridge is measured with.
pub struct Setting<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// How much.
    pub plan: &'a Plan,
    /// The probe of its clock.
    pub probe: Option<&'a Probe>,
    /// Of the inputs.
    pub seed: u64,
    /// What the kernels of the direction are measured in.
    pub shape: Shape,
    /// Where shaders are written down.
    pub dump: Option<&'a Dump>,
    /// Devices before this one.
    pub device: u32,
}

impl Setting<'_> {
    /// Times one ridge on one device and writes what was found into its row. What can't be done and what is wrong stands there; what is wrong is
    /// returned.
    pub fn measure(
        &self,
        planned: PlannedRidge,
        found: &mut Option<Found>,
        row: &mut Ridge,
        report: &mut Report,
    ) -> Result<Option<Error>> {
        let samples = row.points.first().map_or(0, |point| point.samples_ns.len());
        if !super::takes_part(row.status, samples, row.rounds_per_repeat, self.device) {
            return Ok(None);
        }
        match self.try_to_measure(planned, found, row, report) {
            Ok(()) => Ok(None),
            Err(Error::Unsupported(reason)) if row.points.is_empty() => {
                let is_able = self.gpu.supports_dtype(planned.dtype).is_ok();
                row.status = if is_able { Status::Skipped } else { Status::Unsupported };
                row.reason = Some(reason);
                Ok(None)
            }
            Err(Error::Unsupported(reason)) => {
                row.notes.push(format!("not measured on every device: {reason}"));
                Ok(None)
            }
            Err(error @ (Error::Mismatch(_) | Error::Compile { .. })) => {
                row.status = Status::Failed;
                row.reason = Some(error.to_string());
                Ok(Some(error))
            }
            Err(error) => Err(error),
        }
    }

    fn try_to_measure(
        &self,
        planned: PlannedRidge,
        found: &mut Option<Found>,
        row: &mut Ridge,
        report: &mut Report,
    ) -> Result<()> {
        self.gpu.supports_dtype(planned.dtype)?;
        let began = Instant::now();
        let Found { elements, words, steps, fixed } = match found {
            Some(found) => found,
            None => found.insert(self.find(planned, row, report)?),
        };
        let runner =
            ChainRunner::shaped(self.gpu, planned.chain(*words), self.shape, *elements, self.seed)?;
        let workloads: Vec<Workload> =
            steps.iter().map(|steps| runner.checked_at(*steps)).collect::<Result<_>>()?;
        report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        let members: Vec<&Workload> = workloads.iter().collect();
        let probe = self.probe.map(|probe| &probe.workload);
        let samples = measure::measure(self.gpu, &members, probe, self.plan, *fixed)?;
        *fixed = Some(samples.fixed);
        report.run.spent.warm_up_s += samples.warm_up.as_secs_f64();
        report.run.spent.measure_s += samples.measure.as_secs_f64();
        if row.points.is_empty() {
            row.points = steps
                .iter()
                .map(|steps| RidgeTime { steps: *steps, samples_ns: Vec::new() })
                .collect();
        }
        for (point, member) in row.points.iter_mut().zip(samples.members) {
            row.dropped += Dropped::of(&member);
            point.samples_ns.extend(member.ns);
        }
        row.shape = Some(runner.shape());
        row.wgsl_sha256 = Some(dump::wgsl_sha256(&runner.chain.wgsl()));
        if let Some(dump) = self.dump {
            runner.dump(dump, &row.id)?;
        }
        row.dispatches_per_sample = samples.fixed.dispatches;
        row.rounds_per_repeat = samples.fixed.rounds;
        let (quantum_ns, is_software) = (self.gpu.quantum_ns(), self.gpu.facts.is_software);
        judge(row, report, &Circumstances { quantum_ns, is_software });
        Ok(())
    }

    /// Size, k and words, on the first device.
    fn find(&self, planned: PlannedRidge, row: &mut Ridge, report: &Report) -> Result<Found> {
        let no = |why: &str| Error::Unsupported(why.to_owned());
        let copy = planned
            .copy(&report.measurements)
            .ok_or_else(|| no("memory bounds no size of this run"))?;
        let step = report
            .arithmetic
            .iter()
            .find(|rate| rate.id == row.chain)
            .and_then(Arithmetic::derived);
        let step_ps = step.ok_or_else(|| no("the chain has no valid step"))?.step_ps.median;
        let memory_ps = copy.ns_per_element().ok_or_else(|| no("the copy has no time"))? * 1e3;
        row.copy = Some(copy.id.clone());
        row.elements = copy.elements;
        row.bytes = copy.bytes;
        let steps = steps_around(memory_ps / step_ps);
        let knee = steps
            .iter()
            .copied()
            .find(|steps| f64::from(*steps) >= memory_ps / step_ps)
            .unwrap_or(1);
        let words = self
            .fastest(planned, row.elements, knee)?
            .ok_or_else(|| no("the clock gave no time"))?;
        Ok(Found { elements: row.elements, words, steps, fixed: None })
    }

    /// The number of words a lane for which a runner of none and one of the knee's steps take the least together: both ends of the bend matter.
    fn fastest(&self, planned: PlannedRidge, elements: u64, knee: u32) -> Result<Option<u32>> {
        let first = ChainRunner::shaped(
            self.gpu,
            planned.chain(arithmetic::WORDS[0]),
            self.shape,
            elements,
            self.seed,
        )?;
        let mut workloads: Vec<[Workload; 2]> = Vec::new();
        for words in arithmetic::WORDS {
            let runner = first.with_words(words)?;
            workloads.push([runner.checked_at(0)?, runner.checked_at(knee)?]);
        }
        let members: Vec<&Workload> = workloads.iter().flatten().collect();
        let samples =
            measure::rounds(self.gpu, &members, &self.plan.briefly(), arithmetic::RANKING_ROUNDS)?;
        let both =
            |pair: &[measure::Member]| Some(pair[0].undisturbed_ns()? + pair[1].undisturbed_ns()?);
        let timed = samples
            .chunks_exact(2)
            .zip(arithmetic::WORDS)
            .filter_map(|(pair, words)| Some((both(pair)?, words)));
        Ok(timed.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, words)| words))
    }
}

/// 0, the powers of two up to past the knee, and the whole number next to k*.
fn steps_around(knee: f64) -> Vec<u32> {
    let last = (PAST_THE_KNEE * knee).clamp(4.0, MOST_STEPS);
    let mut steps: Vec<u32> = vec![0];
    steps.extend((0..).map(|power| 1 << power).take_while(|steps| f64::from(*steps) < 2.0 * last));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^10")]
    let nearest = knee.round().clamp(1.0, MOST_STEPS) as u32;
    steps.push(nearest);
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// Valid where every figure follows, and where this kernel streams as the copy does and runs as the chain does.
fn judge(row: &mut Ridge, report: &Report, circumstances: &Circumstances) {
    row.status = Status::Ok;
    row.reason = None;
    row.notes.clear();
    let first_ns = row.points.first().and_then(|point| row.time_ns(point));
    let sampled = Sampled {
        count: row.points.iter().map(|point| point.samples_ns.len()).sum(),
        dropped: &row.dropped,
        shortest_ns: first_ns.map(|time| time.median * f64::from(row.dispatches_per_sample)),
    };
    let mut notes: Vec<String> = sampled.note().into_iter().collect();
    let mut complaint = sampled.complaint(circumstances);
    match row.derived(&report.measurements, &report.arithmetic) {
        _ if complaint.is_some() => {}
        None => {
            complaint = Some(
                "its time does not grow with k, or too few samples are left for an interval"
                    .to_owned(),
            );
        }
        Some(derived) => {
            for (what, Estimate { median, low, .. }) in [
                ("without a step it takes", derived.stream_over_copy),
                ("a step takes", derived.step_over_chain),
            ] {
                if low > MOST_OVER {
                    let than =
                        if what.starts_with("without") { "the copy" } else { "on the chain" };
                    let sentence = format!("{what} {median:.2} times as long as {than}");
                    // On a CPU both compete for the same cores.
                    if circumstances.is_software {
                        notes.push(sentence);
                    } else {
                        complaint = Some(sentence + ": this kernel is not what k* is about");
                    }
                }
            }
        }
    }
    row.notes = notes;
    if complaint.is_some() {
        row.status = Status::Invalid;
        row.reason = complaint;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_surrounds_the_knee() {
        assert_eq!(steps_around(3.4), [0, 1, 2, 3, 4, 8, 16]);
        assert_eq!(steps_around(0.2), [0, 1, 2, 4]);
        assert_eq!(steps_around(24.0), [0, 1, 2, 4, 8, 16, 24, 32, 64, 128]);
        assert_eq!(*steps_around(1e9).last().expect("some"), 1024);
    }

    #[test]
    fn every_storage_and_direction_has_one_beyond_the_quick_profile() {
        assert!(planned_ridges(Profile::Quick, None).is_empty());
        let ids: Vec<String> = planned_ridges(Profile::Standard, None)
            .iter()
            .map(|planned| planned.row().id)
            .collect();
        assert_eq!(ids.len(), 6);
        let filter = Regex::new("^ridge/backward/f16$").expect("a pattern");
        assert_eq!(planned_ridges(Profile::Full, Some(&filter)).len(), 1);
    }
}
