//! Taking samples: groups of workloads that are timed together, round by round.
//!
//! A sample is one compute pass, with the same number of dispatches for every member of a group. A
//! round is one sample of each member. The order changes from round to round, so that what drifts
//! (clock, temperature, other processes) meets all members alike; ratios are taken within rounds.
//! A pilot fixes the number of rounds before the first. Stopping once the interval looks small
//! would make intervals that promise too much.
//!
//! A probe stands before and behind each sample: a short chain of fma, whose time is the inverse of
//! the core's clock. Where the two disagree, the clock changed during the sample.

use std::time::{Duration, Instant};

use super::stats;
use super::stopwatch::{Reject, Stopwatch, Time, times};
use crate::error::Result;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long the members are run before the first sample.
    pub warm_up: Duration,
    /// The length that a sample of the group's slowest member gets, by repeating the dispatch.
    /// Drivers end passes of seconds, and clocks sag in long pauses; milliseconds are neither, and
    /// thousands of clock ticks.
    pub sample: Duration,
    /// The time that a group may take. More rounds than the fewest are made only within it.
    pub group: Duration,
    /// The fewest rounds, rounded up to whole turns of the orders.
    pub min_rounds: u32,
    /// The most rounds, rounded up to whole turns as well.
    pub max_rounds: u32,
    /// The half-width, relative to the ratio, that the pilot chooses the number of rounds for.
    pub half_width: f64,
    /// Where the ratios of the first rounds are unsteady, these are thrown away and samples are
    /// taken that are longer by this factor: a process that comes and goes every few milliseconds
    /// is in each of those alike. 1 where it is not worth it.
    pub retry_factor: u32,
    /// How much the probes before and behind a sample may differ, relative to the faster; none
    /// keeps every sample. A software adapter's probe tells how busy the cores are rather than how
    /// fast their clock is; it is recorded and judges nothing.
    pub probe_tolerance: Option<f64>,
}

impl Plan {
    /// What the quick profile and `cargo bench` use, on hardware.
    pub const QUICK: Self = Self {
        warm_up: Duration::from_millis(50),
        sample: Duration::from_millis(2),
        group: Duration::from_millis(500),
        min_rounds: 20,
        max_rounds: 200,
        half_width: 0.005,
        retry_factor: 1,
        probe_tolerance: Some(0.03),
    };

    /// What the other profiles use, on hardware.
    pub const STANDARD: Self = Self {
        warm_up: Duration::from_millis(100),
        sample: Duration::from_millis(5),
        group: Duration::from_secs(2),
        max_rounds: 1000,
        half_width: 0.0025,
        ..Self::QUICK
    };

    /// For an adapter that shares its cores with everything else: see [`Self::probe_tolerance`].
    pub fn on_software(self) -> Self {
        Self { probe_tolerance: None, ..self }
    }

    /// To rank shapes and to scan sizes, which are short and many.
    pub fn briefly(self) -> Self {
        Self {
            warm_up: self.warm_up.min(Duration::from_millis(10)),
            sample: self.sample / 2,
            group: self.group.min(Duration::from_millis(200)),
            ..self
        }
    }
}

/// The samples of a group.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Dispatches of each sample, and rounds.
    pub fixed: Fixed,
    /// By member, in the order in which they were given.
    pub members: Vec<Member>,
    /// How long the warm-up and the pilot took.
    pub warm_up: Duration,
    /// How long the rounds took.
    pub measure: Duration,
}

/// The samples of one member of a group.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Per round, ns per dispatch; none where the sample was dropped.
    pub ns: Vec<Option<f64>>,
    /// Per round, the mean time of the probes before and behind the sample, in ns; none without a
    /// probe.
    pub probe_ns: Vec<Option<f64>>,
    /// Samples that the clock gave no time for.
    pub dropped_by_clock: u32,
    /// Why the clock gave none, the last time.
    pub reject: Option<Reject>,
    /// Samples whose probes disagreed.
    pub dropped_by_probe: u32,
}

/// The most dispatches of a sample.
const MOST_DISPATCHES: u32 = 1 << 16;

/// Rounds of the pilot, rounded up to whole turns of the orders.
const PILOT_ROUNDS: u32 = 10;

/// Ratios within rounds that vary by more than this, relative to their median, are those of a
/// machine that does something else as well.
const UNSTEADY: f64 = 0.1;

/// How many times wider the interval of a median is than that of a mean, for normal samples:
/// sqrt(pi / 2).
const MEDIAN_OVER_MEAN: f64 = 1.253;

/// How long the passes take that are submitted before any is waited for: drivers end what runs for
/// seconds.
const IN_FLIGHT: Duration = Duration::from_millis(100);

/// What the first repeat fixes for those after it, so that their samples are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Dispatches of each sample.
    pub dispatches: u32,
    /// Rounds.
    pub rounds: u32,
}

/// Times the members of a group together, each sample between two of the probe, if there is one.
/// Dispatches and rounds are found by a pilot, or are those that another repeat has `fixed`.
pub fn measure<S: Stopwatch<W>, W>(
    stopwatch: &S,
    members: &[&W],
    probe: Option<&W>,
    plan: &Plan,
    fixed: Option<Fixed>,
) -> Result<Samples> {
    let began = Instant::now();
    let mut group = Group::warmed_up(stopwatch, members, probe, plan)?;
    let rounds = if let Some(fixed) = fixed {
        group = group.with_dispatches(fixed.dispatches);
        fixed.rounds
    } else {
        group.pilot()?
    };
    let mut warm_up = began.elapsed();
    let mut members = group.rounds(rounds)?;
    if fixed.is_none() && plan.retry_factor > 1 && spread(&members) > UNSTEADY {
        warm_up = began.elapsed();
        let longer = group.dispatches.saturating_mul(plan.retry_factor).min(MOST_DISPATCHES);
        group = group.with_dispatches(longer);
        members = group.rounds(rounds)?;
    }
    let fixed = Fixed { dispatches: group.dispatches, rounds };
    Ok(Samples { fixed, members, warm_up, measure: began.elapsed().saturating_sub(warm_up) })
}

/// So many rounds of the members, without a probe: to rank them, where no ratio with an interval is
/// sought.
pub fn rounds<S: Stopwatch<W>, W>(
    stopwatch: &S,
    members: &[&W],
    plan: &Plan,
    rounds: u32,
) -> Result<Vec<Member>> {
    Group::warmed_up(stopwatch, members, None, plan)?.rounds(rounds)
}

/// A group whose dispatches are settled.
struct Group<'a, S, W> {
    stopwatch: &'a S,
    members: &'a [&'a W],
    probe: Option<&'a W>,
    plan: &'a Plan,
    /// Of each sample.
    dispatches: u32,
    /// About how long a round takes.
    round_ns: f64,
}

impl<'a, S: Stopwatch<W>, W> Group<'a, S, W> {
    /// Runs the members until clocks have come up, and finds the dispatches for which the slowest
    /// member's sample has the planned length.
    fn warmed_up(
        stopwatch: &'a S,
        members: &'a [&'a W],
        probe: Option<&'a W>,
        plan: &'a Plan,
    ) -> Result<Self> {
        let began = Instant::now();
        let mut group = Self { stopwatch, members, probe, plan, dispatches: 1, round_ns: 0.0 };
        while !members.is_empty() {
            let dispatches = group.dispatches;
            let passes: Vec<_> = members.iter().map(|member| (*member, dispatches)).collect();
            let submitted = Instant::now();
            let times: Vec<f64> =
                times(stopwatch, &passes)?.into_iter().filter_map(Time::ok).collect();
            let is_late = began.elapsed() >= plan.warm_up + plan.group;
            if times.len() < members.len() {
                // A clock too coarse for so few, or one that gives no time at all: then every
                // sample is going to say so.
                if dispatches == MOST_DISPATCHES || is_late {
                    group.round_ns = nanoseconds(submitted.elapsed());
                    break;
                }
                group.dispatches = (dispatches * 2).min(MOST_DISPATCHES);
                continue;
            }
            let slowest = times.iter().copied().fold(0.0, f64::max);
            // A pass of many dispatches costs less a dispatch than one of a few, so this takes
            // several steps.
            let wanted = dispatches_for(plan.sample, slowest / f64::from(dispatches));
            let is_settled =
                wanted <= dispatches.saturating_add(dispatches / 2) && wanted >= dispatches / 2;
            if began.elapsed() >= plan.warm_up && is_settled || is_late {
                group.round_ns = times.iter().sum::<f64>() + group.probes_ns()?;
                break;
            }
            // In steps, since a first time that is far too short would ask for a pass of minutes.
            group.dispatches = wanted.min(dispatches.saturating_mul(16));
        }
        Ok(group)
    }

    /// About how long the probes of a round take.
    fn probes_ns(&self) -> Result<f64> {
        let Some(probe) = self.probe else { return Ok(0.0) };
        // The first touches memory.
        let warm = times(self.stopwatch, &[(probe, 1), (probe, 1)])?[1];
        let probes = self.members.len() as f64;
        Ok(warm.unwrap_or(0.0) * probes)
    }

    fn with_dispatches(self, dispatches: u32) -> Self {
        let longer = (f64::from(dispatches) / f64::from(self.dispatches)).max(1.0);
        Self { dispatches, round_ns: self.round_ns * longer, ..self }
    }

    /// How many rounds to make, as many as the spread of a few asks for and the plan allows.
    fn pilot(&self) -> Result<u32> {
        let plan = self.plan;
        // Whole turns of the orders, so that every place is taken equally often.
        let turn = 2 * u32::try_from(self.members.len()).expect("a handful").max(1);
        let most =
            whole(nanoseconds(plan.group) / self.round_ns).clamp(plan.min_rounds, plan.max_rounds);
        let mut rounds = plan.min_rounds;
        if most > plan.min_rounds {
            let pilot = self.rounds(PILOT_ROUNDS.next_multiple_of(turn))?;
            rounds = rounds_for(&pilot, plan.half_width).clamp(plan.min_rounds, most);
        }
        Ok(rounds.next_multiple_of(turn))
    }

    /// So many rounds. All memory is taken before the first.
    fn rounds(&self, rounds: u32) -> Result<Vec<Member>> {
        let rounds = rounds as usize;
        let per_round = self.members.len();
        // At once: collected, it would grow with the rounds.
        let mut order = Vec::with_capacity(rounds * per_round);
        (0..rounds).for_each(|round| order.extend(self::order(per_round, round)));
        // A clock that gives no time leaves a round of next to none.
        let rounds_in_flight =
            (whole(nanoseconds(IN_FLIGHT) / self.round_ns) as usize).min(rounds).max(1);
        let room = || Vec::with_capacity(rounds);
        let mut found: Vec<Member> = self
            .members
            .iter()
            .map(|_| Member { ns: room(), probe_ns: room(), ..Member::default() })
            .collect();
        let mut passes = Vec::with_capacity(2 * per_round * rounds_in_flight + 1);
        let mut times = Vec::with_capacity(passes.capacity());
        for order in order.chunks((rounds_in_flight * per_round).max(1)) {
            passes.clear();
            times.clear();
            // The probe is in front, between any two samples, and behind.
            passes.extend(self.probe.map(|probe| (probe, 1)));
            for member in order {
                passes.push((self.members[*member], self.dispatches));
                passes.extend(self.probe.map(|probe| (probe, 1)));
            }
            let is_long = self.round_ns > nanoseconds(IN_FLIGHT);
            self.stopwatch.time(&passes, if is_long { 1 } else { passes.len() }, &mut times)?;
            for (at, member) in order.iter().enumerate() {
                let (time, probes) = match self.probe {
                    Some(_) => (times[2 * at + 1], Some([times[2 * at], times[2 * at + 2]])),
                    None => (times[at], None),
                };
                found[*member].take(time, probes, self.dispatches, self.plan.probe_tolerance);
            }
        }
        Ok(found)
    }
}

impl Member {
    /// ns per dispatch of the quarter of its samples that was least disturbed: to rank, where a
    /// bend or the best is sought and not a ratio with an interval. None without a sample.
    pub fn undisturbed_ns(&self) -> Option<f64> {
        let mut ns: Vec<f64> = self.ns.iter().flatten().copied().collect();
        ns.sort_by(f64::total_cmp);
        stats::quantile(&ns, 0.25)
    }

    /// Keeps or drops a sample by its own time and that of the probes around it.
    fn take(
        &mut self,
        time: Time,
        probes: Option<[Time; 2]>,
        dispatches: u32,
        tolerance: Option<f64>,
    ) {
        let probes = probes.map(|[before, behind]| Ok([before?, behind?])).transpose();
        self.probe_ns.push(probes.ok().flatten().map(|[one, other]| f64::midpoint(one, other)));
        let differ = |[one, other]: [f64; 2]| {
            tolerance.is_some_and(|tolerance| (one - other).abs() > tolerance * one.min(other))
        };
        self.ns.push(match time.and_then(|ns| Ok((ns, probes?))) {
            Err(reject) => {
                self.dropped_by_clock += 1;
                self.reject = Some(reject);
                None
            }
            Ok((_, Some(probes))) if differ(probes) => {
                self.dropped_by_probe += 1;
                None
            }
            Ok((ns, _)) => Some(ns / f64::from(dispatches)),
        });
    }
}

/// How many rounds would bring the interval of every ratio down to the relative half-width, judged
/// by the spread in the pilot.
fn rounds_for(pilot: &[Member], half_width: f64) -> u32 {
    whole((1.96 * MEDIAN_OVER_MEAN * spread(pilot) / half_width).powi(2))
}

/// The standard deviation, relative to its median, of the ratio to the first member that varies
/// most (or, of a group of one, of its time), as the quartiles have it.
fn spread(members: &[Member]) -> f64 {
    let is_pair = members.len() > 1;
    let spread = |member: &Member| {
        let mut ratios: Vec<f64> = (member.ns.iter().enumerate())
            .filter_map(|(round, ns)| {
                Some((*ns)? / if is_pair { members[0].ns[round]? } else { 1.0 })
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let [low, median, high] = [0.25, 0.5, 0.75].map(|q| stats::quantile(&ratios, q));
        // 1.349 standard deviations lie between the quartiles of a normal distribution.
        Some((high? - low?) / 1.349 / median?)
    };
    members.iter().skip(usize::from(is_pair)).filter_map(spread).fold(0.0, f64::max)
}

/// The order of the members in a round: each stands everywhere equally often, and before its
/// neighbours as often as behind them.
fn order(members: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..members).map(move |place| {
        let place = if round.is_multiple_of(2) { place } else { members - 1 - place };
        (place + round / 2) % members
    })
}

/// How many dispatches of `once_ns` each fill a pass of that length: at least one, at most 2^16.
pub fn dispatches_for(pass: Duration, once_ns: f64) -> u32 {
    whole(nanoseconds(pass) / once_ns).clamp(1, MOST_DISPATCHES)
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// A positive number as a count, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole(number: f64) -> u32 {
    number.ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_stands_everywhere_and_behind_every_neighbour_equally_often() {
        for members in 1..5 {
            let rounds: Vec<Vec<usize>> =
                (0..2 * members).map(|round| order(members, round).collect()).collect();
            for member in 0..members {
                for place in 0..members {
                    assert_eq!(
                        rounds.iter().filter(|order| order[place] == member).count(),
                        2,
                        "{members} members"
                    );
                }
            }
            let follows = |a: usize, b: usize| {
                rounds
                    .iter()
                    .flat_map(|order| order.windows(2))
                    .filter(|pair| **pair == [a, b])
                    .count()
            };
            for a in 0..members {
                for b in 0..members {
                    assert_eq!(follows(a, b), follows(b, a), "{members} members");
                }
            }
        }
    }

    #[test]
    fn passes_have_the_length_that_is_asked_for() {
        let pass = Duration::from_millis(5);
        assert_eq!(dispatches_for(pass, 1e6), 5);
        assert_eq!(dispatches_for(pass, 1e9), 1);
        assert_eq!(dispatches_for(pass, 1e-3), MOST_DISPATCHES);
    }
}
