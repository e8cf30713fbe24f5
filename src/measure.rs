//! Taking samples: panels of workloads that are timed together, round by round.
//!
//! A sample is one compute pass with the same number of dispatches for every member of a panel. A round is one sample of each member, in
//! an order that changes from round to round, so that what drifts (clock, temperature, other processes) meets all members alike; ratios
//! are taken within rounds. The number of rounds is fixed before the first, not by watching an interval shrink: stopping when the noise
//! looks small makes intervals that promise too much.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Workload};

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long the members are run before the first sample.
    pub warm_up: Duration,
    /// The length that a sample of the panel's slowest member is brought to, by repeating the dispatch. Drivers end passes of seconds,
    /// and clocks sag in long pauses; milliseconds are neither, and thousands of clock ticks.
    pub sample: Duration,
    /// The time that a panel may take. More rounds than the fewest are made only within it.
    pub panel: Duration,
    /// The fewest rounds, rounded up to whole turns of the orders.
    pub min_rounds: u32,
    /// The most rounds.
    pub max_rounds: u32,
}

impl Plan {
    /// What the quick profile and `cargo bench` use.
    pub const QUICK: Self = Self {
        warm_up: Duration::from_millis(200),
        sample: Duration::from_millis(5),
        panel: Duration::from_millis(800),
        min_rounds: 20,
        max_rounds: 100,
    };
}

/// The samples of a panel.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Dispatches of each sample.
    pub dispatches: u32,
    /// Per member and round, ns per dispatch; none where the clock gave no sample.
    pub ns: Vec<Vec<Option<f64>>>,
}

/// How many times a pass is tried when the clock gives no time for it.
const ATTEMPTS: u32 = 5;

/// The most dispatches of a sample.
const MOST_DISPATCHES: u32 = 1 << 16;

/// Passes that are submitted before any is waited for take about so long: drivers end what runs for seconds.
const IN_FLIGHT: Duration = Duration::from_millis(100);

/// Times the members of a panel together.
///
/// # Errors
/// If the device fails, or its clock gives no time at all.
pub fn measure(gpu: &Gpu, members: &[&Workload], plan: &Plan) -> Result<Samples> {
    let (dispatches, round_ns) = warm_up(gpu, members, plan)?;
    let rounds = whole(nanoseconds(plan.panel) / round_ns).clamp(plan.min_rounds, plan.max_rounds);
    // Whole turns of the orders, so that every place is taken equally often.
    let rounds = rounds.next_multiple_of(2 * u32::try_from(members.len()).expect("a handful").max(1));
    let rounds_in_flight = whole(nanoseconds(IN_FLIGHT) / round_ns).max(1);

    let mut ns = vec![Vec::with_capacity(rounds as usize); members.len()];
    let orders: Vec<Vec<usize>> = (0..rounds as usize).map(|round| order(members.len(), round)).collect();
    for orders in orders.chunks(rounds_in_flight as usize) {
        let order: Vec<usize> = orders.iter().flatten().copied().collect();
        let passes: Vec<_> = order.iter().map(|member| (members[*member], dispatches)).collect();
        for (member, time) in order.iter().zip(gpu.time(&passes)?) {
            ns[*member].push(time.ok().map(|ns| ns / f64::from(dispatches)));
        }
    }
    Ok(Samples { dispatches, ns })
}

/// The order of the members in a round: each stands everywhere equally often, and before its neighbours as often as behind them.
fn order(members: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..members).collect();
    order.rotate_left(round / 2 % members.max(1));
    if !round.is_multiple_of(2) {
        order.reverse();
    }
    order
}

/// Runs the members until clocks have come up, and finds the dispatches for which the slowest member's sample has the planned length, and
/// the time of a round then.
fn warm_up(gpu: &Gpu, members: &[&Workload], plan: &Plan) -> Result<(u32, f64)> {
    let began = Instant::now();
    let mut dispatches = 1;
    loop {
        let passes: Vec<_> = members.iter().map(|member| (*member, dispatches)).collect();
        let times: Vec<f64> = gpu.time(&passes)?.into_iter().filter_map(std::result::Result::ok).collect();
        let warm = began.elapsed() >= plan.warm_up;
        if times.len() < members.len() {
            // A clock too coarse for so few, or one that gives no time at all.
            if dispatches == MOST_DISPATCHES || began.elapsed() >= plan.warm_up + plan.panel {
                let names: Vec<String> = members.iter().map(|member| member.kernel.path()).collect();
                return Err(Error::Machine(format!(
                    "{}: its clock gave no time for {}",
                    gpu.facts.name,
                    names.join(", ")
                )));
            }
            dispatches = (dispatches * 2).min(MOST_DISPATCHES);
            continue;
        }
        let (round_ns, slowest) = times.iter().fold((0.0, 0.0f64), |(sum, slowest), ns| (sum + ns, slowest.max(*ns)));
        // A pass of many dispatches costs less a dispatch than one of a few, so this takes several steps.
        let wanted = dispatches_for(plan.sample, slowest / f64::from(dispatches));
        let settled = wanted <= dispatches.saturating_add(dispatches / 2) && wanted >= dispatches / 2;
        if warm && settled || began.elapsed() >= plan.warm_up + plan.panel {
            return Ok((dispatches, round_ns));
        }
        // In steps, since a first time that is far too short would ask for a pass of minutes.
        dispatches = wanted.min(dispatches.saturating_mul(16));
    }
}

/// The time in ns of one pass, tried again where the clock gave none.
///
/// # Errors
/// If the device fails, or its clock gives no sample in several attempts.
pub fn time_once(gpu: &Gpu, workload: &Workload, dispatches: u32) -> Result<f64> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match gpu.time(&[(workload, dispatches)])?.pop() {
            Some(Ok(ns)) => return Ok(ns),
            Some(Err(reject)) => last = Some(reject),
            None => {}
        }
    }
    let reason = last.map(|reject| reject.to_string()).unwrap_or_default();
    Err(Error::Machine(format!("{} gave no time for {}: {reason}", gpu.facts.name, workload.kernel.path())))
}

/// How many dispatches of `once_ns` each fill a pass of that length: at least one, at most 2^16.
#[must_use]
pub fn dispatches_for(pass: Duration, once_ns: f64) -> u32 {
    whole(nanoseconds(pass) / once_ns).clamp(1, MOST_DISPATCHES)
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// A positive number as a count, rounded up.
fn whole(number: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, which is meant")]
    let count = number.ceil() as u32;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_stands_everywhere_and_behind_every_neighbour_equally_often() {
        for members in 1..5 {
            let rounds: Vec<Vec<usize>> = (0..2 * members).map(|round| order(members, round)).collect();
            for member in 0..members {
                for place in 0..members {
                    assert_eq!(rounds.iter().filter(|order| order[place] == member).count(), 2, "{members} members");
                }
            }
            let follows = |a: usize, b: usize| {
                rounds.iter().flat_map(|order| order.windows(2)).filter(|pair| **pair == [a, b]).count()
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
