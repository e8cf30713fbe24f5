//! The probe of the core clock: a short chain of fma that runs before and behind every sample.
//!
//! It touches next to no memory and no special function, so that its time is the inverse of the
//! clock, whatever the samples do.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Workload};
use crate::kernels::chain::{Chain, UNROLL};
use crate::validate::chain::ChainRunner;

/// How long a probe runs: an eighth of a sample or less, and hundreds of ticks of every clock.
const LENGTH: Duration = Duration::from_micros(250);

/// Lanes that fill the largest GPU, four elements each.
const ELEMENTS: u64 = 1 << 20;

/// On a CPU a few thousand are enough.
const ELEMENTS_ON_CPU: u64 = 1 << 14;

/// The most steps that are tried, on the fastest adapter far more than it takes.
const MOST_STEPS: u32 = 1 << 18;

/// Twice the steps have to take at least this multiple of the time.
const LEAST_GROWTH: f64 = 1.6;

/// A probe that was found to grow with its steps and to compute what it should.
pub struct Probe {
    /// What to dispatch once, before and behind each sample.
    pub workload: Workload,
    /// Its steps.
    pub steps: u32,
}

impl Probe {
    /// Finds the steps for which it takes about a quarter of a millisecond, or more, if it takes
    /// more for its time to be that of its steps; or takes those of an earlier repeat, so that
    /// times of both compare.
    pub fn new(gpu: &Gpu, seed: u64, found: Option<u32>) -> Result<Self> {
        let elements = if gpu.facts.is_software { ELEMENTS_ON_CPU } else { ELEMENTS };
        let runner = ChainRunner::new(gpu, Chain::fma(), elements, seed)?;
        if let Some(steps) = found {
            return Ok(Self { workload: runner.checked_at(steps)?, steps });
        }
        let wanted = LENGTH.as_secs_f64() * 1e9;
        let mut steps = UNROLL;
        let mut time = fastest(gpu, &runner.at(steps)?)?;
        let mut growth = 0.0;
        while steps < MOST_STEPS {
            let twice = fastest(gpu, &runner.at(2 * steps)?)?;
            growth = time.zip(twice).map_or(0.0, |(time, twice)| twice / time);
            if time.is_some_and(|time| time >= wanted) && growth >= LEAST_GROWTH {
                return Ok(Self { workload: runner.checked_at(steps)?, steps });
            }
            (steps, time) = (2 * steps, twice);
        }
        Err(Error::Unsupported(match time {
            Some(_) => format!("twice the steps take {growth:.2}x the time, not about 2x"),
            None => format!("the clock gave no time for {steps} steps"),
        }))
    }
}

/// The fastest of a few passes, in ns: what disturbs a pass makes it longer. None if the clock gave
/// no time.
fn fastest(gpu: &Gpu, workload: &Workload) -> Result<Option<f64>> {
    // The first touches memory.
    let times = gpu.time(&[(workload, 1); 6])?;
    Ok(times.into_iter().skip(1).filter_map(std::result::Result::ok).reduce(f64::min))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Choice;

    #[test]
    fn there_is_one_on_every_adapter_with_a_clock() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let probe = Probe::new(&gpu, 1, None).expect("a probe");
        assert!(probe.steps >= UNROLL);
        assert_eq!(probe.workload.shader.path, Chain::fma().id(probe.steps));
        let again = Probe::new(&gpu, 1, Some(2 * probe.steps)).expect("a probe");
        assert_eq!(again.workload.shader.path, Chain::fma().id(2 * probe.steps));
    }
}
