//! The table of ops: what the steps of a chain compute, from a bare fma to activations and their
//! gradients.
//!
//! A step is v = fma(f(v, x), factor, x). f, the factor and the range of x are chosen so that the
//! chain stays in the domain of f, that |factor df/dv| stays below 1, so that errors die out, and
//! that values differ from lane to lane.

use crate::kernels::activation::{Activation, Direction, Variant};
use crate::kernels::bounds::{Allowed, Case};
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::reference;

/// The function of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// In ids: `exp2`, `sigmoid/two_sided`, `backward/sigmoid/from_y`.
    pub name: &'static str,
    /// f in WGSL, of v and x.
    pub wgsl: &'static str,
    /// f in f64.
    pub reference: fn(v: f64, x: f64) -> f64,
    /// How far WGSL lets f be off.
    pub error: Error,
    /// What f's result is multiplied with before x is added.
    pub factor: f32,
    /// The range of x, which is also where the chain starts.
    pub range: [f64; 2],
    /// The dtypes it is written for.
    pub dtypes: &'static [Dtype],
}

/// How far WGSL lets a function be off.
#[derive(Clone, Copy, Debug)]
pub enum Error {
    /// Not at all.
    None,
    /// So many ULP of the result.
    Ulps(f64),
    /// 3 + 2|v| ULP of the result, in f16 1 + 2|v|.
    Exponential,
    /// So much in f32, and so much in f16.
    Absolute(f64, f64),
    /// What the variant allows.
    OfVariant,
}

/// The dtypes that a chain can compute in.
const NATIVE: &[Dtype] = &[Dtype::F32, Dtype::F16Native];

const fn op(
    name: &'static str,
    wgsl: &'static str,
    reference: fn(f64, f64) -> f64,
    error: Error,
    factor: f32,
    range: [f64; 2],
) -> Op {
    Op { name, wgsl, reference, error, factor, range, dtypes: NATIVE }
}

const fn sigmoid(name: &'static str, wgsl: &'static str) -> Op {
    op(name, wgsl, |v, _| reference::sigmoid(v), Error::OfVariant, 0.5, [-4.0, 4.0])
}

/// The factor of the fma chain.
pub const FMA_FACTOR: f32 = -0.75;

/// The fma alone: the unit that steps are counted in.
pub static FMA: Op = op("fma", "v", |v, _| v, Error::None, FMA_FACTOR, [-2.0, 2.0]);

const SELECT: fn(f64, f64) -> f64 = |v, x| if v > 0.25 { v } else { x };
const SIN_ERROR: Error = Error::Absolute(0.00048828125, 0.0078125);
const TANH_ERROR: Error = Error::Absolute(1e-5, 0.0078125);

/// All ops, in the order of tables.
pub static OPS: &[Op] = &[
    FMA,
    op("max", "max(v, x)", f64::max, Error::None, -0.75, [-2.0, 2.0]),
    // Of v and x in this order: a compiler would turn the other one into a max. x stays below 1,
    // as the next v is x / 4 and must keep away from the threshold.
    op("select", "select(x, v, v > T(0.25))", SELECT, Error::None, -0.75, [-2.0, 0.75]),
    op("exp2", "exp2(v)", |v, _| libm::exp2(v), Error::Exponential, -0.25, [-1.0, 1.0]),
    op("exp", "exp(v)", |v, _| libm::exp(v), Error::Exponential, -0.25, [-1.0, 1.0]),
    op("log2", "log2(v)", |v, _| libm::log2(v), Error::Ulps(3.0), 0.25, [2.25, 3.0]),
    op("reciprocal", "T(1.0) / v", |v, _| 1.0 / v, Error::Ulps(2.5), 0.5, [1.0, 2.0]),
    op("division", "x / v", |v, x| x / v, Error::Ulps(2.5), 0.5, [1.0, 2.0]),
    op("rsqrt", "inverseSqrt(v)", |v, _| v.sqrt().recip(), Error::Ulps(2.0), 0.5, [1.0, 2.0]),
    op("sin", "sin(v)", |v, _| libm::sin(v), SIN_ERROR, 0.5, [-2.0, 2.0]),
    op("tanh", "tanh(v)", |v, _| libm::tanh(v), TANH_ERROR, 0.5, [-2.0, 2.0]),
    op(
        "relu/plain",
        "relu_plain(v)",
        |v, _| reference::relu(v),
        Error::OfVariant,
        -0.75,
        [-2.0, 2.0],
    ),
    sigmoid("sigmoid/two_sided", "sigmoid_two_sided(v)"),
    sigmoid("sigmoid/naive", "sigmoid_naive(v)"),
    sigmoid("sigmoid/exp2", "sigmoid_exp2(v)"),
    sigmoid("sigmoid/tanh", "sigmoid_tanh(v)"),
    Op { dtypes: &[Dtype::F32], ..sigmoid("sigmoid/poly", "sigmoid_poly(v)") },
    // Through the saved tensor, so that no part of the gradient can be computed once and kept.
    op(
        "backward/relu/from_y",
        "relu_from_y(v, x)",
        reference::relu_backward,
        Error::OfVariant,
        -0.75,
        [-2.0, 2.0],
    ),
    op(
        "backward/sigmoid/from_y",
        "sigmoid_from_y(v, x)",
        reference::sigmoid_from_y,
        Error::OfVariant,
        0.25,
        [0.125, 0.75],
    ),
    op(
        "backward/sigmoid/from_x",
        "sigmoid_from_x(v, x)",
        reference::sigmoid_from_x,
        Error::OfVariant,
        0.5,
        [-2.0, 2.0],
    ),
];

impl Op {
    /// The op of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        OPS.iter().find(|op| op.name == name)
    }

    /// The op of the default variant of an activation.
    pub fn of_default(activation: &str, direction: Direction) -> Option<&'static Self> {
        let variants = Activation::named(activation)?.variants;
        let variant = variants.iter().find(|variant| variant.pass.direction() == direction)?;
        let prefix = if direction == Direction::Backward { "backward/" } else { "" };
        Self::named(&format!("{prefix}{activation}/{}", variant.name))
    }

    /// The activation and the variant whose function it calls, which its name says.
    pub fn activation(&self) -> Option<(&'static Activation, &'static Variant)> {
        let name = self.name.strip_prefix("backward/").unwrap_or(self.name);
        let (activation, variant) = name.split_once('/')?;
        let activation = Activation::named(activation)?;
        Some((activation, activation.variants.iter().find(|other| other.name == variant)?))
    }

    /// How far f of v and x may be off in arithmetic of that dtype.
    pub fn error_at(&self, dtype: Dtype, v: f64, x: f64) -> f64 {
        let format = dtype.arithmetic();
        let reference = (self.reference)(v, x);
        let by_format = |f32: f64, f16: f64| if format == Format::F32 { f32 } else { f16 };
        match self.error {
            Error::None => 0.0,
            Error::Ulps(ulps) => ulps * format.ulp(reference),
            Error::Exponential => (by_format(3.0, 1.0) + 2.0 * v.abs()) * format.ulp(reference),
            Error::Absolute(f32, f16) => by_format(f32, f16),
            Error::OfVariant => {
                let (_, variant) = self.activation().expect("a variant of the table");
                let dy = if variant.pass.direction() == Direction::Backward { x } else { 0.0 };
                let case = Case { dtype, first: v, first_bits: dtype.bits(v), dy, reference };
                match (variant.allowed)(&case) {
                    Allowed::Within { lowest, highest } => {
                        (highest - reference).max(reference - lowest)
                    }
                    Allowed::OneOf(a, b) => (a - reference).abs().max((b - reference).abs()),
                    Allowed::Bits(_) | Allowed::Anything => 0.0,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_die_out_and_values_stay_in_the_domain() {
        for op in OPS {
            for step in 0..=1000 {
                let x = op.range[0] + (op.range[1] - op.range[0]) * f64::from(step) / 1000.0;
                let factor = f64::from(op.factor);
                let mut v = x;
                for step in 0..64 {
                    let h = 1e-6;
                    let slope = ((op.reference)(v + h, x) - (op.reference)(v - h, x)) / (2.0 * h);
                    // At a step the difference is not a slope; there the chain does not cross it.
                    let is_step = matches!(op.name, "select" | "backward/relu/from_y");
                    assert!(
                        is_step || (factor * slope).abs() <= 0.7501,
                        "{} at {v}, step {step}: {slope}",
                        op.name
                    );
                    v = factor.mul_add((op.reference)(v, x), x);
                    assert!(v.is_finite() && v.abs() < 16.0, "{} from {x}: {v}", op.name);
                }
            }
        }
    }

    #[test]
    fn default_variants_have_a_chain() {
        for (activation, direction, name) in [
            ("relu", Direction::Forward, "relu/plain"),
            ("sigmoid", Direction::Forward, "sigmoid/two_sided"),
            ("relu", Direction::Backward, "backward/relu/from_y"),
            ("sigmoid", Direction::Backward, "backward/sigmoid/from_y"),
        ] {
            assert_eq!(Op::of_default(activation, direction).map(|op| op.name), Some(name));
        }
        assert!(Op::of_default("copy", Direction::Forward).is_none());
    }

    #[test]
    fn names_are_unique_and_variants_exist() {
        for (index, op) in OPS.iter().enumerate() {
            assert!(OPS[..index].iter().all(|other| other.name != op.name), "{}", op.name);
            assert_eq!(op.name.contains('/'), op.activation().is_some(), "{}", op.name);
            assert!(op.wgsl.contains('v'), "{}", op.name);
        }
    }
}
