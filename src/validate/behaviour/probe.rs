//! A question to an adapter, and what questions are made of.

use super::evaluate::{Case, Expression, Function, Operands};
use super::judge::{Judge, Value, Word};
use crate::kernels::built_ins::BuiltIn;
use crate::kernels::dtype::Dtype;

/// One question.
pub struct Probe {
    pub name: String,
    /// What is computed, in a line.
    pub question: String,
    pub expression: Expression,
    /// Bits of two operands, of which an expression of one takes the first.
    pub inputs: Vec<[u32; 2]>,
    pub judge: Judge,
    /// What the expected answers mean. A number means what the first limit does that it reaches.
    pub meanings: Vec<(Value, &'static str)>,
}

/// A question without inputs and meanings.
pub fn probe(
    name: impl Into<String>,
    question: impl Into<String>,
    expression: Expression,
    judge: Judge,
) -> Probe {
    let (name, question) = (name.into(), question.into());
    Probe { name, question, expression, inputs: Vec::new(), judge, meanings: Vec::new() }
}

impl Probe {
    /// Over bits of two operands.
    pub fn over(self, inputs: Vec<[u32; 2]>) -> Self {
        Self { inputs, ..self }
    }

    /// Over numbers.
    pub fn pairs(self, numbers: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let bits = |number| self.expression.read.bits(number);
        let inputs = numbers.into_iter().map(|pair| pair.map(bits)).collect();
        self.over(inputs)
    }

    /// Over numbers, each for both operands.
    pub fn numbers(self, numbers: impl IntoIterator<Item = f64>) -> Self {
        self.pairs(numbers.into_iter().map(|number| [number; 2]))
    }

    /// Over bits, each for both operands.
    pub fn bits(self, bits: impl IntoIterator<Item = u32>) -> Self {
        self.over(bits.into_iter().map(|bits| [bits; 2]).collect())
    }

    /// Over bits, with a number as the second operand.
    pub fn bits_and(self, bits: impl IntoIterator<Item = u32>, second: f64) -> Self {
        let second = self.expression.read.bits(second);
        self.over(bits.into_iter().map(|bits| [bits, second]).collect())
    }

    /// What a word means.
    pub fn means(mut self, word: Word, meaning: &'static str) -> Self {
        self.meanings.push((Value::Word(word), meaning));
        self
    }

    /// What a number means that is not above `limit`, nor up to an earlier one.
    pub fn up_to(mut self, limit: f64, meaning: &'static str) -> Self {
        self.meanings.push((Value::Number(limit), meaning));
        self
    }

    /// What every larger number means.
    pub fn beyond(self, meaning: &'static str) -> Self {
        self.up_to(f64::INFINITY, meaning)
    }

    /// What the results say, what that means, and evidence where that is not enough.
    pub fn answer(&self, cases: &[Case]) -> (Value, &'static str, Option<String>) {
        let (result, evidence) = self.judge.result(cases);
        let expected = self.meanings.iter().find(|(expected, _)| match (result, *expected) {
            (Value::Number(number), Value::Number(limit)) => number <= limit,
            (result, expected) => result == expected,
        });
        let meaning = match (expected, result) {
            (Some((_, meaning)), _) => meaning,
            (None, Value::Word(Word::Mixed)) => "inputs of one kind are not treated alike",
            (None, Value::Word(Word::NotFinite)) => "NaN or infinity within the domain",
            (None, _) => "not among the expected answers",
        };
        let is_enough =
            expected.is_some() && !matches!(result, Value::Word(Word::Mixed | Word::Other));
        let bits = || (!is_enough).then(|| self.expression.evidence(cases));
        (result, meaning, evidence.or_else(bits))
    }
}

pub const fn one(wgsl: &'static str, reference: fn(f64, f64) -> f64) -> Expression {
    let function = Function::Text(wgsl, reference);
    Expression { operands: Operands::One, read: Dtype::F32, written: Dtype::F32, function }
}

pub const fn two(wgsl: &'static str, reference: fn(f64, f64) -> f64) -> Expression {
    Expression { operands: Operands::Two, ..one(wgsl, reference) }
}

/// The same in native f16.
pub const fn native(expression: Expression) -> Expression {
    Expression { read: Dtype::F16Native, written: Dtype::F16Native, ..expression }
}

/// A built-in function in arithmetic of a dtype.
pub fn of_built_in(built_in: BuiltIn, dtype: Dtype) -> Expression {
    let in_f32 = match built_in {
        BuiltIn::Division => QUOTIENT,
        BuiltIn::Exp => EXP,
        BuiltIn::Exp2 => EXP2,
        BuiltIn::InverseSqrt => one("inverseSqrt(a)", |a, _| a.sqrt().recip()),
        BuiltIn::Log => one("log(a)", |a, _| libm::log(a)),
        BuiltIn::Log2 => one("log2(a)", |a, _| libm::log2(a)),
        BuiltIn::Sin => one("sin(a)", |a, _| libm::sin(a)),
        BuiltIn::Tanh => TANH,
    };
    Expression { read: dtype, written: dtype, ..in_f32 }
}

pub const COPY: Expression = one("a", |a, _| a);
pub const MAX: Expression = two("max(a, b)", f64::max);
pub const SUM: Expression = two("a + b", |a, b| a + b);
pub const PRODUCT: Expression = two("a * b", |a, b| a * b);
pub const QUOTIENT: Expression = two("a / b", |a, b| a / b);
pub const EXP: Expression = one("exp(a)", |a, _| libm::exp(a));
pub const EXP2: Expression = one("exp2(a)", |a, _| libm::exp2(a));
pub const TANH: Expression = one("tanh(a)", |a, _| libm::tanh(a));
pub const PACK: Expression =
    Expression { operands: Operands::Packed, written: Dtype::F16, ..one("packed(a)", |a, _| a) };
pub const UNPACK: Expression =
    Expression { operands: Operands::Unpacked, read: Dtype::F16, ..one("unpacked(a)", |a, _| a) };

pub const QUIET_NANS: [u32; 4] = [0x7fc0_0000, 0xffc0_0000, 0x7fd1_2345, 0xffed_cba9];
pub const SIGNALLING_NANS: [u32; 3] = [0x7f80_0001, 0x7fa1_2345, 0xffb5_4321];
pub const SUBNORMALS: [u32; 6] =
    [0x0000_0001, 0x0000_1234, 0x003f_ffff, 0x8000_0001, 0x8000_1234, 0x803f_ffff];
pub const POSITIVE_SUBNORMALS: [u32; 4] = [0x0000_0001, 0x0000_1234, 0x0040_0000, 0x007f_ffff];
pub const SUBNORMAL_HALVES: [u32; 6] = [0x0001, 0x0123, 0x01ff, 0x8001, 0x8123, 0x81ff];

/// Numbers in ±[1, 2) that are even or odd in the last place, and what is added: half a unit, a
/// little less and a little more.
pub fn ties(dtype: Dtype) -> Vec<[f64; 2]> {
    let unit = dtype.memory().unit;
    let mut sums = Vec::new();
    for sign in [1.0, -1.0] {
        for last_place in [0.0, 1.0, 2.0, 3.0] {
            for rest in [0.375, 0.5, 0.625] {
                sums.push([sign * (1.0 + last_place * unit), sign * rest * unit]);
            }
        }
    }
    sums
}
