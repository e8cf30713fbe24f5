//! ReLU: max(x, 0). Its gradient at 0 is 0, as in PyTorch.

use crate::kernels::activation::{Activation, ForwardKind, Pass, Saved, Steps, Variant};
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{Case, Domain, FormulaError, may_flush};

/// ReLU.
pub static RELU: Activation = Activation {
    name: "relu",
    wgsl: include_str!("../../../shaders/activations/relu.wgsl"),
    y: [0.0, f64::INFINITY],
    variants: &[
        forward("plain", ForwardKind::Plain, "exact; a subnormal x may be 0", STEPS),
        forward(
            "with_mask",
            ForwardKind::WithMask,
            "exact; a subnormal x may be 0, its bit either",
            None,
        ),
        backward("from_y", Saved::Y, BACKWARD, STEPS),
        backward("from_x", Saved::X, BACKWARD, None),
        backward("from_mask", Saved::Mask, "exact", None),
    ],
};

const BACKWARD: &str = "exact; 0 where the saved element is subnormal is allowed";
const STEPS: Option<Steps> = Some(Steps { factor: -0.75, range: [-2.0, 2.0] });

const fn forward(
    name: &'static str,
    kind: ForwardKind,
    bound: &'static str,
    steps: Option<Steps>,
) -> Variant {
    Variant {
        name,
        pass: Pass::Forward { reference: |x, y| of_each(relu, x, y), kind },
        dtypes: &Dtype::ALL,
        error: FormulaError::OneOf(forward_values),
        bound,
        domain: Domain::ALL,
        steps,
    }
}

const fn backward(
    name: &'static str,
    saved: Saved,
    bound: &'static str,
    steps: Option<Steps>,
) -> Variant {
    Variant {
        name,
        pass: Pass::Backward {
            saved,
            reference: |saved, dy, dx| of_each_pair(relu_backward, saved, dy, dx),
        },
        dtypes: &Dtype::ALL,
        error: FormulaError::OneOf(backward_values),
        bound,
        domain: Domain::ALL,
        steps,
    }
}

/// y = max(x, 0), and NaN for NaN.
#[inline(always)]
pub fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

/// dx = dy where the saved tensor (x or y, it is the same) is positive, else 0.
#[inline(always)]
pub fn relu_backward(saved: f64, dy: f64) -> f64 {
    if saved > 0.0 { dy } else { 0.0 }
}

/// A subnormal x may be flushed, or pass unchanged although negative (D3D's rule for max).
fn forward_values(case: &Case) -> [f64; 2] {
    if may_flush(case.dtype, case.first) { [case.first, 0.0] } else { [case.reference; 2] }
}

/// In f32, dy is only loaded, selected and stored, so even a subnormal one must survive.
fn backward_values(case: &Case) -> [f64; 2] {
    let dy_may_flush = case.dtype == Dtype::F16 && Format::F16.is_subnormal(case.dy);
    if case.first > 0.0 && (dy_may_flush || may_flush(case.dtype, case.first)) {
        return [case.dy, 0.0];
    }
    [case.reference; 2]
}
