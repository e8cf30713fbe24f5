//! Order statistics of samples: they ask nothing of the distribution, and one wild sample does not
//! move them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF as _};

/// The fewest samples whose range covers the median with 95 % confidence: 1 - 2^-5 = 97 %.
const FEWEST: usize = 6;

/// A median with the ends of its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The median of the samples.
    pub median: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// So many times as much.
    pub fn times(self, factor: f64) -> Self {
        let [low, high] = if factor < 0.0 { [self.high, self.low] } else { [self.low, self.high] };
        Self { median: self.median * factor, low: low * factor, high: high * factor }
    }

    /// How much of an amount comes to each unit of it: bytes over ns are GB/s. Positive times
    /// alone.
    pub fn rate_of(self, amount: f64) -> Self {
        Self { median: amount / self.median, low: amount / self.high, high: amount / self.low }
    }

    /// Its quotient by what was measured apart from it; none where that may be 0 or less. The
    /// interval holds every quotient of two numbers of the two intervals: where both cover, so does
    /// it, and for independent ones of like width it covers with more than 99 %.
    pub fn over(self, divisor: Self) -> Option<Self> {
        if divisor.low <= 0.0 {
            return None;
        }
        // Below 0, the smaller divisor gives the lower end.
        let low = (self.low / divisor.low).min(self.low / divisor.high);
        let high = (self.high / divisor.low).max(self.high / divisor.high);
        let median = self.median / divisor.median;
        (low.is_finite() && high.is_finite()).then_some(Self { median, low, high })
    }

    /// The mean of this, which has such a weight, and of what was measured apart from it. Its
    /// interval is as cautious as that of [`Self::over`].
    pub fn mean_with(self, weight: f64, other: Self) -> Self {
        let mean = |own: f64, other: f64| weight * own + (1.0 - weight) * other;
        Self {
            median: mean(self.median, other.median),
            low: mean(self.low, other.low),
            high: mean(self.high, other.high),
        }
    }

    /// Half the interval's width as a share of the median.
    pub fn relative_half_width(&self) -> f64 {
        (self.high - self.low) / 2.0 / self.median
    }
}

/// The quantile `q` of sorted samples, interpolated linearly (Hyndman and Fan's type 7). None of
/// none.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to last")]
    let below = position.floor() as usize;
    let (low, high, weight) = (sorted[below], sorted[(below + 1).min(last)], position.fract());
    // Infinite neighbours have no difference, and 0 times an infinite one is no number.
    let is_low = weight == 0.0 || low == high || low.is_infinite();
    Some(if is_low { low } else { low + (high - low) * weight })
}

/// The median. None of none.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// How often `low` ranks as far below `high` as it does, or farther, if both are of one
/// distribution: the exact one-sided test of Wilcoxon, Mann and Whitney, over every way to deal the
/// numbers to two such groups. Equal numbers, infinite ones too, count half. For a dozen numbers.
///
/// # Panics
/// If there are more than 20.
pub fn p_of_ranks(low: &[f64], high: &[f64]) -> f64 {
    let all = [low, high].concat();
    assert!(all.len() <= 20, "every deal is looked at");
    let below = |deal: u32| {
        let is_low = |index: usize| deal >> index & 1 == 1;
        let mut halves = 0;
        for one in (0..all.len()).filter(|index| is_low(*index)) {
            for other in (0..all.len()).filter(|index| !is_low(*index)) {
                halves += if all[one] < all[other] { 2 } else { u32::from(all[one] == all[other]) };
            }
        }
        halves
    };
    let own = below((1 << low.len()) - 1);
    let deals = (0..1u32 << all.len()).filter(|deal| deal.count_ones() as usize == low.len());
    let (mut count, mut as_far) = (0.0, 0.0);
    for deal in deals {
        count += 1.0;
        as_far += if below(deal) >= own { 1.0 } else { 0.0 };
    }
    as_far / count
}

/// The median with its distribution-free 95 % interval: the order statistics whose ranks enclose
/// the middle 95 % of a binomial with p = 1/2 (Conover, Practical Nonparametric Statistics, section
/// 3.2), if the samples are independent. Fewer than 6 samples have no such pair, and so no
/// estimate.
pub fn median_interval(samples: &[f64]) -> Option<Estimate> {
    if samples.len() < FEWEST {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = rank_of_lower_end(sorted.len());
    Some(Estimate {
        median: quantile(&sorted, 0.5)?,
        low: sorted[rank],
        high: sorted[sorted.len() - 1 - rank],
    })
}

/// [`over_repeats`] of rounds, so many of each repeat one after the other, all in one without a
/// number; a round that gave nothing, or the quotient by a difference of 0, is left out.
pub fn of_rounds(rounds: impl Iterator<Item = Option<f64>>, per_repeat: u32) -> Option<Estimate> {
    let rounds: Vec<Option<f64>> =
        rounds.map(|round| round.filter(|value| value.is_finite())).collect();
    let per_repeat = if per_repeat == 0 { rounds.len().max(1) } else { per_repeat as usize };
    over_repeats(rounds.chunks(per_repeat).map(|repeat| repeat.iter().flatten().copied().collect()))
}

/// [`of_rounds`] of what each round makes of two samples; nothing where it lacks one of them.
pub fn of_pairs(
    own: &[Option<f64>],
    others: &[Option<f64>],
    per_repeat: u32,
    join: impl Fn(f64, f64) -> f64,
) -> Option<Estimate> {
    let rounds = own.iter().zip(others);
    of_rounds(rounds.map(|(own, other)| Some(join((*own)?, (*other)?))), per_repeat)
}

/// The median over the samples of several repeats, with the envelope of the repeats' own intervals.
/// None if some repeat has too few samples for an interval of its own.
///
/// The envelope shows what changes from one repeat to the next. It covers the median over all
/// possible repeats with 95 % only as long as that change is no more than the noise within one.
/// Where it is far more, a repeat is one observation: the envelope of d of them covers with
/// 1 - 2^(1 - d), which for three is 75 %.
pub fn over_repeats(repeats: impl Iterator<Item = Vec<f64>>) -> Option<Estimate> {
    let mut all = Vec::new();
    let mut ends = Vec::new();
    for samples in repeats {
        let own = median_interval(&samples)?;
        ends.extend([own.low, own.high]);
        all.extend(samples);
    }
    Some(Estimate {
        median: median(all.into_iter())?,
        low: ends.iter().copied().reduce(f64::min)?,
        high: ends.iter().copied().reduce(f64::max)?,
    })
}

/// The largest index i with P(fewer than i + 1 of n samples are below the median) <= 2.5 %; 0 if
/// there is none.
fn rank_of_lower_end(n: usize) -> usize {
    let below = Binomial::new(0.5, n as u64).expect("one half is a probability");
    let first_above = usize::try_from(below.inverse_cdf(0.025)).expect("at most n");
    first_above.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn ranks_have_the_probabilities_of_the_tables() {
        // Of 252 deals one, then one more for each neighbour: 5 against 5, U of 0, 1 and 4.
        let of = |low: &[f64], high: &[f64]| (252.0 * p_of_ranks(low, high)).round();
        let high = [10.0, 20.0, 30.0, 40.0, 50.0];
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 5.0], &high), 1.0);
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 15.0], &high), 2.0);
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 45.0], &high), 12.0);
        assert_eq!(of(&high, &[1.0, 2.0, 3.0, 4.0, 5.0]), 252.0);
        // What never ends is the slowest, and as slow as another that never ends.
        let never = f64::INFINITY;
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 5.0], &[never; 5]), 1.0);
        assert_eq!(p_of_ranks(&[never; 5], &[never; 5]), 1.0);
        assert!(p_of_ranks(&[5.0, 5.0, 5.0, 5.0, 5.0], &[5.0, 5.0, 5.0, 5.0, never]) > 0.4);
    }

    #[test]
    fn a_rate_is_highest_where_the_time_is_lowest() {
        let ns = Estimate { median: 4.0, low: 2.0, high: 5.0 };
        assert_eq!(ns.rate_of(20.0), Estimate { median: 5.0, low: 4.0, high: 10.0 });
    }

    #[test]
    fn quantiles_of_known_samples() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.9), Some(3.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.0), Some(1.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 1.0), Some(4.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25), Some(2.0));
    }

    #[test]
    fn quantiles_beside_infinite_samples_are_numbers() {
        let infinite = f64::INFINITY;
        for (sorted, q, expected) in [
            (&[1.0, 2.0, infinite][..], 0.5, 2.0),
            (&[1.0, infinite, infinite], 0.5, infinite),
            (&[1.0, infinite], 0.5, infinite),
            (&[infinite, infinite], 0.5, infinite),
            (&[-infinite, 1.0], 0.5, -infinite),
            (&[-infinite, -infinite, 1.0, 2.0], 0.25, -infinite),
            (&[1.0, infinite], 0.0, 1.0),
        ] {
            assert_eq!(quantile(sorted, q), Some(expected), "{q} of {sorted:?}");
        }
    }

    #[test]
    fn ranks_are_those_of_the_tables() {
        // Lower ranks (from 1) of the 95 % interval of a median.
        let table = [(6, 1), (9, 2), (10, 2), (20, 6), (30, 10), (50, 18), (100, 40)];
        for (n, rank) in table.into_iter().chain([(1000, 469), (3000, 1446), (20_000, 9861)]) {
            assert_eq!(rank_of_lower_end(n) + 1, rank, "n = {n}");
        }
        // No pair encloses 95 % of so few.
        assert_eq!(rank_of_lower_end(5), 0);
        // All of them, as the sum of the binomial's terms gave them before statrs did.
        assert_eq!((1..=1000).map(rank_of_lower_end).sum::<usize>(), 228_593);
    }

    #[test]
    fn repeats_are_joined_by_their_envelope() {
        let join =
            |repeats: &[&[f64]]| over_repeats(repeats.iter().map(|samples| samples.to_vec()));
        let low = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let high = [11.0, 12.0, 13.0, 14.0, 15.0, 16.0];
        let own = median_interval(&low).expect("samples");
        assert_eq!(join(&[&low]), Some(own));
        assert_eq!((own.low, own.median, own.high), (1.0, 3.5, 6.0));
        for repeats in [[&low[..], &high[..]], [&high, &low]] {
            assert_eq!(join(&repeats), Some(Estimate { low: 1.0, median: 8.5, high: 16.0 }));
        }
        // Half of the samples, and not of the repeats: the one in the middle has one sample more.
        let middle = [7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.5];
        assert_eq!(
            join(&[&low, &middle, &high]),
            Some(Estimate { low: 1.0, median: 7.0, high: 16.0 })
        );
        for few in [&low[..5], &[]] {
            assert_eq!(join(&[&low, few, &high]), None, "{few:?}");
        }
        assert_eq!(join(&[]), None);
    }

    /// Of 2000 runs of three repeats, each with 20 samples of noise 1 around a median of its own,
    /// those whose envelope holds the median of all repeats.
    fn covered_over_repeats(spread: f64) -> usize {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(6);
        let mut normal = || random.sample::<f64, _>(rand_distr::StandardNormal);
        let mut repeat = || {
            let median = spread * normal();
            (0..20).map(|_| median + normal()).collect::<Vec<f64>>()
        };
        let mut run = || over_repeats((0..3).map(|_| repeat())).expect("samples");
        (0..2000).map(|_| run()).filter(|found| found.low <= 0.0 && 0.0 <= found.high).count()
    }

    #[test]
    fn the_envelope_of_repeats_covers_as_often_as_it_says() {
        let [same, alike, different] = [0.0, 0.25, 100.0].map(covered_over_repeats);
        assert!(same > 1990, "{same}");
        // A spread as that of a median of 20: 1.253 / sqrt(20) = 0.28.
        assert!(alike >= 1900, "{alike}");
        // 75 %, give or take four standard errors.
        assert!((1422..=1578).contains(&different), "{different}");
    }

    #[test]
    fn the_interval_covers_the_true_median_as_often_as_it_says() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let experiments = 4000;
        let covered = (0..experiments)
            .filter(|_| {
                // Skewed: squares of uniform numbers, with the median 1/4.
                let samples: Vec<f64> = (0..20).map(|_| random.random::<f64>().powi(2)).collect();
                let interval = median_interval(&samples).expect("samples");
                interval.low <= 0.25 && 0.25 <= interval.high
            })
            .count();
        // 95.9 % by the binomial; four standard errors either way.
        assert!((3780..=3886).contains(&covered), "{covered} of {experiments}");
    }
}
