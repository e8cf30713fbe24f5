//! How long does it take: samples in interleaved rounds, and the statistics of what they give.

mod rounds;
pub mod stats;

pub use rounds::*;
