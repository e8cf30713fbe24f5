//! Whether a kernel is right: every element of its result against the interval that the
//! specification allows around the f64 reference.

mod accuracy;
pub mod behaviour;
pub(crate) mod chain;
mod check;
mod elementwise;
pub mod exhaustive;
mod trial;

pub use accuracy::{Accuracy, Judged};
pub use check::{check, one};
pub use elementwise::compare;
pub use trial::Trial;
