//! The run: which kernels at which sizes, each checked on the data it is timed on, timed in panels.

use std::collections::HashMap;
use std::rc::Rc;

use crate::activation::{ACTIVATIONS, Activation, Direction, Saved};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::inputs::Inputs;
use crate::kernel::{Kernel, Role};
use crate::measure::{self, Plan};
use crate::report::{Measurement, Status};
use crate::storage::Storage;
use crate::validate;

/// Elements of the tensors, fixed so that machines compare: 2^12, 2^16, 2^20, 2^24, 2^26. A hardware adapter takes them all; on a CPU the last
/// one measures the same memory as the one before, for much longer.
#[must_use]
pub fn sizes(gpu: &Gpu) -> &'static [u64] {
    const SIZES: &[u64] = &[1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 26];
    if gpu.facts.is_software { &SIZES[..4] } else { SIZES }
}

/// The default form of every activation that has this direction, the yardstick first.
#[must_use]
pub fn default_kernels(direction: Direction, storage: Storage) -> Vec<Kernel> {
    let yardstick = direction.yardstick();
    let mut activations: Vec<&'static Activation> = ACTIVATIONS.iter().collect();
    activations.sort_by_key(|activation| activation.name != yardstick);
    activations.into_iter().filter_map(|activation| Kernel::default_form(activation, direction, storage)).collect()
}

/// Tensors of one size and storage, shared by the kernels that read the same: x and dy by all, y by each activation for itself. All write
/// the same result, so that barriers between dispatches are the same for all.
pub struct Group<'gpu> {
    gpu: &'gpu Gpu,
    storage: Storage,
    elements: u64,
    inputs: Inputs,
    tensors: HashMap<(Role, Option<&'static str>), Rc<Tensor>>,
}

impl<'gpu> Group<'gpu> {
    /// A group without inputs yet.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the device has no room for its tensors.
    pub fn new(gpu: &'gpu Gpu, storage: Storage, elements: u64, seed: u64) -> Result<Self> {
        // x, dy, the y of ReLU and of sigmoid, and the result.
        gpu.ensure_room(elements.saturating_mul(5 * storage.element_bytes()))?;
        let layout = gpu.layout(elements, storage.element_bytes());
        let result = Rc::new(gpu.tensor("result", layout)?);
        let tensors = HashMap::from([((Role::Result, None), result)]);
        Ok(Self { gpu, storage, elements, inputs: Inputs::normal(seed), tensors })
    }

    /// The kernel on this group's tensors, after every element of its result was found right.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if one was not; [`Error::Unsupported`] if the device can't; or if it fails.
    pub fn checked_workload(&mut self, kernel: Kernel, shape: Shape) -> Result<Workload> {
        let tensors: Vec<Rc<Tensor>> =
            kernel.tensors().iter().map(|role| self.tensor(&kernel, *role)).collect::<Result<_>>()?;
        let tensors: Vec<&Tensor> = tensors.iter().map(Rc::as_ref).collect();
        let workload = self.gpu.workload(kernel, shape, ShaderChecks::Trusted, &tensors)?;
        validate::ensure_right(self.gpu, &kernel, &workload, &tensors, &self.inputs)?;
        Ok(workload)
    }

    /// The tensor that the kernel reads or writes in `role`, made when first asked for.
    fn tensor(&mut self, kernel: &Kernel, role: Role) -> Result<Rc<Tensor>> {
        let key = match role {
            Role::Saved(Saved::X) => (Role::X, None),
            Role::Saved(Saved::Y) => (role, Some(kernel.activation.name)),
            _ => (role, None),
        };
        if let Some(tensor) = self.tensors.get(&key) {
            return Ok(Rc::clone(tensor));
        }
        let layout = self.gpu.layout(self.elements, self.storage.element_bytes()).of(kernel, role);
        let tensor = self.gpu.tensor(&format!("{role:?}"), layout)?;
        if !role.is_written() {
            self.gpu.upload(&tensor, |first, bytes| {
                self.inputs.fill_stored(kernel.activation, role, self.storage, first, bytes);
            })?;
        }
        let tensor = Rc::new(tensor);
        self.tensors.insert(key, Rc::clone(&tensor));
        Ok(tensor)
    }
}

/// What a run covers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much to measure.
    pub plan: Plan,
    /// The seed of all inputs.
    pub seed: u64,
    /// Workgroup size and words per invocation, the same for every kernel.
    pub shape: Shape,
}

/// Times the default forms in f32 and f16, forward and backward, at every size. `done` gets the measurements of each panel as soon as there are any, so
/// that what was measured before a failure is not lost. What can't be done on this adapter, and a kernel that is wrong, are measurements with
/// their reason; the others of the panel go on.
///
/// # Errors
/// If the device fails, or, when all is done, if some kernel was wrong or did not compile.
pub fn run(gpu: &Gpu, settings: &Settings, mut done: impl FnMut(Vec<Measurement>)) -> Result<()> {
    let mut wrong = None;
    for storage in [Storage::F32, Storage::F16] {
        for &elements in sizes(gpu) {
            for direction in Direction::ALL {
                let kernels = default_kernels(direction, storage);
                match panel(gpu, settings, storage, elements, &kernels, &mut wrong) {
                    Ok(measurements) => done(measurements),
                    Err(Error::Unsupported(reason)) => {
                        let skipped = |kernel| unmeasured(kernel, elements, Status::Skipped, &reason);
                        done(kernels.iter().map(skipped).collect());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    wrong.map_or(Ok(()), Err)
}

fn panel(
    gpu: &Gpu,
    settings: &Settings,
    storage: Storage,
    elements: u64,
    kernels: &[Kernel],
    wrong: &mut Option<Error>,
) -> Result<Vec<Measurement>> {
    let mut group = Group::new(gpu, storage, elements, settings.seed)?;
    let mut workloads = Vec::new();
    let mut measurements = Vec::new();
    for kernel in kernels {
        let (status, reason) = match group.checked_workload(*kernel, settings.shape) {
            Ok(workload) => {
                workloads.push(workload);
                (Status::Ok, String::new())
            }
            Err(Error::Unsupported(reason)) if gpu.supports(kernel).is_err() => (Status::Unsupported, reason),
            Err(Error::Unsupported(reason)) => (Status::Skipped, reason),
            Err(error @ (Error::Mismatch(_) | Error::Compile { .. })) => {
                let reason = error.to_string();
                wrong.get_or_insert(error);
                (Status::Failed, reason)
            }
            Err(error) => return Err(error),
        };
        measurements.push(unmeasured(kernel, elements, status, &reason));
    }
    let members: Vec<&Workload> = workloads.iter().collect();
    if members.is_empty() {
        return Ok(measurements);
    }
    let samples = measure::measure(gpu, &members, None, &settings.plan)?;
    let measured = measurements.iter_mut().filter(|measurement| measurement.status == Status::Ok);
    for (measurement, ns) in measured.zip(samples.members.into_iter().map(|member| member.ns)) {
        measurement.reason = None;
        measurement.dispatches_per_sample = samples.dispatches;
        measurement.samples_ns = ns;
        if measurement.time_ns().is_none() {
            measurement.status = Status::Failed;
            measurement.reason = Some("the clock gave no sample".to_owned());
        }
    }
    Ok(measurements)
}

fn unmeasured(kernel: &Kernel, elements: u64, status: Status, reason: &str) -> Measurement {
    let mut measurement = Measurement::new(kernel, elements);
    measurement.status = status;
    measurement.reason = Some(reason.to_owned());
    measurement
}
