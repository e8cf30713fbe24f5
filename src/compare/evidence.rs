//! How sure a difference is: a t test whose unit is the repeat. The spread between repeats is
//! moderated by that of all rows.
//!
//! Rounds of one repeat share its noise: where its tensors lie, its temperature, what else the
//! machine does. So a repeat counts as one observation, the logarithm of its median. Three of them
//! say little about their own spread; all rows together say more. The variance of a row is drawn
//! towards what the rows have in common, with as many degrees of freedom as their agreement is
//! worth (Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004, article 3). A
//! row that is less steady than the others keeps its own variance and its few degrees of freedom
//! (after Phipson and others, Annals of Applied Statistics 10, 2016, pages 946 to 963).
//! Bootstrapping three repeats would give two thirds of their variance and no quantile of
//! Student's; a rank test of three against three can't go below p = 0.1.

use statrs::distribution::{ContinuousCDF as _, StudentsT};
use statrs::function::gamma::digamma;

use crate::measure::stats;

/// The level of an interval, and of the correction over all rows.
pub const LEVEL: f64 = 0.95;

/// The smallest variance between repeats, relative to the median: clocks have ticks, and equal
/// medians no spread at all.
const LEAST_VARIANCE: f64 = 1e-4 * 1e-4;

/// With so many degrees of freedom, Student's distribution is the normal one.
const MANY: f64 = 1e4;

/// The half-width of a 95 % interval in standard errors.
const HALF_WIDTH: f64 = 1.96;

/// What one report says of a quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// For each repeat, the logarithm of the median over its rounds.
    logs: Vec<f64>,
    /// The variance of such a logarithm that the noise of rounds explains, the mean over repeats.
    noise: f64,
}

impl Side {
    /// Of rounds, those of a repeat one after the other; some gave nothing. None if a repeat has
    /// too few for an interval of its own, or a median that is not above 0.
    pub fn new(rounds: impl Iterator<Item = Option<f64>>, per_repeat: u32) -> Option<Self> {
        let rounds: Vec<Option<f64>> = rounds.collect();
        let per_repeat = if per_repeat == 0 { rounds.len().max(1) } else { per_repeat as usize };
        let (mut logs, mut noise) = (Vec::new(), 0.0);
        for repeat in rounds.chunks(per_repeat) {
            let kept: Vec<f64> =
                repeat.iter().flatten().copied().filter(|value| value.is_finite()).collect();
            let median = stats::median_interval(&kept).filter(|estimate| estimate.median > 0.0)?;
            logs.push(median.median.ln());
            noise += (median.relative_half_width() / HALF_WIDTH).powi(2);
        }
        let noise = noise / count(logs.len());
        Some(Self { logs, noise }).filter(|side| !side.logs.is_empty() && noise.is_finite())
    }

    /// How many repeats there are.
    pub fn repeats(&self) -> usize {
        self.logs.len()
    }

    /// The geometric mean of the repeats' medians.
    pub fn value(&self) -> f64 {
        mean(&self.logs).exp()
    }
}

/// A quantity in two reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// In the report that is compared with.
    pub base: Side,
    /// In the other one.
    pub new: Side,
}

impl Pair {
    /// The degrees of freedom of its own spread between repeats.
    fn freedom(&self) -> f64 {
        count(self.base.repeats() + self.new.repeats() - 2)
    }

    /// The variance from one repeat to the next, alike in both reports; none if each has one
    /// repeat.
    fn variance(&self) -> Option<f64> {
        let freedom = self.freedom();
        (freedom > 0.0).then(|| (squares(&self.base.logs) + squares(&self.new.logs)) / freedom)
    }

    /// What the noise from round to round explains of it.
    fn noise(&self) -> f64 {
        f64::midpoint(self.base.noise, self.new.noise)
    }
}

/// What is known of the variance between repeats before a row is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// What the rows have in common, and the degrees of freedom that this is worth: 0 where no row
    /// says anything.
    variance: f64,
    freedom: f64,
    /// What is assumed of a row of which neither report has a second repeat, beyond the noise of
    /// its rounds.
    assumed: f64,
}

impl Prior {
    /// What rows of one quantity have in common, from so many groups; if no report has more than
    /// one repeat, nothing but the relative standard deviation between medians that is assumed.
    /// Rows of a group share their copy: they count as one for the freedom.
    pub fn of<'a>(rows: impl Iterator<Item = &'a Pair>, groups: usize, assumed: f64) -> Self {
        let known: Vec<(f64, f64)> = rows
            .filter_map(|row| Some((row.variance()?.max(LEAST_VARIANCE), row.freedom())))
            .collect();
        let assumed = assumed * assumed;
        if known.is_empty() {
            return Self { variance: 0.0, freedom: 0.0, assumed };
        }
        // Less the bias of each logarithm, so that their mean is that of the common variance.
        let logs: Vec<f64> = known
            .iter()
            .map(|(variance, d)| variance.ln() - digamma(d / 2.0) + (d / 2.0).ln())
            .collect();
        let rows = count(logs.len());
        let scatter = squares(&logs) / (rows - 1.0).max(1.0);
        let by_chance = known.iter().map(|(_, d)| trigamma(d / 2.0)).sum::<f64>() / rows;
        let own = known.iter().map(|(_, d)| *d).fold(f64::INFINITY, f64::min);
        let most = own * count(groups.saturating_sub(1));
        let freedom =
            if scatter > by_chance { 2.0 * inverse_trigamma(scatter - by_chance) } else { MANY };
        let bias = if freedom < MANY { digamma(freedom / 2.0) - (freedom / 2.0).ln() } else { 0.0 };
        Self { variance: (mean(&logs) + bias).exp(), freedom: freedom.min(most), assumed }
    }
}

/// What is found of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The logarithm of new over base.
    pub log_ratio: f64,
    /// The variance between repeats that it rests on.
    variance: f64,
    freedom: f64,
    standard_error: f64,
}

impl Finding {
    /// Of a pair, given what is known of the spread between repeats.
    pub fn new(pair: &Pair, prior: &Prior) -> Self {
        let own = pair.freedom();
        let (variance, freedom) = match pair.variance() {
            None => (prior.assumed + pair.noise(), MANY),
            // A row that is less steady than the others keeps its own spread and freedom.
            Some(variance) if variance > prior.variance || prior.freedom <= 0.0 => (variance, own),
            Some(variance) => {
                let freedom = prior.freedom + own;
                ((prior.freedom * prior.variance + own * variance) / freedom, freedom)
            }
        };
        // Repeats can agree better than their noise allows by chance.
        let variance = variance.max(pair.noise()).max(LEAST_VARIANCE);
        let log_ratio = mean(&pair.new.logs) - mean(&pair.base.logs);
        let standard_error = standard_error(variance, [&pair.base, &pair.new].map(Side::repeats));
        Self { log_ratio, variance, freedom, standard_error }
    }

    /// The probability of a difference as large as this one or larger if there is none.
    pub fn p(&self) -> f64 {
        two_sided(self.log_ratio.abs() / self.standard_error, self.freedom)
    }

    /// The interval of new over base, of this row by itself.
    pub fn interval(&self) -> (f64, f64) {
        let half = self.standard_error * quantile(f64::midpoint(1.0, LEVEL), self.freedom);
        ((self.log_ratio - half).exp(), (self.log_ratio + half).exp())
    }

    /// How many repeats each report needs for a verdict, if the ratio and the spread stay what they
    /// are; the correction counts `rows`. None where a hundred are not enough.
    pub fn repeats_for_a_verdict(&self, threshold: f64, rows: usize) -> Option<usize> {
        let effect = self.log_ratio.abs();
        let limit = threshold.ln_1p();
        let is_enough = |repeats: usize| {
            let error = standard_error(self.variance, [repeats, repeats]);
            // What they add to the freedom of other rows is not counted.
            let freedom = self.freedom.max(2.0 * count(repeats) - 2.0);
            if effect >= limit {
                two_sided(effect / error, freedom) * count(rows) <= 1.0 - LEVEL
            } else {
                effect + error * quantile(f64::midpoint(1.0, LEVEL), freedom) <= limit
            }
        };
        let numbers: Vec<usize> = (2..=100).collect();
        numbers.get(numbers.partition_point(|repeats| !is_enough(*repeats))).copied()
    }
}

/// Of the difference of two means, over so many repeats each.
fn standard_error(variance: f64, repeats: [usize; 2]) -> f64 {
    let [base, new] = repeats.map(count);
    (variance * (base.recip() + new.recip())).sqrt()
}

/// Holm's correction of each p for all of them. If nothing differs, the chance that one or more is
/// below 5 % is at most 5 %, however the rows depend on each other (Scandinavian Journal of
/// Statistics 6, 1979, pages 65 to 70).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut corrected = vec![0.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        least = least.max((p[index] * count(p.len() - rank)).min(1.0));
        corrected[index] = least;
    }
    corrected
}

fn two_sided(t: f64, freedom: f64) -> f64 {
    (2.0 * student(freedom).sf(t)).min(1.0)
}

fn quantile(q: f64, freedom: f64) -> f64 {
    student(freedom).inverse_cdf(q)
}

fn student(freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom.min(MANY)).expect("degrees of freedom are above 0")
}

/// The second derivative of the logarithm of the gamma function: by recurrence to where its
/// asymptotic series is good (Abramowitz and Stegun, 6.4.6 and 6.4.12).
fn trigamma(x: f64) -> f64 {
    let terms: f64 = (0..8).map(|k| (x + f64::from(k)).powi(-2)).sum();
    let y = (x + 8.0).recip();
    terms + y + y * y / 2.0 + y.powi(3) / 6.0 - y.powi(5) / 30.0
}

/// Where trigamma, which falls, has a value.
fn inverse_trigamma(value: f64) -> f64 {
    let (mut low, mut high) = (1e-6_f64, MANY / 2.0);
    for _ in 0..100 {
        let middle = (low * high).sqrt();
        if trigamma(middle) > value { low = middle } else { high = middle }
    }
    high
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len())
}

/// The sum of the squared distances from the mean.
fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const ROUNDS: usize = 20;

    #[test]
    fn functions_have_the_values_of_the_tables() {
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-5, "{a} is not {b}");
        let pi_squared = std::f64::consts::PI.powi(2);
        near(trigamma(0.5), pi_squared / 2.0);
        near(trigamma(1.0), pi_squared / 6.0);
        near(trigamma(2.0), pi_squared / 6.0 - 1.0);
        for x in [0.3, 2.0, 50.0] {
            near(inverse_trigamma(trigamma(x)), x);
        }
        near(quantile(0.975, 4.0), 2.776_445);
        near(quantile(0.975, MANY), 1.960_201);
        near(two_sided(2.776_445, 4.0), 0.05);
        // Far out, where Holm's correction looks.
        near(two_sided(20.0, 4.0), 3.688_311e-5);
    }

    #[test]
    fn holm_multiplies_the_least_by_all_and_never_goes_back() {
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[0.5]), [0.5]);
        assert_eq!(holm(&[0.04, 0.01, 0.5, 0.03]), [0.09, 0.04, 0.5, 0.09]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }

    #[test]
    fn a_side_has_a_repeat_for_each_so_many_rounds() {
        let rounds = |values: &[f64]| values.iter().map(|value| Some(*value)).collect::<Vec<_>>();
        let of = |rounds: Vec<Option<f64>>, per_repeat| Side::new(rounds.into_iter(), per_repeat);
        let two = of(rounds(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]), 6)
            .expect("two repeats");
        assert_eq!((two.repeats(), two.value()), (2, 2.0));
        assert_eq!(of(rounds(&[2.0; 12]), 0).expect("one repeat").repeats(), 1);
        assert_eq!(of(rounds(&[2.0; 12]), 8), None, "the second has four rounds");
        assert_eq!(of(rounds(&[-2.0; 12]), 6), None, "no logarithm");
        assert_eq!(of(vec![None; 12], 6), None);
        assert_eq!(of(Vec::new(), 6), None);
    }

    /// What a machine does to a row: standard deviations of logarithms.
    #[derive(Clone, Copy)]
    struct Machine {
        /// From one run to the next, beyond what its repeats differ by.
        run: f64,
        /// From one repeat to the next.
        repeat: f64,
        /// Of that, what the rows of a group share.
        shared: f64,
        /// From one round to the next.
        round: f64,
        /// How many times as unsteady every eighth row is.
        odd: f64,
    }

    const STEADY: Machine = Machine { run: 0.0, repeat: 0.004, shared: 0.0, round: 0.01, odd: 1.0 };

    /// A run: rows of groups of four, each with so many repeats; the new one of an effect.
    fn run(
        machine: Machine,
        rows: usize,
        repeats: usize,
        effect: f64,
        random: &mut Xoshiro256PlusPlus,
    ) -> Vec<Side> {
        let mut normal = || random.sample::<f64, _>(rand_distr::StandardNormal);
        let mut sides = Vec::new();
        let mut of_group = vec![0.0; repeats];
        for row in 0..rows {
            if row % 4 == 0 {
                of_group = (0..repeats).map(|_| machine.shared.sqrt() * normal()).collect();
            }
            let scale = if row % 8 == 5 { machine.odd } else { 1.0 };
            let run = machine.run * scale * normal();
            let mut rounds = Vec::new();
            for shared in &of_group {
                let repeat =
                    machine.repeat * scale * (shared + (1.0 - machine.shared).sqrt() * normal());
                rounds.extend(
                    (0..ROUNDS)
                        .map(|_| Some((effect + run + repeat + machine.round * normal()).exp())),
                );
            }
            let per_repeat = u32::try_from(ROUNDS).expect("a few");
            sides.push(Side::new(rounds.into_iter(), per_repeat).expect("rounds"));
        }
        sides
    }

    /// The comparisons of two runs in which a row is called different, by the threshold or more.
    fn crying_beyond(
        threshold: f64,
        machine: Machine,
        rows: usize,
        repeats: usize,
        effect: f64,
    ) -> usize {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        (0..COMPARISONS)
            .filter(|_| {
                let base = run(machine, rows, repeats, 0.0, &mut random);
                let new = run(machine, rows, repeats, effect, &mut random);
                let pairs: Vec<Pair> =
                    base.into_iter().zip(new).map(|(base, new)| Pair { base, new }).collect();
                let prior = Prior::of(pairs.iter(), rows.div_ceil(4), 0.03);
                let findings: Vec<Finding> =
                    pairs.iter().map(|pair| Finding::new(pair, &prior)).collect();
                let p: Vec<f64> = findings.iter().map(Finding::p).collect();
                let is_beyond = |finding: &Finding| finding.log_ratio.abs() >= threshold.ln_1p();
                holm(&p)
                    .into_iter()
                    .zip(&findings)
                    .any(|(p, finding)| p < 1.0 - LEVEL && is_beyond(finding))
            })
            .count()
    }

    fn crying(machine: Machine, rows: usize, repeats: usize, effect: f64) -> usize {
        crying_beyond(0.0, machine, rows, repeats, effect)
    }

    const COMPARISONS: usize = 1000;

    /// 5 % of the comparisons, and four standard errors.
    const MOST_CRYING: usize = 50 + 28;

    #[test]
    fn where_nothing_differs_few_comparisons_find_something() {
        let cases = [
            ("steady", STEADY, 32, 3),
            ("few rows", STEADY, 2, 3),
            ("one group", STEADY, 4, 3),
            ("five repeats", STEADY, 32, 5),
            ("shared by the rows of a group", Machine { shared: 1.0, ..STEADY }, 32, 3),
            ("noise of rounds alone", Machine { repeat: 0.0, ..STEADY }, 32, 3),
            ("every eighth row five times as unsteady", Machine { odd: 5.0, ..STEADY }, 32, 3),
            ("one repeat each, within what is assumed", Machine { repeat: 0.02, ..STEADY }, 32, 1),
        ];
        for (what, machine, rows, repeats) in cases {
            let crying = crying(machine, rows, repeats, 0.0);
            assert!(crying <= MOST_CRYING, "{what}: {crying} of {COMPARISONS}");
        }
    }

    /// The test can't see what changes from run to run and not within one: only the threshold
    /// helps.
    #[test]
    fn what_changes_between_runs_alone_is_found_and_the_threshold_stands_against_it() {
        let machine = Machine { run: 0.004, ..STEADY };
        let found = crying(machine, 32, 3, 0.0);
        assert!(found > MOST_CRYING, "{found}");
        let beyond = crying_beyond(0.02, machine, 32, 3, 0.0);
        assert!(beyond <= MOST_CRYING, "{beyond}");
    }

    #[test]
    fn a_real_difference_is_found() {
        let found = crying(STEADY, 32, 3, 0.05);
        assert!(found > 950, "{found}");
    }

    #[test]
    fn a_single_repeat_is_not_sure_of_less_than_is_assumed() {
        let found = crying(STEADY, 32, 1, 0.05);
        assert!(found <= MOST_CRYING, "{found}");
        let found = crying(STEADY, 32, 1, 0.2);
        assert!(found > 950, "{found}");
    }

    #[test]
    fn intervals_cover_as_often_as_they_say() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let (mut covered, mut all) = (0, 0);
        for _ in 0..100 {
            let [base, new] = [0.0, 0.03].map(|effect| run(STEADY, 32, 3, effect, &mut random));
            let pairs: Vec<Pair> =
                base.into_iter().zip(new).map(|(base, new)| Pair { base, new }).collect();
            let prior = Prior::of(pairs.iter(), 8, 0.03);
            for pair in &pairs {
                let (low, high) = Finding::new(pair, &prior).interval();
                covered += usize::from(low <= 0.03_f64.exp() && 0.03_f64.exp() <= high);
                all += 1;
            }
        }
        // 95 %, and four standard errors: sqrt(0.05 * 0.95 / 3200) = 0.39 %.
        assert!(covered * 1000 >= all * 934, "{covered} of {all}");
    }

    #[test]
    fn more_repeats_are_asked_for_where_it_is_less_sure() {
        let side = |logs: &[f64]| Side { logs: logs.to_vec(), noise: 1e-8 };
        let finding = |base: &[f64], new: &[f64]| {
            let pair = Pair { base: side(base), new: side(new) };
            Finding::new(&pair, &Prior::of(std::iter::once(&pair), 1, 0.03))
        };
        let steady = finding(&[0.0, 0.005, -0.005], &[0.001, 0.006, -0.004]);
        let unsteady = finding(&[0.0, 0.03, -0.03], &[0.001, 0.031, -0.029]);
        let needed =
            |finding: &Finding| finding.repeats_for_a_verdict(0.02, 10).expect("under a hundred");
        assert!(needed(&steady) < needed(&unsteady), "{} {}", needed(&steady), needed(&unsteady));
        let at_the_threshold = finding(&[0.0, 0.03, -0.03], &[0.0197, 0.0497, -0.0103]);
        assert_eq!(at_the_threshold.repeats_for_a_verdict(0.02, 10), None);
    }
}
