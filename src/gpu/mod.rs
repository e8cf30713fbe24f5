//! The device: which adapter, tensors larger than one binding, pipelines, dispatch, timestamps. The
//! only room that names wgpu.
//!
//! [`Gpu::open`] gives a device; [`Tensor`] is memory on it; [`Workload`] is a kernel bound to
//! tensors, ready to be dispatched. A [`Sequence`] is any other WGSL of this crate over
//! [`Buffer`]s. `measure` takes samples of both through [`crate::measure::Stopwatch`].

mod adapter;
mod device;
pub mod dump;
mod memory;
mod pipeline;
mod program;
mod shape;
mod tensor;
mod timer;
mod timing;
mod workload;

pub use adapter::{AdapterFacts, Choice, adapters};
pub use device::Gpu;
pub use memory::WORD_BYTES;
pub use program::{Buffer, Program, Sequence, Step};
pub use shape::{ShaderChecks, Shape};
pub use tensor::{GUARD_WORDS, Layout, ReadBack, Tensor};
pub use workload::Workload;
