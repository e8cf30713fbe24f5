//! A kernel with tensors of its own, run over sentinels.

use crate::error::Result;
use crate::gpu::{Gpu, Layout, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::{Inputs, repeat};
use crate::kernels::kernel::{Kernel, Role};

/// Fills a tensor that a kernel is to write with what no kernel writes.
pub(super) fn fill_with_sentinels(gpu: &Gpu, tensor: &Tensor, dtype: Dtype) -> Result<()> {
    let size = dtype.element_size();
    let sentinels = dtype.sentinel().to_le_bytes()[..size].repeat(4096);
    gpu.upload(tensor, |_, bytes| repeat(&sentinels, 0, bytes))
}

/// One validation of one kernel: tensors of its own, inputs, size, shape.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// The kernel.
    pub kernel: Kernel,
    /// Where its inputs come from.
    pub inputs: Inputs,
    /// Elements of each tensor.
    pub elements: u64,
    /// Workgroup size and words per invocation.
    pub shape: Shape,
    /// Whether wgpu checks the shader at run time.
    pub checks: ShaderChecks,
    /// The most bytes that a buffer may have, guard included: smaller than the device's own limit
    /// to split a small tensor.
    pub max_buffer_bytes: u64,
    /// Text that stands in for the kernel's own, always checked at run time.
    pub wgsl: Option<&'a str>,
}

impl Trial<'_> {
    /// A trial of `elements` elements in the default shape.
    pub fn new(gpu: &Gpu, kernel: Kernel, inputs: Inputs, elements: u64) -> Self {
        Self {
            kernel,
            inputs,
            elements,
            shape: Shape::default(),
            checks: ShaderChecks::default(),
            max_buffer_bytes: gpu.max_buffer_bytes(),
            wgsl: None,
        }
    }

    /// Runs the kernel over sentinels, on inputs that `fill` writes, and returns the bits of its
    /// results.
    pub(super) fn results(
        &self,
        gpu: &Gpu,
        fill: impl Fn(Role, u64, &mut [u8]),
    ) -> Result<Vec<u32>> {
        let (workload, tensors) = self.prepare(gpu, fill)?;
        let dtype = self.kernel.dtype;
        fill_with_sentinels(gpu, &tensors[0], dtype)?;
        gpu.run(&workload)?;
        let mut results = Vec::new();
        gpu.read(&tensors[0], |_, bytes| {
            let elements = bytes.len() / dtype.element_size();
            results.extend((0..elements).map(|index| dtype.element(bytes, index)));
            Ok(())
        })?;
        Ok(results)
    }

    /// Compiles the kernel and makes its tensors; `fill` writes those it reads, piece by piece.
    pub(super) fn prepare(
        &self,
        gpu: &Gpu,
        fill: impl Fn(Role, u64, &mut [u8]),
    ) -> Result<(Workload, Vec<Tensor>)> {
        let (kernel, element_bytes) = (self.kernel, self.kernel.dtype.element_bytes());
        gpu.supports(&kernel)?;
        let bytes = element_bytes * kernel.tensors().len() as u64;
        gpu.ensure_room(self.elements.saturating_mul(bytes))?;
        let layout = Layout::new(self.elements, element_bytes, self.max_buffer_bytes);
        let mut tensors = Vec::new();
        for role in kernel.tensors() {
            let tensor =
                gpu.tensor(&format!("{role:?}"), layout.of(*role, kernel.words_per_unit()))?;
            if !role.is_written() {
                gpu.upload(&tensor, |first, bytes| fill(*role, first, bytes))?;
            }
            tensors.push(tensor);
        }
        let bound: Vec<&Tensor> = tensors.iter().collect();
        let workload = gpu.workload(&kernel, self.wgsl, self.shape, self.checks, &bound)?;
        Ok((workload, tensors))
    }
}
