//! What an activation function costs on a GPU: sigmoid against ReLU, forward and backward, measured and checked on any adapter that
//! wgpu reaches.
//!
//! Read in this order: [`activation`] is the table of what is measured; [`kernel`] makes WGSL of its rows; [`gpu`] runs and times
//! kernels; [`validate`] checks every element against the f64 [`mod@reference`] within the [`bounds`] of the WGSL specification,
//! and [`sweep`] does so for every input there is; [`behaviour`] reports what an adapter does where that leaves it free; [`measure`] takes samples and [`stats`] summarises them;
//! [`suite`] puts it all together, with the [`gates`] that a time has to pass, and a [`report`] keeps it, with the [`system`] and the
//! [`provenance`] of the program; [`dump`] writes down what was compiled, and [`export`] shows a report as text, tables, data and a page, with [`text`]
//! from elsewhere as nothing but text.
//!
//! [`claims`] puts to the test what is said of ReLU and sigmoid in nets.
//!
//! Out of scope: whole networks, fusion by compilers, and what a framework adds around a kernel.

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
