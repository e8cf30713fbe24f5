//! Crossovers: tensors of the memory regime, streamed with k rungs of sigmoid's ladder between load and store, by k.

use std::time::Instant;

use regex::Regex;

use super::quality::{Circumstances, Sampled};
use crate::error::{Error, Result};
use crate::gpu::dump::{self, Dump};
use crate::gpu::{Gpu, Shape, Workload};
use crate::kernels::activation::Direction;
use crate::kernels::chain::{Ladder, Start};
use crate::kernels::dtype::Storage;
use crate::kernels::ops::Op;
use crate::measure::stats::Estimate;
use crate::measure::{self, Fixed, Plan, Stopwatch as _};
use crate::report::{
    Crossover, CrossoverPoint, Dropped, Measurement, Profile, Rate, Regime, Report, Status,
};
use crate::suite::probe::Witness;
use crate::validate::chain::Climb;

use super::rates;

/// k goes to at least so many times k*, so that arithmetic alone bounds the last ones.
const PAST_THE_KNEE: f64 = 4.0;

/// The largest k that is tried, where memory is slow beyond measure.
const MOST_RUNGS: f64 = 1024.0;

/// At k = 0 it may take so many times as long as the yardstick, and a rung so many times as long as on the ladder: beyond, the kernel is not what k*
/// is about.
const MOST_OVER: f64 = 1.1;

/// A crossover before it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Crossing {
    /// Which pass.
    pub direction: Direction,
    storage: Storage,
}

/// What the first device finds for a crossover, and those after it take over.
#[derive(Clone, Debug)]
pub struct Found {
    elements: u64,
    words: u32,
    rungs: Vec<u32>,
    fixed: Option<Fixed>,
}

/// The crossovers of a profile.
#[must_use]
pub fn crossings(profile: Profile, filter: Option<&Regex>) -> Vec<Crossing> {
    if profile == Profile::Quick {
        return Vec::new();
    }
    let all = Storage::ALL.into_iter().flat_map(|storage| {
        Direction::ALL.into_iter().map(move |direction| Crossing { direction, storage })
    });
    all.filter(|crossing| filter.is_none_or(|filter| filter.is_match(&crossing.row().id))).collect()
}

impl Crossing {
    fn op(self) -> &'static Op {
        Op::of_default("sigmoid", self.direction).expect("in the table")
    }

    /// The storage of the ladder whose rungs it climbs.
    #[must_use]
    pub fn computed_in(self) -> Storage {
        self.storage.computed_in()
    }

    /// Whether it is of a panel, and so needs its yardstick.
    #[must_use]
    pub fn is_beside(self, direction: Direction, storage: Storage) -> bool {
        (self.direction, self.storage) == (direction, storage)
    }

    /// Whether it climbs the rungs of an op.
    #[must_use]
    pub fn climbs(self, op: &Op, storage: Storage) -> bool {
        self.op().name == op.name && self.computed_in() == storage
    }

    /// Its row, not reached yet.
    #[must_use]
    pub fn row(self) -> Crossover {
        let ladder = Ladder::new(self.op(), self.computed_in(), 1).path();
        Crossover::new(self.direction.name(), self.storage.name(), ladder)
    }

    fn ladder(self, words: u32) -> Ladder {
        let start = match self.direction {
            Direction::Forward => Start::X,
            Direction::Backward => Start::Saved,
        };
        // Not unrolled: a long shader costs some drivers more than a large tensor does.
        Ladder { start, flight: 1, ..Ladder::new(self.op(), self.storage, words) }
    }

    /// The yardstick of the smallest size that memory bounds.
    fn yardstick(self, measurements: &[Measurement]) -> Option<&Measurement> {
        let of_memory = measurements.iter().filter(|row| {
            row.regime == Some(Regime::Memory)
                && row.direction == self.direction.name()
                && row.storage == self.storage.name()
                && row.activation == self.direction.yardstick()
                && row.status == Status::Ok
        });
        of_memory.min_by_key(|row| row.elements)
    }
}

/// What a crossover is measured with.
pub struct Setting<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// How much.
    pub plan: &'a Plan,
    /// The witness of its clock.
    pub witness: Option<&'a Witness>,
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
    /// Times one crossover on one device and writes what was found into its row. What can't be done and what is wrong stands there; what is wrong is
    /// returned.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(
        &self,
        crossing: Crossing,
        found: &mut Option<Found>,
        row: &mut Crossover,
        report: &mut Report,
    ) -> Result<Option<Error>> {
        let samples = row.points.first().map_or(0, |point| point.samples_ns.len());
        if !super::takes_part(row.status, samples, row.rounds_per_device, self.device) {
            return Ok(None);
        }
        match self.try_to_measure(crossing, found, row, report) {
            Ok(()) => Ok(None),
            Err(Error::Unsupported(reason)) if row.points.is_empty() => {
                let is_able = self.gpu.supports_storage(crossing.storage).is_ok();
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
        crossing: Crossing,
        found: &mut Option<Found>,
        row: &mut Crossover,
        report: &mut Report,
    ) -> Result<()> {
        self.gpu.supports_storage(crossing.storage)?;
        let began = Instant::now();
        let Found { elements, words, rungs, fixed } = match found {
            Some(found) => found,
            None => found.insert(self.find(crossing, row, report)?),
        };
        let climb =
            Climb::shaped(self.gpu, crossing.ladder(*words), self.shape, *elements, self.seed)?;
        let workloads: Vec<Workload> =
            rungs.iter().map(|rungs| climb.checked_at(*rungs)).collect::<Result<_>>()?;
        report.run.spent.prepare_s += began.elapsed().as_secs_f64();
        let members: Vec<&Workload> = workloads.iter().collect();
        let witness = self.witness.map(|witness| &witness.workload);
        let samples = measure::measure(self.gpu, &members, witness, self.plan, *fixed)?;
        *fixed = Some(samples.fixed);
        report.run.spent.warm_up_s += samples.warm_up.as_secs_f64();
        report.run.spent.measure_s += samples.measure.as_secs_f64();
        if row.points.is_empty() {
            row.points = rungs
                .iter()
                .map(|rungs| CrossoverPoint { rungs: *rungs, samples_ns: Vec::new() })
                .collect();
        }
        for (point, member) in row.points.iter_mut().zip(samples.members) {
            row.dropped += Dropped::of(&member);
            point.samples_ns.extend(member.ns);
        }
        row.shape = Some(climb.shape());
        row.wgsl_sha256 = Some(dump::wgsl_sha256(&climb.ladder.wgsl()));
        if let Some(dump) = self.dump {
            climb.dump(dump, &row.id)?;
        }
        row.dispatches_per_sample = samples.fixed.dispatches;
        row.rounds_per_device = samples.fixed.rounds;
        let (quantum_ns, is_software) = (self.gpu.quantum_ns(), self.gpu.facts.is_software);
        judge(row, report, &Circumstances { quantum_ns, is_software });
        Ok(())
    }

    /// Size, k and words, on the first device.
    fn find(&self, crossing: Crossing, row: &mut Crossover, report: &Report) -> Result<Found> {
        let no = |why: &str| Error::Unsupported(why.to_owned());
        let yardstick = crossing
            .yardstick(&report.measurements)
            .ok_or_else(|| no("memory bounds no size of this run"))?;
        let rung = report.rates.iter().find(|rate| rate.id == row.ladder).and_then(Rate::derived);
        let rung_ps = rung.ok_or_else(|| no("the ladder has no valid rung"))?.rung_ps.median;
        let memory_ps =
            yardstick.ns_per_element().ok_or_else(|| no("the yardstick has no time"))? * 1e3;
        row.yardstick = Some(yardstick.id.clone());
        row.elements = yardstick.elements;
        row.bytes = yardstick.bytes;
        let rungs = rungs_around(memory_ps / rung_ps);
        let knee = rungs
            .iter()
            .copied()
            .find(|rungs| f64::from(*rungs) >= memory_ps / rung_ps)
            .unwrap_or(1);
        let words = self
            .fastest(crossing, row.elements, knee)?
            .ok_or_else(|| no("the clock gave no time"))?;
        Ok(Found { elements: row.elements, words, rungs, fixed: None })
    }

    /// The number of words a lane for which a climb of none and one of the knee's rungs take the least together: both ends of the bend matter.
    fn fastest(&self, crossing: Crossing, elements: u64, knee: u32) -> Result<Option<u32>> {
        let first = Climb::shaped(
            self.gpu,
            crossing.ladder(rates::WORDS[0]),
            self.shape,
            elements,
            self.seed,
        )?;
        let mut workloads: Vec<[Workload; 2]> = Vec::new();
        for words in rates::WORDS {
            let climb = first.with_words(words)?;
            workloads.push([climb.checked_at(0)?, climb.checked_at(knee)?]);
        }
        let members: Vec<&Workload> = workloads.iter().flatten().collect();
        let samples =
            measure::rounds(self.gpu, &members, &self.plan.briefly(), rates::RANKING_ROUNDS)?;
        let both =
            |pair: &[measure::Member]| Some(pair[0].undisturbed_ns()? + pair[1].undisturbed_ns()?);
        let timed = samples
            .chunks_exact(2)
            .zip(rates::WORDS)
            .filter_map(|(pair, words)| Some((both(pair)?, words)));
        Ok(timed.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, words)| words))
    }
}

/// 0, the powers of two up to past the knee, and the whole number next to k*.
fn rungs_around(knee: f64) -> Vec<u32> {
    let last = (PAST_THE_KNEE * knee).clamp(4.0, MOST_RUNGS);
    let mut rungs: Vec<u32> = vec![0];
    rungs.extend((0..).map(|power| 1 << power).take_while(|rungs| f64::from(*rungs) < 2.0 * last));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^10")]
    let nearest = knee.round().clamp(1.0, MOST_RUNGS) as u32;
    rungs.push(nearest);
    rungs.sort_unstable();
    rungs.dedup();
    rungs
}

/// Valid where every figure follows, and where this kernel streams as the yardstick does and climbs as the ladder does.
fn judge(row: &mut Crossover, report: &Report, circumstances: &Circumstances) {
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
    match row.derived(&report.measurements, &report.rates) {
        _ if complaint.is_some() => {}
        None => {
            complaint = Some(
                "its time does not grow with k, or too few samples are left for an interval"
                    .to_owned(),
            );
        }
        Some(derived) => {
            for (what, Estimate { median, low, .. }) in [
                ("without a rung it takes", derived.stream_over_yardstick),
                ("a rung takes", derived.rung_over_ladder),
            ] {
                if low > MOST_OVER {
                    let than =
                        if what.starts_with("without") { "the yardstick" } else { "on the ladder" };
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
        assert_eq!(rungs_around(3.4), [0, 1, 2, 3, 4, 8, 16]);
        assert_eq!(rungs_around(0.2), [0, 1, 2, 4]);
        assert_eq!(rungs_around(24.0), [0, 1, 2, 4, 8, 16, 24, 32, 64, 128]);
        assert_eq!(*rungs_around(1e9).last().expect("some"), 1024);
    }

    #[test]
    fn every_storage_and_direction_has_one_beyond_the_quick_profile() {
        assert!(crossings(Profile::Quick, None).is_empty());
        let ids: Vec<String> =
            crossings(Profile::Standard, None).iter().map(|crossing| crossing.row().id).collect();
        assert_eq!(ids.len(), 6);
        let filter = Regex::new("^crossover/backward/f16$").expect("a pattern");
        assert_eq!(crossings(Profile::Full, Some(&filter)).len(), 1);
    }
}
