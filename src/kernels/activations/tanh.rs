//! tanh. As PyTorch's and ONNX's.

use crate::kernels::activation::{
    Activation, BackwardReference, ForwardKind, Pass, Saved, Steps, Variant,
};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{
    Case, Domain, EXPM1_ULPS, FormulaError, TANH_DOMAIN, Tolerance, exp_ulps, of_own, tanh_absolute,
};

pub(super) static TANH: Activation = Activation {
    name: "tanh",
    wgsl: concat!(
        include_str!("../../../shaders/activations/tanh.wgsl"),
        include_str!("../../../shaders/functions/expm1.wgsl"),
    ),
    y: [-1.0, 1.0],
    variants: &[
        forward("expm1", by_expm1, Domain::ALL, "19.5 u |y|; f16_native: 7.5"),
        forward("clamped", by_builtin, Domain::ALL, BUILT_IN),
        forward("builtin", by_builtin, Domain::within(TANH_DOMAIN[0], TANH_DOMAIN[1]), BUILT_IN),
        Variant {
            // Beyond, 1 - y^2 overflows.
            domain: Domain::within(1.8e19, 255.0),
            ..backward("from_y", Saved::Y, from_y, from_y_tolerance, "4 u |dx|")
        },
        backward(
            "from_x",
            Saved::X,
            from_x,
            from_x_tolerance,
            "u |dx| ((3 + 4|x|) tanh|x| + 10); f16_native: (1 + 4|x|)",
        ),
    ],
};

const BUILT_IN: &str = "absolute: the worse of 1e-5 and that of sinh / cosh";

const fn forward(
    name: &'static str,
    tolerance: fn(&Case) -> Tolerance,
    domain: Domain,
    bound: &'static str,
) -> Variant {
    Variant {
        name,
        pass: Pass::Forward {
            reference: |x, y| of_each(libm::tanh, x, y),
            kind: ForwardKind::Plain,
        },
        dtypes: &Dtype::ALL,
        error: FormulaError::Within(tolerance),
        bound,
        domain,
        steps: Some(Steps { factor: 0.5, range: [-2.0, 2.0] }),
    }
}

const fn backward(
    name: &'static str,
    saved: Saved,
    reference: BackwardReference,
    tolerance: fn(&Case) -> Tolerance,
    bound: &'static str,
) -> Variant {
    Variant {
        name,
        pass: Pass::Backward { saved, reference },
        dtypes: &Dtype::ALL,
        error: FormulaError::Within(tolerance),
        bound,
        domain: Domain::ALL,
        steps: Some(Steps { factor: 0.25, range: [-0.5, 0.75] }),
    }
}

fn from_y(saved: &[f64], dy: &[f64], dx: &mut [f64]) {
    of_each_pair(|y, dy| dy * ((1.0 - y) * (1.0 + y)), saved, dy, dx);
}

fn from_x(saved: &[f64], dy: &[f64], dx: &mut [f64]) {
    of_each_pair(|x, dy| dy * derivative(x), saved, dy, dx);
}

/// 1 - tanh^2(x), without its cancellation.
fn derivative(x: f64) -> f64 {
    let z = libm::exp(-2.0 * x.abs());
    4.0 * z / ((1.0 + z) * (1.0 + z))
}

/// -t / (2 + t) of t = expm1(-2|x|), whose error reaches the result at most twice; a sum, a division.
fn by_expm1(case: &Case) -> Tolerance {
    Tolerance::units(case, 2.0 * of_own(case.dtype, EXPM1_ULPS) + 3.5)
}

fn by_builtin(case: &Case) -> Tolerance {
    Tolerance::units(case, 0.0).and(tanh_absolute(case.dtype, case.first))
}

/// dy ((1 - y) (1 + y)).
fn from_y_tolerance(case: &Case) -> Tolerance {
    Tolerance::units(case, 4.0)
}

/// dy (4 z / (1 + z)^2) with z = exp(-2|x|), as of sigmoid.
fn from_x_tolerance(case: &Case) -> Tolerance {
    let x = case.first.abs();
    let units = exp_ulps(case.dtype, 2.0 * x) * x.tanh() + 10.0;
    Tolerance::units(case, units).through((-2.0 * x).exp(), 4.0)
}
