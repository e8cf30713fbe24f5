//! GELU: x Phi(x), Phi the distribution function of the standard normal distribution. As PyTorch's
//! and ONNX's with approximate = "none".
//! In f32 `erfc` is seen within 2^-22 max(1, |x|), see tests/functions.rs.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::gated::gate;
use crate::kernels::activation::{Activation, Saved, Steps, Variant};
use crate::kernels::built_ins::BuiltIn;
use crate::kernels::dtype::Format;
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{Case, Tolerance, of_own};

pub(super) static GELU: Activation = Activation {
    name: "gelu",
    wgsl: concat!(
        include_str!("../../../shaders/activations/gelu.wgsl"),
        include_str!("../../../shaders/functions/erfc.wgsl"),
    ),
    y: [-0.169_971_20, f64::INFINITY],
    variants: &[
        Variant::forward(
            "erfc",
            |x, y| of_each(|x| x * phi(x), x, y),
            tolerance,
            "u |y| (10 + 3 x^2) for x < 0, (2 + (9 + 3 x^2) Phi(-x)) for x >= 0; f16_native: 3",
            Steps { factor: 0.5, range: [-4.0, 4.0] },
        ),
        Variant::backward(
            "from_x",
            Saved::X,
            |x, dy, dx| of_each_pair(|x, dy| dy * (phi(x) + x * density(x)), x, dy, dx),
            derivative_tolerance,
            "2 u |dx| + 2^-23 |dy| (Phi(x) + (Phi(-|x|) + |x| density(x)) (10 + 3 x^2))",
            Steps { factor: 0.25, range: [-2.0, 2.0] },
        ),
    ],
};

#[inline(always)]
fn phi(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

#[inline(always)]
fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

/// ULP of f32 by which our Phi(-|x|) is off: its exponent x^2 / 2 has three roundings, exp of it has
/// 3 + x^2, and the polynomial and products a few. Of a division's error it has up to 2.3 times.
fn tail_ulps(case: &Case) -> f64 {
    let square = case.first * case.first;
    let [exp, division] = [BuiltIn::Exp, BuiltIn::Division].map(|of| case.built_ins.factor(of));
    6.0 + 2.0 * square + exp * (3.0 + square) + 2.3 * 2.5 * (division - 1.0)
}

fn tolerance(case: &Case) -> Tolerance {
    let x = case.first;
    let units = of_own(case.dtype, tail_ulps(case));
    let [phi, tail] = gate(case, x);
    if x < 0.0 {
        return Tolerance::units(case, units + 1.0).through(phi, x.abs());
    }
    Tolerance::units(case, units * tail + 2.0)
}

/// Both terms are computed in f32, where they may cancel; then rounded, and multiplied with dy.
fn derivative_tolerance(case: &Case) -> Tolerance {
    let (x, dy) = (case.first, case.dy.abs());
    let (tail, product) = (phi(-x.abs()), x.abs() * density(x));
    let roundings = (tail + product) * (tail_ulps(case) + 1.0) + phi(x);
    // Below 0 one term may be flushed and the other not.
    let flushed = if tail < 2.0 * Format::F32.min_normal { tail } else { 0.0 };
    let tolerance = Tolerance::units(case, 2.0)
        .of_terms(dy * product.max(phi(x)))
        .and(dy * (Format::F32.unit * roundings + flushed));
    if x < 0.0 { tolerance.through(density(x), 1.0 + x.abs()) } else { tolerance }
}
