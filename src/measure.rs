//! Taking samples: panels of workloads that are timed together, round by round.
//!
//! A sample is one compute pass with the same number of dispatches for every member of a panel. A round is one sample of each member, in
//! an order that rotates from round to round, so that what drifts (clock, temperature, other processes) meets all members alike; ratios
//! are taken within rounds. The number of rounds is fixed from a pilot, not by watching an interval shrink: stopping when the noise looks
//! small makes intervals that promise too much.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Workload};

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The length that a sample of the panel's slowest member is brought to, by repeating the dispatch. Drivers end passes of seconds,
    /// and clocks sag in long pauses; milliseconds are neither, and thousands of clock ticks.
    pub sample: Duration,
    /// The time that a panel may take. More rounds than the fewest are made only within it.
    pub panel: Duration,
    /// The fewest rounds.
    pub min_rounds: u32,
    /// The most rounds.
    pub max_rounds: u32,
}

impl Plan {
    /// What the quick profile and `cargo bench` use.
    pub const QUICK: Self =
        Self { sample: Duration::from_millis(5), panel: Duration::from_millis(800), min_rounds: 20, max_rounds: 100 };
}

/// The samples of a panel.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Dispatches of each sample.
    pub dispatches: u32,
    /// Per member and round, ns per dispatch; none where the clock gave no sample.
    pub ns: Vec<Vec<Option<f64>>>,
}

/// How many times one warm-up or pilot sample is tried when the clock gives none.
const ATTEMPTS: u32 = 5;

/// Times the members of a panel together.
///
/// # Errors
/// If the device fails, or its clock gives no sample at all.
pub fn measure(gpu: &Gpu, members: &[&Workload], plan: &Plan) -> Result<Samples> {
    let slowest = pilot(gpu, members, 1)?.into_iter().fold(0.0, f64::max);
    let dispatches = dispatches_for(plan.sample, slowest);
    // Again at the length that will be used: a pass of many dispatches costs less a dispatch, and clocks have come up meanwhile.
    let round_ns: f64 = pilot(gpu, members, dispatches)?.iter().map(|ns| ns * f64::from(dispatches)).sum();
    let rounds = whole(plan.panel.as_secs_f64() * 1e9 / round_ns).clamp(plan.min_rounds, plan.max_rounds);

    let mut ns = vec![Vec::with_capacity(rounds as usize); members.len()];
    let mut order: Vec<usize> = (0..members.len()).collect();
    for _ in 0..rounds {
        let passes: Vec<_> = order.iter().map(|member| (members[*member], dispatches)).collect();
        for (member, time) in order.iter().zip(gpu.time(&passes)?) {
            ns[*member].push(time.ok().map(|ns| ns / f64::from(dispatches)));
        }
        order.rotate_left(1);
    }
    Ok(Samples { dispatches, ns })
}

/// One time in ns per dispatch and member, after one pass that is not counted.
fn pilot(gpu: &Gpu, members: &[&Workload], dispatches: u32) -> Result<Vec<f64>> {
    members
        .iter()
        .map(|member| {
            gpu.time(&[(member, dispatches)])?;
            time_once(gpu, member, dispatches).map(|ns| ns / f64::from(dispatches))
        })
        .collect()
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
    whole(pass.as_secs_f64() * 1e9 / once_ns).clamp(1, 1 << 16)
}

/// A positive number as a count, rounded up.
fn whole(number: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, which is meant")]
    let count = number.ceil() as u32;
    count
}
