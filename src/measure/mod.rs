//! How long does it take: samples in interleaved rounds, and the statistics of what they give.
//!
//! A sample is the time of one compute pass, from a timestamp at its begin to one at its end: its
//! dispatches and the barriers between them. Not timed are compiling, encoding, submission, the
//! barriers before the pass and reading the timestamps. An adapter without timestamps is timed by
//! the wall clock from submission to completion, which includes all of these but the first two;
//! reports name the clock.
//!
//! Nothing here knows a device: a [`Stopwatch`] times passes, `gpu` has the real one.

mod rounds;
pub mod stats;
mod stopwatch;

pub use rounds::{Fixed, Member, Plan, Samples, dispatches_for, measure, rounds};
pub use stopwatch::{Reject, Stopwatch, Time, interval_ns, time_once};
