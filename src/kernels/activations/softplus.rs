//! Softplus: log(1 + exp(x)). As ONNX's, and PyTorch's with beta = 1 and no threshold.
//! In f32 `log1p` is seen within 2^-22 max(1, |x|), see tests/functions.rs.

use super::sigmoid::sigmoid;
use crate::kernels::activation::{Activation, Saved, Steps, Variant};
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{
    Case, Domain, EXPM1_ULPS, Tolerance, division_ulps, exp_ulps, log_absolute, log_ulps, of_own,
};

pub(super) static SOFTPLUS: Activation = Activation {
    name: "softplus",
    wgsl: concat!(
        include_str!("../../../shaders/activations/softplus.wgsl"),
        include_str!("../../../shaders/functions/log1p.wgsl"),
    ),
    y: [0.0, f64::INFINITY],
    variants: &[
        forward(
            "log1p",
            by_log1p,
            "u (sigmoid(-|x|) (3 + 2|x|) + 8 log1p(exp(-|x|)) + y); f16_native: 1 + 2|x|, 2",
        ),
        Variant {
            // Beyond, exp overflows.
            domain: Domain { f32: [f64::NEG_INFINITY, 88.722], f16: [f64::NEG_INFINITY, 11.086] },
            ..forward(
                "naive",
                naive,
                "u (sigmoid(x) (3 + 2|x|) + 1 + 3 y), for x <= 0 + 2^-21; f16_native: 1 + 2|x|, 2^-7",
            )
        },
        Variant::backward(
            "from_x",
            Saved::X,
            |x, dy, dx| of_each_pair(|x, dy| dy * sigmoid(x), x, dy, dx),
            from_x_tolerance,
            "u |dx| (C (3 + 2|x|) + 4.5); f16_native: C (1 + 2|x|)",
            Steps { factor: 0.5, range: [-2.0, 2.0] },
        ),
    ],
};

const fn forward(
    name: &'static str,
    tolerance: fn(&Case) -> Tolerance,
    bound: &'static str,
) -> Variant {
    let steps = Steps { factor: 0.5, range: [-4.0, 4.0] };
    Variant::forward(name, |x, y| of_each(softplus, x, y), tolerance, bound, steps)
}

#[inline(always)]
fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// max(x, 0) + log1p(exp(-|x|)). Of its division, log1p has up to 1.1 times the error.
fn by_log1p(case: &Case) -> Tolerance {
    let (x, unit) = (case.first.abs(), case.dtype.arithmetic().unit);
    let (z, log) = ((-x).exp(), case.reference - case.first.max(0.0));
    let own = EXPM1_ULPS + 1.1 * (division_ulps(case) - 2.5);
    let roundings = z / (1.0 + z) * exp_ulps(case, x) + of_own(case.dtype, own) * log;
    let tolerance = Tolerance::units(case, 1.0).and(unit * roundings);
    if case.first < 0.0 { tolerance.through(z, 1.0) } else { tolerance }
}

/// log(1 + exp(x)): the sum's rounding reaches the result as an absolute error.
fn naive(case: &Case) -> Tolerance {
    let (x, unit) = (case.first, case.dtype.arithmetic().unit);
    let of_log = if x <= 0.0 { log_absolute(case) } else { 0.0 };
    let absolute = unit * (sigmoid(x) * exp_ulps(case, x) + 1.0) + of_log;
    Tolerance::units(case, log_ulps(case)).and(absolute)
}

/// dy times a two-sided sigmoid.
fn from_x_tolerance(case: &Case) -> Tolerance {
    let x = case.first;
    let tolerance =
        Tolerance::units(case, sigmoid(-x) * exp_ulps(case, x) + division_ulps(case) + 2.0);
    if x < 0.0 { tolerance.through(sigmoid(x), 1.0) } else { tolerance }
}
