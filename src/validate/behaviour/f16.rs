//! The probes of f16, in memory and in arithmetic.

use super::judge::Word::{
    Flushed, Independent, Infinity, Largest, Nan, Other, Preserved, SpoilsBoth, SpoilsLower,
    SpoilsUpper, ToNearestAway, ToNearestEven, TowardZero, Zero,
};
use super::judge::{magnitude, pairs, rounding, subnormal, value};
use super::probe::{
    COPY, EXP, MAX, NANS, PACK, PRODUCT, Probe, SUBNORMAL_HALVES, UNPACK, native, probe, ties,
};
use crate::kernels::dtype::Dtype;

pub(super) fn f16() -> Vec<Probe> {
    let ties: Vec<f64> = ties(Dtype::F16).iter().map(|[number, rest]| number + rest).collect();
    let twice = |halves: &[u32]| halves.iter().flat_map(|half| [*half; 2]).collect::<Vec<_>>();
    let small: Vec<f64> = SUBNORMAL_HALVES.iter().map(|half| Dtype::F16.value(*half)).collect();
    let pair = |name, question, specials: &[f64]| {
        let ordinary = [1.0, -2.5, 0.1, 65504.0, 2f64.powi(-20)];
        let both = |special: &f64| ordinary.map(|number| [[number, *special], [*special, number]]);
        probe(name, question, PACK, pairs)
            .pairs(specials.iter().flat_map(both).collect::<Vec<_>>().as_flattened())
            .means(Independent, "neighbours in an f16 tensor do not affect each other")
            .means(SpoilsLower, "an element is wrong because of the neighbour above")
            .means(SpoilsUpper, "an element is wrong because of the neighbour below")
            .means(SpoilsBoth, "an element is wrong because of a neighbour")
    };
    vec![
        probe("f16_rounding", "pack2x16float near ties", PACK, rounding)
            .numbers(&ties)
            .means(ToNearestEven, "storing as f16 costs at most half an ULP")
            .means(ToNearestAway, "storing as f16 costs at most half an ULP; ties differ from CPUs")
            .means(TowardZero, "storing as f16 costs up to an ULP: the mean of a tensor shrinks"),
        probe("f16_overflow", "pack2x16float of 65520 and 65536", PACK, magnitude)
            .numbers(&[65520.0, 65536.0, -65520.0, -65536.0])
            .means(Infinity, "relu outputs beyond f16 become infinity")
            .means(Largest, "relu outputs beyond f16 become 65504"),
        probe("f16_far_overflow", "pack2x16float, |x| >= 70000", PACK, magnitude)
            .numbers(&[7e4, 1e6, 1e10, 3e38, -7e4, -1e6, -1e10, -3e38])
            .means(Infinity, "relu outputs far beyond f16 become infinity")
            .means(Largest, "relu outputs far beyond f16 become 65504")
            .means(Nan, "relu outputs far beyond f16 become NaN: clamp them first"),
        probe("f16_infinity_packed", "pack2x16float of ±infinity", PACK, magnitude)
            .numbers(&[f64::INFINITY, f64::NEG_INFINITY])
            .means(Infinity, "infinity stays infinity in f16")
            .means(Largest, "infinity becomes 65504 in f16")
            .means(Nan, "infinity becomes NaN in f16"),
        probe("f16_nan_packed", "pack2x16float of NaN, any payload", PACK, value)
            .bits(&NANS)
            .means(Nan, "NaN stays NaN in f16")
            .means(Infinity, "NaN becomes infinity in f16"),
        pair("f16_pair_with_nan", "pack2x16float of a number and NaN", &[f64::NAN]),
        pair(
            "f16_pair_with_infinity",
            "pack2x16float of a number and infinity",
            &[f64::INFINITY, f64::NEG_INFINITY],
        ),
        pair(
            "f16_pair_with_overflow",
            "pack2x16float of a number and one beyond f16",
            &[65520.0, 1e6, -1e6, 1e10, 3e38, -3e38],
        ),
        probe("f16_subnormal_packed", "pack2x16float, |x| < 2^-14", PACK, subnormal)
            .numbers(&small)
            .means(Preserved, "sigmoid stored as f16 is 0 for x <= -17.34")
            .means(Flushed, "sigmoid stored as f16 is 0 for x <= -9.71"),
        probe("f16_subnormal_unpacked", "unpack2x16float of f16 subnormals", UNPACK, subnormal)
            .bits(&twice(&SUBNORMAL_HALVES))
            .means(Preserved, "every f16 is read exactly")
            .means(Flushed, "f16 below 6.1e-5 are read as 0"),
        probe("f16_infinity_unpacked", "unpack2x16float of ±infinity", UNPACK, magnitude)
            .bits(&twice(&[0x7c00, 0xfc00]))
            .means(Infinity, "infinity is read as infinity")
            .means(Other, "infinity is read as a finite number"),
        probe("f16_nan_unpacked", "unpack2x16float of NaN", UNPACK, value)
            .bits(&twice(&[0x7e00, 0xfe00, 0x7f12, 0x7c01]))
            .means(Nan, "NaN is read as NaN")
            .means(Other, "NaN is read as a finite number"),
    ]
}

pub(super) fn f16_native() -> Vec<Probe> {
    let p = |exponent| 2f64.powi(exponent);
    let [copy, max, product, exp] = [COPY, MAX, PRODUCT, EXP].map(native);
    let kept = "f16 arithmetic keeps subnormals, where half of sigmoid's range lies";
    let flushed = "f16 arithmetic flushes: results below 6.1e-5 are 0";
    vec![
        probe("f16_native_subnormal_copied", "f16 subnormal, loaded and stored", copy, subnormal)
            .bits(&SUBNORMAL_HALVES)
            .means(Preserved, "a copy keeps subnormals, as WGSL demands")
            .means(Flushed, "even a copy flushes, against WGSL"),
        probe("f16_native_subnormal_times_one", "f16 subnormal * 1", product, subnormal)
            .bits_and(&SUBNORMAL_HALVES, 1.0)
            .means(Preserved, kept)
            .means(Flushed, flushed),
        probe("f16_native_subnormal_product", "f16 2^-10 * 2^-6", product, subnormal)
            .pairs(&[[p(-10), p(-6)], [-p(-14), 0.5], [p(-12), p(-12)]])
            .means(Preserved, kept)
            .means(Flushed, flushed),
        probe("f16_native_exp_subnormal", "f16 exp(x), x from -9.75 to -11", exp, subnormal)
            .numbers(&[-9.75, -10.0, -10.5, -11.0])
            .means(Preserved, "f16 sigmoid is 0 for x <= -17.34")
            .means(Flushed, "f16 sigmoid is 0 for x <= -9.71"),
        probe("f16_native_max_nan_zero", "max(NaN, 0) in f16", max, value)
            .bits_and(&[0x7e00, 0xfe00, 0x7f12], 0.0)
            .means(Zero, "relu by max turns NaN into 0")
            .means(Nan, "relu by max passes NaN on"),
        probe("f16_native_overflow", "65504 * 2 in f16", product, magnitude)
            .pairs(&[[65504.0, 2.0], [-65504.0, 2.0], [300.0, 300.0]])
            .means(Infinity, "f16 arithmetic overflows to infinity")
            .means(Largest, "f16 arithmetic saturates at 65504")
            .means(Other, "f16 arithmetic is wider than f16"),
    ]
}
