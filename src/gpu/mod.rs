//! Everything that names wgpu: which adapter, its device, tensors larger than one binding, dispatch, timestamps.
//!
//! [`Gpu::open`] gives a device; [`Tensor`] is memory on it; [`Workload`] is a kernel bound to tensors, ready to be dispatched;
//! [`Gpu::time`] is the one timing primitive. A [`Sequence`] is any other WGSL of this crate over [`Buffer`]s, timed by the same primitive.

mod adapter;
mod clock;
pub mod dump;
mod program;
mod tensor;
mod workload;

use std::sync::{Arc, Mutex};

pub use adapter::{AdapterFacts, Choice, adapters};
pub use clock::{Clock, Reject, Sequences, interval_ns};
pub use program::{Buffer, Program, Sequence, Step};
pub use tensor::{GUARD_WORDS, Layout, ReadBack, Tensor, WORD_BYTES};
pub use workload::{ShaderChecks, Shape, Workload};

use crate::error::{Error, Result};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;

/// An open device with its queue and clock.
pub struct Gpu {
    /// What is known of the adapter.
    pub facts: AdapterFacts,
    device: wgpu::Device,
    queue: wgpu::Queue,
    clock: clock::Timer,
    faults: Arc<Mutex<Faults>>,
    /// Whether shaders may pack and unpack f16: everywhere but on a llvmpipe that does not compute in f16.
    packs_f16: bool,
    programs: program::Programs,
}

/// What the device reported outside any call: a lost device, an error that no scope caught.
#[derive(Default)]
struct Faults {
    lost: Option<String>,
    error: Option<String>,
}

impl Gpu {
    /// Opens the chosen adapter with all of its limits, and with timestamps and 16-bit floats where it has them.
    pub fn open(choice: &Choice) -> Result<Self> {
        pollster::block_on(Self::open_async(choice))
    }

    async fn open_async(choice: &Choice) -> Result<Self> {
        let adapter = adapter::choose(choice).await?;
        let facts = AdapterFacts::of(&adapter);
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
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::Machine(format!("{} gave no device: {error}", facts.name)))?;

        let faults = Arc::new(Mutex::new(Faults::default()));
        let on_lost = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device at the end of a program reports it as destroyed, which is no fault.
            if reason != wgpu::DeviceLostReason::Destroyed {
                on_lost.lock().expect("no panic while held").lost = Some(message);
            }
        });
        let on_error = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            on_error
                .lock()
                .expect("no panic while held")
                .error
                .get_or_insert_with(|| error.to_string());
        }));

        let clock = clock::Timer::new(&device, &queue);
        let packs_f16 = downlevel.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32);
        Ok(Self {
            facts,
            device,
            queue,
            clock,
            faults,
            packs_f16,
            programs: program::Programs::default(),
        })
    }

    /// What samples are taken with.
    pub fn clock(&self) -> Clock {
        self.clock.clock()
    }

    /// The largest number of bytes of a tensor that one buffer and one binding hold on this device.
    pub fn max_buffer_bytes(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Whether the kernel's features are there; if not, the reason.
    pub fn supports(&self, kernel: &Kernel) -> Result<()> {
        // Bits are moved everywhere.
        if kernel.is_raw() { Ok(()) } else { self.supports_dtype(kernel.dtype) }
    }

    /// Whether shaders can compute with what is stored so; if not, the reason.
    pub fn supports_dtype(&self, dtype: Dtype) -> Result<()> {
        let missing = match dtype {
            Dtype::F16Native if !self.device.features().contains(wgpu::Features::SHADER_F16) => {
                "shader-f16"
            }
            Dtype::F16 if !self.packs_f16 => "pack2x16float",
            Dtype::F32 | Dtype::F16 | Dtype::F16Native => return Ok(()),
        };
        Err(Error::Unsupported(format!("{} has no {missing}", self.facts.name)))
    }

    /// Waits until everything that was submitted is done, and reports what went wrong meanwhile.
    pub fn wait(&self) -> Result<()> {
        self.wait_for(None)
    }

    /// Waits for one submission, or for all.
    fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index, timeout: None })
    }

    fn poll(&self, how: wgpu::PollType) -> Result<()> {
        if let Err(error) = self.device.poll(how) {
            return Err(self
                .fault()
                .unwrap_or_else(|| Error::Machine(format!("{}: {error}", self.facts.name))));
        }
        self.fault().map_or(Ok(()), Err)
    }

    fn fault(&self) -> Option<Error> {
        let faults = self.faults.lock().expect("no panic while held");
        if let Some(message) = &faults.lost {
            return Some(Error::Machine(format!(
                "the device {} was lost: {message}",
                self.facts.name
            )));
        }
        faults
            .error
            .as_ref()
            .map(|message| Error::Machine(format!("{}: {message}", self.facts.name)))
    }

    /// Runs `create` and turns what the device says about it into an error.
    fn scoped<R>(&self, create: impl FnOnce() -> R) -> std::result::Result<R, wgpu::Error> {
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

    /// Destroys the device under whoever uses it, as a driver reset would. For tests of what follows.
    #[doc(hidden)]
    pub fn lose(&self) {
        self.loser()();
    }

    /// What loses the device, for when the device itself is in other hands.
    #[doc(hidden)]
    pub fn loser(&self) -> impl Fn() + use<> {
        let (device, faults) = (self.device.clone(), Arc::clone(&self.faults));
        move || {
            faults.lock().expect("no panic while held").lost = Some("lost on purpose".to_owned());
            device.destroy();
        }
    }
}
