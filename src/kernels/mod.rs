//! What can be run: activations with their references and error bounds, dtypes, inputs, and the
//! WGSL of kernels and chains.

pub mod activation;
pub mod activations;
pub mod built_ins;
pub mod chain;
pub mod dtype;
pub mod inputs;
pub mod kernel;
pub mod ops;
pub mod reference;
pub(crate) mod tolerance;
