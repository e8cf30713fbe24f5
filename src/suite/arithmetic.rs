//! Arithmetic: what a step of each op takes in registers, in ps and in steps of fma.

use std::time::Instant;

use super::bench::{Bench, RANKING_ROUNDS, fixed, takes};
use super::plan::OpGroup;
use super::quality::{self, Circumstances, Sampled};
use crate::error::{Error, Result};
use crate::gpu::{Workload, dump};
use crate::kernels::chain::{Chain, UNROLL};
use crate::kernels::ops::{self, Op};
use crate::measure::stats::{self, Estimate};
use crate::measure::{Member, Plan};
use crate::report::{Arithmetic, ChainOf, ChainSamples, Dropped, Reason, Report, Status};
use crate::validate::chain::ChainRunner;

/// k steps take at least this multiple of the time of none: loading and launching are a small part.
const LEAST_RUN: f64 = 8.0;

/// The most steps that are tried for k.
const MOST_STEPS: u32 = 1 << 18;

/// Elements: enough lanes to fill the adapter, few enough to stay in its caches.
const FEWEST_ELEMENTS: u64 = 1 << 14;
const MOST_ELEMENTS: u64 = 1 << 24;
const ELEMENTS_ON_CPU: u64 = 1 << 15;

/// The time of a step of an element is settled where it differs by less from that of the most
/// elements, over so many doublings.
const SETTLED: f64 = 0.02;
const DOUBLINGS: u32 = 2;

/// Words of a lane that are tried.
pub const WORDS: [u32; 3] = [1, 2, 4];

/// A shader that took so long to compile is not tried with more words.
const LONG_COMPILATION_S: f64 = 0.5;

/// A slope is a difference: beside another process, samples of a chain have to be so many times
/// longer.
const RETRY_FACTOR: u32 = 8;

/// What a second fma adds to a chain of fma at least, in FMAs, unless the compiler merged the two.
const CONTROL: f64 = 0.75;

/// How far the time may be from growing in proportion with the steps.
const LINEAR_WITHIN: f64 = 0.03;

/// Times a group of ops and writes what is found into its rows. Why an op can't be measured stands
/// there; the first result that is wrong is returned.
pub fn measure(
    bench: &Bench<'_>,
    index: usize,
    group: &OpGroup,
    report: &mut Report,
) -> Result<Option<Error>> {
    let began = Instant::now();
    let number = u32::try_from(index).expect("a few groups");
    let is_of = |row: &Arithmetic, op: &Op| row.group == number && row.op == op.name;
    let mut wrong = None;
    let mut prepared: Vec<Prepared<'_>> = Vec::new();
    for op in std::iter::once(ops::fma()).chain(group.ops.iter().copied()) {
        // Without its unit no step of the group has a meaning.
        let is_unit = op.name == ops::fma().name;
        let is_next = |row: &Arithmetic| {
            takes(bench.repeat, row.status, row.own.once_ns.len(), row.rounds_per_repeat)
        };
        let rows = &mut report.arithmetic;
        if !is_unit && !rows.iter().any(|row| is_of(row, op) && is_next(row)) {
            continue;
        }
        let error = match prepare(bench, Chain::new(op, group.dtype, 1), rows) {
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
        let is_lost = |row: &Arithmetic| is_of(row, op) || is_unit && row.group == number;
        for row in rows.iter_mut().filter(|row| is_lost(row)) {
            row.status = status;
            row.reason = Some(Reason::from(&error));
        }
        if status == Status::Failed {
            wrong.get_or_insert(error);
        }
        if is_unit {
            return Ok(wrong);
        }
    }
    report.run.spent.prepare_s += began.elapsed().as_secs_f64();
    let members: Vec<&Workload> = prepared.iter().flat_map(|chain| &chain.workloads).collect();
    let plan = Plan { retry_factor: RETRY_FACTOR, ..bench.plan };
    let rows = report.arithmetic.iter().filter(|row| row.group == number);
    let fixed = fixed(rows.map(|row| (row.dispatches_per_sample, row.rounds_per_repeat)));
    let samples = bench.measure(&members, &plan, fixed, &mut report.run.spent)?;
    let taken = samples.members.as_chunks::<WORKLOADS>().0;
    // fma is the first.
    let [fma, two_fmas] = prepared[0].samples(&taken[0]);
    let of_second = two_fmas.steps_ns().zip(fma.steps_ns());
    let of_second = of_second.map(|(two, one)| Some((two? - one?) / one?));
    let control = stats::of_rounds(of_second, samples.fixed.rounds);
    let are_merged = control.is_some_and(|second_fma| second_fma.high < CONTROL);
    for (chain, taken_of_it) in prepared.iter().zip(taken) {
        let op = chain.runner.chain.op;
        let Some(row) = report.arithmetic.iter_mut().find(|row| is_of(row, op)) else { continue };
        let mut dropped = Dropped::default();
        let of_fma: &[Member] = if op.name == ops::fma().name { &[] } else { &taken[0] };
        for member in of_fma.iter().chain(taken_of_it) {
            dropped += Dropped::of(member);
        }
        row.take(&chain.samples(taken_of_it), &fma, dropped);
        row.elements = chain.workloads[0].elements;
        row.chains = chain.runner.chain.chains();
        row.shape = Some(chain.runner.shape());
        row.dispatches_per_sample = samples.fixed.dispatches;
        row.rounds_per_repeat = samples.fixed.rounds;
        row.wgsl_sha256 = Some(dump::wgsl_sha256(&chain.runner.chain.wgsl()));
        if bench.repeat == 0 {
            row.notes.extend(chain.note.clone());
        }
        if let Some(dump) = bench.dump {
            chain.runner.dump(dump, &row.id)?;
            chain.with_second_fma.dump(dump, &format!("{}/two_fmas", row.id))?;
        }
        judge(row, &bench.circumstances());
        row.notes.extend(are_merged.then_some(Reason::FmasMerged));
    }
    Ok(wrong)
}

/// A chain at k, 2k and 4k steps, and with a second fma in each at k and 4k.
const WORKLOADS: usize = 5;

/// A chain, ready to be timed.
struct Prepared<'gpu> {
    runner: ChainRunner<'gpu>,
    with_second_fma: ChainRunner<'gpu>,
    steps: u32,
    workloads: [Workload; WORKLOADS],
    note: Option<Reason>,
}

impl Prepared<'_> {
    /// With one fma a step, and with two.
    fn samples(&self, taken: &[Member; WORKLOADS]) -> [ChainSamples; 2] {
        let [once, twice, fourfold, two_once, two_fourfold] = taken;
        let samples = |once: &Member, twice: &[Option<f64>], fourfold: &Member| ChainSamples {
            steps: self.steps,
            once_ns: once.ns.clone(),
            twice_ns: twice.to_vec(),
            fourfold_ns: fourfold.ns.clone(),
            probe_ns: fourfold.probe_ns.clone(),
        };
        [samples(once, &twice.ns, fourfold), samples(two_once, &[], two_fourfold)]
    }
}

/// Compiles a chain with the number of words for which its steps are fastest, finds its k, and
/// checks each workload that is timed.
fn prepare<'gpu>(bench: &Bench<'gpu>, chain: Chain, rows: &[Arithmetic]) -> Result<Prepared<'gpu>> {
    let (runner, steps, note) = match row_of(chain, rows) {
        Some(row) => {
            let words = row.chains / chain.chains();
            (bench.runner(Chain { words, ..chain }, row.elements)?, row.own.steps, None)
        }
        None => find(bench, chain, rows)?,
    };
    let [once, twice, fourfold] = [1, 2, 4].map(|times| runner.checked_at(times * steps));
    let with_second_fma = runner.again(runner.chain.with_second_fma())?;
    let [two_once, two_fourfold] = [1, 4].map(|times| with_second_fma.checked_at(times * steps));
    let workloads = [once?, twice?, fourfold?, two_once?, two_fourfold?];
    Ok(Prepared { runner, with_second_fma, steps, workloads, note })
}

/// The row of a chain that was measured before: what was found for it holds for every repeat.
fn row_of(chain: Chain, rows: &[Arithmetic]) -> Option<&Arithmetic> {
    rows.iter().find(|row| row.id == chain.path() && row.rounds_per_repeat > 0)
}

/// The elements, the words and the k of a chain, in the first repeat.
fn find<'gpu>(
    bench: &Bench<'gpu>,
    chain: Chain,
    rows: &[Arithmetic],
) -> Result<(ChainRunner<'gpu>, u32, Option<Reason>)> {
    let elements = match row_of(Chain::new(ops::fma(), chain.dtype, 1), rows) {
        Some(of_fma) => of_fma.elements,
        None if bench.gpu.facts.is_software => ELEMENTS_ON_CPU,
        None => {
            // The fewest lanes.
            let chain = Chain { words: WORDS[WORDS.len() - 1], ..chain };
            settled(MOST_ELEMENTS, |elements| element_step_ns(bench, chain, elements))?
        }
    };
    let mut tried: Vec<(ChainRunner<'gpu>, u32)> = Vec::new();
    let mut note = None;
    for words in WORDS {
        let began = Instant::now();
        let runner = match tried.first() {
            Some((first, _)) => first.again(Chain { words, ..chain })?,
            None => bench.runner(Chain { words, ..chain }, elements)?,
        };
        runner.checked_at(UNROLL + 1)?;
        let compile_s = began.elapsed().as_secs_f64();
        let steps = steps_of(bench, &runner)?;
        tried.push((runner, steps));
        if compile_s > LONG_COMPILATION_S && words < WORDS[WORDS.len() - 1] {
            note = Some(Reason::FewerWordsTried { words, compile_s });
            break;
        }
    }
    let (runner, steps) = tried.swap_remove(fastest(bench, &tried)?);
    Ok((runner, steps, note))
}

/// Which of several chains has the fastest step.
pub fn fastest(bench: &Bench<'_>, tried: &[(ChainRunner<'_>, u32)]) -> Result<usize> {
    let workload =
        |(runner, steps): &(ChainRunner<'_>, u32)| Ok([runner.at(*steps)?, runner.at(4 * steps)?]);
    let pairs: Vec<[Workload; 2]> = tried.iter().map(workload).collect::<Result<_>>()?;
    let step_ns = |place: usize, [near, far]: &[Member; 2]| {
        let steps = 3.0 * f64::from(tried[place].1);
        let rounds = far.ns.iter().zip(&near.ns);
        stats::median(rounds.filter_map(|(far, near)| Some(((*far)? - (*near)?) / steps)))
    };
    Ok(bench.cheapest(&pairs, step_ns)?.unwrap_or_default())
}

/// Time of a step of one element in ns, roughly.
fn element_step_ns(bench: &Bench<'_>, chain: Chain, elements: u64) -> Result<f64> {
    let runner = bench.runner(chain, elements)?;
    let steps = steps_of(bench, &runner)?;
    let pair = [runner.at(steps)?, runner.at(4 * steps)?];
    let [once_ns, fourfold_ns] = undisturbed(bench, pair.each_ref())?;
    Ok((fourfold_ns - once_ns) / (3.0 * f64::from(steps)) / elements as f64)
}

/// The first power of two from one unrolled loop on for which k steps take long enough beside none.
fn steps_of(bench: &Bench<'_>, runner: &ChainRunner<'_>) -> Result<u32> {
    let none = runner.at(0)?;
    let mut steps = UNROLL;
    loop {
        let [none_ns, once_ns] = undisturbed(bench, [&none, &runner.at(steps)?])?;
        if once_ns >= LEAST_RUN * none_ns || steps >= MOST_STEPS {
            return Ok(steps);
        }
        // As far as this time tells, and no more than sixteen times as far: it may be noise.
        let missing = LEAST_RUN * none_ns / (once_ns - none_ns).max(none_ns / 16.0);
        let wanted = (f64::from(steps) * missing.clamp(1.0, 16.0)).log2().floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 22")]
        let power = wanted as u32;
        steps = (1 << power).clamp(2 * steps, MOST_STEPS);
    }
}

pub fn undisturbed(bench: &Bench<'_>, pair: [&Workload; 2]) -> Result<[f64; 2]> {
    let members = bench.rank(&pair, RANKING_ROUNDS)?;
    match [members[0].undisturbed_ns(), members[1].undisturbed_ns()] {
        [Some(one), Some(other)] => Ok([one, other]),
        _ => Err(Error::Unsupported(format!("the clock gave no time for {}", pair[1].shader.path))),
    }
}

/// The fewest elements from which on two further doublings or more leave a time an element as it is
/// at the most, judged from there down: a device of many cores is full for a while each time that
/// lanes come out even, and looks settled. The most, where nothing is settled.
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

/// The checks of a chain, its own and its unit's: a clock that gives times; steps that grow, since
/// others were folded; and in proportion, since what does not is no time a step.
fn judge(row: &mut Arithmetic, circumstances: &Circumstances) {
    quality::forget(&mut row.notes);
    (row.status, row.reason) = match judged(row, circumstances) {
        Ok(notes) => {
            row.notes.extend(notes);
            (Status::Ok, None)
        }
        Err(reason) => (Status::Invalid, Some(reason)),
    };
}

/// What to know of a row, or why it is invalid.
fn judged(row: &Arithmetic, circumstances: &Circumstances) -> Result<Vec<Reason>, Reason> {
    let shortest = stats::median(row.own.once_ns.iter().flatten().copied());
    let chains = if row.op == ops::fma().name { 1 } else { 2 };
    let sampled = Sampled {
        count: WORKLOADS * chains * row.own.once_ns.len(),
        dropped: &row.dropped,
        shortest_ns: shortest.map(|ns| ns * f64::from(row.dispatches_per_sample)),
    };
    if let Some(complaint) = sampled.complaint(circumstances) {
        return Err(complaint);
    }
    let mut notes: Vec<Reason> = sampled.note().into_iter().collect();
    let slopes = row.slopes().ok_or(Reason::TooFewSamples)?;
    for ((step_ns, linearity), of) in slopes.into_iter().zip([ChainOf::Own, ChainOf::Fma]) {
        if step_ns.high <= 0.0 {
            return Err(Reason::Folded { of });
        }
        if step_ns.low <= 0.0 {
            return Err(Reason::NoGrowth { of });
        }
        let Estimate { low, high, .. } = linearity;
        if low > 1.0 + LINEAR_WITHIN || high < 1.0 - LINEAR_WITHIN {
            let reason = Reason::NotLinear { of, linearity };
            if !circumstances.is_software {
                return Err(reason);
            }
            notes.push(reason);
        }
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Choice, Gpu};
    use crate::kernels::dtype::Dtype;
    use crate::report::Profile;
    use crate::suite::Settings;

    /// A device that works through its elements in waves of so many, each as long as the one
    /// before.
    fn of_waves(wave: u64) -> impl Fn(u64) -> Result<f64> {
        move |elements| Ok((elements.div_ceil(wave) * wave) as f64 / elements as f64)
    }

    #[test]
    fn elements_settle_where_more_of_them_change_nothing() {
        // Waves that powers of two fill.
        assert_eq!(settled(MOST_ELEMENTS, of_waves(1 << 18)).expect("times"), 1 << 18);
        assert_eq!(settled(MOST_ELEMENTS, of_waves(1)).expect("times"), FEWEST_ELEMENTS);
        // Three of them lack a little of 2^18: from 2^17 to 2^18 the time of an element stands
        // still, a third too long.
        let uneven = of_waves((1 << 18) / 3 - 1);
        let plateau = [1 << 17, 1 << 18].map(|elements| uneven(elements).expect("a time"));
        assert!((plateau[1] / plateau[0] - 1.0).abs() < SETTLED && plateau[0] > 1.3, "{plateau:?}");
        let found = settled(MOST_ELEMENTS, &uneven).expect("times");
        assert_eq!(found, 1 << 22);
        assert!(uneven(found).expect("a time") < 1.0 + 2.0 * SETTLED);
        // A device that is never full, and one that is so at the very end alone.
        assert_eq!(
            settled(MOST_ELEMENTS, |elements| Ok(1.0 / elements as f64)).expect("times"),
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
        let settings = &Settings::of(Profile::Quick);
        let bench =
            Bench { gpu: &gpu, settings, plan: Plan::QUICK, probe: None, dump: None, repeat: 0 };
        let chain = Chain { words: 4, ..Chain::new(ops::fma(), Dtype::F32, 1) };
        let ns = element_step_ns(&bench, chain, FEWEST_ELEMENTS).expect("a time");
        assert!(ns.is_finite(), "{ns}");
    }
}
