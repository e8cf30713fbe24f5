//! Tensors that the members of a group share.

use std::collections::HashMap;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::activation::Saved;
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::Inputs;
use crate::kernels::kernel::{Kernel, Role};
use crate::report::Spent;
use crate::validate::{self, Accuracy};

/// Tensors of one size and dtype, shared by the kernels that read the same: x and dy by all, y by
/// each activation for itself. All write the same result, so that barriers between dispatches are
/// the same for all.
pub struct SharedTensors<'gpu> {
    gpu: &'gpu Gpu,
    dtype: Dtype,
    elements: u64,
    inputs: Inputs,
    tensors: HashMap<Key, Tensor>,
    /// Where the time went so far.
    pub spent: Spent,
}

/// What tells one tensor from another: y is the only role that depends on the activation.
type Key = (Role, Option<&'static str>);

impl<'gpu> SharedTensors<'gpu> {
    /// Without a tensor yet. [`Error::Unsupported`] if the device has no room for a
    /// result, an input and as much again.
    pub fn new(gpu: &'gpu Gpu, dtype: Dtype, elements: u64, seed: u64) -> Result<Self> {
        gpu.ensure_room(elements.saturating_mul(4 * dtype.element_bytes()))?;
        let (inputs, tensors) = (Inputs::normal(seed), HashMap::new());
        Ok(Self { gpu, dtype, elements, inputs, tensors, spent: Spent::default() })
    }

    /// The kernel on these tensors, after every element of its result was found right, and how
    /// right.
    pub fn checked_workload(
        &mut self,
        kernel: Kernel,
        shape: Shape,
        checks: ShaderChecks,
    ) -> Result<(Workload, Accuracy)> {
        let workload = self.workload(kernel, shape, checks)?;
        let began = Instant::now();
        let tensors = self.tensors_of(&kernel);
        let found = validate::check(self.gpu, &kernel, &workload, &tensors, &self.inputs);
        self.spent.validate_s += began.elapsed().as_secs_f64();
        let found = found?;
        match found.complaint(&kernel, self.inputs.seed) {
            Some(complaint) => Err(Error::Mismatch(complaint)),
            None => Ok((workload, found)),
        }
    }

    /// The kernel on these tensors, unchecked: to rank shapes.
    pub fn workload(
        &mut self,
        kernel: Kernel,
        shape: Shape,
        checks: ShaderChecks,
    ) -> Result<Workload> {
        self.gpu.supports(&kernel)?;
        let began = Instant::now();
        let made = kernel.tensors().iter().try_for_each(|role| self.make(&kernel, *role));
        self.spent.inputs_s += began.elapsed().as_secs_f64();
        made?;
        let began = Instant::now();
        let tensors = self.tensors_of(&kernel);
        let workload = self.gpu.workload(&kernel, None, shape, checks, &tensors);
        self.spent.compile_s += began.elapsed().as_secs_f64();
        workload
    }

    fn tensors_of(&self, kernel: &Kernel) -> Vec<&Tensor> {
        kernel.tensors().iter().map(|role| &self.tensors[&key(kernel, *role)]).collect()
    }

    /// Makes the tensor that the kernel reads or writes in `role`, if it is not there yet.
    fn make(&mut self, kernel: &Kernel, role: Role) -> Result<()> {
        let key = key(kernel, role);
        if self.tensors.contains_key(&key) {
            return Ok(());
        }
        let layout = self.gpu.layout(self.elements, self.dtype.element_bytes());
        let layout = layout.of(role, kernel.words_per_unit());
        self.gpu.ensure_room(layout.bytes())?;
        let tensor = self.gpu.tensor(&format!("{role:?}"), layout)?;
        if !role.is_written() {
            self.gpu.upload(&tensor, |first, bytes| {
                self.inputs.fill_stored(kernel, role, first, bytes);
            })?;
        }
        self.tensors.insert(key, tensor);
        Ok(())
    }
}

fn key(kernel: &Kernel, role: Role) -> Key {
    match role {
        Role::X | Role::Saved(Saved::X) => (Role::X, None),
        Role::Saved(Saved::Y) => (role, Some(kernel.activation.name)),
        Role::Result | Role::MaskResult | Role::Saved(Saved::Mask) | Role::Dy => (role, None),
    }
}
