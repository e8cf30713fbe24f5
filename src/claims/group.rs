//! What is timed together, round by round.

use super::Context;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::measure::stats::{self, Estimate};
use crate::measure::{self, Member, Stopwatch};

/// The samples of what was timed in the same rounds.
pub struct Group {
    members: Vec<Member>,
    rounds: u32,
}

impl Group {
    /// Times sequences, or kernels of the table, together.
    pub fn timed<W>(context: &Context<'_>, works: &[&W]) -> Result<Self>
    where
        Gpu: Stopwatch<W>,
    {
        let samples = measure::measure(context.gpu, works, None, &context.plan(), None)?;
        let group = Self { members: samples.members, rounds: samples.fixed.rounds };
        for (work, member) in works.iter().zip(&group.members) {
            if stats::of_rounds(member.ns.iter().copied(), group.rounds).is_none() {
                let why = member.reject.map(|reject| format!(": {reject}")).unwrap_or_default();
                let path = Gpu::path(work);
                return Err(Error::Unsupported(format!(
                    "the clock gave too few times for {path}{why}"
                )));
            }
        }
        Ok(group)
    }

    /// The time of a member, in ns.
    pub fn ns(&self, member: usize) -> Estimate {
        self.estimate(self.members[member].ns.iter().copied())
    }

    /// The time of a member over that of another, taken within rounds.
    pub fn over(&self, member: usize, other: usize) -> Estimate {
        self.of_both(member, other, |own, other| own / other)
    }

    /// What follows from the times of two members in a round, by round.
    pub fn of_both(&self, member: usize, other: usize, what: impl Fn(f64, f64) -> f64) -> Estimate {
        let pairs = self.members[member].ns.iter().zip(&self.members[other].ns);
        self.estimate(pairs.map(|(own, other)| Some(what((*own)?, (*other)?))))
    }

    fn estimate(&self, rounds: impl Iterator<Item = Option<f64>>) -> Estimate {
        // Two members may each have samples and no round together: nothing is known then, and
        // nothing finite is said.
        let nothing = Estimate { median: f64::NAN, low: f64::NEG_INFINITY, high: f64::INFINITY };
        stats::of_rounds(rounds, self.rounds).unwrap_or(nothing)
    }
}
