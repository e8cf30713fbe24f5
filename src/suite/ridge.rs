//! Ridges: memory-bound tensors, streamed with k steps of sigmoid between load and store, by k.

use std::time::Instant;

use super::arithmetic;
use super::bench::{Bench, fixed, takes};
use super::plan::PlannedRidge;
use super::quality::{Circumstances, Sampled};
use crate::error::{Error, Result};
use crate::gpu::{Shape, Workload, dump};
use crate::measure::Member;
use crate::report::{
    Arithmetic, BoundBy, Dropped, Measurement, Reason, Report, Ridge, RidgeTime, Status,
};
use crate::validate::chain::ChainRunner;

/// k goes to at least this multiple of the ridge point: there arithmetic alone bounds the time.
const PAST_THE_RIDGE: f64 = 4.0;

/// The largest k that is tried, where memory is slow beyond measure.
const MOST_STEPS: f64 = 1024.0;

/// At k = 0 the kernel may take this multiple of copy's time, and a step this multiple of its time
/// in a chain. Beyond, the kernel is not what the ridge point is about.
const MOST_OVER: f64 = 1.1;

/// What the first repeat finds for a ridge, and those after it take over.
#[derive(Clone, Debug)]
pub struct Found {
    elements: u64,
    words: u32,
    steps: Vec<u32>,
}

/// How a ridge is measured.
pub struct Streamed<'a> {
    /// With what.
    pub bench: &'a Bench<'a>,
    /// Which.
    pub planned: PlannedRidge,
    /// In which shape.
    pub shape: Shape,
}

impl Streamed<'_> {
    /// Times the ridge and writes what is found into its row. Why it can't be measured stands
    /// there; a result that is wrong is returned.
    pub fn measure(
        &self,
        found: &mut Option<Found>,
        row: &mut Ridge,
        report: &mut Report,
    ) -> Result<Option<Error>> {
        let bench = self.bench;
        let samples = row.points.first().map_or(0, |point| point.samples_ns.len());
        if !takes(bench.repeat, row.status, samples, row.rounds_per_repeat) {
            return Ok(None);
        }
        let reason = match self.try_to_measure(found, row, report) {
            Ok(None) => return Ok(None),
            Ok(Some(reason)) => reason,
            Err(error @ Error::Unsupported(_)) => Reason::from(&error),
            Err(error @ (Error::Mismatch(_) | Error::Compile { .. })) => {
                row.status = Status::Failed;
                row.reason = Some(Reason::from(&error));
                return Ok(Some(error));
            }
            Err(error) => return Err(error),
        };
        if row.points.is_empty() {
            let is_able = bench.gpu.supports_dtype(self.planned.dtype).is_ok();
            row.status = if is_able { Status::Skipped } else { Status::Unsupported };
            row.reason = Some(reason);
        } else {
            let because = Box::new(reason);
            row.notes.push(Reason::MissedRepeats { repeats: bench.repeat, because });
        }
        Ok(None)
    }

    /// Returns why there is no ridge in this report, if there is none.
    fn try_to_measure(
        &self,
        found: &mut Option<Found>,
        row: &mut Ridge,
        report: &mut Report,
    ) -> Result<Option<Reason>> {
        let bench = self.bench;
        bench.gpu.supports_dtype(self.planned.dtype)?;
        let began = Instant::now();
        if found.is_none() {
            match self.find(row, report)? {
                Ok(first) => *found = Some(first),
                Err(reason) => return Ok(Some(reason)),
            }
        }
        let Some(Found { elements, words, steps }) = found else { unreachable!("just found") };
        let runner = self.runner(*words, *elements)?;
        let workloads: Vec<Workload> =
            steps.iter().map(|steps| runner.checked_at(*steps)).collect::<Result<_>>()?;
        report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        let members: Vec<&Workload> = workloads.iter().collect();
        let fixed = fixed([(row.dispatches_per_sample, row.rounds_per_repeat)]);
        let samples = bench.measure(&members, &bench.plan, fixed, &mut report.run.spent)?;
        if row.points.is_empty() {
            let point = |steps: &u32| RidgeTime { steps: *steps, samples_ns: Vec::new() };
            row.points = steps.iter().map(point).collect();
        }
        for (point, member) in row.points.iter_mut().zip(samples.members) {
            row.dropped += Dropped::of(&member);
            point.samples_ns.extend(member.ns);
        }
        row.shape = Some(runner.shape());
        row.wgsl_sha256 = Some(dump::wgsl_sha256(&runner.chain.wgsl()));
        if let Some(dump) = bench.dump {
            runner.dump(dump, &row.id)?;
        }
        row.dispatches_per_sample = samples.fixed.dispatches;
        row.rounds_per_repeat = samples.fixed.rounds;
        judge(row, report, &bench.circumstances());
        Ok(None)
    }

    fn runner(&self, words: u32, elements: u64) -> Result<ChainRunner<'_>> {
        let Bench { gpu, settings, .. } = *self.bench;
        ChainRunner::shaped(gpu, self.planned.chain(words), self.shape, elements, settings.seed)
    }

    /// Size, k and words, in the first repeat.
    fn find(&self, row: &mut Ridge, report: &Report) -> Result<Result<Found, Reason>> {
        let Some(copy) = copy_of(self.planned, &report.measurements) else {
            return Ok(Err(Reason::NoMemoryBoundSize));
        };
        let step = report.arithmetic.iter().find(|other| other.id == row.chain);
        let Some(step) = step.and_then(Arithmetic::derived) else {
            return Ok(Err(Reason::NoStepTime));
        };
        let Some(copy_ns) = copy.ns_per_element() else { return Ok(Err(Reason::NoCopyTime)) };
        let ridge = copy_ns * 1e3 / step.step_ps.median;
        row.copy = Some(copy.id.clone());
        row.elements = copy.elements;
        row.bytes = copy.bytes;
        let steps = steps_around(ridge);
        let past = steps.iter().copied().find(|steps| f64::from(*steps) >= ridge).unwrap_or(1);
        let words = self.fastest_words(row.elements, past)?;
        Ok(Ok(Found { elements: row.elements, words, steps }))
    }

    /// The number of words a lane for which no step and those of the ridge take the least together:
    /// both ends of the curve matter.
    fn fastest_words(&self, elements: u64, ridge: u32) -> Result<u32> {
        let first = self.runner(arithmetic::WORDS[0], elements)?;
        let ends = |words| {
            let runner = first.with_words(words)?;
            Ok([runner.checked_at(0)?, runner.checked_at(ridge)?])
        };
        let pairs: Vec<_> = arithmetic::WORDS.into_iter().map(ends).collect::<Result<_>>()?;
        let sum =
            |_, [near, far]: &[Member; 2]| Some(near.undisturbed_ns()? + far.undisturbed_ns()?);
        let fastest = self.bench.cheapest(&pairs, sum)?;
        let fastest =
            fastest.ok_or_else(|| Error::Unsupported("the clock gave no time".to_owned()))?;
        Ok(arithmetic::WORDS[fastest])
    }
}

/// Copy or add of the smallest size that memory bounds.
fn copy_of(planned: PlannedRidge, measurements: &[Measurement]) -> Option<&Measurement> {
    let is_its = |row: &&Measurement| {
        row.bound_by == Some(BoundBy::Memory)
            && row.direction == planned.direction.name()
            && row.dtype == planned.dtype.name()
            && row.activation == planned.direction.copy()
            && row.status == Status::Ok
    };
    measurements.iter().filter(is_its).min_by_key(|row| row.elements)
}

/// 0, the powers of two up to past the ridge point, and the whole number next to it.
fn steps_around(ridge: f64) -> Vec<u32> {
    let last = (PAST_THE_RIDGE * ridge).clamp(4.0, MOST_STEPS);
    let mut steps: Vec<u32> = vec![0];
    steps.extend((0..).map(|power| 1 << power).take_while(|steps| f64::from(*steps) < 2.0 * last));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^10")]
    let nearest = ridge.round().clamp(1.0, MOST_STEPS) as u32;
    steps.push(nearest);
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// Valid where every figure follows, and where this kernel streams as copy does and its steps take
/// as long as those of the chain.
fn judge(row: &mut Ridge, report: &Report, circumstances: &Circumstances) {
    row.status = Status::Ok;
    let first_ns = row.points.first().and_then(|point| row.time_ns(point));
    let sampled = Sampled {
        count: row.points.iter().map(|point| point.samples_ns.len()).sum(),
        dropped: &row.dropped,
        shortest_ns: first_ns.map(|time| time.median * f64::from(row.dispatches_per_sample)),
    };
    let mut notes: Vec<Reason> = sampled.note().into_iter().collect();
    let derived = row.derived(&report.measurements, &report.arithmetic);
    let mut complaint =
        sampled.complaint(circumstances).or(derived.is_none().then_some(Reason::NoRidge));
    if let Some(derived) = derived.filter(|_| complaint.is_none()) {
        let (stream, step) = (derived.stream_over_copy, derived.step_over_chain);
        let slow = [
            (stream, Reason::SlowerThanCopy { ratio: stream }),
            (step, Reason::SlowerStep { ratio: step }),
        ];
        for (_, reason) in slow.into_iter().filter(|(ratio, _)| ratio.low > MOST_OVER) {
            // On a CPU both compete for the same cores.
            if circumstances.is_software {
                notes.push(reason);
            } else {
                complaint = Some(reason);
            }
        }
    }
    row.notes = notes;
    row.status = if complaint.is_none() { Status::Ok } else { Status::Invalid };
    row.reason = complaint;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_surrounds_the_ridge_point() {
        assert_eq!(steps_around(3.4), [0, 1, 2, 3, 4, 8, 16]);
        assert_eq!(steps_around(0.2), [0, 1, 2, 4]);
        assert_eq!(steps_around(24.0), [0, 1, 2, 4, 8, 16, 24, 32, 64, 128]);
        assert_eq!(*steps_around(1e9).last().expect("some"), 1024);
    }
}
