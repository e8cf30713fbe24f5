//! Taking samples: groups of workloads that are timed together, round by round.
//!
//! A sample is one compute pass with the same number of dispatches for every member of a group. A round is one sample of each member, in
//! an order that changes from round to round, so that what drifts (clock, temperature, other processes) meets all members alike; ratios
//! are taken within rounds. The number of rounds is fixed by a pilot before the first, not by watching an interval shrink: stopping when the
//! noise looks small makes intervals that promise too much.
//!
//! Before and behind each sample stands a probe: a short chain of fma, whose time is the inverse of the core's clock. Where the two
//! disagree the clock changed during the sample.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::gpu::Reject;
use crate::measure::stats;

/// What times passes: a device, or what stands in for one in a test.
pub trait Stopwatch {
    /// What a pass dispatches.
    type Work;

    /// Times passes, each a workload and how often it is dispatched, and appends one time in ns per pass, or why there is none. So many passes
    /// are submitted together, and all without waiting, so that the device stays busy and its clock up.
    fn time(
        &self,
        passes: &[(&Self::Work, u32)],
        per_submission: usize,
        times: &mut Vec<std::result::Result<f64, Reject>>,
    ) -> Result<()>;

    /// The smallest step that the clock was seen to make, in ns; none if that is not known.
    fn quantum_ns(&self) -> Option<f64>;

    /// The device's name, for messages.
    fn name(&self) -> &str;

    /// The work's name, for messages.
    fn path(work: &Self::Work) -> &str;
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long the members are run before the first sample.
    pub warm_up: Duration,
    /// The length that a sample of the group's slowest member is brought to, by repeating the dispatch. Drivers end passes of seconds,
    /// and clocks sag in long pauses; milliseconds are neither, and thousands of clock ticks.
    pub sample: Duration,
    /// The time that a group may take. More rounds than the fewest are made only within it.
    pub group: Duration,
    /// The fewest rounds, rounded up to whole turns of the orders.
    pub min_rounds: u32,
    /// The most rounds, rounded up to whole turns as well.
    pub max_rounds: u32,
    /// The half-width, relative to the ratio, that the pilot chooses the number of rounds for.
    pub half_width: f64,
    /// So many times longer samples are taken where the ratios of the first rounds are unsteady, which are then thrown away: a process that comes and goes
    /// every few milliseconds is in each of those alike. 1 where it is not worth it.
    pub retry_factor: u32,
    /// How much the probes before and behind a sample may differ, relative to the faster; none keeps every sample. A software adapter's
    /// probe tells how busy the cores are rather than how fast their clock is, and is recorded alone.
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
        let least = |own: Duration, milliseconds| own.min(Duration::from_millis(milliseconds));
        Self {
            warm_up: least(self.warm_up, 10),
            sample: self.sample / 2,
            group: least(self.group, 200),
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
    /// Per round, the mean time of the probes before and behind the sample, in ns; none without a probe.
    pub probe_ns: Vec<Option<f64>>,
    /// Samples that the clock gave no time for.
    pub dropped_by_clock: u32,
    /// Why the clock gave none, the last time.
    pub reject: Option<Reject>,
    /// Samples whose probes disagreed.
    pub dropped_by_probe: u32,
}

/// How many times a pass is tried when the clock gives no time for it.
const ATTEMPTS: u32 = 5;

/// The most dispatches of a sample.
const MOST_DISPATCHES: u32 = 1 << 16;

/// Rounds of the pilot, rounded up to whole turns of the orders.
const PILOT_ROUNDS: u32 = 10;

/// Ratios within rounds that vary by more than this, relative to their median, are those of a machine that does something else as well.
const UNSTEADY: f64 = 0.1;

/// The interval of a median is so many times wider than that of a mean, for normal samples: sqrt(pi / 2).
const MEDIAN_OVER_MEAN: f64 = 1.253;

/// Passes that are submitted before any is waited for take about so long: drivers end what runs for seconds.
const IN_FLIGHT: Duration = Duration::from_millis(100);

/// Times the members of a group together, each sample between two of the probe, if there is one. Dispatches and rounds are found by a
/// pilot, or those that another device has `fixed`.
pub fn measure<S: Stopwatch>(
    stopwatch: &S,
    members: &[&S::Work],
    probe: Option<&S::Work>,
    plan: &Plan,
    fixed: Option<Fixed>,
) -> Result<Samples> {
    let began = Instant::now();
    let (own, round_ns) = warm_up(stopwatch, members, probe, plan)?;
    let dispatches = fixed.map_or(own, |fixed| fixed.dispatches);
    // Another device may have fixed longer samples.
    let round_ns = round_ns * (f64::from(dispatches) / f64::from(own)).max(1.0);
    let group =
        Group { stopwatch, members, probe, dispatches, round_ns, tolerance: plan.probe_tolerance };
    let rounds = if let Some(fixed) = fixed {
        fixed.rounds
    } else {
        // Whole turns of the orders, so that every place is taken equally often.
        let turn = 2 * u32::try_from(members.len()).expect("a handful").max(1);
        let most =
            whole(nanoseconds(plan.group) / round_ns).clamp(plan.min_rounds, plan.max_rounds);
        if most > plan.min_rounds {
            let pilot = group.rounds(PILOT_ROUNDS.next_multiple_of(turn))?;
            rounds_for(&pilot, plan.half_width).clamp(plan.min_rounds, most).next_multiple_of(turn)
        } else {
            plan.min_rounds.next_multiple_of(turn)
        }
    };
    let mut warm_up = began.elapsed();
    let mut members = group.rounds(rounds)?;
    let mut fixed_here = Fixed { dispatches, rounds };
    if fixed.is_none() && plan.retry_factor > 1 && spread(&members) > UNSTEADY {
        warm_up = began.elapsed();
        fixed_here.dispatches = dispatches.saturating_mul(plan.retry_factor).min(MOST_DISPATCHES);
        let round_ns = round_ns * f64::from(plan.retry_factor);
        members = Group { dispatches: fixed_here.dispatches, round_ns, ..group }.rounds(rounds)?;
    }
    let fixed = fixed_here;
    Ok(Samples { fixed, members, warm_up, measure: began.elapsed().saturating_sub(warm_up) })
}

/// What the first device fixes for those after it, so that their samples are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Dispatches of each sample.
    pub dispatches: u32,
    /// Rounds.
    pub rounds: u32,
}

/// So many rounds of the members, without a probe: to rank them, where a ratio with an interval is not what is sought.
pub fn rounds<S: Stopwatch>(
    stopwatch: &S,
    members: &[&S::Work],
    plan: &Plan,
    rounds: u32,
) -> Result<Vec<Member>> {
    let (dispatches, round_ns) = warm_up(stopwatch, members, None, plan)?;
    Group { stopwatch, members, probe: None, dispatches, round_ns, tolerance: None }.rounds(rounds)
}

/// A group whose dispatches are settled.
#[derive(Clone, Copy)]
struct Group<'a, S: Stopwatch> {
    stopwatch: &'a S,
    members: &'a [&'a S::Work],
    probe: Option<&'a S::Work>,
    dispatches: u32,
    round_ns: f64,
    tolerance: Option<f64>,
}

impl<S: Stopwatch> Group<'_, S> {
    /// So many rounds. All memory is taken before the first.
    fn rounds(&self, rounds: u32) -> Result<Vec<Member>> {
        let rounds = rounds as usize;
        let per_round = self.members.len();
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
                let (time, around) = match self.probe {
                    Some(_) => (times[2 * at + 1], Some([times[2 * at], times[2 * at + 2]])),
                    None => (times[at], None),
                };
                found[*member].take(time, around, self.dispatches, self.tolerance);
            }
        }
        Ok(found)
    }
}

type Time = std::result::Result<f64, Reject>;

impl Member {
    /// ns per dispatch of the quarter of its samples that was least disturbed: to rank, where a bend or the best is sought and not a ratio with an
    /// interval. None without a sample.
    pub fn undisturbed_ns(&self) -> Option<f64> {
        let mut ns: Vec<f64> = self.ns.iter().flatten().copied().collect();
        ns.sort_by(f64::total_cmp);
        stats::quantile(&ns, 0.25)
    }

    /// Keeps or drops a sample by its own time and that of the probes around it.
    fn take(
        &mut self,
        time: Time,
        around: Option<[Time; 2]>,
        dispatches: u32,
        tolerance: Option<f64>,
    ) {
        let probe = around.map(|[before, behind]| Ok::<_, Reject>([before?, behind?]));
        self.probe_ns
            .push(probe.and_then(|times| {
                times.ok().map(|[before, behind]| f64::midpoint(before, behind))
            }));
        let sample = match (time, probe) {
            (Err(reject), _) | (Ok(_), Some(Err(reject))) => {
                self.dropped_by_clock += 1;
                self.reject = Some(reject);
                None
            }
            (Ok(_), Some(Ok([before, behind])))
                if tolerance.is_some_and(|tolerance| {
                    (before - behind).abs() > tolerance * before.min(behind)
                }) =>
            {
                self.dropped_by_probe += 1;
                None
            }
            (Ok(ns), _) => Some(ns / f64::from(dispatches)),
        };
        self.ns.push(sample);
    }
}

/// How many rounds would bring the interval of every ratio down to the relative half-width, judged by the spread in the pilot.
fn rounds_for(pilot: &[Member], half_width: f64) -> u32 {
    whole((1.96 * MEDIAN_OVER_MEAN * spread(pilot) / half_width).powi(2))
}

/// The standard deviation, relative to its median, of the ratio to the first member that varies most (or, of a group of one, of its time), as the
/// quartiles have it.
fn spread(rounds: &[Member]) -> f64 {
    let spread = |member: &Member| {
        let reference = if rounds.len() > 1 { Some(&rounds[0].ns) } else { None };
        let mut ratios: Vec<f64> = (member.ns.iter().enumerate())
            .filter_map(|(round, ns)| {
                Some((*ns)? / reference.map_or(Some(1.0), |first| first[round])?)
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let [low, median, high] = [0.25, 0.5, 0.75].map(|q| stats::quantile(&ratios, q));
        // 1.349 standard deviations lie between the quartiles of a normal distribution.
        Some((high? - low?) / 1.349 / median?)
    };
    rounds.iter().skip(usize::from(rounds.len() > 1)).filter_map(spread).fold(0.0, f64::max)
}

/// The order of the members in a round: each stands everywhere equally often, and before its neighbours as often as behind them.
fn order(members: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..members).map(move |place| {
        let place = if round.is_multiple_of(2) { place } else { members - 1 - place };
        (place + round / 2) % members
    })
}

/// Runs the members until clocks have come up, and finds the dispatches for which the slowest member's sample has the planned length, and
/// the time of a round then.
fn warm_up<S: Stopwatch>(
    stopwatch: &S,
    members: &[&S::Work],
    probe: Option<&S::Work>,
    plan: &Plan,
) -> Result<(u32, f64)> {
    let began = Instant::now();
    let mut dispatches = 1;
    if members.is_empty() {
        return Ok((dispatches, 0.0));
    }
    loop {
        let passes: Vec<_> = members.iter().map(|member| (*member, dispatches)).collect();
        let submitted = Instant::now();
        let times: Vec<f64> =
            times_of(stopwatch, &passes)?.into_iter().filter_map(std::result::Result::ok).collect();
        let enough = began.elapsed() >= plan.warm_up + plan.group;
        if times.len() < members.len() {
            // A clock too coarse for so few, or one that gives no time at all: then every sample is going to say so.
            if dispatches == MOST_DISPATCHES || enough {
                return Ok((dispatches, nanoseconds(submitted.elapsed())));
            }
            dispatches = (dispatches * 2).min(MOST_DISPATCHES);
            continue;
        }
        let (round_ns, slowest) =
            times.iter().fold((0.0, 0.0f64), |(sum, slowest), ns| (sum + ns, slowest.max(*ns)));
        // A pass of many dispatches costs less a dispatch than one of a few, so this takes several steps.
        let wanted = dispatches_for(plan.sample, slowest / f64::from(dispatches));
        let settled =
            wanted <= dispatches.saturating_add(dispatches / 2) && wanted >= dispatches / 2;
        if began.elapsed() >= plan.warm_up && settled || enough {
            let probe_ns = match probe {
                Some(probe) => {
                    times_of(stopwatch, &[(probe, 1), (probe, 1)])?.pop().and_then(Time::ok)
                }
                None => None,
            };
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            return Ok((dispatches, round_ns + probe_ns.unwrap_or(0.0) * members.len() as f64));
        }
        // In steps, since a first time that is far too short would ask for a pass of minutes.
        dispatches = wanted.min(dispatches.saturating_mul(16));
    }
}

fn times_of<S: Stopwatch>(stopwatch: &S, passes: &[(&S::Work, u32)]) -> Result<Vec<Time>> {
    let mut times = Vec::with_capacity(passes.len());
    stopwatch.time(passes, passes.len(), &mut times)?;
    Ok(times)
}

/// The time in ns of one pass, tried again where the clock gave none.
pub fn time_once<S: Stopwatch>(stopwatch: &S, work: &S::Work, dispatches: u32) -> Result<f64> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match times_of(stopwatch, &[(work, dispatches)])?.pop() {
            Some(Ok(ns)) => return Ok(ns),
            Some(Err(reject)) => last = Some(reject),
            None => {}
        }
    }
    let reason = last.map(|reject| reject.to_string()).unwrap_or_default();
    Err(Error::Machine(format!(
        "{} gave no time for {}: {reason}",
        stopwatch.name(),
        S::path(work)
    )))
}

/// How many dispatches of `once_ns` each fill a pass of that length: at least one, at most 2^16.
pub fn dispatches_for(pass: Duration, once_ns: f64) -> u32 {
    whole(nanoseconds(pass) / once_ns).clamp(1, MOST_DISPATCHES)
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// A positive number as a count, rounded up.
fn whole(number: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, which is meant"
    )]
    let count = number.ceil() as u32;
    count
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
