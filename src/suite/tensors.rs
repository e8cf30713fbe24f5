//! Tensors that the members of a group share.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use crate::error::Result;
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::activation::Saved;
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::{Distribution, Inputs};
use crate::kernels::kernel::{Kernel, Role};
use crate::report::Spent;
use crate::validate::{self, Accuracy};

/// Tensors of one size and dtype, shared by the kernels that read the same: x and dy by all, y by each activation for itself. All write
/// the same result, so that barriers between dispatches are the same for all.
pub struct SharedTensors<'gpu> {
    gpu: &'gpu Gpu,
    dtype: Dtype,
    elements: u64,
    seed: u64,
    tensors: HashMap<Key, Rc<Tensor>>,
    /// Where the time went so far.
    pub spent: Spent,
}

/// What tells a tensor of a tensors from another; a role that does not depend on it has no activation or distribution.
type Key = (Role, Option<&'static str>, Option<&'static str>);

impl<'gpu> SharedTensors<'gpu> {
    /// A tensors without inputs yet.
    pub fn new(gpu: &'gpu Gpu, dtype: Dtype, elements: u64, seed: u64) -> Result<Self> {
        gpu.ensure_room(elements.saturating_mul(4 * dtype.element_bytes()))?;
        Ok(Self { gpu, dtype, elements, seed, tensors: HashMap::new(), spent: Spent::default() })
    }

    /// The kernel on this tensors's tensors, after every element of its result was found right, and how right.
    pub fn checked_workload(
        &mut self,
        kernel: Kernel,
        shape: Shape,
        checks: ShaderChecks,
        distribution: Distribution,
    ) -> Result<(Workload, Accuracy)> {
        self.gpu.supports(&kernel)?;
        let inputs = Inputs { distribution, seed: self.seed };
        let began = Instant::now();
        let tensors: Vec<Rc<Tensor>> = kernel
            .tensors()
            .iter()
            .map(|role| self.tensor(&kernel, *role, &inputs))
            .collect::<Result<_>>()?;
        let tensors: Vec<&Tensor> = tensors.iter().map(Rc::as_ref).collect();
        self.spent.inputs_s += began.elapsed().as_secs_f64();
        let began = Instant::now();
        let workload = self.gpu.workload(kernel, shape, checks, &tensors)?;
        self.spent.compile_s += began.elapsed().as_secs_f64();
        let began = Instant::now();
        let accuracy = validate::ensure_right(self.gpu, &kernel, &workload, &tensors, &inputs);
        self.spent.validate_s += began.elapsed().as_secs_f64();
        Ok((workload, accuracy?))
    }

    /// [`Self::checked_workload`] in another shape, unchecked: to rank shapes of a kernel that was checked in one.
    pub fn workload(&mut self, kernel: Kernel, shape: Shape) -> Result<Workload> {
        let inputs = Inputs::normal(self.seed);
        let began = Instant::now();
        let tensors: Vec<Rc<Tensor>> = kernel
            .tensors()
            .iter()
            .map(|role| self.tensor(&kernel, *role, &inputs))
            .collect::<Result<_>>()?;
        let tensors: Vec<&Tensor> = tensors.iter().map(Rc::as_ref).collect();
        self.spent.inputs_s += began.elapsed().as_secs_f64();
        let began = Instant::now();
        let workload = self.gpu.workload(kernel, shape, ShaderChecks::Trusted, &tensors)?;
        self.spent.compile_s += began.elapsed().as_secs_f64();
        Ok(workload)
    }

    /// The tensor that the kernel reads or writes in `role`, made when first asked for.
    fn tensor(&mut self, kernel: &Kernel, role: Role, inputs: &Inputs) -> Result<Rc<Tensor>> {
        let distribution = Some(inputs.distribution.name());
        let key = match role {
            Role::Result | Role::MaskResult => (role, None, None),
            Role::X | Role::Saved(Saved::X) => (Role::X, None, distribution),
            Role::Saved(Saved::Y) => (role, Some(kernel.activation.name), distribution),
            Role::Saved(Saved::Mask) | Role::Dy => (role, None, distribution),
        };
        if let Some(tensor) = self.tensors.get(&key) {
            return Ok(Rc::clone(tensor));
        }
        let layout = self.gpu.layout(self.elements, self.dtype.element_bytes()).of(kernel, role);
        self.gpu.ensure_room(layout.bytes())?;
        let tensor = self.gpu.tensor(&format!("{role:?}"), layout)?;
        if !role.is_written() {
            self.gpu.upload(&tensor, |first, bytes| {
                inputs.fill_stored(kernel.activation, role, self.dtype, first, bytes);
            })?;
        }
        let tensor = Rc::new(tensor);
        self.tensors.insert(key, Rc::clone(&tensor));
        Ok(tensor)
    }
}
