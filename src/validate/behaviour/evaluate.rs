//! One WGSL expression of one or two operands, run on the device over chosen bits.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::{Kernel, Role};
use crate::validate::trial::fill_with_sentinels;

/// WGSL over `a` and `b`, of type `T` as in kernels, with its CPU twin.
#[derive(Clone, Copy)]
pub(super) struct Expression {
    pub operands: Operands,
    /// May call the functions of relu and sigmoid.
    pub wgsl: &'static str,
    /// What it computes, in f64.
    pub reference: fn(f64, f64) -> f64,
}

/// How operands reach an expression, and in which format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// Elements of a tensor.
    One(Dtype),
    /// Elements of two tensors.
    Two(Dtype),
    /// The bits of an f16, converted to f32. Even inputs are the lower half of a pair, odd ones
    /// the upper.
    Unpacked,
    /// Two f32, converted to a pair of f16, the first in the lower half.
    Packed,
}

/// An expression at one input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
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

    pub fn error(&self) -> f64 {
        (self.value() - self.reference).abs()
    }

    pub fn ulps(&self) -> f64 {
        self.dtype.memory().ulps(self.error(), self.reference)
    }
}

impl Operands {
    /// The format that is read.
    pub fn read(self) -> Dtype {
        match self {
            Self::One(dtype) | Self::Two(dtype) => dtype,
            Self::Unpacked => Dtype::F16,
            Self::Packed => Dtype::F32,
        }
    }

    fn written(self) -> Dtype {
        match self {
            Self::One(dtype) | Self::Two(dtype) => dtype,
            Self::Unpacked => Dtype::F32,
            Self::Packed => Dtype::F16,
        }
    }

    /// A kernel with such tensors; what it computes is replaced.
    fn kernel(self) -> Kernel {
        let (name, direction, dtype) = match self {
            Self::One(dtype) => ("relu", Direction::Forward, dtype),
            Self::Two(dtype) => ("add", Direction::Backward, dtype),
            Self::Unpacked | Self::Packed => ("copy", Direction::Forward, Dtype::F32),
        };
        let activation = Activation::named(name).expect("in the table");
        Kernel::default_variant(activation, direction, dtype).expect("of every dtype")
    }
}

impl Expression {
    /// The whole shader: the kernels' own text around the expression.
    pub fn wgsl(&self) -> String {
        let activation = |name| Activation::named(name).expect("in the table").wgsl;
        let definitions = match self.operands {
            Operands::Unpacked | Operands::Packed => {
                include_str!("../../../shaders/behaviour/halves.wgsl").to_owned()
            }
            _ => activation("relu").to_owned() + activation("sigmoid"),
        };
        let parameters =
            if matches!(self.operands, Operands::Two(_)) { "a: T, b: T" } else { "a: T" };
        let asked = format!("fn asked({parameters}) -> T {{ return {}; }}", self.wgsl);
        self.operands.kernel().wgsl_of(&format!("{definitions}\n{asked}\n"), "asked")
    }

    /// Runs it over `inputs`.
    pub fn evaluate(&self, gpu: &Gpu, inputs: &[[u32; 2]]) -> Result<Vec<Case>> {
        let kernel = self.operands.kernel();
        let dtype = kernel.dtype;
        gpu.supports(&kernel)?;
        let first: Vec<u32> = match self.operands {
            Operands::Packed => inputs.as_flattened().to_vec(),
            _ => inputs.iter().map(|[first, _]| *first).collect(),
        };
        let second: Vec<u32> = inputs.iter().map(|[_, second]| *second).collect();

        let layout = gpu.layout(first.len() as u64, dtype.element_bytes());
        let mut tensors = Vec::new();
        for role in kernel.tensors() {
            let tensor = gpu.tensor(self.wgsl, layout)?;
            match role {
                // Zeros would look like an answer of a shader that did not run.
                Role::Result => fill_with_sentinels(gpu, &tensor, dtype)?,
                Role::Dy => upload(gpu, &tensor, dtype, &second)?,
                _ => upload(gpu, &tensor, dtype, &first)?,
            }
            tensors.push(tensor);
        }
        let bound: Vec<_> = tensors.iter().collect();
        let (wgsl, checks) = (self.wgsl(), ShaderChecks::Checked);
        let workload = gpu.workload(&kernel, Some(&wgsl), Shape::default(), checks, &bound)?;
        gpu.run(&workload)?;

        let mut results = Vec::with_capacity(first.len());
        gpu.read(bound[0], |_, bytes| {
            let elements = bytes.len() / dtype.element_size();
            results.extend((0..elements).map(|index| dtype.element(bytes, index)));
            Ok(())
        })?;
        if results.contains(&dtype.sentinel()) {
            return Err(Error::Machine(format!("{} ran, but left results unwritten", self.wgsl)));
        }
        // A pair's result stands at its first element.
        let step = if self.operands == Operands::Packed { 2 } else { 1 };
        let results = results.into_iter().step_by(step);
        Ok(inputs.iter().zip(results).map(|(input, result)| self.case(*input, result)).collect())
    }

    /// One input with its result.
    pub fn case(&self, operands: [u32; 2], result: u32) -> Case {
        let values = operands.map(|bits| self.operands.read().value(bits));
        let reference = (self.reference)(values[0], values[1]);
        Case { operands, values, reference, result, dtype: self.operands.written() }
    }

    /// Up to eight inputs with their results, in bits.
    pub fn evidence(&self, cases: &[Case]) -> String {
        let show = |case: &Case| {
            let Case { operands: [first, second], result, .. } = case;
            match self.operands {
                Operands::One(_) | Operands::Unpacked => format!("{first:#010x} -> {result:#010x}"),
                _ => format!("{first:#010x}, {second:#010x} -> {result:#010x}"),
            }
        };
        cases.iter().take(8).map(show).collect::<Vec<_>>().join("; ")
    }
}

fn upload(gpu: &Gpu, tensor: &Tensor, dtype: Dtype, elements: &[u32]) -> Result<()> {
    let mut host = Vec::new();
    for bits in elements {
        dtype.push(&mut host, *bits);
    }
    gpu.upload(tensor, |start, bytes| {
        let start = usize::try_from(start).expect("fits the host") * dtype.element_size();
        bytes.copy_from_slice(&host[start..][..bytes.len()]);
    })
}
