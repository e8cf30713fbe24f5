//! Ridges: copy, both activations of a pair, and their chains between load and store, over tensors
//! of one size that memory bounds.

use std::time::Instant;

use super::arithmetic;
use super::bench::{Bench, fixed, takes};
use super::plan::PlannedRidge;
use super::quality::{self, Circumstances, Sampled};
use super::tensors::SharedTensors;
use crate::error::{Error, Result};
use crate::gpu::{Shape, Workload, dump};
use crate::kernels::chain::Chain;
use crate::report::{Dropped, Reason, Report, Ridge, RidgeMember, Status};
use crate::validate::chain::ChainRunner;

/// k steps take at least this multiple of copy's time: arithmetic alone sets the pace.
const PAST_COPY: f64 = 3.0;

/// What was measured may fall so far short of that.
const AT_LEAST_PAST: f64 = 2.0;

/// The fewest and the most steps for k.
const FEWEST_STEPS: u32 = 4;
const MOST_STEPS: u32 = 1 << 12;

/// How a ridge is measured.
pub struct Streamed<'a> {
    /// With what.
    pub bench: &'a Bench<'a>,
    /// Which.
    pub planned: &'a PlannedRidge,
    /// In which shape.
    pub shape: Shape,
}

/// A member, ready to be timed: without samples.
type Ready = (RidgeMember, Workload);

impl Streamed<'_> {
    /// Times the ridge and writes what is found into its row. Why it can't be measured stands
    /// there; a result that is wrong is returned.
    pub fn measure(&self, row: &mut Ridge, report: &mut Report) -> Result<Option<Error>> {
        let bench = self.bench;
        let samples = row.members.first().map_or(0, |member| member.samples_ns.len());
        if !takes(bench.repeat, row.status, samples, row.rounds_per_repeat) {
            return Ok(None);
        }
        let (status, reason) = match self.try_to_measure(row, report) {
            Ok(None) => return Ok(None),
            Ok(Some(reason)) => (Status::Unsupported, reason),
            Err(error @ Error::Unsupported(_)) => {
                let is_able = bench.gpu.supports_dtype(self.planned.dtype).is_ok();
                let status = if is_able { Status::Skipped } else { Status::Unsupported };
                (status, Reason::from(&error))
            }
            Err(error @ (Error::Mismatch(_) | Error::Compile { .. })) => {
                row.status = Status::Failed;
                row.reason = Some(Reason::from(&error));
                return Ok(Some(error));
            }
            Err(error) => return Err(error),
        };
        if row.members.is_empty() {
            (row.status, row.reason) = (status, Some(reason));
        } else {
            let because = Box::new(reason);
            row.notes.push(Reason::MissedRepeats { repeats: bench.repeat, because });
        }
        Ok(None)
    }

    /// Returns why there is no ridge in this report, if there is none.
    fn try_to_measure(&self, row: &mut Ridge, report: &mut Report) -> Result<Option<Reason>> {
        let (bench, planned) = (self.bench, self.planned);
        if bench.gpu.facts.is_software {
            return Ok(Some(Reason::SharedCores));
        }
        let (kernels, chains) = match (planned.kernels(), planned.chains()) {
            (Ok(kernels), Ok(chains)) => (kernels, chains),
            (Err(lacks), _) | (_, Err(lacks)) => return Ok(Some(lacks)),
        };
        let began = Instant::now();
        bench.gpu.supports_dtype(planned.dtype)?;
        if row.elements == 0 {
            let Some(memory) = &report.memory_scan else {
                return Ok(Some(Reason::NoMemoryBoundSize));
            };
            row.elements = memory.from_bytes.div_ceil(kernels[0].bytes(1)).next_power_of_two();
            row.bytes = kernels[0].bytes(row.elements);
            row.notes.extend((!memory.settled).then_some(Reason::NotSettled));
        }
        let mut tensors =
            SharedTensors::new(bench.gpu, planned.dtype, row.elements, bench.settings.seed)?;
        let mut ready: Vec<Ready> = Vec::new();
        for kernel in kernels {
            let checks = bench.settings.checks;
            let (workload, _) = tensors.checked_workload(kernel, self.shape, checks)?;
            ready.push((member(&kernel.member_id(), None, &kernel.wgsl()), workload));
        }
        for (chain, place) in chains.into_iter().zip([3, 5]) {
            let known = row.members.get(place).map(|member| (member.words, member.steps));
            let (runner, steps) = self.runner(chain, row.elements, known, &ready[0].1)?;
            for steps in [steps, 4 * steps] {
                let (name, wgsl) = (&runner.chain.op.name, runner.chain.wgsl());
                let member = member(name, Some((runner.chain.words, steps)), &wgsl);
                ready.push((member, runner.checked_at(steps)?));
            }
            if let Some(dump) = bench.dump {
                runner.dump(dump, &format!("{}/{}", row.id, runner.chain.op.name))?;
            }
        }
        report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        let members: Vec<&Workload> = ready.iter().map(|(_, workload)| workload).collect();
        let fixed = fixed([(row.dispatches_per_sample, row.rounds_per_repeat)]);
        let samples = bench.measure(&members, &bench.plan, fixed, &mut report.run.spent)?;
        if row.members.is_empty() {
            row.members = ready.into_iter().map(|(member, _)| member).collect();
        }
        for (member, taken) in row.members.iter_mut().zip(samples.members) {
            row.dropped += Dropped::of(&taken);
            member.samples_ns.extend(taken.ns);
        }
        row.shape = Some(self.shape);
        row.dispatches_per_sample = samples.fixed.dispatches;
        row.rounds_per_repeat = samples.fixed.rounds;
        judge(row, &bench.circumstances());
        Ok(None)
    }

    /// A chain over tensors of so many elements, with its k: as in an earlier repeat, else the
    /// fewest steps that take long enough beside copy, and the words a lane with which they take
    /// least.
    fn runner(
        &self,
        chain: Chain,
        elements: u64,
        known: Option<(u32, u32)>,
        copy: &Workload,
    ) -> Result<(ChainRunner<'_>, u32)> {
        let Bench { gpu, settings, .. } = *self.bench;
        let shaped = |chain| ChainRunner::shaped(gpu, chain, self.shape, elements, settings.seed);
        if let Some((words, steps)) = known {
            return Ok((shaped(Chain { words, ..chain })?, steps));
        }
        let past_copy = |runner: &ChainRunner<'_>, mut steps: u32| {
            while steps < MOST_STEPS {
                let members = [copy, &runner.at(steps)?];
                let [copy_ns, ns] = arithmetic::undisturbed(self.bench, members)?;
                if ns >= PAST_COPY * copy_ns {
                    break;
                }
                steps *= 2;
            }
            Ok::<u32, Error>(steps)
        };
        let first = shaped(chain)?;
        let steps = past_copy(&first, FEWEST_STEPS)?;
        let more = arithmetic::WORDS.into_iter().skip(1);
        let more = more.map(|words| Ok((first.again(Chain { words, ..chain })?, steps)));
        let mut tried = more.collect::<Result<Vec<_>>>()?;
        tried.insert(0, (first, steps));
        let (fastest, steps) = tried.swap_remove(arithmetic::fastest(self.bench, &tried)?);
        let steps = past_copy(&fastest, steps)?;
        Ok((fastest, steps))
    }
}

fn member(name: &str, chain: Option<(u32, u32)>, wgsl: &str) -> RidgeMember {
    let (words, steps) = chain.unwrap_or_default();
    let wgsl_sha256 = dump::wgsl_sha256(wgsl);
    RidgeMember { name: name.to_owned(), steps, words, wgsl_sha256, samples_ns: Vec::new() }
}

/// Valid where every figure follows.
fn judge(row: &mut Ridge, circumstances: &Circumstances) {
    quality::forget(&mut row.notes);
    row.status = Status::Ok;
    let copy_ns = row.ns_per_element(&row.members[0]).map(|ns| ns.median * row.elements as f64);
    let sampled = Sampled {
        count: row.members.iter().map(|member| member.samples_ns.len()).sum(),
        dropped: &row.dropped,
        shortest_ns: copy_ns.map(|ns| ns * f64::from(row.dispatches_per_sample)),
    };
    let too_few = row.derived().is_none().then_some(Reason::NoRidge);
    let ns = |place: usize| row.ns_per_element(&row.members[place]).map(|ns| ns.median);
    let is_past = |place| ns(place).zip(ns(0)).is_none_or(|(k, copy)| k >= AT_LEAST_PAST * copy);
    let hidden = [3, 5].into_iter().any(|place| !is_past(place)).then_some(Reason::NotPastCopy);
    let complaint = sampled.complaint(circumstances).or(too_few).or(hidden);
    row.notes.extend(sampled.note());
    row.status = if complaint.is_none() { Status::Ok } else { Status::Invalid };
    row.reason = complaint;
}
