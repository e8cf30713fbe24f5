//! The chain: what a step of each op takes, in ps and in steps of the fma chain.

use std::collections::HashMap;
use std::time::Instant;

use regex::Regex;

use super::quality::{self, Circumstances, Sampled};
use crate::error::{Error, Result};
use crate::gpu::dump::{self, Dump};
use crate::gpu::{Gpu, Workload};
use crate::kernels::activation::Direction;
use crate::kernels::chain::{Chain, UNROLL};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;
use crate::kernels::ops::{self, OPS, Op};
use crate::measure::stats::{self, Estimate};
use crate::measure::{self, Fixed, Plan, Stopwatch as _};
use crate::report::{Arithmetic, ChainSamples, Dropped, Profile, Slope, Spent, Status};
use crate::suite::probe::Probe;
use crate::validate::chain::ChainRunner;

use super::ridge::PlannedRidge;

/// A runner of k steps takes at least so many times as long as one of none, so that loading and launching are a small part of it.
const LEAST_RUN: f64 = 8.0;

/// The most steps that are tried for k.
const MOST_STEPS: u32 = 1 << 18;

/// Elements: enough lanes to fill the adapter, few enough to stay in its caches.
const FEWEST_ELEMENTS: u64 = 1 << 14;
const MOST_ELEMENTS: u64 = 1 << 24;
const ELEMENTS_ON_CPU: u64 = 1 << 15;

/// The time of a step of an element is settled where it differs by less from that of the most, over so many doublings.
const SETTLED: f64 = 0.02;
const DOUBLINGS: u32 = 2;

/// Words that a lane runs with: 1, 2 and 4 are tried.
pub(super) const WORDS: [u32; 3] = [1, 2, 4];

/// A shader that took so long to compile is not tried with more words.
const LONG_COMPILATION_S: f64 = 0.5;

/// A slope is a difference: beside another process, samples of a chain have to be so many times longer.
const RETRY_FACTOR: u32 = 8;

/// Rounds that numbers of words are compared by.
pub(super) const RANKING_ROUNDS: u32 = 9;

/// How far the time may be from growing in proportion with the steps.
const LINEAR_WITHIN: f64 = 0.03;

/// The ops that are timed together, with the fma chain before them.
#[derive(Clone, Debug)]
pub struct Group {
    /// What all compute in.
    pub dtype: Dtype,
    /// Without fma itself.
    pub ops: Vec<&'static Op>,
}

/// What the first device finds for a chain, and those after it take over.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    elements: u64,
    words: u32,
    steps: u32,
}

/// The groups of a profile: the headline, both activations forward with exp2, both backward; then every other op. A filter keeps the ops whose id it
/// matches, and those that ridges runner.
pub fn groups(
    profile: Profile,
    filter: Option<&Regex>,
    planned_ridges: &[PlannedRidge],
) -> Vec<Group> {
    let mut groups = all_groups(profile);
    if let Some(filter) = filter {
        let is_wanted = |dtype: Dtype, op: &'static Op| {
            filter.is_match(&Chain::new(op, dtype, 1).path())
                || planned_ridges.iter().any(|planned| planned.runs(op, dtype))
        };
        for group in &mut groups {
            group.ops.retain(|op| is_wanted(group.dtype, op));
        }
        groups.retain(|group| !group.ops.is_empty());
    }
    groups
}

fn all_groups(profile: Profile) -> Vec<Group> {
    let default =
        |activation, direction| Op::of_default(activation, direction).expect("in the table");
    let of = |direction| [default("relu", direction), default("sigmoid", direction)];
    let [relu, sigmoid] = of(Direction::Forward);
    let mut groups = vec![Group {
        dtype: Dtype::F32,
        ops: vec![relu, Op::named("exp2").expect("in the table"), sigmoid],
    }];
    if profile == Profile::Quick {
        return groups;
    }
    let backward = || of(Direction::Backward).to_vec();
    groups.push(Group { dtype: Dtype::F32, ops: backward() });
    groups.push(Group { dtype: Dtype::F16Native, ..groups[0].clone() });
    groups.push(Group { dtype: Dtype::F16Native, ops: backward() });
    for dtype in [Dtype::F32, Dtype::F16Native] {
        for op in OPS.iter().filter(|op| op.name != ops::FMA.name && op.dtypes.contains(&dtype)) {
            let is_there = |group: &Group| {
                group.dtype == dtype && group.ops.iter().any(|own| own.name == op.name)
            };
            if !groups.iter().any(is_there) {
                groups.push(Group { dtype, ops: vec![op] });
            }
        }
    }
    groups
}

impl Group {
    /// What it is called in progress.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.ops.iter().map(|op| op.name).collect();
        format!("arithmetic/{}: {}", self.dtype.name(), names.join(", "))
    }

    /// The kernels whose variants its ops are.
    pub fn kernels(&self) -> impl Iterator<Item = Kernel> {
        let variants = self.ops.iter().filter_map(|op| op.activation());
        variants.map(|(activation, variant)| Kernel { activation, variant, dtype: self.dtype })
    }
}

/// The rows of all groups, none of them reached; that of fma itself stands in the first group of its dtype.
pub fn rows(groups: &[Group]) -> Vec<Arithmetic> {
    let mut rows: Vec<Arithmetic> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let has_fma = rows.iter().any(|row| row.dtype == group.dtype.name());
        let fma = (!has_fma).then_some(&ops::FMA);
        let row = |op: &'static Op| Arithmetic::new(&Chain::new(op, group.dtype, 1), index);
        rows.extend(fma.into_iter().chain(group.ops.iter().copied()).map(row));
    }
    rows
}

/// What a group is measured with.
pub struct Measuring<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// How much.
    pub plan: &'a Plan,
    /// The probe of its clock.
    pub probe: Option<&'a Probe>,
    /// Of x.
    pub seed: u64,
    /// Where shaders are written down.
    pub dump: Option<&'a Dump>,
    /// Devices before this one.
    pub device: u32,
}

impl<'gpu> Measuring<'gpu> {
    /// Times a group and writes what was found into its rows. What can't be done and what is wrong stands there; the first that was wrong is
    /// returned.
    pub fn measure(
        &self,
        group: &Group,
        found: &mut HashMap<String, Found>,
        fixed: &mut Option<Fixed>,
        mut rows: Vec<&mut Arithmetic>,
        spent: &mut Spent,
    ) -> Result<Option<Error>> {
        let began = Instant::now();
        let mut wrong = None;
        let mut prepared: Vec<Prepared<'gpu>> = Vec::new();
        for op in std::iter::once(&ops::FMA).chain(group.ops.iter().copied()) {
            // Without its unit no step of the group has a meaning.
            let is_unit = op.name == ops::FMA.name;
            if !is_unit && !rows.iter().any(|row| row.op == op.name && self.is_next(row)) {
                continue;
            }
            let error = match self.prepare(Chain::new(op, group.dtype, 1), found) {
                Ok(chain) => {
                    prepared.push(chain);
                    continue;
                }
                Err(error) => error,
            };
            let status = match error {
                Error::Unsupported(_) => Status::Unsupported,
                Error::Mismatch(_) | Error::Compile { .. } => Status::Failed,
                _ => return Err(error),
            };
            for row in rows.iter_mut().filter(|row| is_unit || row.op == op.name) {
                row.status = status;
                row.reason = Some(error.to_string());
            }
            if status == Status::Failed {
                wrong.get_or_insert(error);
            }
            if is_unit {
                return Ok(wrong);
            }
        }
        spent.prepare_s += began.elapsed().as_secs_f64();
        let members: Vec<&Workload> = prepared.iter().flat_map(|chain| &chain.runs).collect();
        let probe = self.probe.map(|probe| &probe.workload);
        let plan = Plan { retry_factor: RETRY_FACTOR, ..*self.plan };
        let samples = measure::measure(self.gpu, &members, probe, &plan, *fixed)?;
        *fixed = Some(samples.fixed);
        spent.warm_up_s += samples.warm_up.as_secs_f64();
        spent.measure_s += samples.measure.as_secs_f64();
        let taken: Vec<&[measure::Member]> = samples.members.chunks_exact(3).collect();
        let runs = |index: usize| prepared[index].samples(taken[index].try_into().expect("three"));
        for (index, chain) in prepared.iter().enumerate() {
            let Some(row) = rows.iter_mut().find(|row| row.op == chain.runner.chain.op.name) else {
                continue;
            };
            let mut dropped = Dropped::default();
            for member in taken[0].iter().chain(if index > 0 { taken[index] } else { &[] }) {
                dropped += Dropped::of(member);
            }
            row.take(&runs(index), &runs(0), dropped);
            row.elements = members[0].elements;
            row.chains = chain.runner.chain.chains();
            row.shape = Some(chain.runner.shape());
            row.dispatches_per_sample = samples.fixed.dispatches;
            row.rounds_per_repeat = samples.fixed.rounds;
            row.wgsl_sha256 = Some(dump::wgsl_sha256(&chain.runner.chain.wgsl()));
            if self.device == 0 {
                row.notes.extend(chain.note.clone());
            }
            if let Some(dump) = self.dump {
                chain.runner.dump(dump, &row.id)?;
            }
            let (quantum_ns, is_software) = (self.gpu.quantum_ns(), self.gpu.facts.is_software);
            judge(row, &Circumstances { quantum_ns, is_software });
        }
        Ok(wrong)
    }

    /// Whether a row is measured on this device; its own samples and the unit's are compared by their place.
    fn is_next(&self, row: &Arithmetic) -> bool {
        super::takes_part(row.status, row.own.once_ns.len(), row.rounds_per_repeat, self.device)
    }

    /// Compiles a chain with the number of words for which its steps are fastest, finds its k, and checks each runner that is timed.
    fn prepare(&self, chain: Chain, found: &mut HashMap<String, Found>) -> Result<Prepared<'gpu>> {
        let (runner, steps, note) = match found.get(&chain.path()).copied() {
            Some(Found { elements, words, steps }) => (
                ChainRunner::new(self.gpu, Chain { words, ..chain }, elements, self.seed)?,
                steps,
                None,
            ),
            None => self.find(chain, found)?,
        };
        let runs = [1, 2, 4].map(|times| runner.checked_at(times * steps));
        let [once, twice, fourfold] = runs;
        Ok(Prepared { runs: [once?, twice?, fourfold?], runner, steps, note })
    }

    /// The elements, the words and the k of a chain, on the first device.
    fn find(
        &self,
        chain: Chain,
        found: &mut HashMap<String, Found>,
    ) -> Result<(ChainRunner<'gpu>, u32, Option<String>)> {
        let elements = match found.get(&Chain::new(&ops::FMA, chain.dtype, 1).path()) {
            Some(of_fma) => of_fma.elements,
            None => self.settled_elements(chain)?,
        };
        let mut tried: Vec<(ChainRunner<'gpu>, u32)> = Vec::new();
        let mut note = None;
        for words in WORDS {
            let began = Instant::now();
            let runner = match tried.first() {
                Some((first, _)) => first.with_words(words)?,
                None => ChainRunner::new(self.gpu, Chain { words, ..chain }, elements, self.seed)?,
            };
            runner.checked_at(UNROLL + 1)?;
            let compilation = began.elapsed().as_secs_f64();
            let steps = self.steps_of(&runner)?;
            tried.push((runner, steps));
            if compilation > LONG_COMPILATION_S && words < WORDS[WORDS.len() - 1] {
                note = Some(format!(
                    "more than {words} words a lane were not tried: compiling took {compilation:.1} s"
                ));
                break;
            }
        }
        let (runner, steps) = tried.swap_remove(self.fastest(&tried)?);
        found.insert(chain.path(), Found { elements, words: runner.chain.words, steps });
        Ok((runner, steps, note))
    }

    /// Which of several chains has the fastest step, by rounds in which all are timed: apart, one may meet a busy moment that the others do not.
    fn fastest(&self, tried: &[(ChainRunner<'_>, u32)]) -> Result<usize> {
        let workload = |(runner, steps): &(ChainRunner<'_>, u32)| {
            Ok([runner.at(*steps)?, runner.at(4 * steps)?])
        };
        let workloads: Vec<[Workload; 2]> = tried.iter().map(workload).collect::<Result<_>>()?;
        let members: Vec<&Workload> = workloads.iter().flatten().collect();
        let samples = measure::rounds(self.gpu, &members, &self.plan.briefly(), RANKING_ROUNDS)?;
        let step_ns = |(pair, (_, steps)): (&[measure::Member], &(ChainRunner<'_>, u32))| {
            let rounds = pair[1]
                .ns
                .iter()
                .zip(&pair[0].ns)
                .filter_map(|(far, near)| Some((*far)? - (*near)?));
            stats::median(rounds.map(|ns| ns / (3.0 * f64::from(*steps)))).unwrap_or(f64::INFINITY)
        };
        let slopes = samples.chunks_exact(2).zip(tried).map(step_ns).enumerate();
        Ok(slopes.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index))
    }

    /// The fewest elements for which the time of a step of an element is settled. With the most words, so the fewest lanes.
    fn settled_elements(&self, chain: Chain) -> Result<u64> {
        if self.gpu.facts.is_software {
            return Ok(ELEMENTS_ON_CPU);
        }
        let chain = Chain { words: WORDS[WORDS.len() - 1], ..chain };
        settled(MOST_ELEMENTS, |elements| self.element_step_ns(chain, elements))
    }

    /// Time of a step of one element in ns, roughly.
    fn element_step_ns(&self, chain: Chain, elements: u64) -> Result<f64> {
        let runner = ChainRunner::new(self.gpu, chain, elements, self.seed)?;
        let steps = self.steps_of(&runner)?;
        let [once_ns, fourfold_ns] =
            self.undisturbed([&runner.at(steps)?, &runner.at(4 * steps)?], &runner)?;
        Ok((fourfold_ns - once_ns) / (3.0 * f64::from(steps)) / as_f64(elements))
    }

    /// The first power of two from one unroll on for which a runner of k takes long enough beside one of no step.
    fn steps_of(&self, runner: &ChainRunner<'_>) -> Result<u32> {
        let none = runner.at(0)?;
        let mut steps = UNROLL;
        loop {
            let [none_ns, once_ns] = self.undisturbed([&none, &runner.at(steps)?], runner)?;
            if once_ns >= LEAST_RUN * none_ns || steps >= MOST_STEPS {
                return Ok(steps);
            }
            // As far as this time tells, and no more than sixteen times as far: it may be that of noise, or of launching.
            let missing = LEAST_RUN * none_ns / (once_ns - none_ns).max(none_ns / 16.0);
            let wanted = (f64::from(steps) * missing.clamp(1.0, 16.0)).log2().floor();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most 22"
            )]
            let power = wanted as u32;
            steps = (1 << power).clamp(2 * steps, MOST_STEPS);
        }
    }

    fn undisturbed<const N: usize>(
        &self,
        workloads: [&Workload; N],
        runner: &ChainRunner<'_>,
    ) -> Result<[f64; N]> {
        let samples = measure::rounds(self.gpu, &workloads, &self.plan.briefly(), RANKING_ROUNDS)?;
        let mut found = [0.0; N];
        for (ns, member) in found.iter_mut().zip(&samples) {
            let no_time = || {
                Error::Unsupported(format!("the clock gave no time for {}", runner.chain.path()))
            };
            *ns = member.undisturbed_ns().ok_or_else(no_time)?;
        }
        Ok(found)
    }
}

/// The fewest elements from which on two further doublings or more leave a time an element as it is at the most, judged from there down: a device of many
/// cores is full for a while each time that lanes come out even, and looks settled. The most, where nothing is settled.
fn settled(most: u64, mut time_of: impl FnMut(u64) -> Result<f64>) -> Result<u64> {
    let last = time_of(most)?;
    let mut elements = most;
    let mut doublings = 0;
    while elements / 2 >= FEWEST_ELEMENTS && (time_of(elements / 2)? / last - 1.0).abs() < SETTLED {
        elements /= 2;
        doublings += 1;
    }
    Ok(if doublings >= DOUBLINGS { elements } else { most })
}

/// A chain, ready to be timed at k, 2 k and 4 k.
struct Prepared<'gpu> {
    runner: ChainRunner<'gpu>,
    steps: u32,
    runs: [Workload; 3],
    /// What a reader should know of how it was found.
    note: Option<String>,
}

impl Prepared<'_> {
    fn samples(&self, [once, twice, fourfold]: &[measure::Member; 3]) -> ChainSamples {
        ChainSamples {
            steps: self.steps,
            once_ns: once.ns.clone(),
            twice_ns: twice.ns.clone(),
            fourfold_ns: fourfold.ns.clone(),
            probe_ns: fourfold.probe_ns.clone(),
        }
    }
}

/// The gates of a chain, its own and its unit's: a clock that gives times; steps that grow, since others were folded; and in proportion, since what does
/// not is no time a step.
fn judge(row: &mut Arithmetic, circumstances: &Circumstances) {
    quality::forget(&mut row.notes);
    row.notes.retain(|note| !note.contains(GROWS));
    row.status = Status::Ok;
    row.reason = None;
    let invalid = match judged(row, circumstances) {
        Ok(notes) => return row.notes.extend(notes),
        Err(reason) => reason,
    };
    row.status = Status::Invalid;
    row.reason = Some(invalid);
}

/// What to know of a row, or why it is invalid.
fn judged(
    row: &Arithmetic,
    circumstances: &Circumstances,
) -> std::result::Result<Vec<String>, String> {
    let shortest = stats::median(row.own.once_ns.iter().flatten().copied());
    let chains = if row.op == ops::FMA.name { 1 } else { 2 };
    let sampled = Sampled {
        count: 3 * chains * row.own.once_ns.len(),
        dropped: &row.dropped,
        shortest_ns: shortest.map(|ns| ns * f64::from(row.dispatches_per_sample)),
    };
    if let Some(complaint) = sampled.complaint(circumstances) {
        return Err(complaint);
    }
    let mut notes: Vec<String> = sampled.note().into_iter().collect();
    for (Slope { step_ns, linearity }, whose) in
        row.slopes().ok_or(quality::TOO_FEW)?.into_iter().zip(["its", "fma's"])
    {
        if step_ns.high <= 0.0 {
            return Err(format!(
                "{whose} time does not grow with the steps: the compiler folded them"
            ));
        }
        if step_ns.low <= 0.0 {
            return Err(format!("{whose} time grows with the steps by no more than its noise"));
        }
        if linearity.low > 1.0 + LINEAR_WITHIN || linearity.high < 1.0 - LINEAR_WITHIN {
            let Estimate { median, low, high } = linearity;
            let complaint = format!(
                "{whose} time {GROWS} {median:.2} [{low:.2}, {high:.2}] times as fast as from k to 2 k"
            );
            if !circumstances.is_software {
                return Err(complaint);
            }
            notes.push(complaint);
        }
    }
    Ok(notes)
}

/// What is said of a time that is not in proportion with the steps.
const GROWS: &str = "grows from 2 k to 4 k steps";

fn as_f64(elements: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "elements of a cache")]
    let elements = elements as f64;
    elements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Choice;

    /// A device that works through its elements in waves of so many, each as long as the one before.
    fn of_waves(wave: u64) -> impl Fn(u64) -> Result<f64> {
        move |elements| Ok(as_f64(elements.div_ceil(wave) * wave) / as_f64(elements))
    }

    #[test]
    fn elements_settle_where_more_of_them_change_nothing() {
        // Waves that powers of two fill.
        assert_eq!(settled(MOST_ELEMENTS, of_waves(1 << 18)).expect("times"), 1 << 18);
        assert_eq!(settled(MOST_ELEMENTS, of_waves(1)).expect("times"), FEWEST_ELEMENTS);
        // Three of them lack a little of 2^18: from 2^17 to 2^18 the time of an element stands still, a third too long.
        let uneven = of_waves((1 << 18) / 3 - 1);
        let plateau = [1 << 17, 1 << 18].map(|elements| uneven(elements).expect("a time"));
        assert!((plateau[1] / plateau[0] - 1.0).abs() < SETTLED && plateau[0] > 1.3, "{plateau:?}");
        let found = settled(MOST_ELEMENTS, &uneven).expect("times");
        assert_eq!(found, 1 << 22);
        assert!(uneven(found).expect("a time") < 1.0 + 2.0 * SETTLED);
        // A device that is never full, and one that is so at the very end alone.
        assert_eq!(
            settled(MOST_ELEMENTS, |elements| Ok(1.0 / as_f64(elements))).expect("times"),
            MOST_ELEMENTS
        );
        assert_eq!(
            settled(MOST_ELEMENTS, of_waves(MOST_ELEMENTS / 2)).expect("times"),
            MOST_ELEMENTS
        );
        assert!(
            settled(MOST_ELEMENTS, |_| Err(Error::Unsupported("no clock".to_owned()))).is_err()
        );
    }

    #[test]
    fn an_element_has_a_time_a_step() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let arithmetic = Measuring {
            gpu: &gpu,
            plan: &Plan::QUICK,
            probe: None,
            seed: 1,
            dump: None,
            device: 0,
        };
        let chain = Chain { words: 4, ..Chain::new(&ops::FMA, Dtype::F32, 1) };
        let ns = arithmetic.element_step_ns(chain, FEWEST_ELEMENTS).expect("a time");
        assert!(ns.is_finite(), "{ns}");
    }
}
