//! What times a pass, and why a pair of timestamps is no sample.

use crate::error::{Error, Result};

/// Room that the wall clock must leave the device's clock: the two are different oscillators.
const CLOCK_DRIFT: f64 = 1.01;

/// How many times a pass is tried when the clock gives no time for it.
const ATTEMPTS: u32 = 5;

/// The time of a pass in ns, or why there is none.
pub type Time = Result<f64, Reject>;

/// What times passes of `Work`: a device, or what stands in for one in a test.
pub trait Stopwatch<Work> {
    /// Times passes, each a workload and how often it is dispatched, and appends a time for each.
    /// `per_submission` passes are submitted together, and all before any is waited for, so that
    /// the device stays busy and its clock up.
    fn time(
        &self,
        passes: &[(&Work, u32)],
        per_submission: usize,
        times: &mut Vec<Time>,
    ) -> Result<()>;

    /// The work's name, for messages.
    fn path(work: &Work) -> &str;
}

/// Why a pair of timestamps is no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// End equals begin.
    #[error("the clock stood still")]
    Zero,
    /// End is before begin.
    #[error("the clock ran backwards or wrapped")]
    Backwards,
    /// More than the time that passed on the host from submission to completion.
    #[error("the clock showed more than the wall clock")]
    LongerThanWall,
}

/// The time between two timestamps in ns, if there can have been such a time.
pub fn interval_ns(begin: u64, end: u64, period_ns: f64, wall_ns: f64) -> Time {
    if end == begin {
        return Err(Reject::Zero);
    }
    let ticks = end.checked_sub(begin).ok_or(Reject::Backwards)?;
    let ns = ticks as f64 * period_ns;
    if ns > wall_ns * CLOCK_DRIFT { Err(Reject::LongerThanWall) } else { Ok(ns) }
}

/// Times passes, all in one submission.
pub(super) fn times<S: Stopwatch<W>, W>(stopwatch: &S, passes: &[(&W, u32)]) -> Result<Vec<Time>> {
    let mut times = Vec::with_capacity(passes.len());
    stopwatch.time(passes, passes.len(), &mut times)?;
    Ok(times)
}

/// The time in ns of one pass, tried again where the clock gave none.
pub fn time_once<S: Stopwatch<W>, W>(stopwatch: &S, work: &W, dispatches: u32) -> Result<f64> {
    let mut reason = String::new();
    for _ in 0..ATTEMPTS {
        match times(stopwatch, &[(work, dispatches)])?[0] {
            Ok(ns) => return Ok(ns),
            Err(reject) => reason = reject.to_string(),
        }
    }
    let path = S::path(work);
    Err(Error::Machine(format!("the clock gave no time for {path}: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_gives_no_sample() {
        assert_eq!(interval_ns(1000, 1500, 2.0, 5000.0), Ok(1000.0));
        assert_eq!(interval_ns(1000, 1000, 2.0, 5000.0), Err(Reject::Zero));
        assert_eq!(interval_ns(1000, 999, 2.0, 5000.0), Err(Reject::Backwards));
        // A counter of 36 bits that wrapped in between.
        assert_eq!(interval_ns((1 << 36) - 5, 20, 1.0, 5000.0), Err(Reject::Backwards));
        assert_eq!(interval_ns(0, 10_000, 1.0, 5000.0), Err(Reject::LongerThanWall));
        // A period that is no whole number is not rounded.
        assert_eq!(interval_ns(0, 100, 52.083_332, 6000.0), Ok(5208.3332));
    }
}
