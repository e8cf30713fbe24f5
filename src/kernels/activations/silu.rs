//! SiLU, also called swish: x sigmoid(x). As PyTorch's SiLU.
//! In f32 `two_sided` is seen within 2^-22 max(1, |x|), see tests/functions.rs.

use super::gated;
use super::sigmoid::{self, sigmoid};
use crate::kernels::activation::{Activation, Saved, Steps, Variant};
use crate::kernels::reference::{of_each, of_each_pair};
use crate::kernels::tolerance::exp_ulps;

pub(super) static SILU: Activation = Activation {
    name: "silu",
    wgsl: include_str!("../../../shaders/activations/silu.wgsl"),
    y: [-0.278_464_542_761_073_8, f64::INFINITY],
    variants: &[
        forward("two_sided"),
        Variant { domain: sigmoid::NAIVE_DOMAIN, ..forward("naive") },
        Variant::backward(
            "from_x",
            Saved::X,
            |x, dy, dx| of_each_pair(|x, dy| dy * gated::derivative(x, x), x, dy, dx),
            |case| {
                let x = case.first;
                gated::derivative_tolerance(case, x, x, exp_ulps(case, x), 0.0)
            },
            "u |dy| (S (C E + 4) + |x| S C (E + 9)) + 3 u |dx|, E = 3 + 2|x|; \
             f16_native: 1 + 2|x|",
            Steps { factor: 0.5, range: [-2.0, 2.0] },
        ),
    ],
};

const fn forward(name: &'static str) -> Variant {
    Variant::forward(
        name,
        |x, y| of_each(|x| x * sigmoid(x), x, y),
        |case| gated::tolerance(case, case.first, exp_ulps(case, case.first)),
        "u |y| (C (3 + 2|x|) + 4.5); f16_native: C (1 + 2|x|)",
        Steps { factor: 0.5, range: [-4.0, 4.0] },
    )
}
