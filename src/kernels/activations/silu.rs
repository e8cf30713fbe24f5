//! SiLU, also called swish: x sigmoid(x). As PyTorch's SiLU.

use std::f64::consts::LN_2;

use super::gated;
use super::sigmoid::sigmoid;
use crate::kernels::activation::{Activation, ForwardKind, Pass, Saved, Steps, Variant};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::{Domain, FormulaError, exp_ulps};

pub(super) static SILU: Activation = Activation {
    name: "silu",
    wgsl: include_str!("../../../shaders/activations/silu.wgsl"),
    y: [-0.278_464_542_761_073_8, f64::INFINITY],
    variants: &[
        forward("two_sided", Domain::ALL),
        forward(
            "naive",
            Domain { f32: [-126.0 * LN_2, f64::INFINITY], f16: [-14.0 * LN_2, f64::INFINITY] },
        ),
        Variant {
            name: "from_x",
            pass: Pass::Backward {
                saved: Saved::X,
                reference: |saved, dy, dx| {
                    of_each_pair(|x, dy| dy * gated::derivative(x, x), saved, dy, dx);
                },
            },
            dtypes: &Dtype::ALL,
            error: FormulaError::Within(|case| {
                let x = case.first;
                gated::derivative_tolerance(case, x, x, exp_ulps(case.dtype, x), 0.0)
            }),
            bound: "u |dy| (S (C E + 4) + |x| S C (E + 9)) + 3 u |dx|, E = 3 + 2|x|; \
                    f16_native: 1 + 2|x|",
            domain: Domain::ALL,
            steps: Some(Steps { factor: 0.5, range: [-2.0, 2.0] }),
        },
    ],
};

const fn forward(name: &'static str, domain: Domain) -> Variant {
    Variant {
        name,
        pass: Pass::Forward {
            reference: |x, y| of_each(|x| x * sigmoid(x), x, y),
            kind: ForwardKind::Plain,
        },
        dtypes: &Dtype::ALL,
        error: FormulaError::Within(|case| {
            gated::tolerance(case, case.first, exp_ulps(case.dtype, case.first))
        }),
        bound: "u |y| (C (3 + 2|x|) + 4.5); f16_native: C (1 + 2|x|)",
        domain,
        steps: Some(Steps { factor: 0.5, range: [-4.0, 4.0] }),
    }
}
