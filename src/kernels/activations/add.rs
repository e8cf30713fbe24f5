//! add: what a backward pass moves, and the least that uses both tensors.

use crate::kernels::activation::{Activation, Pass, Saved, Variant};
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::reference::of_each_pair;
use crate::kernels::tolerance::{Case, Domain, FormulaError, Tolerance};

pub(super) static ADD: Activation = Activation {
    name: "add",
    wgsl: include_str!("../../../shaders/activations/add.wgsl"),
    y: [f64::NEG_INFINITY, f64::INFINITY],
    variants: &[Variant {
        name: "plain",
        pass: Pass::Backward {
            saved: Saved::X,
            reference: |saved, dy, dx| of_each_pair(|saved, dy| saved + dy, saved, dy, dx),
        },
        dtypes: &Dtype::ALL,
        error: FormulaError::Within(tolerance),
        bound: "1 ulp, either direction",
        domain: Domain::ALL,
        steps: None,
    }],
};

/// One rounding. A subnormal operand or sum may be flushed, in arithmetic or on its way there.
fn tolerance(case: &Case) -> Tolerance {
    let format = case.dtype.arithmetic();
    let flushed = |value: f64| if format.is_subnormal(value) { value.abs() } else { 0.0 };
    let unpacked = |value: f64| {
        let is_flushed = case.dtype == Dtype::F16 && Format::F16.is_subnormal(value);
        if is_flushed { value.abs() } else { 0.0 }
    };
    let operands = [case.first, case.dy].map(|operand| flushed(operand) + unpacked(operand));
    let flushed = operands[0] + operands[1] + flushed(case.reference);
    Tolerance {
        least: f64::INFINITY,
        ..Tolerance::units(case, 0.0).and(format.ulp(case.reference) + flushed)
    }
}
