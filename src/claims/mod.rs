//! What is said of ReLU and sigmoid, each claim as an experiment on the adapter at hand: it holds,
//! holds only when, or does not hold here.
//!
//! [`CLAIMS`] is the table: a claim a row, a file a claim. An experiment is built from
//! [`crate::gpu::Program`]s over buffers; each is first run at a small size and compared with the
//! CPU in f64 (`check`), and only then timed ([`Group`]) or believed. What is random comes from
//! the context's seed, and no sum depends on the order in which invocations run: the same seed on
//! the same adapter gives the same result, times apart. Claims are about algorithms: nothing here
//! enters a ratio or a rank of adapters.

mod autoencoder;
mod boltzmann;
mod census;
mod check;
mod convergence;
mod derivative;
mod gates;
mod gradients;
mod group;
mod layer_cost;
mod matmul;
mod net;
mod output;
mod random;
mod range;
pub mod render;
pub mod report;
mod shallow;
mod sparsity;

use std::borrow::Borrow;
use std::time::{Duration, Instant};

pub use group::Group;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::claims::report::{Claim, Figure, Outcome, Plot};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::activation::Activation;
use crate::measure::Plan;
use crate::measure::stats::{self, Estimate};
use crate::render::numbers::interval;
use crate::report::Status;

/// A claim, and the experiment that tests it.
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is claimed.
    pub statement: &'static str,
    /// Tests it.
    pub run: fn(&Context<'_>) -> Result<Findings>,
}

/// Every claim, in the order in which they are told.
pub static CLAIMS: &[Experiment] = &[
    range::CLAIM,
    derivative::CLAIM,
    gradients::CLAIM,
    sparsity::CLAIM,
    layer_cost::CLAIM,
    convergence::CLAIM,
    output::CLAIM,
    gates::CLAIM,
    autoencoder::CLAIM,
    boltzmann::CLAIM,
];

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Small nets and few sizes: all claims in less than two minutes on two cores.
    Quick,
    /// For a GPU: on two cores the trainings would take hours.
    Full,
}

/// What an experiment has to work with.
pub struct Context<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// How much to try.
    pub extent: Extent,
    /// Where all that is random comes from.
    pub seed: u64,
    /// Is told what is being done.
    pub progress: &'a dyn Fn(&str),
}

/// What an experiment found.
pub struct Findings {
    /// Whether the claim holds.
    pub outcome: Outcome,
    /// That in a line, with numbers.
    pub conclusion: String,
    /// The seeds that were tried.
    pub seeds: Vec<u64>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What is better seen.
    pub plots: Vec<Plot>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Context<'_> {
    /// One of two, by extent.
    pub fn either<T>(&self, quick: T, full: T) -> T {
        match self.extent {
            Extent::Quick => quick,
            Extent::Full => full,
        }
    }

    /// How a group is timed: many short ones in an experiment.
    pub fn plan(&self) -> Plan {
        let plan = Plan {
            warm_up: Duration::from_millis(10),
            group: Duration::from_secs(1),
            ..Plan::QUICK
        };
        if self.gpu.facts.is_software { plan.on_software() } else { plan }
    }

    /// So many seeds, all different for different seeds of the context.
    pub fn seeds(&self, count: u64) -> Vec<u64> {
        (0..count).map(|index| self.seed.wrapping_add(index)).collect()
    }

    /// So many seeds that count, and behind them so many that settings are chosen on: nothing is
    /// judged by what it was chosen for.
    fn seeds_and_tuning(&self, count: usize, tuning: usize) -> (Vec<u64>, Vec<u64>) {
        let mut seeds = self.seeds((count + tuning) as u64);
        let tuning = seeds.split_off(count);
        (seeds, tuning)
    }
}

impl Experiment {
    /// The claim of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CLAIMS.iter().find(|experiment| experiment.name == name)
    }

    /// The claim before anything was done: skipped, without a reason.
    pub fn pending(&self) -> Claim {
        let (name, statement) = (self.name.to_owned(), self.statement.to_owned());
        Claim { name, statement, ..Claim::default() }
    }

    /// Tests the claim. What is wrong with the experiment alone is in the claim: a computation that
    /// is not what it should be, a missing feature. The error is the machine's, which ends whatever
    /// comes behind as well; the claim that it ended is there too.
    pub fn examine(&self, context: &Context<'_>) -> (Claim, Option<Error>) {
        let began = Instant::now();
        let findings = (self.run)(context);
        let claim = Claim { duration_s: began.elapsed().as_secs_f64(), ..self.pending() };
        match findings {
            Ok(Findings { outcome, conclusion, seeds, figures, plots, notes }) => {
                let (outcome, conclusion) = (Some(outcome), Some(conclusion));
                let status = Status::Ok;
                (Claim { status, outcome, conclusion, seeds, figures, plots, notes, ..claim }, None)
            }
            Err(error) => {
                let status = match error {
                    Error::Unsupported(_) => Status::Unsupported,
                    _ => Status::Failed,
                };
                let claim = Claim { status, reason: Some(error.to_string()), ..claim };
                (claim, Some(error).filter(|error| matches!(error, Error::Machine(_))))
            }
        }
    }
}

/// The median over seeds with the range of all of them, which covers the median over all possible
/// seeds with 1 - 2^(1 - n): 94 % for five. A seed that diverged is one of them: what is no number
/// counts as infinite. None of none.
pub fn over_seeds(values: impl IntoIterator<Item: Borrow<f64>>) -> Option<Estimate> {
    let mut sorted: Vec<f64> =
        values.into_iter().map(|value| infinite_if_nan(*value.borrow())).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    Some(Estimate { median: stats::quantile(&sorted, 0.5)?, low, high })
}

/// [`over_seeds`] of what is the better the larger it is: what is no number counts as negative and
/// infinite.
pub fn over_seeds_of_merit(values: &[f64]) -> Option<Estimate> {
    over_seeds(values.iter().map(|value| -value)).map(|estimate| estimate.times(-1.0))
}

/// [`over_seeds`] in words.
fn told_over_seeds(values: &[f64]) -> String {
    over_seeds(values).map_or_else(|| "none".to_owned(), interval)
}

/// An error as what diverged has it.
fn infinite_if_nan(error: f64) -> f64 {
    if error.is_nan() { f64::INFINITY } else { error }
}

/// A learning rate that was chosen from some.
fn told_rate(rate: f32, rates: &[f32]) -> String {
    let is_at_end = [rates.first(), rates.last()].contains(&Some(&rate));
    format!("rate {rate}{}", if is_at_end { ", at the end of those tried" } else { "" })
}

/// A number of elements, steps or workgroups as a shader counts them.
fn count(number: usize) -> u32 {
    u32::try_from(number).expect("what fits a buffer is counted in u32")
}

/// Where random numbers come from on the CPU.
type Random = Xoshiro256PlusPlus;

fn random_of(seed: u64) -> Random {
    Random::seed_from_u64(seed)
}

/// The activation of that name.
fn named(name: &str) -> &'static Activation {
    Activation::named(name).expect("in the table")
}

fn in_f64(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// A count as a number: no count here comes near 2^53.
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest f32")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::gpu::Choice;

    fn examined(run: fn(&Context<'_>) -> Result<Findings>) -> (Claim, Option<Error>) {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 7, progress: &|_| () };
        Experiment { name: "a", statement: "b", run }.examine(&context)
    }

    #[test]
    fn names_are_unique_words_and_statements_sentences() {
        let names: HashSet<&str> = CLAIMS.iter().map(|claim| claim.name).collect();
        assert_eq!(names.len(), CLAIMS.len());
        for claim in CLAIMS {
            assert!(
                claim.name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'),
                "{}",
                claim.name
            );
            assert!(
                claim.statement.len() > 20 && !claim.statement.ends_with('.'),
                "{}",
                claim.name
            );
        }
    }

    #[test]
    fn what_was_found_is_the_claim() {
        let (claim, error) = examined(|context| {
            let seeds = context.seeds(3);
            let conclusion = "1 of 2".to_owned();
            let figures = vec![Figure::new("share", "", 0.5)];
            Ok(Findings {
                outcome: Outcome::Holds,
                conclusion,
                seeds,
                figures,
                plots: Vec::new(),
                notes: Vec::new(),
            })
        });
        assert!(error.is_none());
        assert_eq!(
            (claim.status, claim.outcome, claim.reason),
            (Status::Ok, Some(Outcome::Holds), None)
        );
        assert_eq!((claim.conclusion.as_deref(), claim.figures.len()), (Some("1 of 2"), 1));
        assert_eq!(claim.seeds, [7, 8, 9]);
    }

    #[test]
    fn an_experiment_that_is_wrong_fails_and_only_the_machine_ends_what_follows() {
        let of = |run| {
            let (claim, error) = examined(run);
            assert!(claim.outcome.is_none() && claim.conclusion.is_none());
            assert_eq!(claim.reason.as_deref(), Some("why"));
            (claim.status, error.is_some())
        };
        assert_eq!(of(|_| Err(Error::Mismatch("why".to_owned()))), (Status::Failed, false));
        assert_eq!(of(|_| Err(Error::Unsupported("why".to_owned()))), (Status::Unsupported, false));
        assert_eq!(of(|_| Err(Error::Machine("why".to_owned()))), (Status::Failed, true));
    }

    #[test]
    fn seeds_to_choose_on_are_none_of_those_that_count() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let context =
            Context { gpu: &gpu, extent: Extent::Quick, seed: u64::MAX, progress: &|_| () };
        assert_eq!(context.seeds_and_tuning(3, 2), (vec![u64::MAX, 0, 1], vec![2, 3]));
    }

    #[test]
    fn a_rate_at_the_end_of_those_tried_is_told() {
        assert_eq!(told_rate(2.0, &[1.0, 2.0, 3.0]), "rate 2");
        assert_eq!(told_rate(3.0, &[1.0, 2.0, 3.0]), "rate 3, at the end of those tried");
    }

    #[test]
    fn seeds_are_summed_up_by_their_range() {
        assert_eq!(over_seeds([0.0; 0]), None);
        assert_eq!(
            over_seeds([3.0, 1.0, 2.0]),
            Some(Estimate { median: 2.0, low: 1.0, high: 3.0 })
        );
        assert_eq!(over_seeds([3.0, 1.0]), Some(Estimate { median: 2.0, low: 1.0, high: 3.0 }));
        let infinite = f64::INFINITY;
        let found = over_seeds([infinite, 1.0, infinite]);
        assert_eq!(found, Some(Estimate { median: infinite, low: 1.0, high: infinite }));
    }

    #[test]
    fn a_seed_that_diverged_is_the_worst_and_not_dropped() {
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        // The sign of NaN is no matter.
        for nan in [nan, -nan] {
            assert_eq!(
                over_seeds([2.0, nan, 1.0]),
                Some(Estimate { median: 2.0, low: 1.0, high: infinite })
            );
            assert_eq!(
                over_seeds([nan]),
                Some(Estimate { median: infinite, low: infinite, high: infinite })
            );
            let likelihood = over_seeds_of_merit(&[-5.0, nan, -4.0]);
            assert_eq!(likelihood, Some(Estimate { median: -5.0, low: -infinite, high: -4.0 }));
        }
    }
}
