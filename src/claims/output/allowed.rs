//! Cross-entropy of a logit and a label in f64, and what each way to compute it may give: from
//! WGSL's accuracy table, as in [`crate::kernels::tolerance`].

use multiversion::multiversion;

use crate::kernels::activations::{relu, sigmoid};
use crate::kernels::built_ins::BuiltIns;
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::tolerance::{Allowed, Case};

/// The loss from a logit with label 0, log(1 + exp(x)), to a few units in the last place of f64
/// wherever that is normal.
#[inline(always)]
pub fn softplus(x: f64) -> f64 {
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
pub fn references(x: &[f64], is_one: bool, loss: &mut [f64], gradient: &mut [f64]) {
    let sign = if is_one { -1.0 } else { 1.0 };
    for ((x, loss), gradient) in x.iter().zip(loss).zip(gradient) {
        *loss = softplus(sign * x);
        *gradient = sign * sigmoid::sigmoid(sign * x);
    }
}

/// A logit with its label.
pub struct Input {
    pub x: f64,
    pub is_one: bool,
}

const U: f64 = Format::F32.unit;
const MIN_NORMAL: f64 = Format::F32.min_normal;

impl Input {
    /// The sign of the gradient.
    fn sign(&self) -> f64 {
        if self.is_one { -1.0 } else { 1.0 }
    }

    /// The logit as it is for label 0.
    fn s(&self) -> f64 {
        self.sign() * self.x
    }

    /// The p, y or 1 - y, whose logarithm is the loss, for any of these y.
    fn p(&self, [lowest, highest]: [f64; 2]) -> [f64; 2] {
        // A difference is rounded once more, in either direction.
        if self.is_one {
            [lowest, highest]
        } else {
            [(1.0 - highest) * (1.0 - U), (1.0 - lowest) * (1.0 + U)]
        }
    }

    /// A gradient of such a size.
    fn gradient(&self, [lowest, highest]: [f64; 2]) -> Allowed {
        if self.is_one {
            Allowed::Within { lowest: -highest, highest: -lowest }
        } else {
            Allowed::Within { lowest, highest }
        }
    }
}

/// The y that sigmoid may give.
fn sigmoid(x: f64) -> [f64; 2] {
    let (dtype, reference) = (Dtype::F32, sigmoid::sigmoid(x));
    let (first_bits, built_ins) = (dtype.bits(x), BuiltIns::default());
    let case = Case { dtype, first: x, first_bits, dy: 0.0, reference, built_ins };
    match sigmoid::SIGMOID.variant("two_sided").allowed(&case) {
        Allowed::Within { lowest, highest } => [lowest, highest],
        _ => unreachable!("finite logits have an interval"),
    }
}

fn around(value: f64, tolerance: f64) -> Allowed {
    Allowed::Within { lowest: value - tolerance, highest: value + tolerance }
}

/// From the logit: log(1 + z) follows z's relative error at most, exp(-|s|)'s, and has errors of
/// its own, relative and absolute; the sum takes a rounding more.
fn from_logit(input: &Input, relative: f64, absolute: f64) -> [Allowed; 2] {
    let s = input.s();
    let loss = softplus(s);
    let tail = loss - s.max(0.0);
    let of_exp = U * (3.0 + 2.0 * s.abs());
    let tolerance = tail * (of_exp + relative) + loss * U + absolute;
    [around(loss, tolerance), input.gradient(sigmoid(s))]
}

/// The own log takes a dozen roundings, each of its size or less.
pub fn fused(input: &Input) -> [Allowed; 2] {
    from_logit(input, 12.0 * U, 2.0 * MIN_NORMAL)
}

/// The built-in log has an absolute error of 2^-21 between 1/2 and 2; what is lost beside 1 is half
/// a unit of it.
pub fn fused_log(input: &Input) -> [Allowed; 2] {
    from_logit(input, 0.0, U + f64::powi(2.0, -21) + MIN_NORMAL)
}

/// -log(p) of a p within these ends: the built-in's absolute error between 1/2 and 2, 3 ULP
/// elsewhere. Of what may be 0 or below, anything, and of a subnormal p too, which may be flushed.
fn minus_log([lowest, highest]: [f64; 2]) -> Allowed {
    if lowest < MIN_NORMAL {
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
fn through_y(input: &Input, y: [f64; 2], p: [f64; 2]) -> Allowed {
    // 1 / p and y (1 - y) / p have to stay in the range that division is defined in.
    if p[0] < 2.0 * MIN_NORMAL {
        return Allowed::Anything;
    }
    // Rounding of the quotient, of two products and two differences; a subnormal product may be
    // flushed.
    let (share, flushed) = (10.0 * U, MIN_NORMAL / p[0]);
    let other = if input.is_one { [1.0 - y[1], 1.0 - y[0]] } else { y };
    input.gradient([other[0] * (1.0 - share) - U - flushed, other[1] * (1.0 + share) + U + flushed])
}

pub fn apart(input: &Input) -> [Allowed; 2] {
    let y = sigmoid(input.x);
    let p = input.p(y);
    [minus_log(p), through_y(input, y, p)]
}

/// As apart where neither y nor 1 - y may be 0: then 0 times the other logarithm is 0, and y -
/// label is p.
pub fn textbook(input: &Input) -> [Allowed; 2] {
    let y = sigmoid(input.x);
    let least = y[0].min(1.0 - y[1]);
    if least < 1e-30 { [Allowed::Anything; 2] } else { apart(input) }
}

/// As apart where the clamps do nothing; else within them.
pub fn clamped(input: &Input) -> [Allowed; 2] {
    let y = sigmoid(input.x);
    let [mut loss, mut gradient] = apart(input);
    if input.p(y)[0] < 1e-43 {
        // -0 or what the logarithm of a subnormal may be.
        loss = Allowed::Within { lowest: -1e-5, highest: 100.0 };
    }
    if y[0].max(0.0) * (1.0 - y[1]).max(0.0) < 2e-12 {
        gradient = around(0.0, 1.0 + 16.0 * U);
    }
    [loss, gradient]
}

pub fn relu(input: &Input) -> [Allowed; 2] {
    let y = relu::relu(input.x);
    let p = input.p([y, y]);
    let quotient = input.sign() / if input.is_one { y } else { 1.0 - y };
    // 0 where ReLU is; 0 times infinity does not come up, as the gradient is selected.
    let is_defined =
        y >= 2.0 * MIN_NORMAL && p[0].abs() >= 2.0 * MIN_NORMAL && quotient.abs() >= MIN_NORMAL;
    let tolerance = quotient.abs() * 6.0 * U;
    [minus_log(p), if is_defined { around(quotient, tolerance) } else { Allowed::Anything }]
}
