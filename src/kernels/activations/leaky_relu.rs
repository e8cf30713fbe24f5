//! Leaky ReLU: x for x > 0, else 0.01 x. As PyTorch's LeakyReLU with its negative_slope, and ONNX's
//! LeakyRelu with its alpha. The gradient at 0 is the slope.

use crate::kernels::activation::{Activation, ForwardKind, Pass, Saved, Steps, Variant};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{Case, Domain, FormulaError, Tolerance, may_flush};

const SLOPE: f64 = 0.01;

pub(super) static LEAKY_RELU: Activation = Activation {
    name: "leaky_relu",
    wgsl: include_str!("../../../shaders/activations/leaky_relu.wgsl"),
    y: [f64::NEG_INFINITY, f64::INFINITY],
    variants: &[
        Variant {
            name: "plain",
            pass: Pass::Forward {
                reference: |x, y| of_each(|x| if x > 0.0 { x } else { SLOPE * x }, x, y),
                kind: ForwardKind::Plain,
            },
            dtypes: &Dtype::ALL,
            error: FormulaError::Within(tolerance),
            bound: BOUND,
            domain: Domain::ALL,
            steps: STEPS,
        },
        backward("from_y", Saved::Y, STEPS),
        backward("from_x", Saved::X, None),
    ],
};

const BOUND: &str = "exact for x > 0, else 1.5 u |result|";
const STEPS: Option<Steps> = Some(Steps { factor: -0.75, range: [-2.0, 2.0] });

const fn backward(name: &'static str, saved: Saved, steps: Option<Steps>) -> Variant {
    Variant {
        name,
        pass: Pass::Backward {
            saved,
            reference: |saved, dy, dx| of_each_pair(from, saved, dy, dx),
        },
        dtypes: &Dtype::ALL,
        error: FormulaError::Within(tolerance),
        bound: BOUND,
        domain: Domain::ALL,
        steps,
    }
}

/// dx: y has the sign of x.
#[inline(always)]
fn from(saved: f64, dy: f64) -> f64 {
    if saved > 0.0 { dy } else { SLOPE * dy }
}

/// The rounding of the slope, and a product. Backward, a subnormal x may count as 0.
fn tolerance(case: &Case) -> Tolerance {
    if case.first <= 0.0 {
        return Tolerance::units(case, 1.5);
    }
    if !may_flush(case.dtype, case.first) {
        return Tolerance::units(case, 0.0);
    }
    let dy = case.dy.abs();
    Tolerance::units(case, 1.5).and((1.0 - SLOPE) * dy).through(SLOPE * dy, 1.0)
}
