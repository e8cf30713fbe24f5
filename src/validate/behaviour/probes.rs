//! The probes of operations and built-in functions whose answer is a word, one row each: what is
//! computed, how the results are read, on which inputs, and what each expected answer means.

use super::judge::Word::{
    AsWritten, Exact, Flushed, Fused, Independent, Inexact, Infinity, Largest, MinusZero, Mixed,
    Nan, No, One, Other, Preserved, Quietened, Replaced, Rewritten, Saturates, Separate,
    SpoilsBoth, SpoilsLower, SpoilsUpper, ToNearestAway, ToNearestEven, TowardZero, Yes, Zero,
};
use super::judge::{
    ABSORPTION, EXACTNESS, FUSION, MAGNITUDE, NAN_BITS, PAIRS, REDUCTION, ROUNDING, SATURATION,
    SUBNORMAL, VALUE, YES_OR_NO,
};
use super::probe::{
    COPY, EXP, MAX, PACK, POSITIVE_SUBNORMALS, PRODUCT, Probe, QUIET_NANS, QUOTIENT,
    SIGNALLING_NANS, SUBNORMAL_HALVES, SUBNORMALS, SUM, TANH, UNPACK, native, one, probe, ties,
    two,
};
use crate::kernels::dtype::Dtype;

const INF: f64 = f64::INFINITY;

/// All by their group, in the order of the card.
pub fn all() -> Vec<(&'static str, Vec<Probe>)> {
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

/// x where it is positive, else 0; NaN stays NaN.
fn positive_part(x: f64, _: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

fn nan() -> Vec<Probe> {
    let positive = one("select(T(0.0), a, a > T(0.0))", positive_part);
    let unless = one("select(a, T(0.0), a <= T(0.0))", positive_part);
    let differs = one("select(T(0.0), T(1.0), a != a)", |_, _| 1.0);
    let by_bits = one(
        "select(T(0.0), T(1.0), (bitcast<vec4<u32>>(a) & vec4(0x7fffffffu)) > vec4(0x7f800000u))",
        |_, _| 1.0,
    );
    vec![
        probe("max_nan_zero", "max(NaN, 0)", MAX, VALUE)
            .bits_and(QUIET_NANS, 0.0)
            .means(Zero, "max(x, 0) turns NaN into 0: a diverged network looks dead")
            .means(Nan, "max(x, 0) passes NaN on: a diverged network shows it"),
        probe("max_zero_nan", "max(0, NaN)", two("max(b, a)", f64::max), VALUE)
            .bits_and(QUIET_NANS, 0.0)
            .means(Zero, "max(0, x) turns NaN into 0")
            .means(Nan, "max(0, x) passes NaN on"),
        probe("select_if_positive_nan", "select(0, x, x > 0), x = NaN", positive, VALUE)
            .bits(QUIET_NANS)
            .means(Zero, "turns NaN into 0, as IEEE comparison does")
            .means(Nan, "passes NaN on: the comparison was inverted"),
        probe("select_unless_not_positive_nan", "select(x, 0, x <= 0), x = NaN", unless, VALUE)
            .bits(QUIET_NANS)
            .means(Nan, "passes NaN on: use it where NaN must show")
            .means(Zero, "turns NaN into 0: the comparison was inverted"),
        probe("nan_differs_from_itself", "x != x, x = NaN", differs, YES_OR_NO)
            .bits(QUIET_NANS)
            .means(Yes, "x != x finds NaN here; WGSL does not promise it")
            .means(No, "x != x does not find NaN (naga's SPIR-V compares ordered): test the bits"),
        probe("nan_is_found_by_bits", "bits & 0x7fffffff > 0x7f800000, NaN", by_bits, YES_OR_NO)
            .bits(QUIET_NANS.into_iter().chain(SIGNALLING_NANS))
            .means(Yes, "a shader can find NaN by its bits")
            .means(No, "not even a test of the bits finds NaN"),
        probe("signalling_nan_copied", "signalling NaN, loaded and stored as f32", COPY, NAN_BITS)
            .bits(SIGNALLING_NANS)
            .means(Preserved, "an f32 copy keeps even a signalling NaN")
            .means(Quietened, "an f32 copy makes NaN quiet: copy bits as integers")
            .means(Replaced, "an f32 copy changes NaN: copy bits as integers"),
        probe("nan_payload_after_product", "quiet NaN * 1", PRODUCT, NAN_BITS)
            .bits_and(QUIET_NANS, 1.0)
            .means(Preserved, "the payload of NaN survives arithmetic: a NaN can be traced")
            .means(Replaced, "arithmetic makes its own NaN: payloads tell nothing"),
        probe("exp_nan", "exp(NaN)", EXP, VALUE)
            .bits(QUIET_NANS)
            .means(Nan, "exp passes NaN on")
            .means(Zero, "exp loses NaN: activations that call it may return a number")
            .means(Infinity, "exp loses NaN: activations that call it may return a number"),
    ]
}

fn infinity() -> Vec<Probe> {
    // Near 44 and at 88.7, tanh computed from exp(x) or exp(2x) breaks on some drivers.
    let large =
        [20.0, 43.9, 44.2, 60.0, 88.0, 89.0, 100.0, 1e4, 3.4e38, -44.2, -60.0, -89.0, -100.0, -1e4];
    vec![
        probe("exp_minus_infinity", "exp(-infinity)", EXP, VALUE)
            .numbers([-INF])
            .means(Zero, "1 / (1 + exp(-|x|)) has its limit at infinity")
            .means(Nan, "1 / (1 + exp(-|x|)) is NaN at infinity"),
        probe("exp_overflow", "exp(x), x >= 89", EXP, VALUE)
            .numbers([89.0, 100.0, 1e4, 3.4e38])
            .means(Infinity, "1 / (1 + exp(-x)) divides by infinity for x < -88.7")
            .means(Largest, "exp saturates at the largest number"),
        probe("one_over_infinity", "1 / infinity", QUOTIENT, MAGNITUDE)
            .pairs([[1.0, INF], [1.0, -INF]])
            .means(Zero, "1 / (1 + exp(-x)) has its limit although exp overflows")
            .means(Nan, "a denominator that overflows gives NaN"),
        probe("tanh_large", "tanh(x), |x| >= 20", TANH, SATURATION)
            .numbers(large)
            .means(Saturates, "safe for large |x|; WGSL does not promise it")
            .means(Mixed, "breaks for large |x|: clamp x first"),
    ]
}

fn signed_zero() -> Vec<Probe> {
    vec![
        probe("minus_zero_copied", "-0, loaded and stored as f32", COPY, VALUE)
            .numbers([-0.0])
            .means(MinusZero, "a copy keeps the sign of 0")
            .means(Zero, "a copy loses the sign of 0"),
        probe("max_minus_zero", "max(-0, 0)", MAX, VALUE)
            .pairs([[-0.0, 0.0]])
            .means(Zero, "max(x, 0) never returns -0")
            .means(MinusZero, "max(x, 0) may return -0: compare numbers, not bits"),
    ]
}

fn subnormals() -> Vec<Probe> {
    let p = |exponent| 2f64.powi(exponent);
    let selected = two("select(T(0.0), a, b > T(0.0))", |a, b| if b > 0.0 { a } else { 0.0 });
    let positive = one("select(T(0.0), T(1.0), a > T(0.0))", |_, _| 1.0);
    vec![
        probe("subnormal_copied", "subnormal, loaded and stored as f32", COPY, SUBNORMAL)
            .bits(SUBNORMALS)
            .means(Preserved, "a copy keeps subnormals, as WGSL demands")
            .means(Flushed, "even a copy flushes, against WGSL: copy bits as integers"),
        probe("subnormal_times_one", "subnormal * 1", PRODUCT, SUBNORMAL)
            .bits_and(SUBNORMALS, 1.0)
            .means(Preserved, "products keep subnormals")
            .means(Flushed, "products flush: gradients below 1.2e-38 are 0"),
        probe("subnormal_scaled_up", "subnormal * 2^100", PRODUCT, SUBNORMAL)
            .bits_and(SUBNORMALS, p(100))
            .means(Preserved, "subnormal operands count")
            .means(Flushed, "subnormal operands are read as 0: scale the loss before"),
        probe("subnormal_product", "2^-100 * 2^-27 and similar", PRODUCT, SUBNORMAL)
            .pairs([[p(-100), p(-27)], [-p(-100), p(-40)], [1.5 * p(-126), 0.5]])
            .means(Preserved, "a product of normal numbers may be subnormal")
            .means(Flushed, "products below 1.2e-38 are 0, as of dy where an activation saturates"),
        probe("subnormal_sum", "subnormal + subnormal", SUM, SUBNORMAL)
            .bits(SUBNORMALS)
            .means(Preserved, "sums keep subnormals")
            .means(Flushed, "sums flush: accumulated gradients below 1.2e-38 are 0"),
        probe("subnormal_difference", "1.5 * 2^-126 - 2^-126 and similar", SUM, SUBNORMAL)
            .pairs([[1.5 * p(-126), -p(-126)], [p(-126), -1.25 * p(-126)]])
            .means(Preserved, "different numbers have a difference")
            .means(Flushed, "different numbers may have the difference 0"),
        probe("max_subnormal", "max(positive subnormal, 0)", MAX, SUBNORMAL)
            .bits_and(POSITIVE_SUBNORMALS, 0.0)
            .means(Preserved, "max(x, 0) is the identity on every positive number")
            .means(Flushed, "max(x, 0) turns positive subnormals into 0, as WGSL allows"),
        probe("max_negative_subnormal", "max(negative subnormal, 0)", MAX, VALUE)
            .bits_and(POSITIVE_SUBNORMALS.map(|bits| bits | 0x8000_0000), 0.0)
            .means(Zero, "max(x, 0) is 0 on every negative number")
            .means(MinusZero, "max(x, 0) is -0 on negative subnormals")
            .means(Other, "max(x, 0) returns some negative subnormals: they compare as 0"),
        probe("subnormal_selected", "select(0, subnormal, 1 > 0)", selected, SUBNORMAL)
            .bits_and(SUBNORMALS, 1.0)
            .means(Preserved, "a selected gradient keeps its smallest values")
            .means(Flushed, "select flushes, against WGSL: the smallest gradients are 0"),
        probe("subnormal_is_positive", "subnormal > 0", positive, YES_OR_NO)
            .bits(POSITIVE_SUBNORMALS)
            .means(Yes, "a positive subnormal counts as positive: dy passes it")
            .means(No, "a positive subnormal compares as 0: dy does not pass it"),
        probe("exp_subnormal", "exp(x) < 2^-126, x from -88 to -97", EXP, SUBNORMAL)
            .numbers([-88.0, -90.0, -95.0, -97.0])
            .means(Preserved, "exp is subnormal for x < -87.34, 0 for x <= -103.98")
            .means(Flushed, "exp is 0 for x <= -87.34"),
    ]
}

fn division_and_rounding() -> Vec<Probe> {
    let (large, largest) = (2f64.powi(127), Dtype::F32.memory().max);
    let whole = [[165.0, 15.0], [21.0, 7.0], [49.0, 7.0], [1e6, 1e3], [27.0, 9.0], [121.0, 11.0]];
    vec![
        probe("division_by_2_to_127", "1 / 2^127 and 1 / -2^127", QUOTIENT, SUBNORMAL)
            .pairs([[1.0, large], [1.0, -large]])
            .means(Preserved, "1 / (1 + exp(-x)) keeps its smallest results: more than WGSL says")
            .means(Flushed, "1 / (1 + exp(-x)) is 0 for x <= -87.34"),
        probe("division_by_largest", "1 / the largest number", QUOTIENT, SUBNORMAL)
            .pairs([[1.0, largest], [1.0, -largest]])
            .means(Preserved, "1 / (1 + exp(-x)) is right until exp overflows, x = -88.7")
            .means(Flushed, "1 / (1 + exp(-x)) is 0 before exp overflows"),
        probe("large_over_large", "2^127 / 2^127 and similar", QUOTIENT, VALUE)
            .numbers([large, 1.5 * large, largest])
            .means(One, "division does not use a reciprocal that underflows")
            .means(Zero, "division uses a reciprocal that underflows: keep denominators < 2^126"),
        probe("division_of_multiples", "165 / 15 and other whole quotients", QUOTIENT, EXACTNESS)
            .pairs(whole)
            .means(Exact, "whole quotients are whole")
            .means(Inexact, "whole quotients need not be whole: WGSL allows 2.5 ULP"),
        probe("f32_rounding", "1 + 2^-24 and sums near such ties", SUM, ROUNDING)
            .pairs(ties(Dtype::F32))
            .means(ToNearestEven, "sums round as on the CPU")
            .means(TowardZero, "sums are truncated: the error of a sum grows with its length"),
    ]
}

fn f16() -> Vec<Probe> {
    let ties = ties(Dtype::F16).into_iter().map(|[number, rest]| number + rest);
    let twice = |halves: &[u32]| halves.iter().flat_map(|half| [*half; 2]).collect::<Vec<_>>();
    let small = SUBNORMAL_HALVES.map(|half| Dtype::F16.value(half));
    let pair = |name: &str, question: &str, specials: &[f64]| {
        let ordinary = [1.0, -2.5, 0.1, 65504.0, 2f64.powi(-20)];
        let both = |special: &f64| ordinary.map(|number| [[number, *special], [*special, number]]);
        probe(name, question, PACK, PAIRS)
            .pairs(specials.iter().flat_map(both).flatten())
            .means(Independent, "neighbours in an f16 tensor do not affect each other")
            .means(SpoilsLower, "an element is wrong because of the neighbour above")
            .means(SpoilsUpper, "an element is wrong because of the neighbour below")
            .means(SpoilsBoth, "an element is wrong because of a neighbour")
    };
    vec![
        probe("f16_rounding", "pack2x16float near ties", PACK, ROUNDING)
            .numbers(ties)
            .means(ToNearestEven, "storing as f16 costs at most half an ULP")
            .means(ToNearestAway, "storing as f16 costs at most half an ULP; ties differ from CPUs")
            .means(TowardZero, "storing as f16 costs up to an ULP: the mean of a tensor shrinks"),
        probe("f16_overflow", "pack2x16float of 65520 and 65536", PACK, MAGNITUDE)
            .numbers([65520.0, 65536.0, -65520.0, -65536.0])
            .means(Infinity, "results beyond f16 become infinity")
            .means(Largest, "results beyond f16 become 65504"),
        probe("f16_far_overflow", "pack2x16float, |x| >= 70000", PACK, MAGNITUDE)
            .numbers([7e4, 1e6, 1e10, 3e38, -7e4, -1e6, -1e10, -3e38])
            .means(Infinity, "results far beyond f16 become infinity")
            .means(Largest, "results far beyond f16 become 65504")
            .means(Nan, "results far beyond f16 become NaN: clamp them first"),
        probe("f16_infinity_packed", "pack2x16float of ±infinity", PACK, MAGNITUDE)
            .numbers([INF, -INF])
            .means(Infinity, "infinity stays infinity in f16")
            .means(Largest, "infinity becomes 65504 in f16")
            .means(Nan, "infinity becomes NaN in f16"),
        probe("f16_nan_packed", "pack2x16float of NaN, any payload", PACK, VALUE)
            .bits(QUIET_NANS.into_iter().chain(SIGNALLING_NANS))
            .means(Nan, "NaN stays NaN in f16")
            .means(Infinity, "NaN becomes infinity in f16"),
        pair("f16_pair_with_nan", "pack2x16float of a number and NaN", &[f64::NAN]),
        pair("f16_pair_with_infinity", "pack2x16float of a number and infinity", &[INF, -INF]),
        pair(
            "f16_pair_with_overflow",
            "pack2x16float of a number and one beyond f16",
            &[65520.0, 1e6, -1e6, 1e10, 3e38, -3e38],
        ),
        probe("f16_subnormal_packed", "pack2x16float, |x| < 2^-14", PACK, SUBNORMAL)
            .numbers(small)
            .means(Preserved, "results stored as f16 are as small as 6e-8")
            .means(Flushed, "results stored as f16 are 0 below 6.1e-5"),
        probe("f16_subnormal_unpacked", "unpack2x16float of f16 subnormals", UNPACK, SUBNORMAL)
            .bits(twice(&SUBNORMAL_HALVES))
            .means(Preserved, "every f16 is read exactly")
            .means(Flushed, "f16 below 6.1e-5 are read as 0"),
        probe("f16_infinity_unpacked", "unpack2x16float of ±infinity", UNPACK, MAGNITUDE)
            .bits(twice(&[0x7c00, 0xfc00]))
            .means(Infinity, "infinity is read as infinity")
            .means(Other, "infinity is read as a finite number"),
        probe("f16_nan_unpacked", "unpack2x16float of NaN", UNPACK, VALUE)
            .bits(twice(&[0x7e00, 0xfe00, 0x7f12, 0x7c01]))
            .means(Nan, "NaN is read as NaN")
            .means(Other, "NaN is read as a finite number"),
    ]
}

fn f16_native() -> Vec<Probe> {
    let p = |exponent| 2f64.powi(exponent);
    let [copy, max, product, exp] = [COPY, MAX, PRODUCT, EXP].map(native);
    let kept = "f16 arithmetic keeps subnormals: results are as small as 6e-8";
    let flushed = "f16 arithmetic flushes: results below 6.1e-5 are 0";
    vec![
        probe("f16_native_subnormal_copied", "f16 subnormal, loaded and stored", copy, SUBNORMAL)
            .bits(SUBNORMAL_HALVES)
            .means(Preserved, "a copy keeps subnormals, as WGSL demands")
            .means(Flushed, "even a copy flushes, against WGSL"),
        probe("f16_native_subnormal_times_one", "f16 subnormal * 1", product, SUBNORMAL)
            .bits_and(SUBNORMAL_HALVES, 1.0)
            .means(Preserved, kept)
            .means(Flushed, flushed),
        probe("f16_native_subnormal_product", "f16 2^-10 * 2^-6", product, SUBNORMAL)
            .pairs([[p(-10), p(-6)], [-p(-14), 0.5], [p(-12), p(-12)]])
            .means(Preserved, kept)
            .means(Flushed, flushed),
        probe("f16_native_exp_subnormal", "f16 exp(x), x from -9.75 to -11", exp, SUBNORMAL)
            .numbers([-9.75, -10.0, -10.5, -11.0])
            .means(Preserved, "f16 exp is 0 for x <= -17.34")
            .means(Flushed, "f16 exp is 0 for x <= -9.71"),
        probe("f16_native_max_nan_zero", "max(NaN, 0) in f16", max, VALUE)
            .bits_and([0x7e00, 0xfe00, 0x7f12], 0.0)
            .means(Zero, "max(x, 0) turns NaN into 0")
            .means(Nan, "max(x, 0) passes NaN on"),
        probe("f16_native_overflow", "65504 * 2 in f16", product, MAGNITUDE)
            .pairs([[65504.0, 2.0], [-65504.0, 2.0], [300.0, 300.0]])
            .means(Infinity, "f16 arithmetic overflows to infinity")
            .means(Largest, "f16 arithmetic saturates at 65504")
            .means(Other, "f16 arithmetic is wider than f16"),
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
        probe("fma_is_fused", "fma(a, a, c), a * a inexact", fused, FUSION)
            .pairs(squares)
            .means(Fused, "fma rounds once; WGSL allows twice")
            .means(Separate, "fma is a product and a sum: no compensation by fma works"),
        probe("product_plus_sum_is_fused", "a * a + c, a * a inexact", written, FUSION)
            .pairs(squares)
            .means(Separate, "products and sums round as written")
            .means(Fused, "compilers fuse: results differ from the CPU in the last digit"),
        probe("sum_is_reassociated", "(x + 2^30) - 2^30 and similar", there_and_back, ABSORPTION)
            .pairs([[1.0, p(30)], [0.25, p(26)], [-1.5, p(40)]])
            .means(AsWritten, "sums keep their order: rounding by a large constant works")
            .means(Rewritten, "sums are reassociated: rounding by a large constant fails"),
        probe("product_error_is_kept", "fma(a, b, -(a * b))", product_error, YES_OR_NO)
            .pairs([[tie, tie], [1.0 + p(-13), 1.0 + p(-12)], [-1.0 - p(-14), tie]])
            .means(Yes, "the rounding error of a product is exact: compensated sums work")
            .means(No, "the rounding error of a product is 0: compensated sums do nothing"),
        probe(
            "reduction_in_two_steps",
            "fma(n, -low, fma(n, -high, x)), ln(2) = high + low",
            reduced,
            REDUCTION,
        )
        .pairs([-3.0, -40.0, -100.0, 77.0].map(|n| [n, n * f64::from(HIGH)]))
        .means(AsWritten, "an own exponential can reduce its argument by fma")
        .means(Rewritten, "the two parts of ln(2) are merged: write a * b + c instead of fma"),
    ]
}
