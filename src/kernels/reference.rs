//! What the CPU twins of the WGSL functions share, in f64.
//!
//! The exponential is that of the crate libm, bit for bit, without its branches: within 1 ULP of
//! f64 and the same on every platform. Rust fuses no product with a sum, so wider vectors compute
//! the same bits faster.

use multiversion::multiversion;

/// A forward reference of every x, as fast as the processor's vectors are wide. The slices are of
/// one length.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn of_each<F: Fn(f64) -> f64>(reference: F, x: &[f64], y: &mut [f64]) {
    assert_eq!(x.len(), y.len(), "a y for each x");
    for (x, y) in x.iter().zip(y) {
        *y = reference(*x);
    }
}

/// A backward reference of every pair, as [`of_each`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn of_each_pair<F: Fn(f64, f64) -> f64>(
    reference: F,
    saved: &[f64],
    dy: &[f64],
    dx: &mut [f64],
) {
    assert_eq!((saved.len(), dy.len()), (dx.len(), dx.len()), "a dx for each pair");
    for ((saved, dy), dx) in saved.iter().zip(dy).zip(dx) {
        *dx = reference(*saved, *dy);
    }
}

// The method and the constants of `exp_at_most_1` are those of FreeBSD's e_exp.c, as libm has it:
//
// Copyright (C) 2004 by Sun Microsystems, Inc. All rights reserved.
//
// Permission to use, copy, modify, and distribute this software is freely granted, provided that
// this notice is preserved.

/// ln(2) in two parts: products of the first with the integers needed here are exact.
const LN_2: [f64; 2] =
    [f64::from_bits(0x3fe6_2e42_fee0_0000), f64::from_bits(0x3dea_39ef_3579_3c76)];

/// Of r coth(r/2) - 2 in r^2, |r| <= ln(2) / 2.
const COEFFICIENTS: [f64; 5] = [
    f64::from_bits(0x3fc5_5555_5555_553e),
    f64::from_bits(0xbf66_c16c_16be_bd93),
    f64::from_bits(0x3f11_566a_af25_de2c),
    f64::from_bits(0xbebb_bd41_c5d2_6bf1),
    f64::from_bits(0x3e66_3769_72be_a4d0),
];

/// exp(x) of x <= 0: exp(x) = 2^k exp(r), with selections where libm branches, so that a loop over
/// it is compiled to vector instructions.
#[inline(always)]
pub fn exp_at_most_1(x: f64) -> f64 {
    // Below the first, the result is 0; that of the second is, too, by the same way as all others.
    let x = if x < -745.133_219_101_941_1 { -746.0 } else { x };
    // Half of ln(2) and three halves, as precisely as libm compares.
    let (half, three_halves) =
        (f64::from_bits(0x3fd6_2e43_0000_0000), f64::from_bits(0x3ff0_a2b2_0000_0000));
    let nearest = (std::f64::consts::LOG2_E * x - 0.5).trunc();
    let k = if x > -three_halves { -1.0 } else { nearest };
    let k = if x > -half { 0.0 } else { k };
    let (high, low) = (x - k * LN_2[0], k * LN_2[1]);
    let r = high - low;
    let square = r * r;
    let correction =
        COEFFICIENTS.into_iter().rev().reduce(|sum, next| next + square * sum).unwrap_or_default();
    let c = r - square * correction;
    let of_r = 1.0 + (r * c / (2.0 - c) - low + high);
    // Down to -2^-28, and a little beyond, libm takes two terms.
    let of_r = if x > -f64::from_bits(0x3e30_0001_0000_0000) { 1.0 + x } else { of_r };
    // 2^k may have no exponent of its own, 2^(k+128) has. It is made of the low bits of 2^52 + k +
    // 128 + 1023.
    let scale = f64::from_bits((k + (4_503_599_627_370_496.0 + 128.0 + 1023.0)).to_bits() << 52);
    of_r * scale * f64::from_bits((1023 - 128) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activations::sigmoid::{from_x, sigmoid};

    #[test]
    fn the_exponential_is_libms_to_the_last_bit() {
        let check = |x: f64| {
            let (own, libms) = (exp_at_most_1(x), libm::exp(x));
            assert!(
                own.to_bits() == libms.to_bits() || own.is_nan() && libms.is_nan(),
                "{x:e}: {own:e}, {libms:e}"
            );
        };
        // f32s, as a sweep has them, and f64s over all exponents.
        (0..1u32 << 20).for_each(|step| check(-f64::from(f32::from_bits(step * 2039))));
        (0..1u64 << 20).for_each(|step| check(-f64::from_bits(step * 0x7ff_0000_f001)));
        // Around the places where libm branches.
        let last_nonzero: f64 = 745.133_219_101_941_1;
        let (tiny, half, three_halves) =
            (0x3e30_0001_0000_0000, 0x3fd6_2e43_0000_0000, 0x3ff0_a2b2_0000_0000);
        for around in
            [tiny, half, three_halves, last_nonzero.to_bits(), 708.396_418_532_264_1_f64.to_bits()]
        {
            (around - 2000..around + 2000).for_each(|bits| check(-f64::from_bits(bits)));
        }
        // Halfway between two k.
        for k in 1..1076 {
            let at = ((f64::from(k) + 0.5) * std::f64::consts::LN_2).to_bits();
            (at - 20..at + 20).for_each(|bits| check(-f64::from_bits(bits)));
        }
        [0.0, -0.0, f64::NEG_INFINITY, f64::NAN].into_iter().for_each(check);
    }

    #[test]
    fn many_at_once_are_each_by_itself() {
        let x: Vec<f64> =
            (0..100_003u32).map(|step| f64::from(f32::from_bits(step * 42_943))).collect();
        let dy: Vec<f64> = x.iter().rev().copied().collect();
        let mut many = vec![0.0; x.len()];
        let same =
            |many: f64, one: f64| many.to_bits() == one.to_bits() || many.is_nan() && one.is_nan();
        of_each(sigmoid, &x, &mut many);
        assert!(x.iter().zip(&many).all(|(x, y)| same(*y, sigmoid(*x))));
        of_each_pair(from_x, &x, &dy, &mut many);
        assert!(x.iter().zip(&dy).zip(&many).all(|((x, dy), dx)| same(*dx, from_x(*x, *dy))));
    }
}
