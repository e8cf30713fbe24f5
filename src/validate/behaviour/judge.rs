//! From results to words. Nothing here knows a device.

use serde::{Deserialize, Serialize};

use super::evaluate::Case;
use crate::kernels::dtype::Dtype;

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
    /// +infinity.
    Infinity,
    /// -infinity.
    MinusInfinity,
    /// The largest finite number.
    Largest,
    /// The exact result, or the one nearest to it.
    Exact,
    /// Near the exact result, but not the nearest.
    Inexact,
    /// What went in came out; of a subnormal result, that it is there.
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
    /// Computed as something else, equal in real numbers alone.
    Rewritten,
    /// To the nearest; of two, the even one.
    ToNearestEven,
    /// To the nearest; of two, the one away from zero.
    ToNearestAway,
    /// Toward zero.
    TowardZero,
    /// Upward.
    Up,
    /// Downward.
    Down,
    /// Neither half of a pair changes the other.
    Independent,
    /// The low half is wrong beside a special upper one.
    SpoilsLower,
    /// The upper half is wrong beside a special low one.
    SpoilsUpper,
    /// Both.
    SpoilsBoth,
    /// ±1 for whatever is large.
    Saturates,
    /// Different answers to different inputs.
    Mixed,
    /// The error is not finite.
    NotFinite,
    /// The adapter lacks a feature.
    Unsupported,
    /// The shader does not compile.
    DoesNotCompile,
    /// None of the answers that were thought of, or one that a later version of this crate thought of.
    #[serde(other)]
    Other,
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its name in JSON: derived, so that no second list has to agree with it.
        self.serialize(f)
    }
}

/// How an answer is read from results.
#[derive(Clone, Copy)]
pub(super) enum Judge {
    /// Each by itself; all have to agree.
    Each(fn(&Case) -> Word),
    /// All together.
    All(fn(&[Case]) -> Word),
}

impl Judge {
    pub fn judge(self, cases: &[Case]) -> Word {
        match self {
            Self::Each(judge) => {
                let mut words = cases.iter().map(judge);
                let first = words.next().unwrap_or(Word::Other);
                if words.all(|word| word == first) { first } else { Word::Mixed }
            }
            Self::All(judge) => judge(cases),
        }
    }
}

/// Which of the remarkable values it is.
pub(super) fn value(case: &Case) -> Word {
    let value = case.value();
    let largest = case.format.memory().max;
    match value {
        _ if value.is_nan() => Word::Nan,
        0.0 if value.is_sign_negative() => Word::MinusZero,
        0.0 => Word::Zero,
        1.0 => Word::One,
        f64::INFINITY => Word::Infinity,
        f64::NEG_INFINITY => Word::MinusInfinity,
        _ if value == largest => Word::Largest,
        _ => Word::Other,
    }
}

/// [`value`], whatever the sign.
pub(super) fn magnitude(case: &Case) -> Word {
    value(&Case { result: case.result & !sign_bit(case.format), ..*case })
}

/// Whether it is the number nearest to the truth.
pub(super) fn exactness(case: &Case) -> Word {
    let error = (case.value() - case.truth).abs() / case.format.memory().ulp(case.truth);
    match value(case) {
        word @ (Word::Nan | Word::Infinity | Word::MinusInfinity) => word,
        _ if error <= 0.5 => Word::Exact,
        _ if error <= 4.0 => Word::Inexact,
        word @ (Word::Zero | Word::MinusZero) => word,
        _ => Word::Other,
    }
}

/// Whether every one is the number nearest to the truth.
pub(super) fn exactness_of_all(cases: &[Case]) -> Word {
    match Judge::Each(exactness).judge(cases) {
        Word::Mixed
            if cases.iter().all(|case| matches!(exactness(case), Word::Exact | Word::Inexact)) =>
        {
            Word::Inexact
        }
        word => word,
    }
}

/// Whether a number that is, was or ought to be subnormal is there. exp may be off by its bound, which in f16 is up to 8 % there.
pub(super) fn subnormal(case: &Case) -> Word {
    let value = case.value();
    if value == 0.0 {
        return Word::Flushed;
    }
    if (value - case.truth).abs() <= case.truth.abs() / 10.0 {
        Word::Preserved
    } else {
        Word::Other
    }
}

/// What became of a NaN's bits.
pub(super) fn nan_bits(case: &Case) -> Word {
    let quiet = match case.format {
        Dtype::F32 => 0x0040_0000,
        Dtype::F16 | Dtype::F16Native => 0x0200,
    };
    let before = case.operands[0];
    match case.result {
        after if after == before => Word::Preserved,
        after if after == before | quiet => Word::Quietened,
        _ if case.value().is_nan() => Word::Replaced,
        _ => value(case),
    }
}

/// 1 is yes, 0 is no.
pub(super) fn yes_or_no(case: &Case) -> Word {
    match value(case) {
        Word::One => Word::Yes,
        Word::Zero => Word::No,
        _ => Word::Other,
    }
}

/// a * a + c whose truth is the rounding error of the product.
pub(super) fn fusion(case: &Case) -> Word {
    exact_or_zero(case, Word::Fused, Word::Separate)
}

/// (x + big) - big, whose truth is x.
pub(super) fn absorption(case: &Case) -> Word {
    exact_or_zero(case, Word::Rewritten, Word::AsWritten)
}

/// fma(a, b, -a * b), whose truth is the rounding error of the product.
pub(super) fn compensation(case: &Case) -> Word {
    exact_or_zero(case, Word::Yes, Word::No)
}

fn exact_or_zero(case: &Case, exact: Word, zero: Word) -> Word {
    match case.value() {
        0.0 => zero,
        value if value == case.truth => exact,
        _ => Word::Other,
    }
}

/// A reduction in two steps: merged into one, it is off by far more than its roundings.
pub(super) fn reduction(case: &Case) -> Word {
    let error = (case.value() - case.truth).abs();
    match error / case.format.memory().ulp(case.truth) {
        ulps if ulps <= 2.0 => Word::AsWritten,
        _ if error <= case.truth.abs() / 10.0 => Word::Rewritten,
        _ => Word::Other,
    }
}

/// ±1 within tanh's own absolute error.
pub(super) fn saturation(case: &Case) -> Word {
    if (case.value() - case.truth).abs() <= 1e-5 { Word::Saturates } else { value(case) }
}

/// Which rounding explains all results. The truths lie in ±[1, 2).
pub(super) fn rounding(cases: &[Case]) -> Word {
    type Rounding = fn(f64) -> f64;
    let explains = |round: Rounding| {
        cases.iter().all(|case| {
            let unit = case.format.memory().unit;
            case.value() == round(case.truth / unit) * unit
        })
    };
    let roundings: [(Word, Rounding); 5] = [
        (Word::ToNearestEven, f64::round_ties_even),
        (Word::ToNearestAway, f64::round),
        (Word::TowardZero, f64::trunc),
        (Word::Up, f64::ceil),
        (Word::Down, f64::floor),
    ];
    roundings.into_iter().find(|(_, round)| explains(*round)).map_or(Word::Other, |(word, _)| word)
}

/// Pairs of a special value and an ordinary one, either first: which half is not what an f16 of the ordinary one is.
pub(super) fn pairs(cases: &[Case]) -> Word {
    let is_right = |value: f64, bits: u32| {
        (Dtype::F16.value(bits) - value).abs() <= Dtype::F16.memory().ulp(value)
    };
    let is_special = |value: f64| value.is_nan() || value.abs() > Dtype::F16.memory().max;
    let spoiled = |ordinary: usize| {
        cases.iter().any(|case| {
            let half = if ordinary == 0 { case.result } else { case.result >> 16 };
            !is_special(case.values[ordinary]) && !is_right(case.values[ordinary], half)
        })
    };
    match (spoiled(0), spoiled(1)) {
        (false, false) => Word::Independent,
        (true, false) => Word::SpoilsLower,
        (false, true) => Word::SpoilsUpper,
        (true, true) => Word::SpoilsBoth,
    }
}

fn sign_bit(format: Dtype) -> u32 {
    match format {
        Dtype::F32 => 0x8000_0000,
        Dtype::F16 | Dtype::F16Native => 0x8000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(format: Dtype, operand: u32, truth: f64, result: u32) -> Case {
        Case { operands: [operand, 0], values: [format.value(operand), 0.0], truth, result, format }
    }

    /// A case of f32 whose result is `result`.
    fn f32_case(truth: f64, result: f32) -> Case {
        case(Dtype::F32, 0, truth, result.to_bits())
    }

    #[test]
    fn values() {
        let word = |result| value(&f32_case(0.0, result));
        assert_eq!(word(f32::NAN), Word::Nan);
        assert_eq!(word(-f32::NAN), Word::Nan);
        assert_eq!(word(0.0), Word::Zero);
        assert_eq!(word(-0.0), Word::MinusZero);
        assert_eq!(word(1.0), Word::One);
        assert_eq!(word(f32::INFINITY), Word::Infinity);
        assert_eq!(word(f32::NEG_INFINITY), Word::MinusInfinity);
        assert_eq!(word(f32::MAX), Word::Largest);
        assert_eq!(word(f32::MIN), Word::Other);
        assert_eq!(word(0.5), Word::Other);
        assert_eq!(value(&case(Dtype::F16, 0, 0.0, 0x7bff)), Word::Largest);
        // The upper half of a pair does not matter.
        assert_eq!(value(&case(Dtype::F16, 0, 0.0, 0x1234_7c00)), Word::Infinity);
    }

    #[test]
    fn magnitudes() {
        assert_eq!(magnitude(&f32_case(0.0, f32::NEG_INFINITY)), Word::Infinity);
        assert_eq!(magnitude(&f32_case(0.0, f32::MIN)), Word::Largest);
        assert_eq!(magnitude(&case(Dtype::F16, 0, 0.0, 0xfbff)), Word::Largest);
        assert_eq!(magnitude(&case(Dtype::F16, 0, 0.0, 0xfe00)), Word::Nan);
    }

    #[test]
    fn exact_is_the_nearest_number() {
        let third = 1.0 / 3.0;
        #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is meant")]
        let nearest = third as f32;
        assert_eq!(exactness(&f32_case(third, nearest)), Word::Exact);
        assert_eq!(exactness(&f32_case(third, nearest.next_up())), Word::Inexact);
        assert_eq!(
            exactness(&f32_case(third, nearest.next_up().next_up().next_up().next_up().next_up())),
            Word::Other
        );
        assert_eq!(exactness(&f32_case(1.0, f32::NAN)), Word::Nan);
        assert_eq!(exactness(&f32_case(1.0, f32::INFINITY)), Word::Infinity);
        assert_eq!(exactness(&f32_case(1.0, 0.0)), Word::Zero);

        let (right, near, wrong) =
            (f32_case(11.0, 11.0), f32_case(11.0, 11.000001), f32_case(11.0, 12.0));
        assert_eq!(exactness_of_all(&[right, right]), Word::Exact);
        assert_eq!(exactness_of_all(&[right, near]), Word::Inexact);
        assert_eq!(exactness_of_all(&[near, near]), Word::Inexact);
        assert_eq!(exactness_of_all(&[right, wrong]), Word::Mixed);
    }

    #[test]
    fn subnormals() {
        let tiny = f32::from_bits(0x1234);
        assert_eq!(subnormal(&f32_case(f64::from(tiny), tiny)), Word::Preserved);
        assert_eq!(subnormal(&f32_case(f64::from(tiny), 0.0)), Word::Flushed);
        assert_eq!(subnormal(&f32_case(f64::from(tiny), -0.0)), Word::Flushed);
        assert_eq!(subnormal(&f32_case(f64::from(tiny), f32::MIN_POSITIVE)), Word::Other);
        assert_eq!(subnormal(&f32_case(f64::from(tiny), -tiny)), Word::Other);
        assert_eq!(subnormal(&f32_case(f64::from(tiny), f32::NAN)), Word::Other);
        // The smallest has no neighbour within 10 %.
        let smallest = f32::from_bits(1);
        assert_eq!(subnormal(&f32_case(f64::from(smallest), f32::from_bits(2))), Word::Other);
    }

    #[test]
    fn bits_of_nan() {
        let word = |before, after| nan_bits(&case(Dtype::F32, before, f64::NAN, after));
        assert_eq!(word(0x7fd1_2345, 0x7fd1_2345), Word::Preserved);
        assert_eq!(word(0xffa1_2345, 0xffe1_2345), Word::Quietened);
        assert_eq!(word(0xffa1_2345, 0xffa1_2345), Word::Preserved);
        assert_eq!(word(0xffa1_2345, 0x7fc0_0000), Word::Replaced);
        assert_eq!(word(0x7f80_0001, 0x7f80_0000), Word::Infinity);
        assert_eq!(nan_bits(&case(Dtype::F16Native, 0x7d01, f64::NAN, 0x7f01)), Word::Quietened);
    }

    #[test]
    fn yes_and_no() {
        assert_eq!(yes_or_no(&f32_case(0.0, 1.0)), Word::Yes);
        assert_eq!(yes_or_no(&f32_case(0.0, 0.0)), Word::No);
        assert_eq!(yes_or_no(&f32_case(0.0, f32::NAN)), Word::Other);
    }

    #[test]
    fn what_compilers_do() {
        let tiny = 2f32.powi(-24);
        let words = |result| {
            let case = f32_case(f64::from(tiny), result);
            (fusion(&case), absorption(&case), compensation(&case))
        };
        assert_eq!(words(tiny), (Word::Fused, Word::Rewritten, Word::Yes));
        assert_eq!(words(0.0), (Word::Separate, Word::AsWritten, Word::No));
        assert_eq!(words(2.0 * tiny), (Word::Other, Word::Other, Word::Other));
        assert_eq!(words(f32::NAN), (Word::Other, Word::Other, Word::Other));

        let remainder = 40.0 * 1.4286068e-6;
        let reduced = |result| reduction(&f32_case(f64::from(remainder), result));
        assert_eq!(reduced(remainder), Word::AsWritten);
        assert_eq!(reduced(remainder.next_down()), Word::AsWritten);
        assert_eq!(reduced(remainder * 1.001), Word::Rewritten);
        assert_eq!(reduced(0.0), Word::Other);
        assert_eq!(reduced(f32::NAN), Word::Other);
    }

    #[test]
    fn saturating() {
        assert_eq!(saturation(&f32_case(1.0, 1.0)), Word::Saturates);
        assert_eq!(saturation(&f32_case(-1.0, -0.999_999)), Word::Saturates);
        assert_eq!(saturation(&f32_case(1.0, f32::NAN)), Word::Nan);
        assert_eq!(saturation(&f32_case(1.0, 0.0)), Word::Zero);
    }

    #[test]
    fn every_rounding_is_told_from_the_others() {
        type Rounding = fn(f64) -> f64;
        let roundings: [(Word, Rounding); 6] = [
            (Word::ToNearestEven, f64::round_ties_even),
            (Word::ToNearestAway, f64::round),
            (Word::TowardZero, f64::trunc),
            (Word::Up, f64::ceil),
            (Word::Down, f64::floor),
            // To nearest, of two the lower one: none of the five.
            (Word::Other, |value| (value - 0.5).ceil()),
        ];
        for (expected, round) in roundings {
            for (format, probe) in [(Dtype::F32, "f32_rounding"), (Dtype::F16, "f16_rounding")] {
                let probe = super::super::probes::named(probe);
                let cases: Vec<Case> = (probe.inputs.iter())
                    .map(|input| {
                        let exact = probe.expression.case(*input, 0);
                        let unit = format.memory().unit;
                        Case { result: format.bits(round(exact.truth / unit) * unit), ..exact }
                    })
                    .collect();
                assert_eq!(rounding(&cases), expected, "{format:?}");
            }
        }
    }

    #[test]
    fn spoiled_halves() {
        let pair = |values: [f64; 2], halves: [u32; 2]| Case {
            operands: [0, 0],
            values,
            truth: values[0],
            result: halves[0] | halves[1] << 16,
            format: Dtype::F16,
        };
        let (one, nan) = (0x3c00, 0x7e00);
        let low_right = pair([1.0, f64::NAN], [one, nan]);
        let high_right = pair([f64::NAN, 1.0], [nan, one]);
        let low_wrong = pair([1.0, f64::NAN], [one | nan, nan]);
        let high_wrong = pair([1e6, 1.0], [nan, nan]);
        assert_eq!(pairs(&[low_right, high_right]), Word::Independent);
        assert_eq!(pairs(&[low_wrong, high_right]), Word::SpoilsLower);
        assert_eq!(pairs(&[low_right, high_wrong]), Word::SpoilsUpper);
        assert_eq!(pairs(&[low_wrong, high_wrong]), Word::SpoilsBoth);
    }

    #[test]
    fn answers_have_to_agree() {
        let (zero, nan) = (f32_case(0.0, 0.0), f32_case(0.0, f32::NAN));
        assert_eq!(Judge::Each(value).judge(&[zero, zero]), Word::Zero);
        assert_eq!(Judge::Each(value).judge(&[zero, nan]), Word::Mixed);
        assert_eq!(Judge::Each(value).judge(&[]), Word::Other);
    }
}
