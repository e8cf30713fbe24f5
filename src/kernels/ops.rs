//! What the steps of a chain compute, from a bare fma to activations and their gradients.

use std::sync::LazyLock;

use crate::kernels::activation::{Activation, Direction, Variant};
use crate::kernels::built_ins::BuiltIn::{self, Division, Exp, Exp2, InverseSqrt, Log2, Sin, Tanh};
use crate::kernels::built_ins::BuiltIns;
use crate::kernels::dtype::Dtype;
use crate::kernels::tolerance::{Allowed, Case};

/// The function of a chain, whose step is v = fma(f(v, x), factor, x).
#[derive(Debug)]
pub struct Op {
    /// In ids: `exp2`, `elu/expm1`, `backward/elu/from_y`.
    pub name: String,
    /// f in WGSL, of v and x.
    pub wgsl: String,
    /// f itself.
    function: Function,
    /// What f's result is multiplied with before x is added.
    pub factor: f32,
    /// The range of x, which is also where the chain starts.
    pub range: [f64; 2],
    /// The dtypes it is written for.
    pub dtypes: Vec<Dtype>,
}

#[derive(Debug)]
enum Function {
    /// In f64, and what it calls; nothing where it is exact.
    BuiltIn(fn(v: f64, x: f64) -> f64, Option<BuiltIn>),
    Variant(&'static Activation, &'static Variant),
}

/// The dtypes that a chain can compute in.
const NATIVE: [Dtype; 2] = [Dtype::F32, Dtype::F16Native];

/// The fma alone: the unit that steps are counted in.
pub fn fma() -> &'static Op {
    &OPS[0]
}

/// All ops, in the order of tables: built-in functions, then the variants of activations that have
/// steps of their own.
pub static OPS: LazyLock<Vec<Op>> = LazyLock::new(|| {
    let select: fn(f64, f64) -> f64 = |v, x| if v > 0.25 { v } else { x };
    let mut ops = vec![
        built_in("fma", "v", |v, _| v, None, -0.75, [-2.0, 2.0]),
        built_in("max", "max(v, x)", f64::max, None, -0.75, [-2.0, 2.0]),
        // Of v and x in this order: a compiler would turn the other one into a max. x stays below
        // 1, as the next v is x / 4 and must keep away from the threshold.
        built_in("select", "select(x, v, v > T(0.25))", select, None, -0.75, [-2.0, 0.75]),
        built_in("exp2", "exp2(v)", |v, _| libm::exp2(v), Some(Exp2), -0.25, [-1.0, 1.0]),
        built_in("exp", "exp(v)", |v, _| libm::exp(v), Some(Exp), -0.25, [-1.0, 1.0]),
        built_in("log2", "log2(v)", |v, _| libm::log2(v), Some(Log2), 0.25, [2.25, 3.0]),
        built_in("reciprocal", "T(1.0) / v", |v, _| 1.0 / v, Some(Division), 0.5, [1.0, 2.0]),
        built_in("division", "x / v", |v, x| x / v, Some(Division), 0.5, [1.0, 2.0]),
        built_in(
            "rsqrt",
            "inverseSqrt(v)",
            |v, _| v.sqrt().recip(),
            Some(InverseSqrt),
            0.5,
            [1.0, 2.0],
        ),
        built_in("sin", "sin(v)", |v, _| libm::sin(v), Some(Sin), 0.5, [-2.0, 2.0]),
        built_in("tanh", "tanh(v)", |v, _| libm::tanh(v), Some(Tanh), 0.5, [-2.0, 2.0]),
    ];
    for direction in Direction::ALL {
        for activation in Activation::all() {
            let own = activation.variants.iter();
            let own = own.filter(|variant| variant.pass.direction() == direction);
            ops.extend(own.filter_map(|variant| of_variant(activation, variant)));
        }
    }
    ops
});

fn built_in(
    name: &str,
    wgsl: &str,
    reference: fn(f64, f64) -> f64,
    calls: Option<BuiltIn>,
    factor: f32,
    range: [f64; 2],
) -> Op {
    let function = Function::BuiltIn(reference, calls);
    Op { name: name.into(), wgsl: wgsl.into(), function, factor, range, dtypes: NATIVE.into() }
}

fn of_variant(activation: &'static Activation, variant: &'static Variant) -> Option<Op> {
    let steps = variant.steps?;
    let path = format!("{}/{}", activation.name, variant.name);
    let function = format!("{}_{}", activation.name, variant.name);
    // Backward, v goes through the saved tensor, so that no part of the gradient can be computed
    // once and kept.
    let (name, wgsl) = match variant.pass.direction() {
        Direction::Forward => (path, format!("{function}(v)")),
        Direction::Backward => (format!("backward/{path}"), format!("{function}(v, x)")),
    };
    Some(Op {
        name,
        wgsl,
        function: Function::Variant(activation, variant),
        factor: steps.factor,
        range: steps.range,
        dtypes: NATIVE.into_iter().filter(|dtype| variant.dtypes.contains(dtype)).collect(),
    })
}

impl Op {
    /// The op of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        OPS.iter().find(|op| op.name == name)
    }

    /// The op of the default variant of an activation.
    pub fn of_default(activation: &str, direction: Direction) -> Option<&'static Self> {
        let variants = Activation::named(activation)?.variants;
        let default = variants.iter().find(|variant| variant.pass.direction() == direction)?;
        OPS.iter().find(|op| op.variant().is_some_and(|(_, own)| std::ptr::eq(own, default)))
    }

    /// The activation and the variant whose function it is.
    pub fn variant(&self) -> Option<(&'static Activation, &'static Variant)> {
        match self.function {
            Function::BuiltIn(..) => None,
            Function::Variant(activation, variant) => Some((activation, variant)),
        }
    }

    /// f in f64.
    pub fn reference(&self, v: f64, x: f64) -> f64 {
        match self.function {
            Function::BuiltIn(reference, _) => reference(v, x),
            Function::Variant(_, variant) => variant.pass.reference(v, x),
        }
    }

    /// How far f of v and x may be off in arithmetic of that dtype, with these built-in functions.
    pub fn error_at(&self, built_ins: &BuiltIns, dtype: Dtype, v: f64, x: f64) -> f64 {
        let reference = self.reference(v, x);
        let variant = match self.function {
            Function::BuiltIn(_, None) => return 0.0,
            Function::BuiltIn(_, Some(built_in)) => {
                return built_ins.factor(built_in) * built_in.error(dtype, v, reference);
            }
            Function::Variant(_, variant) => variant,
        };
        let dy = if variant.pass.direction() == Direction::Backward { x } else { 0.0 };
        let case = Case {
            dtype,
            first: v,
            first_bits: dtype.bits(v),
            dy,
            reference,
            built_ins: *built_ins,
        };
        match variant.allowed(&case) {
            Allowed::Within { lowest, highest } => (highest - reference).max(reference - lowest),
            Allowed::OneOf(a, b) => (a - reference).abs().max((b - reference).abs()),
            Allowed::Bits(_) | Allowed::Anything => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_die_out_and_values_stay_in_the_domain() {
        for op in OPS.iter() {
            for step in 0..=1000 {
                let x = op.range[0] + (op.range[1] - op.range[0]) * f64::from(step) / 1000.0;
                let factor = f64::from(op.factor);
                let mut v = x;
                for step in 0..64 {
                    let h = 1e-6;
                    let slope = (op.reference(v + h, x) - op.reference(v - h, x)) / (2.0 * h);
                    // At a step the difference is not a slope; there the chain does not cross it.
                    let steps = ["select", "backward/relu/from_y", "backward/leaky_relu/from_y"];
                    let is_step = steps.contains(&op.name.as_str());
                    assert!(
                        is_step || (factor * slope).abs() <= 0.7501,
                        "{} at {v}, step {step}: {slope}",
                        op.name
                    );
                    v = factor.mul_add(op.reference(v, x), x);
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
            assert_eq!(Op::of_default(activation, direction).expect(name).name, name);
        }
        assert!(Op::of_default("copy", Direction::Forward).is_none());
    }

    #[test]
    fn names_are_unique_and_variants_exist() {
        for (index, op) in OPS.iter().enumerate() {
            assert!(OPS[..index].iter().all(|other| other.name != op.name), "{}", op.name);
            assert!(op.wgsl.contains('v'), "{}", op.name);
        }
    }
}
