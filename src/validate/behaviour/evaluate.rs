//! One WGSL expression of one or two operands, run on the device over chosen bits.

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::{Inputs, repeat};
use crate::kernels::kernel::{Kernel, Role};
use crate::validate::Trial;

/// WGSL over `a` and `b`, of type `T` as in kernels, with its CPU twin.
#[derive(Clone, Copy)]
pub struct Expression {
    pub operands: Operands,
    /// Format of the operands.
    pub read: Dtype,
    /// Format of the result.
    pub written: Dtype,
    /// May call the functions of relu and sigmoid.
    pub wgsl: &'static str,
    /// What it computes, in f64.
    pub reference: fn(f64, f64) -> f64,
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
        let (name, direction, dtype) = match self.operands {
            Operands::One => ("relu", Direction::Forward, self.read),
            Operands::Two => ("add", Direction::Backward, self.read),
            Operands::Unpacked | Operands::Packed => ("copy", Direction::Forward, Dtype::F32),
        };
        let activation = Activation::named(name).expect("in the table");
        Kernel::default_variant(activation, direction, dtype).expect("of every dtype")
    }

    /// The whole shader: the kernels' own text around the expression.
    pub fn wgsl(&self) -> String {
        let activation = |name| Activation::named(name).expect("in the table").wgsl;
        let definitions = match self.operands {
            Operands::Unpacked | Operands::Packed => {
                include_str!("../../../shaders/behaviour/halves.wgsl").to_owned()
            }
            _ => activation("relu").to_owned() + activation("sigmoid"),
        };
        let parameters = if self.operands == Operands::Two { "a: T, b: T" } else { "a: T" };
        let asked = format!("fn asked({parameters}) -> T {{ return {}; }}", self.wgsl);
        self.kernel().wgsl_of(&format!("{definitions}\n{asked}\n"), "asked")
    }

    /// Runs it over `inputs`.
    pub fn evaluate(&self, gpu: &Gpu, inputs: &[[u32; 2]]) -> Result<Vec<Case>> {
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
            return Err(Error::Machine(format!("{} ran, but left results unwritten", self.wgsl)));
        }
        let results = results.into_iter().step_by(result_step);
        Ok(inputs.iter().zip(results).map(|(input, result)| self.case(*input, result)).collect())
    }

    /// One input with its result.
    pub fn case(&self, operands: [u32; 2], result: u32) -> Case {
        let values = operands.map(|bits| self.read.value(bits));
        let reference = (self.reference)(values[0], values[1]);
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
