//! GELU by tanh: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is x sigmoid of twice that.
//! As PyTorch's and ONNX's with approximate = "tanh".
//! In f32 `two_sided` is seen within 2^-22 max(1, |x|), see tests/functions.rs.

use super::gated;
use super::sigmoid::sigmoid;
use crate::kernels::activation::{Activation, Saved, Steps, Variant};
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{Case, Domain, Tolerance, exp_ulps, tanh_absolute};

pub(super) static GELU_TANH: Activation = Activation {
    name: "gelu_tanh",
    wgsl: include_str!("../../../shaders/activations/gelu_tanh.wgsl"),
    y: [-0.170_041, f64::INFINITY],
    variants: &[
        forward(
            "two_sided",
            |case| gated::tolerance(case, inner(case.first), exponential_ulps(case)),
            "u |y| (C (3 + 7|w|) + 4.5), w the exponent; f16_native: C (1 + 7|w|)",
        ),
        Variant {
            // tanh's sinh / cosh overflow where the argument reaches 88 (f16: 10.4).
            domain: Domain::within(10.0, 4.0),
            ..forward(
                "tanh",
                by_tanh,
                "|x| / 2 (tanh's own of w / 2, and 2.5 u |w| sech^2(w / 2)), and 3 u |x|",
            )
        },
        Variant::backward(
            "from_x",
            Saved::X,
            |x, dy, dx| {
                of_each_pair(|x, dy| dy * gated::derivative(inner(x), slope(x)), x, dy, dx);
            },
            |case| {
                let x = case.first.clamp(-END, END);
                let (w, slope) = (inner(x), slope(x));
                gated::derivative_tolerance(case, w, slope, exponential_ulps(case), 5.0)
            },
            "u |dy| (S (C E + 4) + |x w'| S C (E + 14)) + 3 u |dx|, E = 3 + 7|w|; \
             f16_native: 1 + 7|w|",
            Steps { factor: 0.25, range: [-2.0, 2.0] },
        ),
    ],
};

/// Where the shader clamps x: beyond, the result is 0 or x to the last bit.
const END: f64 = 13.0;

/// 2 sqrt(2 / pi).
const SCALE: f64 = 1.595_769_121_605_730_7;

const fn forward(
    name: &'static str,
    tolerance: fn(&Case) -> Tolerance,
    bound: &'static str,
) -> Variant {
    let steps = Steps { factor: 0.5, range: [-4.0, 4.0] };
    Variant::forward(name, |x, y| of_each(|x| x * sigmoid(inner(x)), x, y), tolerance, bound, steps)
}

/// w, twice the argument of tanh.
#[inline(always)]
fn inner(x: f64) -> f64 {
    SCALE * (x + 0.044_715 * x * x * x)
}

/// x w'.
#[inline(always)]
fn slope(x: f64) -> f64 {
    SCALE * (x + 3.0 * 0.044_715 * x * x * x)
}

/// exp's own error, and five roundings of the exponent.
fn exponential_ulps(case: &Case) -> f64 {
    let w = inner(case.first.clamp(-END, END)).abs();
    exp_ulps(case, w) + 5.0 * w
}

fn by_tanh(case: &Case) -> Tolerance {
    let (x, unit) = (case.first, case.dtype.arithmetic().unit);
    let w = inner(x);
    let of_argument = unit * 5.0 * w.abs() * 2.0 * sigmoid(w) * sigmoid(-w);
    let absolute = tanh_absolute(case, w / 2.0) + of_argument + 6.0 * unit;
    Tolerance::units(case, 1.0).and(x.abs() / 2.0 * absolute)
}
