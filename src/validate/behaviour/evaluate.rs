//! One WGSL expression of one or two operands, run on the device over chosen bits.

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::activation::{Activation, Direction, Variant};
use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::inputs::{Inputs, repeat};
use crate::kernels::kernel::{self, Kernel, Role};
use crate::validate::Trial;

/// A function of `a` and `b`, of type `T` as in kernels.
#[derive(Clone, Copy)]
pub struct Expression {
    pub operands: Operands,
    /// Format of the operands.
    pub read: Dtype,
    /// Format of the result.
    pub written: Dtype,
    pub function: Function,
}

/// What an expression computes.
#[derive(Clone, Copy)]
pub enum Function {
    /// WGSL, and the same in f64.
    Text(&'static str, fn(f64, f64) -> f64),
    /// A variant of an activation. Backward, `a` is what was saved and `b` is dy.
    Variant(&'static Activation, &'static Variant),
}

impl Function {
    fn wgsl(&self) -> String {
        match self {
            Self::Text(wgsl, _) => (*wgsl).to_owned(),
            Self::Variant(activation, variant) => {
                let operands = match variant.pass.direction() {
                    Direction::Forward => "a",
                    Direction::Backward => "a, b",
                };
                format!("{}_{}({operands})", activation.name, variant.name)
            }
        }
    }

    /// In f64. Of a variant at infinity, its result at the largest number: f64 may have no limit.
    fn reference(&self, a: f64, b: f64) -> f64 {
        match self {
            Self::Text(_, reference) => reference(a, b),
            Self::Variant(_, variant) => {
                let largest = Format::F32.max;
                variant.pass.reference(a.clamp(-largest, largest), b)
            }
        }
    }
}

/// How operands reach an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Elements of a tensor.
    One,
    /// Elements of two tensors.
    Two,
    /// The bits of an f16, converted to f32. Even inputs are the lower half of a pair, odd ones
    /// the upper.
    Unpacked,
    /// Two f32, converted to a pair of f16, the first in the lower half.
    Packed,
}

/// An expression at one input.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Bits of the operands, of which an expression of one takes the first.
    pub operands: [u32; 2],
    /// Their values.
    pub values: [f64; 2],
    pub reference: f64,
    /// Bits of the device's result.
    pub result: u32,
    /// Format of the result.
    pub dtype: Dtype,
}

impl Case {
    /// The device's result as a number.
    pub fn value(&self) -> f64 {
        self.dtype.value(self.result)
    }

    /// Infinite where the result is NaN.
    pub fn error(&self) -> f64 {
        let error = (self.value() - self.reference).abs();
        if error.is_nan() { f64::INFINITY } else { error }
    }

    pub fn ulps(&self) -> f64 {
        self.dtype.memory().ulps(self.error(), self.reference)
    }
}

impl Expression {
    /// A kernel with its tensors; what that computes is replaced.
    fn kernel(&self) -> Kernel {
        let is_wanted = |kernel: &Kernel| match self.operands {
            Operands::One => kernel.direction() == Direction::Forward && !kernel.is_raw(),
            Operands::Two => kernel.direction() == Direction::Backward,
            Operands::Unpacked | Operands::Packed => kernel.is_raw(),
        };
        let is_two = self.operands == Operands::Two || self.operands == Operands::One;
        let dtype = if is_two { self.read } else { Dtype::F32 };
        let mut kernels = kernel::all().filter(|kernel| kernel.dtype == dtype);
        kernels.find(is_wanted).expect("of every dtype")
    }

    /// The whole shader: the kernels' own text around the expression.
    pub fn wgsl(&self) -> String {
        let definitions = match (self.operands, self.function) {
            (Operands::Unpacked | Operands::Packed, _) => {
                include_str!("../../../shaders/behaviour/halves.wgsl")
            }
            (_, Function::Variant(activation, _)) => activation.wgsl,
            (_, Function::Text(..)) => "",
        };
        let parameters = if self.operands == Operands::Two { "a: T, b: T" } else { "a: T" };
        let asked = format!("fn asked({parameters}) -> T {{ return {}; }}", self.function.wgsl());
        self.kernel().wgsl_of(&format!("{definitions}\n{asked}\n"), "asked")
    }

    /// Runs it over `inputs`.
    pub fn evaluate(&self, gpu: &Gpu, inputs: &[[u32; 2]]) -> Result<Vec<Case>> {
        let results = self.results(gpu, inputs)?;
        Ok(inputs.iter().zip(results).map(|(input, result)| self.case(*input, result)).collect())
    }

    /// The bits of its results over `inputs`.
    pub fn results(&self, gpu: &Gpu, inputs: &[[u32; 2]]) -> Result<Vec<u32>> {
        let kernel = self.kernel();
        // A pair's operands are neighbours, and its result stands at the first.
        let is_packed = self.operands == Operands::Packed;
        let (operand_step, result_step) = if is_packed { (1, 2) } else { (2, 1) };
        let host = |operands: &[u32], step| {
            let mut host = Vec::new();
            operands.iter().step_by(step).for_each(|bits| kernel.dtype.push(&mut host, *bits));
            host
        };
        let operands = inputs.as_flattened();
        let (first, dy) = (host(operands, operand_step), host(&operands[1..], 2));
        let wgsl = self.wgsl();
        let elements = (inputs.len() * result_step) as u64;
        let trial = Trial::new(gpu, kernel, Inputs::normal(0), elements);
        let results = Trial { wgsl: Some(&wgsl), ..trial }.results(gpu, |role, start, bytes| {
            let host = if role == Role::Dy { &dy } else { &first };
            repeat(host, start * kernel.dtype.element_bytes(), bytes);
        })?;
        if results.contains(&kernel.dtype.sentinel()) {
            return Err(Error::Machine(format!(
                "{} ran, but left results unwritten",
                self.function.wgsl()
            )));
        }
        Ok(results.into_iter().step_by(result_step).collect())
    }

    /// One input with its result.
    pub fn case(&self, operands: [u32; 2], result: u32) -> Case {
        let values = operands.map(|bits| self.read.value(bits));
        let reference = self.function.reference(values[0], values[1]);
        Case { operands, values, reference, result, dtype: self.written }
    }

    /// Up to eight inputs with their results, in bits.
    pub fn evidence(&self, cases: &[Case]) -> String {
        let show = |case: &Case| {
            let Case { operands: [first, second], result, .. } = case;
            match self.operands {
                Operands::One | Operands::Unpacked => format!("{first:#010x} -> {result:#010x}"),
                _ => format!("{first:#010x}, {second:#010x} -> {result:#010x}"),
            }
        };
        cases.iter().take(8).map(show).collect::<Vec<_>>().join("; ")
    }
}
