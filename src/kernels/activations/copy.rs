//! copy: what a forward pass moves, and nothing else.

use crate::kernels::activation::{Activation, ForwardKind, Pass, Variant};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference::of_each;
use crate::kernels::tolerance::{Domain, FormulaError};

pub(super) static COPY: Activation = Activation {
    name: "copy",
    wgsl: include_str!("../../../shaders/activations/copy.wgsl"),
    y: [f64::NEG_INFINITY, f64::INFINITY],
    variants: &[Variant {
        name: "plain",
        pass: Pass::Forward { reference: |x, y| of_each(|x| x, x, y), kind: ForwardKind::Raw },
        dtypes: &Dtype::ALL,
        error: FormulaError::Bits,
        bound: "the bits of x",
        domain: Domain::ALL,
        steps: None,
    }],
};
