//! Sequences that are timed together, round by round, as kernels are.

use std::fmt::Write as _;

use super::Context;
use crate::error::{Error, Result};
use crate::gpu::{Sequence, Sequences};
use crate::measure::{self, Member};
use crate::stats::{self, Estimate};

/// The samples of sequences that were timed in the same rounds.
pub struct Panel {
    members: Vec<Member>,
    rounds: u32,
}

impl Panel {
    /// Times them together.
    ///
    /// # Errors
    /// If the device fails, or its clock gave too few times for an interval.
    pub fn timed(context: &Context<'_>, sequences: &[&Sequence]) -> Result<Self> {
        let samples = measure::measure(&Sequences(context.gpu), sequences, None, &context.plan(), None)?;
        let panel = Self { members: samples.members, rounds: samples.fixed.rounds };
        for (sequence, member) in sequences.iter().zip(&panel.members) {
            if stats::of_rounds(member.ns.iter().copied(), panel.rounds).is_none() {
                let mut why = format!("the clock gave too few times for {}", sequence.path);
                if let Some(reject) = member.reject {
                    let _ = write!(why, ": {reject}");
                }
                return Err(Error::Unsupported(why));
            }
        }
        Ok(panel)
    }

    /// The time of a member, in ns.
    #[must_use]
    pub fn ns(&self, member: usize) -> Estimate {
        self.estimate(self.members[member].ns.iter().copied())
    }

    /// The time of a member over that of another, taken within rounds.
    #[must_use]
    pub fn over(&self, member: usize, other: usize) -> Estimate {
        self.of_both(member, other, |own, other| own / other)
    }

    /// What follows from the times of two members in a round, by round.
    #[must_use]
    pub fn of_both(&self, member: usize, other: usize, what: impl Fn(f64, f64) -> f64) -> Estimate {
        let pairs = self.members[member].ns.iter().zip(&self.members[other].ns);
        self.estimate(pairs.map(|(own, other)| Some(what((*own)?, (*other)?))))
    }

    fn estimate(&self, rounds: impl Iterator<Item = Option<f64>>) -> Estimate {
        // Two members may each have samples and no round together: nothing is known then, and nothing finite is said.
        let nothing = Estimate { median: f64::NAN, low: f64::NEG_INFINITY, high: f64::INFINITY };
        stats::of_rounds(rounds, self.rounds).unwrap_or(nothing)
    }
}
