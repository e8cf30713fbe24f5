//! The questions whose answer is a word: what is computed, on what, and what each answer means for an activation.

use super::evaluate::{Expression, Operands};
use super::judge::{self, Judge, Word};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference;

/// One question.
pub(super) struct Probe {
    /// Its name in reports.
    pub name: &'static str,
    /// What is asked, in a line.
    pub asks: &'static str,
    /// What is computed.
    pub expression: Expression,
    /// On what: bits of two operands, of which a function of one takes the first.
    pub inputs: Vec<[u32; 2]>,
    /// How the answer is read from the results.
    pub judge: Judge,
    /// What the expected answers mean.
    pub meanings: &'static [(Word, &'static str)],
}

const F32: Operands = Operands::One(Dtype::F32);
const TWO_F32: Operands = Operands::Two(Dtype::F32);
const F16: Operands = Operands::One(Dtype::F16Native);
const TWO_F16: Operands = Operands::Two(Dtype::F16Native);

const fn function(
    function: &'static str,
    operands: Operands,
    truth: fn(f64, f64) -> f64,
) -> Expression {
    Expression { function, operands, truth }
}

const COPIED: Expression = function("copied", F32, |x, _| x);
const MAXIMUM: Expression = function("maximum", TWO_F32, |a, b| if a < b { b } else { a });
const SUM: Expression = function("sum", TWO_F32, |a, b| a + b);
const PRODUCT: Expression = function("product", TWO_F32, |a, b| a * b);
pub(super) const QUOTIENT: Expression = function("quotient", TWO_F32, |a, b| a / b);
pub(super) const EXP: Expression = function("exp_of", F32, |x, _| libm::exp(x));
pub(super) const EXP2: Expression = function("exp2_of", F32, |x, _| libm::exp2(x));
pub(super) const TANH: Expression = function("tanh_of", F32, |x, _| libm::tanh(x));
const RELU: Expression = function("relu_plain", F32, |x, _| reference::relu(x));
const RELU_BACKWARD: Expression = function("relu_from_x", TWO_F32, reference::relu_backward);
const SIGMOID: Expression = function("sigmoid_two_sided", F32, |x, _| reference::sigmoid(x));
const NAIVE: Expression = function("sigmoid_naive", F32, |x, _| reference::sigmoid(x));
const PACKED: Expression = function("packed", Operands::Packed, |low, _| low);
const UNPACKED: Expression = function("unpacked", Operands::Unpacked, |x, _| x);

const QUIET_NANS: [u32; 4] = [0x7fc0_0000, 0xffc0_0000, 0x7fd1_2345, 0xffed_cba9];
const SIGNALLING_NANS: [u32; 3] = [0x7f80_0001, 0x7fa1_2345, 0xffb5_4321];
const SUBNORMALS: [u32; 6] =
    [0x0000_0001, 0x0000_1234, 0x003f_ffff, 0x8000_0001, 0x8000_1234, 0x803f_ffff];
const POSITIVE_SUBNORMALS: [u32; 4] = [0x0000_0001, 0x0000_1234, 0x0040_0000, 0x007f_ffff];
const SUBNORMAL_HALVES: [u32; 6] = [0x0001, 0x0123, 0x01ff, 0x8001, 0x8123, 0x81ff];

/// Every probe by its group, in the order of the card.
pub(super) fn all() -> Vec<(&'static str, Vec<Probe>)> {
    vec![
        ("NaN", nan()),
        ("infinity and overflow", infinity()),
        ("signed zero", signed_zero()),
        ("f32 subnormals", subnormals()),
        ("division and rounding", division_and_rounding()),
        ("f16 in memory", f16()),
        ("native f16", f16_native()),
        ("what compilers rewrite", rewriting()),
    ]
}

#[cfg(test)]
pub(super) fn named(name: &str) -> Probe {
    all()
        .into_iter()
        .flat_map(|(_, probes)| probes)
        .find(|probe| probe.name == name)
        .expect("a probe of that name")
}

fn nan() -> Vec<Probe> {
    vec![
        Probe {
            name: "max_nan_zero",
            asks: "max(NaN, 0)",
            expression: MAXIMUM,
            inputs: each_with(&QUIET_NANS, 0.0),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "relu by max makes 0 of NaN: a network that diverged looks dead"),
                (Word::Nan, "relu by max passes NaN on: a network that diverged shows it"),
            ],
        },
        Probe {
            name: "max_zero_nan",
            asks: "max(0, NaN)",
            expression: MAXIMUM,
            inputs: with_each(0.0, &QUIET_NANS),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "relu with max's operands in this order makes 0 of NaN"),
                (Word::Nan, "relu with max's operands in this order passes NaN on"),
            ],
        },
        Probe {
            name: "select_if_positive_nan",
            asks: "select(0, x, x > 0) of NaN",
            expression: function("where_positive", F32, |x, _| reference::relu(x)),
            inputs: each(&QUIET_NANS),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "relu written so makes 0 of NaN, as IEEE's comparison would"),
                (Word::Nan, "relu written so passes NaN on: the comparison was inverted"),
            ],
        },
        Probe {
            name: "select_unless_not_positive_nan",
            asks: "select(x, 0, x <= 0) of NaN",
            expression: function("unless_at_most_zero", F32, |x, _| reference::relu(x)),
            inputs: each(&QUIET_NANS),
            judge: Judge::Each(judge::value),
            meanings: &[
                (
                    Word::Nan,
                    "relu written so passes NaN on: the form to take where NaN has to show",
                ),
                (Word::Zero, "relu written so makes 0 of NaN: the comparison was inverted"),
            ],
        },
        Probe {
            name: "nan_differs_from_itself",
            asks: "x != x of NaN",
            expression: function("differs_from_itself", F32, |x, _| x),
            inputs: each(&QUIET_NANS),
            judge: Judge::Each(judge::yes_or_no),
            meanings: &[
                (Word::Yes, "a shader finds NaN by x != x here, though WGSL does not promise it"),
                (
                    Word::No,
                    "x != x does not find NaN (on Vulkan, naga compares ordered): test the bits",
                ),
            ],
        },
        Probe {
            name: "nan_is_found_by_bits",
            asks: "(bitcast(x) & 0x7fffffff) > 0x7f800000 of NaN",
            expression: function("is_nan_by_bits", F32, |x, _| x),
            inputs: each(&[QUIET_NANS.as_slice(), &SIGNALLING_NANS].concat()),
            judge: Judge::Each(judge::yes_or_no),
            meanings: &[
                (Word::Yes, "a shader that has to find NaN can test its bits"),
                (Word::No, "not even a test of the bits finds NaN"),
            ],
        },
        Probe {
            name: "nan_payload_copied",
            asks: "quiet NaN through an f32 load and store",
            expression: COPIED,
            inputs: each(&QUIET_NANS),
            judge: Judge::Each(judge::nan_bits),
            meanings: &[
                (Word::Preserved, "a copy of f32 keeps the bits of NaN"),
                (Word::Replaced, "a copy of f32 changes NaN: only integers copy bits"),
            ],
        },
        Probe {
            name: "signalling_nan_copied",
            asks: "signalling NaN through an f32 load and store",
            expression: COPIED,
            inputs: each(&SIGNALLING_NANS),
            judge: Judge::Each(judge::nan_bits),
            meanings: &[
                (Word::Preserved, "a copy of f32 keeps even a signalling NaN"),
                (Word::Quietened, "a copy of f32 quietens NaN: only integers copy bits"),
                (Word::Replaced, "a copy of f32 changes NaN: only integers copy bits"),
            ],
        },
        Probe {
            name: "nan_payload_after_product",
            asks: "quiet NaN * 1",
            expression: PRODUCT,
            inputs: each_with(&QUIET_NANS, 1.0),
            judge: Judge::Each(judge::nan_bits),
            meanings: &[
                (Word::Preserved, "a NaN can be traced through arithmetic by its payload"),
                (Word::Replaced, "arithmetic makes its own NaN: payloads tell nothing"),
            ],
        },
        Probe {
            name: "signalling_nan_after_product",
            asks: "signalling NaN * 1",
            expression: PRODUCT,
            inputs: each_with(&SIGNALLING_NANS, 1.0),
            judge: Judge::Each(judge::nan_bits),
            meanings: &[
                (
                    Word::Quietened,
                    "arithmetic quietens NaN and keeps its payload, as IEEE recommends",
                ),
                (Word::Preserved, "the product with 1 was not computed: bits went through it"),
                (Word::Replaced, "arithmetic makes its own NaN: payloads tell nothing"),
            ],
        },
        Probe {
            name: "exp_nan",
            asks: "exp(NaN)",
            expression: EXP,
            inputs: each(&QUIET_NANS),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Nan, "exp passes NaN on, and so can sigmoid"),
                (Word::Zero, "exp loses NaN; sigmoid_nan says what sigmoid makes of it"),
                (Word::Infinity, "exp loses NaN; sigmoid_nan says what sigmoid makes of it"),
            ],
        },
        Probe {
            name: "relu_nan",
            asks: "relu/plain of NaN, the kernel's own text",
            expression: RELU,
            inputs: each(&QUIET_NANS),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "the relu that is timed makes 0 of NaN"),
                (Word::Nan, "the relu that is timed passes NaN on"),
            ],
        },
        Probe {
            name: "relu_backward_nan",
            asks: "relu/from_x of x = NaN, dy = 1",
            expression: RELU_BACKWARD,
            inputs: each_with(&QUIET_NANS, 1.0),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "no gradient flows through a NaN"),
                (Word::One, "the gradient flows through a NaN: the comparison was inverted"),
            ],
        },
        Probe {
            name: "sigmoid_nan",
            asks: "sigmoid/two_sided of NaN",
            expression: SIGMOID,
            inputs: each(&QUIET_NANS),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Nan, "the sigmoid that is timed passes NaN on"),
                (Word::Zero, "the sigmoid that is timed hides NaN as 0"),
                (Word::One, "the sigmoid that is timed hides NaN as 1"),
            ],
        },
    ]
}

fn infinity() -> Vec<Probe> {
    vec![
        Probe {
            name: "exp_infinity",
            asks: "exp(infinity)",
            expression: EXP,
            inputs: f32s(&[f64::INFINITY]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Infinity, "as IEEE has it"),
                (Word::Largest, "exp stops at the largest number"),
                (Word::Nan, "exp has no answer: the naive sigmoid of -infinity is NaN"),
            ],
        },
        Probe {
            name: "exp_minus_infinity",
            asks: "exp(-infinity)",
            expression: EXP,
            inputs: f32s(&[f64::NEG_INFINITY]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "the two-sided sigmoid has its limits at infinity"),
                (Word::Nan, "the two-sided sigmoid of either infinity is NaN"),
            ],
        },
        Probe {
            name: "exp_overflow",
            asks: "exp(x) for x from 89",
            expression: EXP,
            inputs: f32s(&[89.0, 100.0, 1e4, 3.4e38]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Infinity, "the naive sigmoid divides by infinity below -88.7"),
                (Word::Largest, "exp stops at the largest number"),
            ],
        },
        Probe {
            name: "one_over_infinity",
            asks: "1 / infinity",
            expression: QUOTIENT,
            inputs: pairs(&[(1.0, f64::INFINITY), (1.0, f64::NEG_INFINITY)]),
            judge: Judge::Each(judge::magnitude),
            meanings: &[
                (Word::Zero, "a denominator that overflowed still gives sigmoid's limit"),
                (Word::Nan, "a denominator that overflowed makes NaN"),
            ],
        },
        Probe {
            name: "relu_infinity",
            asks: "relu/plain of infinity",
            expression: RELU,
            inputs: f32s(&[f64::INFINITY]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Infinity, "relu passes infinity on"),
                (Word::Largest, "relu makes the largest number of infinity"),
            ],
        },
        Probe {
            name: "sigmoid_infinity",
            asks: "sigmoid/two_sided of infinity",
            expression: SIGMOID,
            inputs: f32s(&[f64::INFINITY]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::One, "its limit"),
                (Word::Nan, "an infinite input makes NaN: clamp it first"),
            ],
        },
        Probe {
            name: "sigmoid_minus_infinity",
            asks: "sigmoid/two_sided of -infinity",
            expression: SIGMOID,
            inputs: f32s(&[f64::NEG_INFINITY]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "its limit"),
                (Word::Nan, "an infinite input makes NaN: clamp it first"),
            ],
        },
        Probe {
            name: "sigmoid_naive_minus_infinity",
            asks: "sigmoid/naive of -infinity",
            expression: NAIVE,
            inputs: f32s(&[f64::NEG_INFINITY]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "its limit"),
                (Word::Nan, "the textbook's form makes NaN of -infinity"),
            ],
        },
        Probe {
            name: "sigmoid_naive_overflow",
            asks: "sigmoid/naive of -100 and below",
            expression: NAIVE,
            inputs: f32s(&[-89.0, -100.0, -1e4, -3.4e38]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (
                    Word::Zero,
                    "the textbook's form survives the overflow of exp, where WGSL promises nothing",
                ),
                (
                    Word::Nan,
                    "the textbook's form makes NaN below -88.7, where WGSL promises nothing",
                ),
            ],
        },
        Probe {
            name: "tanh_large",
            asks: "tanh(x) for x from 20",
            expression: TANH,
            // 43.67 to 44.36 and 88.7 are where tanh from exp(x) or exp(2x) was seen to break on drivers.
            inputs: f32s(&[
                20.0, 43.9, 44.2, 60.0, 88.0, 89.0, 100.0, 1e4, 3.4e38, -44.2, -60.0, -89.0,
                -100.0, -1e4,
            ]),
            judge: Judge::Each(judge::saturation),
            meanings: &[
                (
                    Word::Saturates,
                    "sigmoid by tanh is safe for large |x|, where WGSL promises nothing beyond 88.7",
                ),
                (Word::Mixed, "sigmoid by tanh breaks for large |x|: clamp x first"),
            ],
        },
    ]
}

fn signed_zero() -> Vec<Probe> {
    vec![
        Probe {
            name: "minus_zero_copied",
            asks: "-0 through an f32 load and store",
            expression: COPIED,
            inputs: f32s(&[-0.0]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::MinusZero, "a copy keeps the sign of 0"),
                (Word::Zero, "a copy loses the sign of 0"),
            ],
        },
        Probe {
            name: "max_minus_zero_zero",
            asks: "max(-0, 0)",
            expression: MAXIMUM,
            inputs: pairs(&[(-0.0, 0.0)]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "max orders the zeros, or takes the second of equals"),
                (Word::MinusZero, "max takes the first of equals"),
            ],
        },
        Probe {
            name: "max_zero_minus_zero",
            asks: "max(0, -0)",
            expression: MAXIMUM,
            inputs: pairs(&[(0.0, -0.0)]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "max orders the zeros, or takes the first of equals"),
                (Word::MinusZero, "max takes the second of equals"),
            ],
        },
        Probe {
            name: "relu_minus_zero",
            asks: "relu/plain of -0",
            expression: RELU,
            inputs: f32s(&[-0.0]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "y has no -0"),
                (Word::MinusZero, "y may be -0: compare numbers, not bits"),
            ],
        },
        Probe {
            name: "sigmoid_minus_zero",
            asks: "sigmoid/two_sided of -0 and 0",
            expression: SIGMOID,
            inputs: f32s(&[-0.0, 0.0]),
            judge: Judge::Each(judge::exactness),
            meanings: &[
                (Word::Exact, "both zeros give 1/2"),
                (Word::Inexact, "1/2 is missed by an ULP or so"),
            ],
        },
    ]
}

fn subnormals() -> Vec<Probe> {
    vec![
        Probe {
            name: "subnormal_copied",
            asks: "a subnormal through an f32 load and store",
            expression: COPIED,
            inputs: each(&SUBNORMALS),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "a copy keeps what WGSL says it keeps"),
                (Word::Flushed, "even a copy flushes, against WGSL: only integers copy bits"),
            ],
        },
        Probe {
            name: "subnormal_times_one",
            asks: "a subnormal * 1",
            expression: PRODUCT,
            inputs: each_with(&SUBNORMALS, 1.0),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "products keep subnormals"),
                (Word::Flushed, "products flush: gradients below 1.2e-38 are 0"),
            ],
        },
        Probe {
            name: "subnormal_scaled_up",
            asks: "a subnormal * 2^100",
            expression: PRODUCT,
            inputs: each_with(&SUBNORMALS, 2f64.powi(100)),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "a subnormal operand counts"),
                (
                    Word::Flushed,
                    "a subnormal operand counts as 0: loss scaling has to come before it",
                ),
            ],
        },
        Probe {
            name: "subnormal_product",
            asks: "2^-100 * 2^-27 and the like",
            expression: PRODUCT,
            inputs: pairs(&[
                (2f64.powi(-100), 2f64.powi(-27)),
                (-(2f64.powi(-100)), 2f64.powi(-40)),
                (1.5 * 2f64.powi(-126), 0.5),
            ]),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "a product of normals may be subnormal"),
                (
                    Word::Flushed,
                    "a product below 1.2e-38 is 0: so is a small dy at a saturated sigmoid",
                ),
            ],
        },
        Probe {
            name: "subnormal_sum",
            asks: "the sum of two subnormals",
            expression: SUM,
            inputs: SUBNORMALS.iter().map(|bits| [*bits, *bits]).collect(),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "sums keep subnormals"),
                (Word::Flushed, "sums flush: accumulated gradients below 1.2e-38 are 0"),
            ],
        },
        Probe {
            name: "subnormal_difference",
            asks: "1.5 * 2^-126 - 2^-126 and the like",
            expression: SUM,
            inputs: pairs(&[
                (1.5 * 2f64.powi(-126), -(2f64.powi(-126))),
                (2f64.powi(-126), -(1.25 * 2f64.powi(-126))),
            ]),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "different numbers have a difference"),
                (Word::Flushed, "different numbers may have the difference 0"),
            ],
        },
        Probe {
            name: "subnormal_max",
            asks: "max(a subnormal, 0)",
            expression: MAXIMUM,
            inputs: each_with(&POSITIVE_SUBNORMALS, 0.0),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "max keeps a positive subnormal"),
                (Word::Flushed, "max makes 0 of a positive subnormal"),
            ],
        },
        Probe {
            name: "subnormal_relu",
            asks: "relu/plain of a positive subnormal",
            expression: RELU,
            inputs: each(&POSITIVE_SUBNORMALS),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "relu is the identity on every positive number"),
                (Word::Flushed, "relu makes 0 of a positive subnormal, as WGSL allows"),
            ],
        },
        Probe {
            name: "negative_subnormal_relu",
            asks: "relu/plain of a negative subnormal",
            expression: RELU,
            inputs: each(&POSITIVE_SUBNORMALS.map(|bits| bits | 0x8000_0000)),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "relu is 0 on every negative number"),
                (Word::MinusZero, "relu is 0 on every negative number, with its sign"),
                (
                    Word::Other,
                    "a negative subnormal may pass: it compares as 0 and is returned as it was",
                ),
            ],
        },
        Probe {
            name: "subnormal_selected",
            asks: "relu/from_x of x = 1, dy subnormal",
            expression: RELU_BACKWARD,
            inputs: with_each(1.0, &SUBNORMALS),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "relu's backward keeps the smallest gradients"),
                (Word::Flushed, "select flushes, against WGSL: the smallest gradients are 0"),
            ],
        },
        Probe {
            name: "subnormal_is_positive",
            asks: "a positive subnormal > 0",
            expression: function("is_positive", F32, |x, _| f64::from(u8::from(x > 0.0))),
            inputs: each(&POSITIVE_SUBNORMALS),
            judge: Judge::Each(judge::yes_or_no),
            meanings: &[
                (Word::Yes, "relu's gradient at a positive subnormal is dy"),
                (Word::No, "relu's gradient at a positive subnormal is 0: it compares as 0"),
            ],
        },
        Probe {
            name: "exp_subnormal",
            asks: "exp(x) below 2^-126, x from -88 to -100",
            expression: EXP,
            inputs: f32s(&[-88.0, -90.0, -95.0, -97.0]),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "sigmoid goes below 1.2e-38, to x = -103.9"),
                (Word::Flushed, "sigmoid is 0 from x = -87.4 down"),
            ],
        },
    ]
}

fn division_and_rounding() -> Vec<Probe> {
    let large = 2f64.powi(127);
    let largest = Dtype::F32.memory().max;
    vec![
        Probe {
            name: "division_by_2_to_127",
            asks: "1 / 2^127 and 1 / -2^127",
            expression: QUOTIENT,
            inputs: pairs(&[(1.0, large), (1.0, -large)]),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (
                    Word::Preserved,
                    "the naive sigmoid keeps its smallest results, beyond what WGSL promises",
                ),
                (Word::Flushed, "the naive sigmoid is 0 from x = -87.4 down"),
            ],
        },
        Probe {
            name: "division_by_largest",
            asks: "1 / the largest number",
            expression: QUOTIENT,
            inputs: pairs(&[(1.0, largest), (1.0, -largest)]),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "the naive sigmoid is right to where exp overflows, x = -88.7"),
                (Word::Flushed, "the naive sigmoid is 0 before exp overflows"),
            ],
        },
        Probe {
            name: "large_over_large",
            asks: "2^127 / 2^127 and the like",
            expression: QUOTIENT,
            inputs: pairs(&[(large, large), (1.5 * large, 1.5 * large), (largest, largest)]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::One, "division does not go through a reciprocal that underflows"),
                (
                    Word::Zero,
                    "division goes through a reciprocal that underflows: keep denominators below 2^126",
                ),
            ],
        },
        Probe {
            name: "division_of_multiples",
            asks: "165 / 15 and other whole quotients",
            expression: QUOTIENT,
            inputs: pairs(&[
                (165.0, 15.0),
                (21.0, 7.0),
                (49.0, 7.0),
                (1e6, 1e3),
                (27.0, 9.0),
                (121.0, 11.0),
            ]),
            judge: Judge::All(judge::exactness_of_all),
            meanings: &[
                (Word::Exact, "whole quotients are whole"),
                (Word::Inexact, "165 / 15 and the like need not be whole, as WGSL's 2.5 ULP allow"),
            ],
        },
        Probe {
            name: "f32_rounding",
            asks: "1 + 2^-24 and sums near such ties",
            expression: SUM,
            inputs: ties(Dtype::F32)
                .into_iter()
                .map(|(number, rest)| [f32_bits(number), f32_bits(rest)])
                .collect(),
            judge: Judge::All(judge::rounding),
            meanings: &[
                (
                    Word::ToNearestEven,
                    "sums round as on the CPU; WGSL would allow either direction",
                ),
                (
                    Word::TowardZero,
                    "sums are cut off: the error of long sums grows with their length",
                ),
            ],
        },
    ]
}

fn f16() -> Vec<Probe> {
    // All of them finite in f32.
    let ordinary = [1.0, -2.5, 0.1, 65504.0, 2f64.powi(-20)];
    let beside = |specials: &[f64]| {
        let both = |special: &f64| ordinary.map(|value| [(value, *special), (*special, value)]);
        pairs(specials.iter().flat_map(both).collect::<Vec<_>>().as_flattened())
    };
    vec![
        Probe {
            name: "f16_rounding",
            asks: "pack2x16float of ties and their neighbours",
            expression: PACKED,
            inputs: ties(Dtype::F16)
                .into_iter()
                .map(|(number, rest)| [f32_bits(number + rest); 2])
                .collect(),
            judge: Judge::All(judge::rounding),
            meanings: &[
                (Word::ToNearestEven, "storing f16 costs half an ULP at most"),
                (
                    Word::ToNearestAway,
                    "storing f16 costs half an ULP at most; ties differ from the CPU's",
                ),
                (
                    Word::TowardZero,
                    "storing f16 costs up to an ULP, and the mean of a tensor shrinks",
                ),
            ],
        },
        Probe {
            name: "f16_overflow",
            asks: "pack2x16float of 65520 and 65536",
            expression: PACKED,
            inputs: f32_twice(&[65520.0, 65536.0, -65520.0, -65536.0]),
            judge: Judge::Each(judge::magnitude),
            meanings: &[
                (Word::Infinity, "relu's large outputs become infinity in f16"),
                (Word::Largest, "relu's large outputs stop at 65504 in f16"),
            ],
        },
        Probe {
            name: "f16_far_overflow",
            asks: "pack2x16float of 70000 and beyond",
            expression: PACKED,
            inputs: f32_twice(&[7e4, 1e6, 1e10, 3e38, -7e4, -1e6, -1e10, -3e38]),
            judge: Judge::Each(judge::magnitude),
            meanings: &[
                (Word::Infinity, "far beyond f16, too, relu's outputs become infinity"),
                (Word::Largest, "far beyond f16, too, relu's outputs stop at 65504"),
                (Word::Nan, "relu's outputs beyond f16 become NaN: clamp them first"),
            ],
        },
        Probe {
            name: "f16_infinity_packed",
            asks: "pack2x16float of infinities",
            expression: PACKED,
            inputs: f32_twice(&[f64::INFINITY, f64::NEG_INFINITY]),
            judge: Judge::Each(judge::magnitude),
            meanings: &[
                (Word::Infinity, "infinity stays infinity in f16"),
                (Word::Largest, "infinity becomes 65504 in f16"),
                (Word::Nan, "infinity becomes NaN in f16"),
            ],
        },
        Probe {
            name: "f16_nan_packed",
            asks: "pack2x16float of NaN, any payload",
            expression: PACKED,
            inputs: [QUIET_NANS.as_slice(), &SIGNALLING_NANS]
                .concat()
                .iter()
                .map(|nan| [*nan, *nan])
                .collect(),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Nan, "NaN stays NaN in f16"),
                (Word::Infinity, "a NaN whose payload does not fit becomes infinity in f16"),
            ],
        },
        Probe {
            name: "f16_pair_with_nan",
            asks: "pack2x16float of a number and NaN",
            expression: PACKED,
            inputs: beside(&[f64::NAN]),
            judge: Judge::All(judge::pairs),
            meanings: PAIRS,
        },
        Probe {
            name: "f16_pair_with_infinity",
            asks: "pack2x16float of a number and infinity",
            expression: PACKED,
            inputs: beside(&[f64::INFINITY, f64::NEG_INFINITY]),
            judge: Judge::All(judge::pairs),
            meanings: PAIRS,
        },
        Probe {
            name: "f16_pair_with_overflow",
            asks: "pack2x16float of a number in f16 and one beyond",
            expression: PACKED,
            inputs: beside(&[65520.0, 1e6, -1e6, 1e10, 3e38, -3e38]),
            judge: Judge::All(judge::pairs),
            meanings: PAIRS,
        },
        Probe {
            name: "f16_subnormal_packed",
            asks: "pack2x16float of numbers below 2^-14",
            expression: PACKED,
            inputs: (SUBNORMAL_HALVES.iter())
                .map(|half| [f32_bits(Dtype::F16.value(*half)); 2])
                .collect(),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "sigmoid in f16 reaches down to x = -17.3"),
                (Word::Flushed, "sigmoid in f16 is 0 from x = -9.7 down"),
            ],
        },
        Probe {
            name: "f16_subnormal_unpacked",
            asks: "unpack2x16float of f16 subnormals",
            expression: UNPACKED,
            inputs: twice(&SUBNORMAL_HALVES),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "every f16 is read as what it is"),
                (Word::Flushed, "f16 below 6.1e-5 are read as 0"),
            ],
        },
        Probe {
            name: "f16_infinity_unpacked",
            asks: "unpack2x16float of infinities",
            expression: UNPACKED,
            inputs: twice(&[0x7c00, 0xfc00]),
            judge: Judge::Each(judge::magnitude),
            meanings: &[
                (Word::Infinity, "infinity is read as infinity"),
                (Word::Other, "the exponent of infinities is taken for a number's"),
            ],
        },
        Probe {
            name: "f16_nan_unpacked",
            asks: "unpack2x16float of NaN",
            expression: UNPACKED,
            inputs: twice(&[0x7e00, 0xfe00, 0x7f12, 0x7c01]),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Nan, "NaN is read as NaN"),
                (Word::Other, "the exponent of NaN is taken for a number's"),
            ],
        },
    ]
}

const PAIRS: &[(Word, &str)] = &[
    (Word::Independent, "neighbours in an f16 tensor do not touch one another"),
    (Word::SpoilsLower, "an element becomes wrong because of its neighbour above"),
    (Word::SpoilsUpper, "an element becomes wrong because of its neighbour below"),
    (Word::SpoilsBoth, "an element becomes wrong because of its neighbour"),
];

fn f16_native() -> Vec<Probe> {
    vec![
        Probe {
            name: "f16_native_subnormal_copied",
            asks: "an f16 subnormal through a load and store",
            expression: function("copied", F16, |x, _| x),
            inputs: each(&SUBNORMAL_HALVES),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "a copy keeps what WGSL says it keeps"),
                (Word::Flushed, "even a copy flushes, against WGSL"),
            ],
        },
        Probe {
            name: "f16_native_subnormal_times_one",
            asks: "an f16 subnormal * 1",
            expression: function("product", TWO_F16, |a, b| a * b),
            inputs: halves_with(&SUBNORMAL_HALVES, 1.0),
            judge: Judge::Each(judge::subnormal),
            meanings: F16_ARITHMETIC,
        },
        Probe {
            name: "f16_native_subnormal_product",
            asks: "2^-10 * 2^-6 and the like in f16",
            expression: function("product", TWO_F16, |a, b| a * b),
            inputs: half_pairs(&[
                (2f64.powi(-10), 2f64.powi(-6)),
                (-(2f64.powi(-14)), 0.5),
                (2f64.powi(-12), 2f64.powi(-12)),
            ]),
            judge: Judge::Each(judge::subnormal),
            meanings: F16_ARITHMETIC,
        },
        Probe {
            name: "f16_native_exp_subnormal",
            asks: "exp(x) below 2^-14 in f16, x from -9.75 to -11",
            expression: function("exp_of", F16, |x, _| libm::exp(x)),
            inputs: half_pairs(&[(-9.75, 0.0), (-10.0, 0.0), (-10.5, 0.0), (-11.0, 0.0)]),
            judge: Judge::Each(judge::subnormal),
            meanings: &[
                (Word::Preserved, "sigmoid reaches down to x = -17.3"),
                (Word::Flushed, "sigmoid is 0 from x = -9.7 down"),
            ],
        },
        Probe {
            name: "f16_native_max_nan_zero",
            asks: "max(NaN, 0) in f16",
            expression: function("maximum", TWO_F16, |a, b| if a < b { b } else { a }),
            inputs: halves_with(&[0x7e00, 0xfe00, 0x7f12], 0.0),
            judge: Judge::Each(judge::value),
            meanings: &[
                (Word::Zero, "relu by max makes 0 of NaN"),
                (Word::Nan, "relu by max passes NaN on"),
            ],
        },
        Probe {
            name: "f16_native_overflow",
            asks: "65504 * 2 in f16",
            expression: function("product", TWO_F16, |a, b| a * b),
            inputs: half_pairs(&[(65504.0, 2.0), (-65504.0, 2.0), (300.0, 300.0)]),
            judge: Judge::Each(judge::magnitude),
            meanings: &[
                (Word::Infinity, "f16 arithmetic overflows to infinity"),
                (Word::Largest, "f16 arithmetic stops at 65504"),
                (Word::Other, "f16 arithmetic is wider than f16"),
            ],
        },
    ]
}

const F16_ARITHMETIC: &[(Word, &str)] = &[
    (Word::Preserved, "f16 arithmetic keeps subnormals, where half of sigmoid's range lies"),
    (Word::Flushed, "f16 arithmetic flushes: results below 6.1e-5 are 0"),
];

fn rewriting() -> Vec<Probe> {
    let tie = 1.0 + 2f64.powi(-12);
    // Each square exceeds its f32 by 2^-24, a tie that rounds to even.
    let squares = pairs(&[(tie, -(1.0 + 2f64.powi(-11))), (-tie, -(1.0 + 2f64.powi(-11)))]);
    vec![
        Probe {
            name: "fma_is_fused",
            asks: "fma(a, a, c), where the product needs more digits",
            expression: function("fma_of_square", TWO_F32, |a, c| a * a + c),
            inputs: squares.clone(),
            judge: Judge::Each(judge::fusion),
            meanings: &[
                (Word::Fused, "fma rounds once, though WGSL would allow twice"),
                (Word::Separate, "fma is a product and a sum: no compensation by fma works"),
            ],
        },
        Probe {
            name: "product_plus_sum_is_fused",
            asks: "a * a + c, the same without fma",
            expression: function("square_plus", TWO_F32, |a, c| a * a + c),
            inputs: squares,
            judge: Judge::Each(judge::fusion),
            meanings: &[
                (Word::Separate, "products and sums round as written"),
                (Word::Fused, "compilers fuse: results differ from the CPU's in the last digit"),
            ],
        },
        Probe {
            name: "sum_is_reassociated",
            asks: "(x + 2^30) - 2^30 of x = 1 and the like",
            expression: function("there_and_back", TWO_F32, |x, _| x),
            inputs: pairs(&[(1.0, 2f64.powi(30)), (0.25, 2f64.powi(26)), (-1.5, 2f64.powi(40))]),
            judge: Judge::Each(judge::absorption),
            meanings: &[
                (Word::AsWritten, "sums stay in their order: rounding by a large constant works"),
                (
                    Word::Rewritten,
                    "sums are reassociated: rounding by a large constant does not work",
                ),
            ],
        },
        Probe {
            name: "product_error_is_kept",
            asks: "fma(a, b, -(a * b))",
            expression: function("product_error", TWO_F32, |a, b| {
                let product = a * b;
                product - Dtype::F32.value(Dtype::F32.bits(product))
            }),
            inputs: pairs(&[
                (tie, tie),
                (1.0 + 2f64.powi(-13), 1.0 + 2f64.powi(-12)),
                (-1.0 - 2f64.powi(-14), tie),
            ]),
            judge: Judge::Each(judge::compensation),
            meanings: &[
                (Word::Yes, "the error of a product can be had: compensated forms work"),
                (Word::No, "the error of a product comes out as 0: compensated forms do nothing"),
            ],
        },
        Probe {
            name: "reduction_in_two_steps",
            asks: "fma(n, -low, fma(n, -high, x)), ln(2) = high + low",
            expression: function("reduced_in_two_steps", TWO_F32, |n, x| {
                (x - n * f64::from(0.69314575f32)) - n * f64::from(1.4286068e-6f32)
            }),
            inputs: pairs(&[-3.0, -40.0, -100.0, 77.0].map(|n| (n, n * f64::from(0.69314575f32)))),
            judge: Judge::Each(judge::reduction),
            meanings: &[
                (Word::AsWritten, "an exponential of one's own can reduce its argument by fma"),
                (
                    Word::Rewritten,
                    "ln(2) in two parts is merged into one: write a * b + c instead of fma",
                ),
            ],
        },
    ]
}

/// (number, rest): the numbers in ±[1, 2) that are even or odd in the last place, and rests of half a unit, a little less and a little more.
fn ties(format: Dtype) -> Vec<(f64, f64)> {
    let unit = format.memory().unit;
    let mut sums = Vec::new();
    for sign in [1.0, -1.0] {
        for last_place in [0.0, 1.0, 2.0, 3.0] {
            for rest in [0.5 - 0.125, 0.5, 0.5 + 0.125] {
                sums.push((sign * (1.0 + last_place * unit), sign * rest * unit));
            }
        }
    }
    sums
}

fn f32_bits(value: f64) -> u32 {
    Dtype::F32.bits(value)
}

fn each(firsts: &[u32]) -> Vec<[u32; 2]> {
    firsts.iter().map(|first| [*first, 0]).collect()
}

fn twice(firsts: &[u32]) -> Vec<[u32; 2]> {
    firsts.iter().flat_map(|first| [[*first, 0]; 2]).collect()
}

fn each_with(firsts: &[u32], second: f64) -> Vec<[u32; 2]> {
    firsts.iter().map(|first| [*first, f32_bits(second)]).collect()
}

fn with_each(first: f64, seconds: &[u32]) -> Vec<[u32; 2]> {
    seconds.iter().map(|second| [f32_bits(first), *second]).collect()
}

fn f32s(values: &[f64]) -> Vec<[u32; 2]> {
    values.iter().map(|value| [f32_bits(*value), 0]).collect()
}

fn f32_twice(values: &[f64]) -> Vec<[u32; 2]> {
    values.iter().map(|value| [f32_bits(*value); 2]).collect()
}

fn pairs(values: &[(f64, f64)]) -> Vec<[u32; 2]> {
    values.iter().map(|(first, second)| [f32_bits(*first), f32_bits(*second)]).collect()
}

fn halves_with(firsts: &[u32], second: f64) -> Vec<[u32; 2]> {
    firsts.iter().map(|first| [*first, Dtype::F16Native.bits(second)]).collect()
}

fn half_pairs(values: &[(f64, f64)]) -> Vec<[u32; 2]> {
    let bits = |value| Dtype::F16Native.bits(value);
    values.iter().map(|(first, second)| [bits(*first), bits(*second)]).collect()
}
