//! What an activation function costs on any GPU that wgpu reaches, checked before it is timed.
//!
//! Modules; imports point down this list. Read it from the bottom up, `cli` (in the binary) last:
//!
//! - `cli`: one verb a file; arguments, exit statuses, progress.
//! - [`claims`]: what is said of activations in nets, one experiment a file. Only `cli` uses it.
//! - [`render`]: every sentence, table and picture about results.
//! - [`compare`]: reports side by side: what changed, what differs, ranks.
//! - [`suite`]: what a run does, in which order: plan, streams, arithmetic, ridges.
//! - [`report`]: the data of a report, its file, and what follows from its samples.
//! - [`validate`]: is it right: element by element, exhaustively, and how an adapter behaves.
//! - [`gpu`]: all calls of wgpu: adapter, tensors, pipelines, dispatch, timing.
//! - [`measure`]: how long does it take: interleaved rounds and statistics, for any stopwatch.
//! - [`kernels`]: what can be run: activations, variants, dtypes, references, error bounds, WGSL.
//! - [`error`]: every way to fail, and its exit status.

pub mod claims;
pub mod compare;
pub mod error;
pub mod gpu;
pub mod kernels;
pub mod measure;
pub mod render;
pub mod report;
pub mod suite;
pub mod validate;
