//! One small function of one or two operands, run on the device over chosen bits.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Shape};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::{Kernel, Role};

/// A WGSL function, from `shaders/behaviour` or a form of an activation, with its CPU twin.
#[derive(Clone, Copy)]
pub(super) struct Expression {
    /// Its name.
    pub function: &'static str,
    /// What it takes.
    pub operands: Operands,
    /// What it computes, in f64.
    pub truth: fn(f64, f64) -> f64,
}

/// How operands reach a function, and in which format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// An element of x.
    One(Dtype),
    /// Elements of two tensors.
    Two(Dtype),
    /// The bits of an f16, of which it makes an f32.
    Unpacked,
    /// Two f32, of which it makes a pair of f16: the first in the low half.
    Packed,
}

/// An expression at one input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Bits of the operands.
    pub operands: [u32; 2],
    /// What they are.
    pub values: [f64; 2],
    /// The result in f64.
    pub truth: f64,
    /// Bits of the device's result.
    pub result: u32,
    /// Their format.
    pub format: Dtype,
}

impl Case {
    /// The device's result as a number.
    pub fn value(&self) -> f64 {
        self.format.value(self.result)
    }
}

impl Operands {
    fn read(self) -> Dtype {
        match self {
            Self::One(storage) | Self::Two(storage) => storage,
            Self::Unpacked => Dtype::F16,
            Self::Packed => Dtype::F32,
        }
    }

    fn written(self) -> Dtype {
        match self {
            Self::One(storage) | Self::Two(storage) => storage,
            Self::Unpacked => Dtype::F32,
            Self::Packed => Dtype::F16,
        }
    }

    /// A kernel that reads and writes such tensors; what it computes is replaced.
    fn kernel(self) -> Kernel {
        let (name, direction, storage) = match self {
            Self::One(storage) => ("relu", Direction::Forward, storage),
            Self::Two(storage) => ("add", Direction::Backward, storage),
            Self::Unpacked | Self::Packed => ("copy", Direction::Forward, Dtype::F32),
        };
        let activation = Activation::named(name).expect("in the table");
        Kernel::default_variant(activation, direction, storage).expect("of every storage")
    }
}

impl Expression {
    /// The whole shader.
    pub fn wgsl(&self) -> String {
        let kernel = self.operands.kernel();
        let activation = |name| Activation::named(name).expect("in the table").wgsl;
        let arithmetic = [
            activation("relu"),
            activation("sigmoid"),
            include_str!("../../../shaders/behaviour/arithmetic.wgsl"),
        ];
        let definitions = match self.operands {
            Operands::Unpacked | Operands::Packed => {
                include_str!("../../../shaders/behaviour/halves.wgsl").to_owned()
            }
            Operands::One(Dtype::F32) => {
                arithmetic.join("\n") + include_str!("../../../shaders/behaviour/bits_of_nan.wgsl")
            }
            Operands::One(_) | Operands::Two(_) => arithmetic.join("\n"),
        };
        kernel.wgsl_of(&definitions, self.function)
    }

    /// Runs it over `inputs`, two operands each, of which a function of one takes the first.
    ///
    /// # Errors
    /// If the adapter lacks a feature, the shader does not compile, or the device fails.
    pub fn evaluate(&self, gpu: &Gpu, inputs: &[[u32; 2]]) -> Result<Vec<Case>> {
        let kernel = self.operands.kernel();
        let storage = kernel.dtype;
        gpu.supports(&kernel)?;
        let first: Vec<u32> = match self.operands {
            Operands::Packed => inputs.as_flattened().to_vec(),
            _ => inputs.iter().map(|[first, _]| *first).collect(),
        };
        let second: Vec<u32> = inputs.iter().map(|[_, second]| *second).collect();
        // Of a shader that did not run, zeros would look like an answer.
        let poison = vec![storage.sentinel(); first.len()];

        let layout = gpu.layout(first.len() as u64, storage.element_bytes());
        let mut tensors = Vec::new();
        for role in kernel.tensors() {
            let contents = match role {
                Role::Result => &poison,
                Role::Dy => &second,
                _ => &first,
            };
            let tensor = gpu.tensor(self.function, layout)?;
            gpu.upload(&tensor, |start, bytes| {
                let start = usize::try_from(start).expect("fits the host, as its contents do");
                let size = storage.element_size();
                for (element, bits) in bytes.chunks_exact_mut(size).zip(&contents[start..]) {
                    element.copy_from_slice(&bits.to_le_bytes()[..size]);
                }
            })?;
            tensors.push(tensor);
        }
        let bound: Vec<_> = tensors.iter().collect();
        let workload = gpu.workload_of(kernel, &self.wgsl(), Shape::default(), &bound)?;
        gpu.run(&workload)?;

        let mut results = Vec::with_capacity(first.len());
        gpu.read(bound[0], |_, bytes| {
            results.extend(
                (0..bytes.len() / storage.element_size())
                    .map(|index| storage.element(bytes, index)),
            );
            Ok(())
        })?;
        if results.contains(&storage.sentinel()) {
            return Err(Error::Machine(format!(
                "{} ran, but left results unwritten",
                self.function
            )));
        }
        let step = first.len().checked_div(inputs.len()).unwrap_or(1);
        Ok(inputs
            .iter()
            .zip(results.into_iter().step_by(step))
            .map(|(input, result)| self.case(*input, result))
            .collect())
    }

    /// One input with its result.
    pub fn case(&self, operands: [u32; 2], result: u32) -> Case {
        let values = operands.map(|bits| self.operands.read().value(bits));
        Case {
            operands,
            values,
            truth: (self.truth)(values[0], values[1]),
            result,
            format: self.operands.written(),
        }
    }
}
