//! Leaky ReLU: x for x > 0, else 0.01 x. As PyTorch's LeakyReLU with its negative_slope, and ONNX's
//! LeakyRelu with its alpha. The gradient at 0 is the slope.

use crate::kernels::activation::{Activation, BackwardReference, Saved, Steps, Variant};
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{Case, Tolerance, may_flush};

const SLOPE: f64 = 0.01;

pub(super) static LEAKY_RELU: Activation = Activation {
    name: "leaky_relu",
    wgsl: include_str!("../../../shaders/activations/leaky_relu.wgsl"),
    y: [f64::NEG_INFINITY, f64::INFINITY],
    variants: &[
        Variant::forward("plain", |x, y| of_each(leaky_relu, x, y), tolerance, BOUND, STEPS),
        backward("from_y", Saved::Y),
        Variant { steps: None, ..backward("from_x", Saved::X) },
    ],
};

const BOUND: &str = "exact for x > 0, else 1.5 u |result|";
const STEPS: Steps = Steps { factor: -0.75, range: [-2.0, 2.0] };

const fn backward(name: &'static str, saved: Saved) -> Variant {
    let reference: BackwardReference = |saved, dy, dx| of_each_pair(from, saved, dy, dx);
    Variant::backward(name, saved, reference, tolerance, BOUND, STEPS)
}

#[inline(always)]
fn leaky_relu(x: f64) -> f64 {
    if x > 0.0 { x } else { SLOPE * x }
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
