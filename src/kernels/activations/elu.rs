//! ELU: x for x > 0, else exp(x) - 1. As PyTorch's and ONNX's with alpha = 1.
//! In f32 `expm1` is within 16 ULP: 8 u |y|.

use crate::kernels::activation::{Activation, Saved, Steps, Variant};
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{Case, EXPM1_ULPS, Tolerance, exp_ulps, of_own};

pub(super) static ELU: Activation = Activation {
    name: "elu",
    wgsl: concat!(
        include_str!("../../../shaders/activations/elu.wgsl"),
        include_str!("../../../shaders/functions/expm1.wgsl"),
    ),
    y: [-1.0, f64::INFINITY],
    variants: &[
        forward("expm1", by_expm1, "exact for x > 0, else 8 u |y|; f16_native: 2"),
        // Exact to the unit of 1, not of y: near 0 it has lost its digits.
        forward("exp", by_exp, "exact for x > 0, else u (exp(x) (3 + 2|x|) + |y|)"),
        Variant::backward(
            "from_y",
            Saved::Y,
            |y, dy, dx| of_each_pair(from_y, y, dy, dx),
            from_y_tolerance,
            "exact for y > 0, else 2 u |dx|",
            BACKWARD,
        ),
        Variant::backward(
            "from_x",
            Saved::X,
            |x, dy, dx| of_each_pair(from_x, x, dy, dx),
            from_x_tolerance,
            "exact for x > 0, else u |dx| (4 + 2|x|); f16_native: 2 + 2|x|",
            BACKWARD,
        ),
    ],
};

const fn forward(
    name: &'static str,
    tolerance: fn(&Case) -> Tolerance,
    bound: &'static str,
) -> Variant {
    let steps = Steps { factor: -0.75, range: [-2.0, 2.0] };
    Variant::forward(name, |x, y| of_each(elu, x, y), tolerance, bound, steps)
}

const BACKWARD: Steps = Steps { factor: 0.25, range: [-0.75, 1.5] };

#[inline(always)]
fn elu(x: f64) -> f64 {
    if x > 0.0 { x } else { libm::expm1(x) }
}

#[inline(always)]
fn from_y(y: f64, dy: f64) -> f64 {
    if y > 0.0 { dy } else { dy * (y + 1.0) }
}

#[inline(always)]
fn from_x(x: f64, dy: f64) -> f64 {
    if x > 0.0 { dy } else { dy * libm::exp(x) }
}

fn by_expm1(case: &Case) -> Tolerance {
    let units = if case.first > 0.0 { 0.0 } else { of_own(case.dtype, EXPM1_ULPS) };
    Tolerance::units(case, units)
}

fn by_exp(case: &Case) -> Tolerance {
    if case.first > 0.0 {
        return Tolerance::units(case, 0.0);
    }
    let exp = case.first.exp() * exp_ulps(case, case.first);
    Tolerance::units(case, 1.0).and(case.dtype.arithmetic().unit * exp)
}

fn from_y_tolerance(case: &Case) -> Tolerance {
    if case.first > 0.0 {
        return Tolerance::units(case, 0.0);
    }
    Tolerance::units(case, 2.0).through(case.first + 1.0, 1.0)
}

fn from_x_tolerance(case: &Case) -> Tolerance {
    if case.first > 0.0 {
        return Tolerance::units(case, 0.0);
    }
    let units = exp_ulps(case, case.first) + 1.0;
    Tolerance::units(case, units).through(case.first.exp(), 1.0)
}
