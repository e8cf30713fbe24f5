//! What a run does, and in which order. [`run()`] reads as a table of contents: every kernel is
//! checked on the data that it is timed on; then groups stream, ops run in chains, ridges join
//! both.

mod accuracy;
mod arithmetic;
mod bench;
mod memory;
mod plan;
pub mod probe;
pub mod quality;
mod ridge;
mod run;
mod settings;
mod shapes;
mod stream;
mod tensors;

pub use plan::{Planned, default_kernels};
pub use run::{run, run_of};
pub use settings::{Settings, Watch};
pub use tensors::SharedTensors;
