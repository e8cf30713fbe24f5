//! tanh. As PyTorch's and ONNX's.
//! In f32 `expm1` is seen within 16 ULP, see tests/functions.rs.

use crate::kernels::activation::{Activation, Saved, Steps, Variant};
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{
    Case, Domain, EXPM1_ULPS, TANH_DOMAIN, Tolerance, division_ulps, exp_ulps, of_own,
    tanh_absolute,
};

pub(super) static TANH: Activation = Activation {
    name: "tanh",
    wgsl: concat!(
        include_str!("../../../shaders/activations/tanh.wgsl"),
        include_str!("../../../shaders/functions/expm1.wgsl"),
    ),
    y: [-1.0, 1.0],
    variants: &[
        forward("expm1", by_expm1, "19.5 u |y|; f16_native: 7.5"),
        forward("clamped", by_builtin, BUILT_IN),
        Variant { domain: TANH_DOMAIN, ..forward("builtin", by_builtin, BUILT_IN) },
        Variant {
            // Beyond, 1 - y^2 overflows.
            domain: Domain::within(1.8e19, 255.0),
            ..Variant::backward(
                "from_y",
                Saved::Y,
                |y, dy, dx| of_each_pair(from_y, y, dy, dx),
                // dy ((1 - y) (1 + y)).
                |case| Tolerance::units(case, 4.0),
                "4 u |dx|",
                BACKWARD,
            )
        },
        Variant::backward(
            "from_x",
            Saved::X,
            |x, dy, dx| of_each_pair(from_x, x, dy, dx),
            from_x_tolerance,
            "u |dx| ((3 + 4|x|) tanh|x| + 10); f16_native: (1 + 4|x|)",
            BACKWARD,
        ),
    ],
};

const BUILT_IN: &str = "absolute: the worse of 1e-5 and that of sinh / cosh";

const fn forward(
    name: &'static str,
    tolerance: fn(&Case) -> Tolerance,
    bound: &'static str,
) -> Variant {
    let steps = Steps { factor: 0.5, range: [-2.0, 2.0] };
    Variant::forward(name, |x, y| of_each(libm::tanh, x, y), tolerance, bound, steps)
}

const BACKWARD: Steps = Steps { factor: 0.25, range: [-0.5, 0.75] };

#[inline(always)]
fn from_y(y: f64, dy: f64) -> f64 {
    dy * ((1.0 - y) * (1.0 + y))
}

/// dy (1 - tanh^2(x)), without its cancellation.
#[inline(always)]
fn from_x(x: f64, dy: f64) -> f64 {
    let z = libm::exp(-2.0 * x.abs());
    dy * (4.0 * z / ((1.0 + z) * (1.0 + z)))
}

/// -t / (2 + t) of t = expm1(-2|x|), whose error reaches the result at most twice; a sum, a division.
fn by_expm1(case: &Case) -> Tolerance {
    Tolerance::units(case, 2.0 * of_own(case.dtype, EXPM1_ULPS) + division_ulps(case) + 1.0)
}

fn by_builtin(case: &Case) -> Tolerance {
    Tolerance::units(case, 0.0).and(tanh_absolute(case, case.first))
}

/// dy (4 z / (1 + z)^2) with z = exp(-2|x|), as of sigmoid.
fn from_x_tolerance(case: &Case) -> Tolerance {
    let x = case.first.abs();
    let units = exp_ulps(case, 2.0 * x) * x.tanh() + 2.0 * division_ulps(case) + 5.0;
    Tolerance::units(case, units).through((-2.0 * x).exp(), 4.0)
}
