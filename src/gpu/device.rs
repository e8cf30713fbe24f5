//! An open device: what it can do, where its errors go, and the one place that waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use super::adapter::{self, AdapterFacts, Choice};
use super::shape::ShaderChecks;
use super::timer::Queries;
use crate::error::{Error, Result};
use crate::kernels::built_ins::BuiltIns;
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;

/// An open device with its queue and clock.
pub struct Gpu {
    /// What is known of the adapter.
    pub facts: AdapterFacts,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// Where the adapter has timestamps.
    pub(super) queries: Option<Queries>,
    /// The greatest common divisor of all differences between timestamps so far, in ticks; 0 before
    /// the first. Clocks advance in steps of many ticks on some devices.
    ///
    /// Held while passes are timed: threads that share a device would write to each other's
    /// queries, and time each other's work.
    pub(super) clock_step: Mutex<u64>,
    pub(super) programs: Mutex<HashMap<ProgramKey, wgpu::ComputePipeline>>,
    /// How far built-in functions are off in f32 and in f16, once `validate` has measured it.
    pub(crate) built_ins: [OnceLock<BuiltIns>; 2],
    fault: Fault,
    /// Whether shaders may pack and unpack f16: everywhere but on a llvmpipe that does not compute
    /// in f16.
    packs_f16: bool,
}

/// What a program of claims was compiled from: text, constants by their bits, checks.
type ProgramKey = (String, Vec<(String, u64)>, ShaderChecks);

/// What the device reported outside any call: the first error that no scope caught, or that it was
/// lost, which counts for more.
type Fault = Arc<Mutex<Option<String>>>;

/// A buffer that is going to be mapped.
pub(super) struct Mapping {
    buffer: wgpu::Buffer,
    bytes: u64,
    /// What has to be done before; none if it is not known.
    submission: Option<wgpu::SubmissionIndex>,
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Mapping {
    /// Asks for a buffer's first bytes, after a submission or after all that uses them now.
    pub(super) fn new(
        buffer: &wgpu::Buffer,
        mode: wgpu::MapMode,
        bytes: u64,
        submission: Option<wgpu::SubmissionIndex>,
    ) -> Self {
        let (sender, mapped) = mpsc::channel();
        buffer.map_async(mode, 0..bytes, move |result| {
            // The receiver is gone only if waiting failed, and then nobody asks.
            let _ = sender.send(result);
        });
        Self { buffer: buffer.clone(), bytes, submission, mapped }
    }
}

impl Gpu {
    /// Opens the chosen adapter with all of its limits, and with timestamps and 16-bit floats where
    /// it has them.
    pub fn open(choice: &Choice) -> Result<Self> {
        let (adapter, facts) = adapter::choose(choice)?;
        let downlevel = adapter.get_downlevel_capabilities().flags;
        let mut wanted = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16;
        if facts.is_software {
            // Its memory is the host's: what a kernel wrote can be read where it lies.
            wanted |= wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("actbench"),
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::Machine(format!("{} gave no device: {error}", facts.name)))?;

        let fault = Fault::default();
        let on_lost = Arc::clone(&fault);
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device at the end of a program reports it as destroyed: no fault.
            if reason != wgpu::DeviceLostReason::Destroyed {
                lost(&on_lost, &message);
            }
        });
        let on_error = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let mut fault = on_error.lock().expect("no panic while held");
            fault.get_or_insert_with(|| error.to_string());
        }));

        Ok(Self {
            facts,
            queries: Queries::new(&device, &queue),
            device,
            queue,
            clock_step: Mutex::default(),
            programs: Mutex::default(),
            built_ins: Default::default(),
            fault,
            packs_f16: downlevel.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32),
        })
    }

    /// The largest number of bytes of a tensor that one buffer and one binding hold on this device.
    pub fn max_buffer_bytes(&self) -> u64 {
        self.facts.max_binding_bytes.min(self.facts.max_buffer_bytes)
    }

    /// Whether the kernel's features are there; if not, the reason.
    pub fn supports(&self, kernel: &Kernel) -> Result<()> {
        // Bits are moved everywhere.
        if kernel.is_raw() { Ok(()) } else { self.supports_dtype(kernel.dtype) }
    }

    /// Whether shaders can compute with what is stored so; if not, the reason.
    pub fn supports_dtype(&self, dtype: Dtype) -> Result<()> {
        let missing = match dtype {
            Dtype::F16Native if !self.facts.shader_f16 => "shader-f16",
            Dtype::F16 if !self.packs_f16 => "pack2x16float",
            Dtype::F32 | Dtype::F16 | Dtype::F16Native => return Ok(()),
        };
        Err(Error::Unsupported(format!("{} has no {missing}", self.facts.name)))
    }

    /// Waits until everything that was submitted is done, and reports what went wrong meanwhile.
    pub fn wait(&self) -> Result<()> {
        self.poll(wgpu::PollType::wait_indefinitely())
    }

    /// Every wait for the device goes through here.
    fn poll(&self, how: wgpu::PollType) -> Result<()> {
        let polled = self.device.poll(how);
        let fault = self.fault.lock().expect("no panic while held").clone();
        match fault.or_else(|| polled.err().map(|error| error.to_string())) {
            Some(fault) => Err(Error::Machine(format!("{}: {fault}", self.facts.name))),
            None => Ok(()),
        }
    }

    /// Waits until the buffer is mapped.
    pub(super) fn mapped(&self, mapping: &Mapping) -> Result<()> {
        self.poll(match mapping.submission.clone() {
            None => wgpu::PollType::Poll,
            submission_index => wgpu::PollType::Wait { submission_index, timeout: None },
        })?;
        let mapped = mapping.mapped.try_recv().or_else(|_| {
            self.wait()?;
            mapping.mapped.recv().map_err(|error| self.unmapped(&error))
        })?;
        mapped.map_err(|error| self.unmapped(&error))
    }

    /// The bytes of a buffer once it is mapped. Whoever takes them unmaps the buffer.
    pub(super) fn view(&self, mapping: &Mapping) -> Result<wgpu::BufferView> {
        self.mapped(mapping)?;
        let view = mapping.buffer.get_mapped_range(0..mapping.bytes);
        view.map_err(|error| self.unmapped(&error))
    }

    pub(super) fn unmapped(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Machine(format!("{}: a buffer can't be mapped: {error}", self.facts.name))
    }

    /// Runs `create` and turns what the device says about it into an error.
    pub(super) fn scoped<R>(&self, create: impl FnOnce() -> R) -> Result<R, wgpu::Error> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let created = create();
        // Scopes are popped in the opposite order of their pushing.
        let errors = [internal.pop(), validation.pop(), memory.pop()].map(pollster::block_on);
        match errors.into_iter().flatten().next() {
            Some(error) => Err(error),
            None => Ok(created),
        }
    }

    /// What destroys the device under whoever uses it, as a driver reset would. For tests of what
    /// follows.
    #[doc(hidden)]
    pub fn loser(&self) -> impl Fn() + use<> {
        let (device, fault) = (self.device.clone(), Arc::clone(&self.fault));
        move || {
            lost(&fault, "lost on purpose");
            device.destroy();
        }
    }
}

fn lost(fault: &Fault, message: &str) {
    *fault.lock().expect("no panic while held") = Some(format!("the device was lost: {message}"));
}
