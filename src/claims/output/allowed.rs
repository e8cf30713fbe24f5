//! Cross-entropy of a logit and a label in f64, and what each way to compute it may give: from
//! WGSL's accuracy table, as in [`crate::kernels::tolerance`].

use multiversion::multiversion;

use crate::kernels::tolerance::{self, Allowed, Case};
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::activations::{relu, sigmoid};

/// The loss from a logit with label 0, log(1 + exp(x)), to a few units in the last place of f64
/// wherever that is normal.
#[inline(always)]
pub(super) fn softplus(x: f64) -> f64 {
    // exp(-|x|) / (1 + exp(-|x|)), of which w = z / (2 + z) follows without a second exponential;
    // log(1 + z) = 2 atanh(w).
    let q = sigmoid::sigmoid(-x.abs());
    let w = q / (2.0 - q);
    let square = w * w;
    let mut sum = 0.0;
    let mut n = 37.0;
    while n > 0.0 {
        sum = sum * square + 1.0 / n;
        n -= 2.0;
    }
    (if x > 0.0 { x } else { 0.0 }) + 2.0 * w * sum
}

/// Loss and gradient of logits of one label.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn references(x: &[f64], is_one: bool, loss: &mut [f64], gradient: &mut [f64]) {
    let sign = if is_one { -1.0 } else { 1.0 };
    for ((x, loss), gradient) in x.iter().zip(loss).zip(gradient) {
        *loss = softplus(sign * x);
        *gradient = sign * sigmoid::sigmoid(sign * x);
    }
}

/// A logit with its label.
pub(super) struct Input {
    pub(super) x: f64,
    pub(super) label: bool,
}

pub(super) const U: f64 = Format::F32.unit;

impl Input {
    /// The logit as it is for label 0.
    pub(super) fn s(&self) -> f64 {
        if self.label { -self.x } else { self.x }
    }

    /// The sign of the gradient.
    pub(super) fn sign(&self) -> f64 {
        if self.label { -1.0 } else { 1.0 }
    }

    /// The y that sigmoid may give.
    pub(super) fn y(&self) -> [f64; 2] {
        match activations::variant("sigmoid/two_sided").allowed(&case(self.x)) {
            Allowed::Within { lowest, highest } => [lowest, highest],
            _ => unreachable!("finite logits have an interval"),
        }
    }

    /// The p, y or 1 - y, whose logarithm is the loss, for any of these y.
    pub(super) fn p(&self, [lowest, highest]: [f64; 2]) -> [f64; 2] {
        // A difference is rounded once more, in either direction.
        if self.label {
            [lowest, highest]
        } else {
            [(1.0 - highest) * (1.0 - U), (1.0 - lowest) * (1.0 + U)]
        }
    }
}

pub(super) fn case(x: f64) -> Case {
    Case {
        dtype: Dtype::F32,
        first: x,
        first_bits: Dtype::F32.bits(x),
        dy: 0.0,
        reference: sigmoid::sigmoid(x),
    }
}

pub(super) fn around(value: f64, tolerance: f64) -> Allowed {
    Allowed::Within { lowest: value - tolerance, highest: value + tolerance }
}

/// What exp(-|s|) may be off by, as a share of it.
pub(super) fn exp_share(s: f64) -> f64 {
    U * (3.0 + 2.0 * s.abs())
}

/// log(1 + z) follows z's relative error at most, and takes a dozen roundings, each of its size or
/// less; the sum takes one more.
pub(super) fn fused(input: &Input) -> [Allowed; 2] {
    let loss = softplus(input.s());
    let tail = loss - input.s().max(0.0);
    let tolerance =
        tail * (exp_share(input.s()) + 12.0 * U) + loss * U + 2.0 * Format::F32.min_normal;
    [around(loss, tolerance), fused_gradient(input)]
}

pub(super) fn fused_gradient(input: &Input) -> Allowed {
    match (activations::variant("sigmoid/two_sided").allowed(&case(input.s())), input.label) {
        (Allowed::Within { lowest, highest }, true) => {
            Allowed::Within { lowest: -highest, highest: -lowest }
        }
        (allowed, _) => allowed,
    }
}

/// The built-in log has an absolute error of 2^-21 between 1/2 and 2; what is lost beside 1 is half
/// a unit of it.
pub(super) fn fused_log(input: &Input) -> [Allowed; 2] {
    let loss = softplus(input.s());
    let tail = loss - input.s().max(0.0);
    let tolerance =
        tail * exp_share(input.s()) + U + f64::powi(2.0, -21) + loss * U + Format::F32.min_normal;
    [around(loss, tolerance), fused_gradient(input)]
}

/// -log(p) of a p within these ends: the built-in's absolute error between 1/2 and 2, 3 ULP
/// elsewhere. Of what may be 0 or below, anything, and of a subnormal p too, which may be flushed.
pub(super) fn minus_log([lowest, highest]: [f64; 2]) -> Allowed {
    if lowest < Format::F32.min_normal {
        return Allowed::Anything;
    }
    let tolerance = |p: f64| f64::powi(2.0, -21) + 3.0 * U * p.ln().abs();
    Allowed::Within {
        lowest: -highest.ln() - tolerance(highest),
        highest: -lowest.ln() + tolerance(lowest),
    }
}

/// The gradient through a y: (1 or -1) / p of the p that was computed, times y (1 - y), which is p
/// times what is left of 1.
pub(super) fn through_y(input: &Input, y: [f64; 2], p: [f64; 2]) -> Allowed {
    // 1 / p and y (1 - y) / p have to stay in the range that division is defined in.
    if p[0] < 2.0 * Format::F32.min_normal {
        return Allowed::Anything;
    }
    // Rounding of the quotient, of two products and two differences; a subnormal product may be
    // flushed.
    let share = 10.0 * U;
    let flushed = Format::F32.min_normal / p[0];
    let other = if input.label { [1.0 - y[1], 1.0 - y[0]] } else { y };
    let [lowest, highest] =
        [other[0] * (1.0 - share) - U - flushed, other[1] * (1.0 + share) + U + flushed];
    if input.label {
        Allowed::Within { lowest: -highest, highest: -lowest }
    } else {
        Allowed::Within { lowest, highest }
    }
}

pub(super) fn apart(input: &Input) -> [Allowed; 2] {
    let y = input.y();
    let p = input.p(y);
    [minus_log(p), through_y(input, y, p)]
}

/// As apart where neither y nor 1 - y may be 0: then 0 times the other logarithm is 0, and y -
/// label is p.
pub(super) fn textbook(input: &Input) -> [Allowed; 2] {
    let y = input.y();
    let least = y[0].min(1.0 - y[1]);
    if least < 1e-30 {
        return [Allowed::Anything; 2];
    }
    apart(input)
}

/// As apart where the clamps do nothing; else within them.
pub(super) fn clamped(input: &Input) -> [Allowed; 2] {
    let y = input.y();
    let p = input.p(y);
    let loss = if p[0] < 1e-43 {
        // -0 or what the logarithm of a subnormal may be.
        Allowed::Within { lowest: -1e-5, highest: 100.0 }
    } else {
        minus_log(p)
    };
    let product = y[0].max(0.0) * (1.0 - y[1]).max(0.0);
    if product < 2e-12 {
        return [loss, around(0.0, 1.0 + 16.0 * U)];
    }
    [loss, through_y(input, y, p)]
}

pub(super) fn relu(input: &Input) -> [Allowed; 2] {
    let y = relu::relu(input.x);
    let p = input.p([y, y]);
    let loss = minus_log(p);
    // 0 where ReLU is; 0 times infinity does not come up, as the gradient is selected.
    let gradient = if y < 2.0 * Format::F32.min_normal {
        Allowed::Anything
    } else {
        let quotient = input.sign() / if input.label { y } else { 1.0 - y };
        if p[0].abs() < 2.0 * Format::F32.min_normal || quotient.abs() < Format::F32.min_normal {
            Allowed::Anything
        } else {
            around(quotient, quotient.abs() * 6.0 * U)
        }
    };
    [loss, gradient]
}
