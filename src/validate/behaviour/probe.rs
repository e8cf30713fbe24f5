//! A question whose answer is a word, and what questions are made of.

use super::evaluate::{Case, Expression, Operands};
use super::judge::{Answer, Judge, Value, Word};
use crate::kernels::dtype::Dtype;
use crate::kernels::activations::{relu, sigmoid};

/// One question.
pub(super) struct Probe {
    pub name: &'static str,
    /// What is computed, in a line.
    pub question: &'static str,
    pub expression: Expression,
    /// Bits of two operands, of which an expression of one takes the first.
    pub inputs: Vec<[u32; 2]>,
    pub judge: Judge,
    /// What the expected answers mean.
    pub meanings: Vec<(Word, &'static str)>,
}

pub(super) fn probe(
    name: &'static str,
    question: &'static str,
    expression: Expression,
    judge: Judge,
) -> Probe {
    Probe { name, question, expression, inputs: Vec::new(), judge, meanings: Vec::new() }
}

impl Probe {
    /// Over numbers.
    pub fn pairs(mut self, numbers: &[[f64; 2]]) -> Self {
        let bits = |number| self.expression.operands.read().bits(number);
        self.inputs = numbers.iter().map(|pair| pair.map(bits)).collect();
        self
    }

    /// Over numbers, each for both operands.
    pub fn numbers(self, numbers: &[f64]) -> Self {
        self.pairs(&numbers.iter().map(|number| [*number; 2]).collect::<Vec<_>>())
    }

    /// Over bits, each for both operands.
    pub fn bits(mut self, bits: &[u32]) -> Self {
        self.inputs = bits.iter().map(|bits| [*bits; 2]).collect();
        self
    }

    /// Over bits, with a number as the second operand.
    pub fn bits_and(mut self, bits: &[u32], second: f64) -> Self {
        let second = self.expression.operands.read().bits(second);
        self.inputs = bits.iter().map(|bits| [*bits, second]).collect();
        self
    }

    pub fn means(mut self, word: Word, meaning: &'static str) -> Self {
        self.meanings.push((word, meaning));
        self
    }

    /// What the results say, with evidence where the word is not enough.
    pub fn answer(&self, cases: &[Case]) -> Answer {
        let word = (self.judge)(cases);
        let expected = self.meanings.iter().find(|(expected, _)| *expected == word);
        let meaning = match (expected, word) {
            (Some((_, meaning)), _) => meaning,
            (None, Word::Mixed) => "inputs of one kind are not treated alike",
            (None, _) => "not among the expected answers",
        };
        let is_enough = expected.is_some() && !matches!(word, Word::Mixed | Word::Other);
        let evidence = (!is_enough).then(|| self.expression.evidence(cases));
        Answer::new(Value::Word(word), meaning, evidence)
    }
}

pub(super) const fn one(wgsl: &'static str, reference: fn(f64, f64) -> f64) -> Expression {
    Expression { operands: Operands::One(Dtype::F32), wgsl, reference }
}

pub(super) const fn two(wgsl: &'static str, reference: fn(f64, f64) -> f64) -> Expression {
    Expression { operands: Operands::Two(Dtype::F32), wgsl, reference }
}

/// The same in native f16.
pub(super) const fn native(expression: Expression) -> Expression {
    let operands = match expression.operands {
        Operands::Two(_) => Operands::Two(Dtype::F16Native),
        _ => Operands::One(Dtype::F16Native),
    };
    Expression { operands, ..expression }
}

pub(super) const COPY: Expression = one("a", |a, _| a);
pub(super) const MAX: Expression = two("max(a, b)", f64::max);
pub(super) const MAX_SWAPPED: Expression = two("max(b, a)", f64::max);
pub(super) const SUM: Expression = two("a + b", |a, b| a + b);
pub(super) const PRODUCT: Expression = two("a * b", |a, b| a * b);
pub(super) const QUOTIENT: Expression = two("a / b", |a, b| a / b);
pub(super) const EXP: Expression = one("exp(a)", |a, _| libm::exp(a));
pub(super) const EXP2: Expression = one("exp2(a)", |a, _| libm::exp2(a));
pub(super) const TANH: Expression = one("tanh(a)", |a, _| libm::tanh(a));
pub(super) const RELU: Expression = one("relu_plain(a)", |a, _| relu::relu(a));
pub(super) const SIGMOID: Expression = one("sigmoid_two_sided(a)", |a, _| sigmoid::sigmoid(a));
pub(super) const NAIVE: Expression = one("sigmoid_naive(a)", |a, _| sigmoid::sigmoid(a));
pub(super) const PACK: Expression =
    Expression { operands: Operands::Packed, wgsl: "packed(a)", reference: |a, _| a };
pub(super) const UNPACK: Expression =
    Expression { operands: Operands::Unpacked, wgsl: "unpacked(a)", reference: |a, _| a };

/// Quiet ones, from the fifth on signalling ones.
pub(super) const NANS: [u32; 7] =
    [0x7fc0_0000, 0xffc0_0000, 0x7fd1_2345, 0xffed_cba9, 0x7f80_0001, 0x7fa1_2345, 0xffb5_4321];
pub(super) const SUBNORMALS: [u32; 6] =
    [0x0000_0001, 0x0000_1234, 0x003f_ffff, 0x8000_0001, 0x8000_1234, 0x803f_ffff];
pub(super) const POSITIVE_SUBNORMALS: [u32; 4] =
    [0x0000_0001, 0x0000_1234, 0x0040_0000, 0x007f_ffff];
pub(super) const SUBNORMAL_HALVES: [u32; 6] = [0x0001, 0x0123, 0x01ff, 0x8001, 0x8123, 0x81ff];

/// Numbers in ±[1, 2) that are even or odd in the last place, and what is added: half a unit, a
/// little less and a little more.
pub(super) fn ties(dtype: Dtype) -> Vec<[f64; 2]> {
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
