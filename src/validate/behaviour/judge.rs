//! From results to words. Nothing here knows a device.

use serde::{Deserialize, Serialize};

use super::evaluate::Case;
use crate::kernels::dtype::Dtype;

/// A word or a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Finite.
    Number(f64),
    /// One of a closed set.
    Word(Word),
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// NaN.
    Nan,
    /// +0.
    Zero,
    /// -0.
    MinusZero,
    /// 1.
    One,
    /// -1.
    MinusOne,
    /// +infinity.
    Infinity,
    /// -infinity.
    MinusInfinity,
    /// The largest finite number.
    Largest,
    /// The exact result, or the nearest number.
    Exact,
    /// Near the exact result, but not the nearest number.
    Inexact,
    /// The bits came through; a subnormal result is there.
    Preserved,
    /// 0 for a subnormal.
    Flushed,
    /// A signalling NaN came out quiet, with its payload.
    Quietened,
    /// Another NaN came out.
    Replaced,
    /// Yes.
    Yes,
    /// No.
    No,
    /// With one rounding.
    Fused,
    /// With two roundings.
    Separate,
    /// Computed as written.
    AsWritten,
    /// Computed as something that is equal only in real numbers.
    Rewritten,
    /// To nearest, ties to even.
    ToNearestEven,
    /// To nearest, ties away from zero.
    ToNearestAway,
    /// Toward zero.
    TowardZero,
    /// Upward.
    Up,
    /// Downward.
    Down,
    /// No half of a pair changes the other.
    Independent,
    /// The lower half is wrong beside a special upper one.
    SpoilsLower,
    /// The upper half is wrong beside a special lower one.
    SpoilsUpper,
    /// Both.
    SpoilsBoth,
    /// ±1 for every large input.
    Saturates,
    /// Different answers to different inputs.
    Mixed,
    /// The error is not finite.
    NotFinite,
    /// The adapter lacks a feature.
    Unsupported,
    /// The shader does not compile.
    DoesNotCompile,
    /// Not among the expected answers, or a word of a later version.
    #[serde(other)]
    Other,
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its name in JSON: no second list has to agree with it.
        self.serialize(f)
    }
}

/// How an answer is read from all results of a probe.
#[derive(Clone, Copy)]
pub enum Judge {
    /// By the word of each, if all have the same.
    Each(fn(&Case) -> Word),
    /// By a word for all.
    All(fn(&[Case]) -> Word),
    /// By the first word where each result is the reference, by the second where each is 0.
    ExactOrZero(Word, Word),
    /// By the largest error, with the first operand where it is if it is infinite.
    Largest(fn(&Case) -> f64),
    /// By how often the result falls from one input to the next larger one.
    Falls,
}

/// Which special value it is.
pub const VALUE: Judge = Judge::Each(|case| special(case.value(), case.dtype));

/// [`VALUE`] without the sign.
pub const MAGNITUDE: Judge = Judge::Each(|case| special(case.value().abs(), case.dtype));

/// Whether all are the numbers nearest to the reference.
pub const EXACTNESS: Judge = Judge::All(|cases| {
    let within = |ulps: f64| cases.iter().all(|case| case.ulps() <= ulps);
    if within(0.5) {
        Word::Exact
    } else if within(4.0) {
        Word::Inexact
    } else {
        agreed(cases, |case| special(case.value(), case.dtype))
    }
});

/// Whether all are near the reference, a limit.
pub const LIMITS: Judge = Judge::All(|cases| {
    if cases.iter().all(|case| case.ulps() <= 4.0) { Word::Exact } else { nan_or_other(cases) }
});

/// [`EXACTNESS`] where a result that is subnormal may be 0 instead.
pub const NEAR_ZERO: Judge = Judge::All(|cases| {
    let is_flushed = |case: &Case| {
        case.ulps() > 0.5 && case.value() == 0.0 && case.dtype.memory().is_subnormal(case.reference)
    };
    let within = |ulps: f64| cases.iter().all(|case| case.ulps() <= ulps || is_flushed(case));
    match (within(0.5), within(4.0)) {
        (true, _) if cases.iter().any(is_flushed) => Word::Flushed,
        (true, _) => Word::Exact,
        (false, true) => Word::Inexact,
        (false, false) => nan_or_other(cases),
    }
});

fn nan_or_other(cases: &[Case]) -> Word {
    if cases.iter().any(|case| case.value().is_nan()) { Word::Nan } else { Word::Other }
}

/// Whether a number that is, was or ought to be subnormal is there. The bound of exp in f16 is up
/// to 8 % there.
pub const SUBNORMAL: Judge = Judge::Each(|case| match case.value() {
    0.0 => Word::Flushed,
    _ if case.error() <= case.reference.abs() / 10.0 => Word::Preserved,
    _ => Word::Other,
});

/// What became of the bits of NaN.
pub const NAN_BITS: Judge = Judge::Each(|case| match (case.operands[0], case.result) {
    (before, after) if after == before => Word::Preserved,
    // The highest bit of the fraction of an f32.
    (before, after) if after == before | 0x0040_0000 => Word::Quietened,
    _ if case.value().is_nan() => Word::Replaced,
    _ => special(case.value(), case.dtype),
});

/// The reference is 1 or what is looked for; 0 is no.
pub const YES_OR_NO: Judge = Judge::ExactOrZero(Word::Yes, Word::No);

/// a * a + c where the reference is the rounding error of the product.
pub const FUSION: Judge = Judge::ExactOrZero(Word::Fused, Word::Separate);

/// (x + large) - large where the reference is x.
pub const ABSORPTION: Judge = Judge::ExactOrZero(Word::Rewritten, Word::AsWritten);

/// A reduction in two steps: merged into one, it is off by far more than its roundings.
pub const REDUCTION: Judge = Judge::Each(|case| match case.ulps() {
    ulps if ulps <= 2.0 => Word::AsWritten,
    _ if case.error() <= case.reference.abs() / 10.0 => Word::Rewritten,
    _ => Word::Other,
});

/// ±1 within tanh's absolute error.
pub const SATURATION: Judge = Judge::Each(|case| match case.error() {
    error if error <= 1e-5 => Word::Saturates,
    _ => special(case.value(), case.dtype),
});

/// Which rounding explains all results. The references lie in ±[1, 2).
pub const ROUNDING: Judge = Judge::All(|cases| {
    type Round = fn(f64) -> f64;
    let roundings: [(Word, Round); 5] = [
        (Word::ToNearestEven, f64::round_ties_even),
        (Word::ToNearestAway, f64::round),
        (Word::TowardZero, f64::trunc),
        (Word::Up, f64::ceil),
        (Word::Down, f64::floor),
    ];
    let explains = |round: Round| {
        cases.iter().all(|case| {
            let unit = case.dtype.memory().unit;
            case.value() == round(case.reference / unit) * unit
        })
    };
    roundings.into_iter().find(|(_, round)| explains(*round)).map_or(Word::Other, |(word, _)| word)
});

/// Pairs of a special value and an ordinary one, in both orders: which half is not the f16 of the
/// ordinary one.
pub const PAIRS: Judge = Judge::All(|cases| {
    let spoiled = |half: usize| {
        cases.iter().any(|case| {
            let (value, bits) = (case.values[half], case.result >> (16 * half));
            let error = (Dtype::F16.value(bits) - value).abs();
            let is_ordinary = value.abs() <= Dtype::F16.memory().max;
            let is_right = error <= Dtype::F16.memory().ulp(value);
            is_ordinary && !is_right
        })
    };
    match (spoiled(0), spoiled(1)) {
        (false, false) => Word::Independent,
        (true, false) => Word::SpoilsLower,
        (false, true) => Word::SpoilsUpper,
        (true, true) => Word::SpoilsBoth,
    }
});

impl Judge {
    /// The answer, and evidence that belongs to it.
    pub fn result(self, cases: &[Case]) -> (Value, Option<String>) {
        let word = match self {
            Self::Each(word) => agreed(cases, word),
            Self::All(word) => word(cases),
            Self::ExactOrZero(exact, zero) => agreed(cases, |case| match case.value() {
                0.0 => zero,
                value if value == case.reference => exact,
                _ => Word::Other,
            }),
            Self::Falls => return (Value::Number(falls(cases)), None),
            Self::Largest(error) => {
                let (largest, x) = largest(cases, error);
                if largest.is_finite() {
                    return (Value::Number(largest), None);
                }
                return (Value::Word(Word::NotFinite), Some(format!("at x = {x:e}")));
            }
        };
        (Value::Word(word), None)
    }
}

/// The word of each case, if all have the same.
fn agreed(cases: &[Case], word: impl Fn(&Case) -> Word) -> Word {
    let mut words = cases.iter().map(word);
    let first = words.next().unwrap_or(Word::Other);
    if words.all(|word| word == first) { first } else { Word::Mixed }
}

pub fn special(value: f64, dtype: Dtype) -> Word {
    match value {
        _ if value.is_nan() => Word::Nan,
        0.0 if value.is_sign_negative() => Word::MinusZero,
        0.0 => Word::Zero,
        1.0 => Word::One,
        -1.0 => Word::MinusOne,
        f64::INFINITY => Word::Infinity,
        f64::NEG_INFINITY => Word::MinusInfinity,
        _ if value == dtype.memory().max => Word::Largest,
        _ => Word::Other,
    }
}

/// The largest error, and the first operand where it is.
pub fn largest(cases: &[Case], error: impl Fn(&Case) -> f64) -> (f64, f64) {
    let errors = cases.iter().map(|case| (error(case), case.values[0]));
    errors.fold((0.0, 0.0), |largest, other| if other.0 > largest.0 { other } else { largest })
}

pub fn falls(cases: &[Case]) -> f64 {
    let falls =
        |pair: &&[Case]| pair[0].values[0] < pair[1].values[0] && pair[1].value() < pair[0].value();
    cases.windows(2).filter(falls).count() as f64
}
