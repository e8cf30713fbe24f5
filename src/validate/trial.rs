//! Validation of a kernel on a device: runs it over sentinels and compares what it wrote.

use super::accuracy::{Accuracy, Judged};
use super::elementwise::{compare, compare_mask};
use crate::error::Result;
use crate::gpu::{Gpu, Layout, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::bounds::Case;
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::{Distribution, Inputs, repeat};
use crate::kernels::kernel::{Kernel, Role};

/// Fills a tensor that a kernel is to write with what no kernel writes.
pub(super) fn fill_with_sentinels(gpu: &Gpu, tensor: &Tensor, dtype: Dtype) -> Result<()> {
    let size = dtype.element_size();
    let sentinels = dtype.sentinel().to_le_bytes()[..size].repeat(4096);
    gpu.upload(tensor, |_, bytes| repeat(&sentinels, 0, bytes))
}

/// Fills what the kernel's workload writes with sentinels, runs it once, and compares every element
/// with the reference. `tensors` are those that it is bound to.
pub fn check(
    gpu: &Gpu,
    kernel: &Kernel,
    workload: &Workload,
    tensors: &[&Tensor],
    inputs: &Inputs,
) -> Result<Accuracy> {
    let written = kernel.tensors().iter().zip(tensors).filter(|(role, _)| role.is_written());
    for (_, tensor) in written.clone() {
        fill_with_sentinels(gpu, tensor, kernel.dtype)?;
    }
    gpu.run(workload)?;

    let mut found = Accuracy::default();
    let (mut first, mut dy) = (Vec::new(), Vec::new());
    for (role, tensor) in written {
        let elements_per_unit = if role.is_mask() { 32 } else { 1 };
        gpu.read(tensor, |start, actual| {
            let start = start * elements_per_unit;
            let elements = actual.len() as u64 * elements_per_unit / tensor.layout.element_bytes;
            fill(kernel, inputs, start, elements, [&mut first, &mut dy]);
            found.merge(&match role {
                Role::MaskResult => {
                    // Bits behind the last element are those of padding.
                    let inside = workload.elements.saturating_sub(start).min(elements);
                    first[bytes_of(kernel.dtype, inside)..].fill(0);
                    compare_mask(kernel, start, &first, actual)
                }
                _ => compare(kernel, start, &first, &dy, actual),
            });
            Ok(())
        })?;
        found.guard_broken |= !gpu.guards_are_intact(tensor)?;
    }
    Ok(found)
}

/// Bytes of elements of a piece, which the host holds.
fn bytes_of(dtype: Dtype, elements: u64) -> usize {
    usize::try_from(elements).expect("a piece") * dtype.element_size()
}

/// What a kernel read for so many elements from `start` on: x or the saved tensor, and dy.
fn fill(kernel: &Kernel, inputs: &Inputs, start: u64, elements: u64, hosts: [&mut Vec<u8>; 2]) {
    for (role, host) in kernel.inputs().zip(hosts) {
        host.resize(bytes_of(kernel.dtype, elements), 0);
        inputs.fill(kernel.activation, role, kernel.dtype, start, host);
    }
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

    /// Makes the tensors, uploads the inputs, runs the kernel and compares every element.
    pub fn run(&self, gpu: &Gpu) -> Result<Accuracy> {
        let (workload, tensors) = self.prepare(gpu)?;
        check(gpu, &self.kernel, &workload, &tensors.iter().collect::<Vec<_>>(), &self.inputs)
    }

    /// [`Self::run`] with an answer for each of `bins` equal parts of the tensors. Only the result
    /// is compared, no mask and no guard.
    pub fn run_in_bins(&self, gpu: &Gpu, bins: u64) -> Result<Vec<Accuracy>> {
        assert!(self.elements.is_multiple_of(bins), "{} elements in {bins} bins", self.elements);
        let (workload, tensors) = self.prepare(gpu)?;
        gpu.run(&workload)?;
        let (kernel, per_bin) = (&self.kernel, self.elements / bins);
        let mut found = vec![Accuracy::default(); usize::try_from(bins).expect("a handful")];
        let (mut first, mut dy) = (Vec::new(), Vec::new());
        gpu.read(&tensors[0], |start, actual| {
            let end = start + (actual.len() / kernel.dtype.element_size()) as u64;
            fill(kernel, &self.inputs, start, end - start, [&mut first, &mut dy]);
            for (bin, found) in (0..).zip(&mut found) {
                let (from, to) = (start.max(bin * per_bin), end.min((bin + 1) * per_bin));
                if from < to {
                    let [at, behind] =
                        [from, to].map(|index| bytes_of(kernel.dtype, index - start));
                    let dy = if dy.is_empty() { &[] } else { &dy[at..behind] };
                    let (first, actual) = (&first[at..behind], &actual[at..behind]);
                    found.merge(&compare(kernel, from, first, dy, actual));
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn prepare(&self, gpu: &Gpu) -> Result<(Workload, Vec<Tensor>)> {
        let Self { kernel, inputs, elements, shape, checks, max_buffer_bytes, wgsl } = self;
        let element_bytes = kernel.dtype.element_bytes();
        gpu.supports(kernel)?;
        gpu.ensure_room(elements.saturating_mul(element_bytes * kernel.tensors().len() as u64))?;
        let layout = Layout::new(*elements, element_bytes, *max_buffer_bytes);
        let mut tensors = Vec::new();
        for role in kernel.tensors() {
            let tensor = gpu.tensor(&format!("{role:?}"), layout.of(kernel, *role))?;
            if !role.is_written() {
                gpu.upload(&tensor, |first, bytes| {
                    inputs.fill_stored(kernel.activation, *role, kernel.dtype, first, bytes);
                })?;
            }
            tensors.push(tensor);
        }
        let bound: Vec<&Tensor> = tensors.iter().collect();
        let workload = match wgsl {
            Some(wgsl) => gpu.workload_of(*kernel, wgsl, *shape, &bound)?,
            None => gpu.workload(*kernel, *shape, *checks, &bound)?,
        };
        Ok((workload, tensors))
    }
}

/// What a kernel makes of one input, given by its bits, and whether that is right.
pub fn one(gpu: &Gpu, kernel: Kernel, first_bits: u32, dy_bits: u32) -> Result<(Judged, bool)> {
    let dtype = kernel.dtype;
    let distribution = Distribution::Bits { first: first_bits, dy: dy_bits };
    let trial = Trial::new(gpu, kernel, Inputs { distribution, seed: 0 }, 1);
    let (workload, tensors) = trial.prepare(gpu)?;
    gpu.run(&workload)?;
    let mut actual_bits = 0;
    gpu.read(&tensors[0], |_, bytes| {
        actual_bits = dtype.element(bytes, 0);
        Ok(())
    })?;
    let (first, dy) = (dtype.value(first_bits), dtype.value(dy_bits));
    let is_mask = kernel.inputs().any(Role::is_mask);
    let first = if is_mask { f64::from(u8::from(first > 0.0)) } else { first };
    let reference = kernel.variant.pass.reference(first, dy);
    let allowed = (kernel.variant.allowed)(&Case { dtype, first, first_bits, dy, reference });
    let judged = Judged {
        index: 0,
        first_bits,
        dy_bits: kernel.reads(Role::Dy).then_some(dy_bits),
        reference,
        allowed,
        actual_bits,
        in_mask: false,
        unwritten: false,
    };
    Ok((judged, allowed.contains(dtype.value(actual_bits), actual_bits)))
}
