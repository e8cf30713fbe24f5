//! The probes, one row each: what is computed, how the results are read, on which inputs, and what
//! each expected answer means for an activation.

use super::f16::{f16, f16_native};
use super::judge::Word::{
    AsWritten, Exact, Flushed, Fused, Inexact, Infinity, Largest, MinusZero, Mixed, Nan, No, One,
    Other, Preserved, Quietened, Replaced, Rewritten, Saturates, Separate, ToNearestEven,
    TowardZero, Yes, Zero,
};
use super::judge::{
    absorption, exactness, fusion, magnitude, nan_bits, reduction, rounding, saturation, subnormal,
    value, yes_or_no,
};
use super::probe::{
    COPY, EXP, MAX, MAX_SWAPPED, NAIVE, NANS, POSITIVE_SUBNORMALS, PRODUCT, Probe, QUOTIENT, RELU,
    SIGMOID, SUBNORMALS, SUM, TANH, one, probe, ties, two,
};
use crate::kernels::dtype::Dtype;
use crate::kernels::activations::relu;

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

fn nan() -> Vec<Probe> {
    let (quiet, signalling) = NANS.split_at(4);
    let positive = one("select(T(0.0), a, a > T(0.0))", |a, _| relu::relu(a));
    let unless = one("select(a, T(0.0), a <= T(0.0))", |a, _| relu::relu(a));
    let differs = one("select(T(0.0), T(1.0), a != a)", |_, _| 1.0);
    let by_bits = one(
        "select(T(0.0), T(1.0), (bitcast<vec4<u32>>(a) & vec4(0x7fffffffu)) > vec4(0x7f800000u))",
        |_, _| 1.0,
    );
    let backward = two("relu_from_x(a, b)", relu::relu_backward);
    vec![
        probe("max_nan_zero", "max(NaN, 0)", MAX, value)
            .bits_and(quiet, 0.0)
            .means(Zero, "relu by max turns NaN into 0: a diverged network looks dead")
            .means(Nan, "relu by max passes NaN on: a diverged network shows it"),
        probe("max_zero_nan", "max(0, NaN)", MAX_SWAPPED, value)
            .bits_and(quiet, 0.0)
            .means(Zero, "relu by max in this order turns NaN into 0")
            .means(Nan, "relu by max in this order passes NaN on"),
        probe("select_if_positive_nan", "select(0, x, x > 0), x = NaN", positive, value)
            .bits(quiet)
            .means(Zero, "this relu turns NaN into 0, as IEEE comparison does")
            .means(Nan, "this relu passes NaN on: the comparison was inverted"),
        probe("select_unless_not_positive_nan", "select(x, 0, x <= 0), x = NaN", unless, value)
            .bits(quiet)
            .means(Nan, "this relu passes NaN on: use it where NaN must show")
            .means(Zero, "this relu turns NaN into 0: the comparison was inverted"),
        probe("nan_differs_from_itself", "x != x, x = NaN", differs, yes_or_no)
            .bits(quiet)
            .means(Yes, "x != x finds NaN here; WGSL does not promise it")
            .means(No, "x != x does not find NaN (naga's SPIR-V compares ordered): test the bits"),
        probe("nan_is_found_by_bits", "bits & 0x7fffffff > 0x7f800000, NaN", by_bits, yes_or_no)
            .bits(&NANS)
            .means(Yes, "a shader can find NaN by its bits")
            .means(No, "not even a test of the bits finds NaN"),
        probe("signalling_nan_copied", "signalling NaN, loaded and stored as f32", COPY, nan_bits)
            .bits(signalling)
            .means(Preserved, "an f32 copy keeps even a signalling NaN")
            .means(Quietened, "an f32 copy makes NaN quiet: copy bits as integers")
            .means(Replaced, "an f32 copy changes NaN: copy bits as integers"),
        probe("nan_payload_after_product", "quiet NaN * 1", PRODUCT, nan_bits)
            .bits_and(quiet, 1.0)
            .means(Preserved, "the payload of NaN survives arithmetic: a NaN can be traced")
            .means(Replaced, "arithmetic makes its own NaN: payloads tell nothing"),
        probe("exp_nan", "exp(NaN)", EXP, value)
            .bits(quiet)
            .means(Nan, "exp passes NaN on")
            .means(Zero, "exp loses NaN; sigmoid_nan is what sigmoid returns")
            .means(Infinity, "exp loses NaN; sigmoid_nan is what sigmoid returns"),
        probe("relu_nan", "relu/plain of NaN", RELU, value)
            .bits(quiet)
            .means(Zero, "the timed relu turns NaN into 0")
            .means(Nan, "the timed relu passes NaN on"),
        probe("relu_backward_nan", "relu/from_x, x = NaN, dy = 1", backward, value)
            .bits_and(quiet, 1.0)
            .means(Zero, "no gradient flows through NaN")
            .means(One, "the gradient flows through NaN: the comparison was inverted"),
        probe("sigmoid_nan", "sigmoid/two_sided of NaN", SIGMOID, value)
            .bits(quiet)
            .means(Nan, "the timed sigmoid passes NaN on")
            .means(Zero, "the timed sigmoid turns NaN into 0")
            .means(One, "the timed sigmoid turns NaN into 1"),
    ]
}

fn infinity() -> Vec<Probe> {
    // Near 44 and at 88.7, tanh computed from exp(x) or exp(2x) breaks on some drivers.
    let large =
        [20.0, 43.9, 44.2, 60.0, 88.0, 89.0, 100.0, 1e4, 3.4e38, -44.2, -60.0, -89.0, -100.0, -1e4];
    vec![
        probe("exp_minus_infinity", "exp(-infinity)", EXP, value)
            .numbers(&[f64::NEG_INFINITY])
            .means(Zero, "the two-sided sigmoid has its limits at infinity")
            .means(Nan, "the two-sided sigmoid of either infinity is NaN"),
        probe("exp_overflow", "exp(x), x >= 89", EXP, value)
            .numbers(&[89.0, 100.0, 1e4, 3.4e38])
            .means(Infinity, "the naive sigmoid divides by infinity for x < -88.7")
            .means(Largest, "exp saturates at the largest number"),
        probe("one_over_infinity", "1 / infinity", QUOTIENT, magnitude)
            .pairs(&[[1.0, f64::INFINITY], [1.0, f64::NEG_INFINITY]])
            .means(Zero, "a denominator that overflows still gives sigmoid's limit")
            .means(Nan, "a denominator that overflows gives NaN"),
        probe("sigmoid_infinity", "sigmoid/two_sided of infinity", SIGMOID, value)
            .numbers(&[f64::INFINITY])
            .means(One, "its limit")
            .means(Nan, "an infinite input gives NaN: clamp it first"),
        probe("sigmoid_minus_infinity", "sigmoid/two_sided of -infinity", SIGMOID, value)
            .numbers(&[f64::NEG_INFINITY])
            .means(Zero, "its limit")
            .means(Nan, "an infinite input gives NaN: clamp it first"),
        probe("sigmoid_naive_minus_infinity", "sigmoid/naive of -infinity", NAIVE, value)
            .numbers(&[f64::NEG_INFINITY])
            .means(Zero, "its limit")
            .means(Nan, "the naive sigmoid turns -infinity into NaN"),
        probe("sigmoid_naive_overflow", "sigmoid/naive, x <= -89", NAIVE, value)
            .numbers(&[-89.0, -100.0, -1e4, -3.4e38])
            .means(Zero, "right although exp overflows; WGSL does not promise it")
            .means(Nan, "NaN where exp overflows, x < -88.7"),
        probe("tanh_large", "tanh(x), |x| >= 20", TANH, saturation)
            .numbers(&large)
            .means(Saturates, "sigmoid by tanh is safe for large |x|; WGSL does not promise it")
            .means(Mixed, "sigmoid by tanh breaks for large |x|: clamp x first"),
    ]
}

fn signed_zero() -> Vec<Probe> {
    vec![
        probe("minus_zero_copied", "-0, loaded and stored as f32", COPY, value)
            .numbers(&[-0.0])
            .means(MinusZero, "a copy keeps the sign of 0")
            .means(Zero, "a copy loses the sign of 0"),
        probe("relu_minus_zero", "relu/plain of -0", RELU, value)
            .numbers(&[-0.0])
            .means(Zero, "relu never returns -0")
            .means(MinusZero, "relu may return -0: compare numbers, not bits"),
        probe("sigmoid_minus_zero", "sigmoid/two_sided of -0 and 0", SIGMOID, exactness)
            .numbers(&[-0.0, 0.0])
            .means(Exact, "both zeros give 1/2")
            .means(Inexact, "1/2 is missed by a few ULP"),
    ]
}

fn subnormals() -> Vec<Probe> {
    let p = |exponent| 2f64.powi(exponent);
    let backward = two("relu_from_x(b, a)", |dy, x| relu::relu_backward(x, dy));
    let positive = one("select(T(0.0), T(1.0), a > T(0.0))", |_, _| 1.0);
    vec![
        probe("subnormal_copied", "subnormal, loaded and stored as f32", COPY, subnormal)
            .bits(&SUBNORMALS)
            .means(Preserved, "a copy keeps subnormals, as WGSL demands")
            .means(Flushed, "even a copy flushes, against WGSL: copy bits as integers"),
        probe("subnormal_times_one", "subnormal * 1", PRODUCT, subnormal)
            .bits_and(&SUBNORMALS, 1.0)
            .means(Preserved, "products keep subnormals")
            .means(Flushed, "products flush: gradients below 1.2e-38 are 0"),
        probe("subnormal_scaled_up", "subnormal * 2^100", PRODUCT, subnormal)
            .bits_and(&SUBNORMALS, p(100))
            .means(Preserved, "subnormal operands count")
            .means(Flushed, "subnormal operands are read as 0: scale the loss before"),
        probe("subnormal_product", "2^-100 * 2^-27 and similar", PRODUCT, subnormal)
            .pairs(&[[p(-100), p(-27)], [-p(-100), p(-40)], [1.5 * p(-126), 0.5]])
            .means(Preserved, "a product of normal numbers may be subnormal")
            .means(Flushed, "products below 1.2e-38 are 0, as of dy where sigmoid saturates"),
        probe("subnormal_sum", "subnormal + subnormal", SUM, subnormal)
            .bits(&SUBNORMALS)
            .means(Preserved, "sums keep subnormals")
            .means(Flushed, "sums flush: accumulated gradients below 1.2e-38 are 0"),
        probe("subnormal_difference", "1.5 * 2^-126 - 2^-126 and similar", SUM, subnormal)
            .pairs(&[[1.5 * p(-126), -p(-126)], [p(-126), -1.25 * p(-126)]])
            .means(Preserved, "different numbers have a difference")
            .means(Flushed, "different numbers may have the difference 0"),
        probe("subnormal_relu", "relu/plain of a positive subnormal", RELU, subnormal)
            .bits(&POSITIVE_SUBNORMALS)
            .means(Preserved, "relu is the identity on every positive number")
            .means(Flushed, "relu turns positive subnormals into 0, as WGSL allows"),
        probe("negative_subnormal_relu", "relu/plain of a negative subnormal", RELU, value)
            .bits(&POSITIVE_SUBNORMALS.map(|bits| bits | 0x8000_0000))
            .means(Zero, "relu is 0 on every negative number")
            .means(MinusZero, "relu is -0 on negative subnormals")
            .means(Other, "relu returns some negative subnormals: they compare as 0"),
        probe("subnormal_selected", "relu/from_x, x = 1, dy subnormal", backward, subnormal)
            .bits_and(&SUBNORMALS, 1.0)
            .means(Preserved, "relu's backward keeps the smallest gradients")
            .means(Flushed, "select flushes, against WGSL: the smallest gradients are 0"),
        probe("subnormal_is_positive", "subnormal > 0", positive, yes_or_no)
            .bits(&POSITIVE_SUBNORMALS)
            .means(Yes, "relu's gradient at a positive subnormal is dy")
            .means(No, "relu's gradient at a positive subnormal is 0: it compares as 0"),
        probe("exp_subnormal", "exp(x) < 2^-126, x from -88 to -97", EXP, subnormal)
            .numbers(&[-88.0, -90.0, -95.0, -97.0])
            .means(Preserved, "sigmoid is subnormal for x < -87.34, 0 for x <= -103.98")
            .means(Flushed, "sigmoid is 0 for x <= -87.34"),
    ]
}

fn division_and_rounding() -> Vec<Probe> {
    let (large, largest) = (2f64.powi(127), Dtype::F32.memory().max);
    let whole = [[165.0, 15.0], [21.0, 7.0], [49.0, 7.0], [1e6, 1e3], [27.0, 9.0], [121.0, 11.0]];
    vec![
        probe("division_by_2_to_127", "1 / 2^127 and 1 / -2^127", QUOTIENT, subnormal)
            .pairs(&[[1.0, large], [1.0, -large]])
            .means(Preserved, "the naive sigmoid keeps its smallest results, beyond WGSL's promise")
            .means(Flushed, "the naive sigmoid is 0 for x <= -87.34"),
        probe("division_by_largest", "1 / the largest number", QUOTIENT, subnormal)
            .pairs(&[[1.0, largest], [1.0, -largest]])
            .means(Preserved, "the naive sigmoid is right until exp overflows, x = -88.7")
            .means(Flushed, "the naive sigmoid is 0 before exp overflows"),
        probe("large_over_large", "2^127 / 2^127 and similar", QUOTIENT, value)
            .numbers(&[large, 1.5 * large, largest])
            .means(One, "division does not use a reciprocal that underflows")
            .means(Zero, "division uses a reciprocal that underflows: keep denominators < 2^126"),
        probe("division_of_multiples", "165 / 15 and other whole quotients", QUOTIENT, exactness)
            .pairs(&whole)
            .means(Exact, "whole quotients are whole")
            .means(Inexact, "whole quotients need not be whole: WGSL allows 2.5 ULP"),
        probe("f32_rounding", "1 + 2^-24 and sums near such ties", SUM, rounding)
            .pairs(&ties(Dtype::F32))
            .means(ToNearestEven, "sums round as on the CPU")
            .means(TowardZero, "sums are truncated: the error of a sum grows with its length"),
    ]
}

fn rewriting() -> Vec<Probe> {
    // ln(2) in two parts, of which the first has few bits.
    const HIGH: f32 = 0.69314575;
    const LOW: f32 = 1.4286068e-6;
    let p = |exponent| 2f64.powi(exponent);
    let tie = 1.0 + p(-12);
    // The square exceeds its f32 by 2^-24, a tie that rounds to even.
    let squares = [[tie, -1.0 - p(-11)], [-tie, -1.0 - p(-11)]];
    let fused = two("fma(a, a, b)", |a, b| a * a + b);
    let written = two("a * a + b", |a, b| a * a + b);
    let there_and_back = two("(a + b) - b", |a, _| a);
    let product_error =
        two("fma(a, b, -(a * b))", |a, b| a * b - Dtype::F32.value(Dtype::F32.bits(a * b)));
    let reduced = two("fma(a, T(-1.4286068e-6), fma(a, T(-0.69314575), b))", |n, x| {
        (x - n * f64::from(HIGH)) - n * f64::from(LOW)
    });
    vec![
        probe("fma_is_fused", "fma(a, a, c), a * a inexact", fused, fusion)
            .pairs(&squares)
            .means(Fused, "fma rounds once; WGSL allows twice")
            .means(Separate, "fma is a product and a sum: no compensation by fma works"),
        probe("product_plus_sum_is_fused", "a * a + c, a * a inexact", written, fusion)
            .pairs(&squares)
            .means(Separate, "products and sums round as written")
            .means(Fused, "compilers fuse: results differ from the CPU in the last digit"),
        probe("sum_is_reassociated", "(x + 2^30) - 2^30 and similar", there_and_back, absorption)
            .pairs(&[[1.0, p(30)], [0.25, p(26)], [-1.5, p(40)]])
            .means(AsWritten, "sums keep their order: rounding by a large constant works")
            .means(Rewritten, "sums are reassociated: rounding by a large constant fails"),
        probe("product_error_is_kept", "fma(a, b, -(a * b))", product_error, yes_or_no)
            .pairs(&[[tie, tie], [1.0 + p(-13), 1.0 + p(-12)], [-1.0 - p(-14), tie]])
            .means(Yes, "the rounding error of a product is exact: compensated sums work")
            .means(No, "the rounding error of a product is 0: compensated sums do nothing"),
        probe(
            "reduction_in_two_steps",
            "fma(n, -low, fma(n, -high, x)), ln(2) = high + low",
            reduced,
            reduction,
        )
        .pairs(&[-3.0, -40.0, -100.0, 77.0].map(|n| [n, n * f64::from(HIGH)]))
        .means(AsWritten, "an own exponential can reduce its argument by fma")
        .means(Rewritten, "the two parts of ln(2) are merged: write a * b + c instead of fma"),
    ]
}
