//! ELU: x for x > 0, else exp(x) - 1. As PyTorch's and ONNX's with alpha = 1.

use crate::kernels::activation::{
    Activation, BackwardReference, ForwardKind, Pass, Saved, Steps, Variant,
};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{
    Case, Domain, EXPM1_ULPS, FormulaError, Tolerance, exp_ulps, of_own,
};

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
        backward("from_y", Saved::Y, from_y, from_y_tolerance, "exact for y > 0, else 2 u |dx|"),
        backward(
            "from_x",
            Saved::X,
            from_x,
            from_x_tolerance,
            "exact for x > 0, else u |dx| (4 + 2|x|); f16_native: 2 + 2|x|",
        ),
    ],
};

const fn forward(
    name: &'static str,
    tolerance: fn(&Case) -> Tolerance,
    bound: &'static str,
) -> Variant {
    Variant {
        name,
        pass: Pass::Forward { reference: |x, y| of_each(elu, x, y), kind: ForwardKind::Plain },
        dtypes: &Dtype::ALL,
        error: FormulaError::Within(tolerance),
        bound,
        domain: Domain::ALL,
        steps: Some(Steps { factor: -0.75, range: [-2.0, 2.0] }),
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
        steps: Some(Steps { factor: 0.25, range: [-0.5, 2.0] }),
    }
}

#[inline(always)]
fn elu(x: f64) -> f64 {
    if x > 0.0 { x } else { libm::expm1(x) }
}

fn from_y(saved: &[f64], dy: &[f64], dx: &mut [f64]) {
    of_each_pair(|y, dy| if y > 0.0 { dy } else { dy * (y + 1.0) }, saved, dy, dx);
}

fn from_x(saved: &[f64], dy: &[f64], dx: &mut [f64]) {
    of_each_pair(|x, dy| if x > 0.0 { dy } else { dy * libm::exp(x) }, saved, dy, dx);
}

fn by_expm1(case: &Case) -> Tolerance {
    let units = if case.first > 0.0 { 0.0 } else { of_own(case.dtype, EXPM1_ULPS) };
    Tolerance::units(case, units)
}

fn by_exp(case: &Case) -> Tolerance {
    if case.first > 0.0 {
        return Tolerance::units(case, 0.0);
    }
    let exp = case.first.exp() * exp_ulps(case.dtype, case.first);
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
    let units = exp_ulps(case.dtype, case.first) + 1.0;
    Tolerance::units(case, units).through(case.first.exp(), 1.0)
}
