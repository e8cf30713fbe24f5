//! How samples are taken, on a stopwatch whose time is simulated: what broken clocks, throttling,
//! drift and noise make of them, and what the quality checks make of those.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use actbench::error::{Error, Result};
use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::dtype::Dtype;
use actbench::kernels::kernel::Kernel;
use actbench::measure::stats::Estimate;
use actbench::measure::{self, Fixed, Plan, Reject, Samples, Stopwatch, Time};
use actbench::report::{BoundBy, Measurement, Reason, Status};
use actbench::suite::quality::{self, Circumstances};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// A workload that takes so long a dispatch.
struct Work {
    name: &'static str,
    ns: f64,
}

const COPY: Work = Work { name: "copy", ns: 1e5 };
const SIGMOID: Work = Work { name: "sigmoid", ns: 1.5e5 };
const PROBE: Work = Work { name: "probe", ns: 2.5e5 };

/// One pass, as a [`Fake`] sees it.
struct Pass<'a> {
    work: &'a Work,
    /// How long it takes where nothing interferes.
    ns: f64,
    /// Passes before it.
    index: usize,
    /// Samples before it since the probe first ran: those of the pilot and the rounds.
    samples: usize,
    /// When it begins.
    now_ns: f64,
    /// A standard normal number.
    normal: f64,
}

impl Pass<'_> {
    fn is_probe(&self) -> bool {
        self.work.name == PROBE.name
    }
}

/// What was asked for at once.
struct Call {
    passes: Vec<(&'static str, u32)>,
    per_submission: usize,
    /// How long it all took.
    ns: f64,
}

/// A stopwatch that shows what `model` says.
struct Fake<M> {
    model: M,
    random: RefCell<Xoshiro256PlusPlus>,
    now_ns: Cell<f64>,
    index: Cell<usize>,
    /// None before the probe first ran.
    samples: Cell<Option<usize>>,
    calls: RefCell<Vec<Call>>,
    /// Off where allocations are counted.
    remembers: bool,
    /// The calls after which the device is lost.
    lost_after: usize,
}

fn fake<M: Fn(&Pass<'_>) -> Time>(seed: u64, model: M) -> Fake<M> {
    Fake {
        model,
        random: RefCell::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
        now_ns: Cell::new(0.0),
        index: Cell::new(0),
        samples: Cell::new(None),
        calls: RefCell::default(),
        remembers: true,
        lost_after: usize::MAX,
    }
}

impl<M: Fn(&Pass<'_>) -> Time> Stopwatch<Work> for Fake<M> {
    fn time(
        &self,
        passes: &[(&Work, u32)],
        per_submission: usize,
        times: &mut Vec<Time>,
    ) -> Result<()> {
        let began = self.now_ns.get();
        for (work, dispatches) in passes {
            let ns = work.ns * f64::from(*dispatches);
            let samples = self.samples.get();
            let pass = Pass {
                work,
                ns,
                index: self.index.replace(self.index.get() + 1),
                samples: samples.unwrap_or(0),
                now_ns: self.now_ns.get(),
                normal: self.random.borrow_mut().sample(StandardNormal),
            };
            let time = (self.model)(&pass);
            self.samples.set(match samples {
                None => pass.is_probe().then_some(0),
                Some(count) => Some(count + usize::from(!pass.is_probe())),
            });
            self.now_ns.set(pass.now_ns + time.unwrap_or(ns));
            times.push(time);
        }
        if self.remembers {
            let passes = passes.iter().map(|(work, dispatches)| (work.name, *dispatches)).collect();
            self.calls.borrow_mut().push(Call {
                passes,
                per_submission,
                ns: self.now_ns.get() - began,
            });
        }
        if self.calls.borrow().len() > self.lost_after {
            return Err(Error::Machine("lost".to_owned()));
        }
        Ok(())
    }

    fn path(work: &Work) -> &str {
        work.name
    }
}

/// Nothing here waits: time is simulated. That an hour is not over keeps real time out of what is
/// decided.
const PLAN: Plan = Plan {
    warm_up: Duration::ZERO,
    sample: Duration::from_millis(5),
    group: Duration::from_hours(1),
    min_rounds: 20,
    max_rounds: 200,
    half_width: 0.005,
    retry_factor: 1,
    probe_tolerance: Some(0.03),
};

/// So many rounds, without a pilot.
fn exactly(rounds: u32) -> Plan {
    Plan { min_rounds: rounds, max_rounds: rounds, ..PLAN }
}

fn samples<M: Fn(&Pass<'_>) -> Time>(fake: &Fake<M>, members: &[&Work], plan: &Plan) -> Samples {
    measure::measure(fake, members, Some(&PROBE), plan, None).expect("the device works")
}

/// The rounds in which one member has no sample; panics if both have none in some round.
fn rounds_with_a_gap(samples: &Samples) -> Vec<usize> {
    let gaps =
        |round: usize| samples.members.iter().filter(|member| member.ns[round].is_none()).count();
    let rounds = 0..samples.fixed.rounds as usize;
    assert!(rounds.clone().all(|round| gaps(round) < 2));
    rounds.filter(|round| gaps(*round) == 1).collect()
}

fn dropped(samples: &Samples) -> (u32, u32) {
    let sum = |of: fn(&measure::Member) -> u32| samples.members.iter().map(of).sum();
    (sum(|member| member.dropped_by_clock), sum(|member| member.dropped_by_probe))
}

#[test]
fn samples_are_longer_beside_a_process_that_comes_and_goes() {
    // For 3 ms of every 6 another process has one of two cores: a pass takes twice as long for as
    // much of it as meets that.
    let busy_ns = |from: f64, ns: f64| {
        let (mut now, mut rest, mut busy) = (from, ns, 0.0);
        while rest > 0.0 {
            let in_turn = now % 6e6;
            let is_busy = in_turn < 3e6;
            let turn = if is_busy { 3e6 - in_turn } else { 6e6 - in_turn };
            let done = rest.min(if is_busy { turn / 2.0 } else { turn });
            busy += if is_busy { done } else { 0.0 };
            now += if is_busy { 2.0 * done } else { done } + 1.0;
            rest -= done;
        }
        ns + busy
    };
    let quiet = || fake(3, |pass| Ok(pass.ns * 1.01f64.powf(pass.normal)));
    let beside = || fake(3, |pass| Ok(busy_ns(pass.now_ns, pass.ns)));
    let sample = Duration::from_millis(2);
    let retrying = Plan { sample, retry_factor: 8, probe_tolerance: None, ..exactly(20) };
    let dispatches = |plan| {
        let members = [&COPY, &SIGMOID];
        [samples(&quiet(), &members, plan), samples(&beside(), &members, plan)]
            .map(|samples| samples.fixed.dispatches)
    };
    let hasty = Plan { retry_factor: 1, ..retrying };
    let [steady, unsteady] = dispatches(&hasty);
    assert_eq!(dispatches(&retrying), [steady, 8 * unsteady]);
    let unsteady = samples(&beside(), &[&COPY, &SIGMOID], &retrying);
    // The first rounds are thrown away, and no later repeat takes longer ones than the first has
    // fixed.
    assert_eq!(unsteady.members[0].ns.len(), 20);
    let fixed = Fixed { dispatches: 7, rounds: 20 };
    let next = measure::measure(&beside(), &[&COPY, &SIGMOID], None, &retrying, Some(fixed))
        .expect("the device works");
    assert_eq!(next.fixed, fixed);
    // Where they are longer than its own, no more of them are in flight.
    let longer = Fixed { dispatches: 800, rounds: 20 };
    let device = quiet();
    measure::measure(&device, &[&COPY, &SIGMOID], None, &retrying, Some(longer))
        .expect("the device works");
    assert!(device.calls.borrow().iter().all(|call| call.per_submission == 1 || call.ns < 2.5e8));
}

#[test]
fn a_clock_that_gives_no_time_drops_every_sample_and_says_why() {
    for reject in [Reject::Zero, Reject::Backwards, Reject::LongerThanWall] {
        for probe in [None, Some(&PROBE)] {
            let fake = fake(1, |_| Err(reject));
            let samples = measure::measure(&fake, &[&COPY, &SIGMOID], probe, &PLAN, None)
                .expect("the device works");
            assert_eq!(samples.fixed, Fixed { dispatches: 1 << 16, rounds: 20 });
            for member in &samples.members {
                assert_eq!(member.ns, [None; 20]);
                assert_eq!(member.probe_ns, [None; 20]);
                assert_eq!((member.dropped_by_clock, member.dropped_by_probe), (20, 0));
                assert_eq!(member.reject, Some(reject));
            }
        }
        // Neither is there anything to rank, and that is no panic.
        let fake = fake(1, |_| Err(reject));
        let ranked = measure::rounds(&fake, &[&COPY], &PLAN, 6).expect("the device works");
        assert_eq!(ranked[0].ns, [None; 6]);
        assert!(measure::rounds(&fake, &[], &PLAN, 6).expect("the device works").is_empty());
        let error = measure::time_once(&fake, &COPY, 1).expect_err("no time");
        let error = error.to_string();
        assert!(error.contains(&format!("no time for copy: {reject}")), "{error}");
    }
}

#[test]
fn a_clock_that_wraps_now_and_then_drops_these_samples_alone() {
    let wraps = fake(1, |pass| {
        if !pass.is_probe() && pass.samples % 50 == 7 {
            Err(Reject::Backwards)
        } else {
            Ok(pass.ns)
        }
    });
    let found = samples(&wraps, &[&COPY, &SIGMOID], &exactly(100));
    assert_eq!(rounds_with_a_gap(&found), [3, 28, 53, 78]);
    assert_eq!(dropped(&found), (4, 0));
    for (member, work) in found.members.iter().zip([COPY, SIGMOID]) {
        assert!(member.ns.iter().flatten().all(|ns| (ns / work.ns - 1.0).abs() < 1e-12));
    }
    // A probe without a time is missed by the sample before it and by the one behind it.
    let wraps = fake(1, |pass| {
        if pass.is_probe() && pass.samples % 50 == 8 { Err(Reject::Backwards) } else { Ok(pass.ns) }
    });
    let found = samples(&wraps, &[&COPY, &SIGMOID], &exactly(100));
    assert_eq!(rounds_with_a_gap(&found), [3, 4, 28, 29, 53, 54, 78, 79]);
    assert_eq!(dropped(&found), (8, 0));
}

#[test]
fn a_clock_too_coarse_for_one_dispatch_gets_more_of_them() {
    let quantum = 1e5;
    let coarse = fake(1, |pass| {
        let shown = (pass.ns / quantum).floor() * quantum;
        if shown > 0.0 { Ok(shown) } else { Err(Reject::Zero) }
    });
    let short = Work { name: "short", ns: 1e4 };
    let found = samples(&coarse, &[&short, &short], &exactly(20));
    assert_eq!(dropped(&found), (0, 0));
    // 5 ms are 500 of them.
    assert!((333..=1000).contains(&found.fixed.dispatches), "{}", found.fixed.dispatches);
    for ns in found.members.iter().flat_map(|member| &member.ns) {
        let ns = ns.expect("a sample");
        assert!(
            ns <= short.ns && ns > short.ns - quantum / f64::from(found.fixed.dispatches),
            "{ns}"
        );
    }
}

#[test]
fn a_first_time_that_is_far_too_short_asks_for_no_pass_of_minutes() {
    // The first passes show next to nothing.
    let fake = fake(1, |pass| Ok(if pass.index < 4 { 1.0 } else { pass.ns }));
    let found = samples(&fake, &[&COPY, &SIGMOID], &exactly(20));
    let warm_up: Vec<u32> = fake
        .calls
        .borrow()
        .iter()
        .filter(|call| call.passes[0].0 == COPY.name)
        .map(|call| call.passes[0].1)
        .collect();
    assert_eq!(warm_up[..3], [1, 16, 256]);
    assert!((17..=66).contains(&found.fixed.dispatches), "{warm_up:?}");
}

/// How much longer a pass takes before each sample, if the core clock changes in the middle of
/// those of `changes` from 1 to 1 / `slower` and back.
fn slowed(changes: &[usize], samples: usize, slower: f64) -> f64 {
    let so_far = changes.iter().filter(|change| **change < samples).count();
    if so_far % 2 == 0 { 1.0 } else { slower }
}

#[test]
fn samples_in_which_the_core_clock_changes_are_dropped_and_counted() {
    let changes = [5, 12, 40, 43, 111];
    let rounds: Vec<usize> = changes.iter().map(|sample| sample / 2).collect();
    let throttling =
        |slower| fake(1, move |pass| Ok(pass.ns * slowed(&changes, pass.samples, slower)));
    let found = samples(&throttling(1.1), &[&COPY, &SIGMOID], &exactly(100));
    assert_eq!(rounds_with_a_gap(&found), rounds);
    assert_eq!(dropped(&found), (0, 5));
    // Up to 3 % may be the probe's own noise.
    for (slower, expected) in [(1.029, 0), (1.031, 5)] {
        let found = samples(&throttling(slower), &[&COPY, &SIGMOID], &exactly(100));
        assert_eq!(dropped(&found), (0, expected), "{slower}");
    }
    // On a software adapter the probe is written down and judges nothing.
    let lenient = Plan { probe_tolerance: None, ..exactly(100) };
    let found = samples(&throttling(1.1), &[&COPY, &SIGMOID], &lenient);
    assert_eq!(dropped(&found), (0, 0));
    assert_eq!(rounds_with_a_gap(&found), [0; 0]);
    let is_between = |ns: &Option<f64>| ns.is_some_and(|ns| (ns / PROBE.ns - 1.05).abs() < 1e-9);
    let probes = found.members.iter().flat_map(|member| &member.probe_ns);
    assert!(probes.clone().all(Option::is_some));
    assert_eq!(probes.filter(|ns| is_between(ns)).count(), changes.len());
}

#[test]
fn every_sample_stands_between_two_probes_of_the_same_call() {
    let fake = fake(1, |pass| Ok(pass.ns));
    let found = samples(&fake, &[&COPY, &SIGMOID], &exactly(100));
    let calls = fake.calls.borrow();
    let of_rounds: Vec<&Call> = calls.iter().filter(|call| call.passes.len() > 2).collect();
    assert!(of_rounds.len() > 3);
    let mut order = Vec::new();
    for call in &of_rounds {
        assert_eq!(call.passes.len() % 2, 1);
        for (at, (name, dispatches)) in call.passes.iter().enumerate() {
            assert_eq!(*name == PROBE.name, at % 2 == 0);
            assert_eq!(*dispatches, if at % 2 == 0 { 1 } else { found.fixed.dispatches });
        }
        order.extend(call.passes.iter().skip(1).step_by(2).map(|(name, _)| *name));
        // All at once, some rounds and little longer than 100 ms: nothing is waited for in between.
        assert_eq!(call.per_submission, call.passes.len());
        assert!(call.ns < 1.3e8, "{} ns", call.ns);
    }
    assert!(
        of_rounds.iter().any(|call| call.ns > 7e7),
        "calls of a few samples leave the device idle"
    );
    let turn = ["copy", "sigmoid", "sigmoid", "copy", "sigmoid", "copy", "copy", "sigmoid"];
    assert_eq!(order, turn.repeat(25));
}

#[test]
fn long_rounds_are_submitted_pass_by_pass() {
    let long = Work { name: "long", ns: 6e7 };
    let fake = fake(1, |pass| Ok(pass.ns));
    let found = samples(&fake, &[&long, &long], &exactly(20));
    assert_eq!(found.fixed, Fixed { dispatches: 1, rounds: 20 });
    let calls = fake.calls.borrow();
    let of_rounds: Vec<&Call> = calls.iter().filter(|call| call.passes.len() > 2).collect();
    assert_eq!(of_rounds.len(), 20);
    assert!(of_rounds.iter().all(|call| call.per_submission == 1 && call.passes.len() == 5));
}

/// A group of two with relative noise in each sample, which from pass `from` on is `later` times as
/// large.
fn noisy(seed: u64, noise: f64, from: usize, later: f64) -> Fake<impl Fn(&Pass<'_>) -> Time> {
    fake(seed, move |pass| {
        let noise = match (pass.is_probe(), pass.index < from) {
            (true, _) => 0.0,
            (false, true) => noise,
            (false, false) => noise * later,
        };
        Ok(pass.ns * (noise * pass.normal).exp())
    })
}

fn rounds_at(seed: u64, noise: f64, plan: &Plan) -> u32 {
    samples(&noisy(seed, noise, 0, 1.0), &[&COPY, &SIGMOID], plan).fixed.rounds
}

#[test]
fn the_rounds_follow_the_spread_of_the_pilot_within_their_limits() {
    assert_eq!(rounds_at(1, 0.0, &PLAN), 20);
    assert_eq!(rounds_at(1, 1e-4, &PLAN), 20);
    assert_eq!(rounds_at(1, 0.5, &PLAN), 200);
    let free = Plan { min_rounds: 4, max_rounds: 100_000, ..PLAN };
    let median = |noise| {
        let mut rounds: Vec<u32> = (0..51).map(|seed| rounds_at(seed, noise, &free)).collect();
        assert!(
            rounds.iter().all(|rounds| rounds % 4 == 0),
            "turns of two members are four rounds: {rounds:?}"
        );
        rounds.sort_unstable();
        rounds[25]
    };
    // sqrt(2) 1 % of noise in a ratio: (1.96 * 1.253 * 1.414 / 0.5)^2 = 48; twice the noise takes
    // four times as many.
    let (one, two) = (median(0.01), median(0.02));
    assert!((24..=80).contains(&one), "{one}");
    assert!((3 * one..=5 * one).contains(&two), "{one}, {two}");
    // Fewer fit into the time of the group: a round of a sample of 5 ms, one of 3.3 ms, and a probe
    // each.
    let brief = Plan { group: Duration::from_secs(1), max_rounds: 100_000, ..PLAN };
    let fit = rounds_at(1, 0.5, &brief);
    assert!((60..=160).contains(&fit), "{fit}");
    // What members share is not in their ratio: each takes a third longer with every 100 ms, both
    // alike.
    let drifting = fake(1, |pass| Ok(pass.ns * (1.0 + pass.now_ns / 3e8)));
    let raw = samples(&drifting, &[&COPY, &SIGMOID], &Plan { half_width: 0.05, ..PLAN });
    assert_eq!(raw.fixed.rounds, 20);
    // Turns of three members are six rounds.
    let fake = fake(1, |pass| Ok(pass.ns));
    assert_eq!(samples(&fake, &[&COPY, &SIGMOID, &COPY], &PLAN).fixed.rounds, 24);
    // No time for more than the fewest, so no pilot.
    let least = Plan { group: Duration::from_nanos(1), ..PLAN };
    let fake = noisy(1, 0.5, 0, 1.0);
    assert_eq!(samples(&fake, &[&COPY, &SIGMOID], &least).fixed.rounds, 20);
    let of_rounds = |call: &Call| call.passes.iter().filter(|(name, _)| *name == COPY.name).count();
    assert!(fake.calls.borrow().iter().skip(1).map(of_rounds).sum::<usize>() <= 20);
}

#[test]
fn the_rounds_do_not_depend_on_what_they_measure() {
    for seed in 0..20 {
        let as_planned = noisy(seed, 0.01, usize::MAX, 1.0);
        let found = samples(&as_planned, &[&COPY, &SIGMOID], &PLAN);
        let all: usize = as_planned.calls.borrow().iter().map(|call| call.passes.len()).sum();
        let rounds = found.fixed.rounds as usize;
        // The first pass of the rounds: these are what comes last.
        let mut first = all;
        let mut left = 2 * rounds;
        for call in as_planned.calls.borrow().iter().rev() {
            first -= call.passes.len();
            left -= call.passes.len() / 2;
            if left == 0 {
                break;
            }
        }
        for later in [0.0, 10.0] {
            let other = samples(&noisy(seed, 0.01, first, later), &[&COPY, &SIGMOID], &PLAN);
            assert_eq!(other.fixed, found.fixed, "seed {seed}");
            assert_ne!(other.members[1].ns, found.members[1].ns);
        }
    }
}

#[test]
fn what_another_repeat_fixed_is_obeyed() {
    let fixed = Fixed { dispatches: 7, rounds: 13 };
    let fake = noisy(1, 0.5, 0, 1.0);
    let found = measure::measure(&fake, &[&COPY, &SIGMOID], Some(&PROBE), &PLAN, Some(fixed))
        .expect("samples");
    assert_eq!(found.fixed, fixed);
    assert!(
        found.members.iter().all(|member| member.ns.len() == 13 && member.probe_ns.len() == 13)
    );
    let calls = fake.calls.borrow();
    let passes = calls.iter().filter(|call| call.passes.len() > 2).flat_map(|call| &call.passes);
    let samples: Vec<u32> =
        passes.filter(|(name, _)| *name != PROBE.name).map(|(_, times)| *times).collect();
    assert_eq!(samples, [7; 26], "there is no pilot");
}

#[test]
fn a_device_that_fails_ends_it_wherever_it_is() {
    let whole = noisy(1, 0.01, 0, 1.0);
    samples(&whole, &[&COPY, &SIGMOID], &PLAN);
    for lost_after in 0..whole.calls.borrow().len() {
        let fake = Fake { lost_after, ..noisy(1, 0.01, 0, 1.0) };
        let found = measure::measure(&fake, &[&COPY, &SIGMOID], Some(&PROBE), &PLAN, None);
        assert!(matches!(found, Err(Error::Machine(_))), "{lost_after}");
        assert_eq!(fake.calls.borrow().len(), lost_after + 1, "nothing is asked of a lost device");
    }
}

/// The rows of a group, as a run fills them.
fn rows(samples: Samples, activations: &[&str]) -> Vec<Measurement> {
    let row = |(activation, member): (&&str, measure::Member)| {
        let activation = Activation::named(activation).expect("in the table");
        let kernel =
            Kernel::default_variant(activation, Direction::Forward, Dtype::F32).expect("a variant");
        let mut row = Measurement::new(&kernel, 1 << 20);
        row.status = Status::Ok;
        row.dispatches_per_sample = samples.fixed.dispatches;
        row.rounds_per_repeat = samples.fixed.rounds;
        row.take(member);
        row
    };
    activations.iter().zip(samples.members).map(row).collect()
}

fn ratio(samples: Samples) -> Estimate {
    let rows = rows(samples, &["copy", "sigmoid"]);
    rows[1].over(&rows[0]).expect("samples")
}

#[test]
fn ratios_within_rounds_cancel_a_drift_that_ruins_medians() {
    // Three times as slow in the end as in the beginning, in a second.
    let drifting =
        fake(1, |pass| Ok(pass.ns * (1.0 + 2.0 * pass.now_ns / 1e9) * (0.001 * pass.normal).exp()));
    let rows = rows(samples(&drifting, &[&COPY, &SIGMOID], &exactly(60)), &["copy", "sigmoid"]);
    let [copy, sigmoid] = [0, 1].map(|row| rows[row].time_ns().expect("samples"));
    assert!(
        copy.relative_half_width() > 0.1 && sigmoid.relative_half_width() > 0.1,
        "{copy:?} {sigmoid:?}"
    );
    let ratio = rows[1].over(&rows[0]).expect("samples");
    assert!(ratio.relative_half_width() < 0.02, "{ratio:?}");
    assert!(ratio.low <= 1.5 && 1.5 <= ratio.high, "{ratio:?}");
}

/// Of so many measurements of the same work against itself, those whose interval holds 1.
fn covered(experiments: u64, plan: &Plan, drift: f64) -> usize {
    let holds = |seed: &u64| {
        let fake = fake(*seed, |pass| {
            Ok(pass.ns * (0.01 * pass.normal).exp() * (1.0 + drift * (pass.now_ns / 2e8).sin()))
        });
        let ratio = ratio(samples(&fake, &[&COPY, &COPY], plan));
        ratio.low <= 1.0 && 1.0 <= ratio.high
    };
    (0..experiments).filter(holds).count()
}

#[test]
fn the_same_work_differs_from_itself_as_seldom_as_promised() {
    let lenient = Plan { probe_tolerance: None, ..PLAN };
    let twenty = Plan { max_rounds: 20, ..lenient };
    // With 20 rounds 95.9 % by the binomial, and with others at least 95 %; four standard errors of
    // 2000 and 500 either way.
    for (experiments, plan, drift, expected) in [
        (2000, twenty, 0.0, 1882..=1953),
        (500, twenty, 0.2, 455..=500),
        (500, lenient, 0.0, 455..=500),
    ] {
        let covered = covered(experiments, &plan, drift);
        assert!(expected.contains(&covered), "{covered} of {experiments}, drift {drift}");
    }
}

#[test]
fn sampling_allocates_nothing() {
    let allocations = |rounds| {
        let fake = Fake { remembers: false, ..noisy(1, 0.01, 0, 1.0) };
        let plan = Plan { min_rounds: rounds, max_rounds: rounds, ..PLAN };
        let mut found = None;
        let counted =
            allocation_counter::measure(|| found = Some(samples(&fake, &[&COPY, &SIGMOID], &plan)));
        assert_eq!(found.expect("samples").fixed.rounds, rounds);
        counted.count_total
    };
    let some = allocations(100);
    assert!((1..50).contains(&some), "{some} allocations: are they counted at all?");
    // All rounds take their memory at once, in pieces as many for a thousand as for a hundred.
    assert_eq!(allocations(1000), some);
}

const HARDWARE: Circumstances = Circumstances { quantum_ns: Some(1.0), is_software: false };

/// Rows of copy and sigmoid, judged.
fn judged(found: Samples, circumstances: &Circumstances) -> [Measurement; 2] {
    let mut rows = rows(found, &["copy", "sigmoid"]);
    for row in &mut rows {
        row.bound_by = Some(BoundBy::Memory);
    }
    quality::judge(&mut rows, circumstances);
    rows.try_into().expect("two rows")
}

/// Why a row is invalid, after a look at what follows from that.
#[track_caller]
fn complaint<'a>(row: &'a Measurement, other: &Measurement) -> &'a Reason {
    assert_eq!(row.status, Status::Invalid, "{}", row.id);
    assert!(row.time_ns().is_none() && row.derived().is_none());
    assert!(row.over(other).is_none() && other.over(row).is_none());
    assert!(!row.samples_ns.is_empty(), "the samples stay");
    row.reason.as_ref().expect("a reason")
}

#[track_caller]
fn is_fine(row: &Measurement) {
    assert_eq!((row.status, &row.reason), (Status::Ok, &None), "{}", row.id);
    assert!(row.derived().is_some());
}

#[test]
fn times_of_a_broken_clock_are_invalid() {
    // Of 100 samples of sigmoid 11, then 10.
    for (broken, is_good) in [(11, false), (10, true)] {
        let failures = Cell::new(0);
        let fake = fake(1, |pass| {
            if pass.work.name != SIGMOID.name || pass.index < 40 || failures.get() == broken {
                return Ok(pass.ns);
            }
            failures.set(failures.get() + 1);
            Err(Reject::Zero)
        });
        let [copy, sigmoid] = judged(samples(&fake, &[&COPY, &SIGMOID], &exactly(100)), &HARDWARE);
        is_fine(&copy);
        assert_eq!(copy.notes, []);
        assert_eq!(sigmoid.dropped.clock, broken);
        assert_eq!(sigmoid.dropped.clock_reason, Some(Reject::Zero.to_string()));
        let dropped = sigmoid.dropped.clone();
        if is_good {
            is_fine(&sigmoid);
            assert_eq!(sigmoid.notes, [Reason::Dropped { samples: 100, dropped }]);
        } else {
            assert_eq!(complaint(&sigmoid, &copy), &Reason::NoTime { samples: 100, dropped });
        }
    }
}

#[test]
fn times_of_a_machine_that_throttles_are_invalid() {
    // The clock changes in every sample of the first so many rounds.
    for (rounds, is_good) in [(51, false), (50, true)] {
        let changes: Vec<usize> = (0..2 * rounds as usize).collect();
        let fake = fake(1, |pass| Ok(pass.ns * slowed(&changes, pass.samples, 1.2)));
        let [copy, sigmoid] = judged(samples(&fake, &[&COPY, &SIGMOID], &exactly(100)), &HARDWARE);
        for row in [&copy, &sigmoid] {
            assert_eq!(row.dropped.probe, rounds);
            if is_good {
                is_fine(row);
            } else {
                let expected = Reason::ClockChanged { samples: 100, dropped: rounds };
                assert_eq!(complaint(row, &copy), &expected);
            }
        }
    }
}

#[test]
fn times_of_a_few_steps_of_the_clock_are_invalid() {
    let shown = |quantum_ns: f64| {
        let fake = fake(1, move |pass| Ok((pass.ns / quantum_ns).round() * quantum_ns));
        let circumstances = Circumstances { quantum_ns: Some(quantum_ns), ..HARDWARE };
        judged(samples(&fake, &[&COPY, &SIGMOID], &exactly(20)), &circumstances)
    };
    let [copy, sigmoid] = shown(5e4);
    assert!(
        matches!(complaint(&copy, &sigmoid), Reason::TooFewTicks { ticks } if *ticks < 100.0),
        "{:?}",
        copy.reason
    );
    shown(1e4).iter().for_each(is_fine);
}

#[test]
fn a_kernel_that_does_half_the_work_is_invalid() {
    let half = Work { name: "sigmoid", ns: COPY.ns / 2.0 };
    let a_little_faster = Work { name: "sigmoid", ns: COPY.ns / 1.04 };
    let of = |work: &Work, is_software| {
        let fake = noisy(1, 0.01, 0, 1.0);
        judged(
            samples(&fake, &[&COPY, work], &exactly(40)),
            &Circumstances { is_software, ..HARDWARE },
        )
    };
    let is_twice_as_fast = |reason: &Reason, copy: &Measurement| {
        let Reason::FasterThanCopy { copy: id, ratio } = reason else { panic!("{reason:?}") };
        assert_eq!(*id, copy.id);
        assert!(ratio.low <= 2.0 && 2.0 <= ratio.high, "{ratio:?}");
    };
    let [copy, sigmoid] = of(&half, false);
    is_fine(&copy);
    is_twice_as_fast(complaint(&sigmoid, &copy), &copy);
    // Caches, compilers and other processes explain it there.
    let [copy, sigmoid] = of(&half, true);
    is_fine(&sigmoid);
    is_twice_as_fast(&sigmoid.notes[0], &copy);
    let [_, sigmoid] = of(&a_little_faster, false);
    is_fine(&sigmoid);
    assert_eq!(sigmoid.notes, []);
}
