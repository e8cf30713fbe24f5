//! Why something has no figures, and what a reader of figures should know: facts with their
//! numbers. `render` words them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::gpu::Shape;
use crate::measure;
use crate::measure::stats::Estimate;

/// A fact about a row or a run, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// The run ended before.
    NotReached {
        /// Why it ended.
        ended: Box<Reason>,
    },
    /// The user ended the run.
    Interrupted,
    /// The time that the user allowed was over.
    OutOfTime,
    /// The program ended without writing why.
    Unknown,
    /// The adapter lacks a feature or room.
    Unsupported {
        /// Which.
        message: String,
    },
    /// The result is wrong, or the shader does not compile.
    Wrong {
        /// Where, in decimal and bits, or what the compiler said.
        message: String,
    },
    /// The machine failed.
    Machine {
        /// In the driver's or the system's words.
        message: String,
    },
    /// The clock gave no time for too many samples.
    NoTime {
        /// Samples that were asked for.
        samples: usize,
        /// Those that are missing.
        dropped: Dropped,
    },
    /// A sample is too few steps of the clock long.
    TooFewTicks {
        /// Steps of the shortest kind of sample.
        ticks: f64,
    },
    /// The core clock changed during too many samples.
    ClockChanged {
        /// Samples that were asked for.
        samples: usize,
        /// Those during which it changed.
        dropped: u32,
    },
    /// Too few samples for an interval.
    TooFewSamples,
    /// Faster than the kernel that moves the same bytes and computes nothing.
    FasterThanCopy {
        /// The id of copy's or add's row.
        copy: String,
        /// Time of copy over its own.
        ratio: Estimate,
    },
    /// Time does not grow with the steps of a chain: the compiler folded them.
    Folded {
        /// Whose time: the op's own, or that of fma beside it.
        of: ChainOf,
    },
    /// Time grows with the steps by no more than its noise.
    NoGrowth {
        /// Whose time.
        of: ChainOf,
    },
    /// Time is not in proportion with the steps.
    NotLinear {
        /// Whose time.
        of: ChainOf,
        /// The slope from 2k to 4k steps over that from k to 2k.
        linearity: Estimate,
    },
    /// More words a lane were not tried, as compiling took long.
    FewerWordsTried {
        /// The most that were.
        words: u32,
        /// How long that took to compile.
        compile_s: f64,
    },
    /// An activation has no variant of that pass and dtype.
    NoVariant {
        /// The activation.
        activation: String,
        /// forward or backward.
        direction: String,
        /// How elements would be stored.
        dtype: String,
    },
    /// An activation's default variant of that pass and dtype has no chain.
    NoChain {
        /// The activation.
        activation: String,
        /// forward or backward.
        direction: String,
        /// What it would be computed in.
        dtype: String,
    },
    /// What a ratio is made of has no figure.
    NoFigureOf {
        /// The id of a row; an activation, where none of its rows has a figure.
        of: String,
    },
    /// What a ratio would be divided by may cost nothing: it hides behind the fma of its step.
    NoCostOf {
        /// The id of its row.
        of: String,
    },
    /// A second fma adds nothing to a chain of fma: the compiler merged the two, so that the second
    /// one of no chain in the group says what the first takes.
    FmasMerged,
    /// Bandwidth did not settle at any size, so that memory may not be what bounds this one.
    NotSettled,
    /// k steps take less than twice the time of copy: memory may hide some of them.
    NotPastCopy,
    /// There is no ridge where the same cores load and compute: on a software adapter.
    SharedCores,
    /// No size was found that memory bounds.
    NoMemoryBoundSize,
    /// The time of a ridge does not grow with k, or too few samples are left.
    NoRidge,
    /// Measured in the first repeats alone.
    MissedRepeats {
        /// How many it has.
        repeats: u32,
        /// Why not the next.
        because: Box<Reason>,
    },
    /// Some samples were dropped.
    Dropped {
        /// Samples that were asked for.
        samples: usize,
        /// Those that are missing.
        dropped: Dropped,
    },
    /// The shape of a direction was not found by measuring, but given.
    ShapeGiven {
        /// forward or backward.
        direction: String,
        /// The shape.
        shape: Shape,
    },
    /// Built-in functions are off by more than WGSL allows, and kernels are judged by what was
    /// measured.
    BuiltIns {
        /// Which, and by how much.
        message: String,
    },
    /// There is no clock probe.
    NoProbe {
        /// Why not.
        message: String,
    },
}

/// A chain of a row of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChainOf {
    /// The op's own.
    Own,
    /// That of fma, timed beside it.
    Fma,
}

/// Samples that were taken and not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The clock gave no time: it stood still, ran backwards, or showed more than the wall clock.
    pub clock: u32,
    /// What the clock did the last time.
    pub clock_reason: Option<String>,
    /// The probes before and after differed: the core clock changed meanwhile.
    pub probe: u32,
}

impl std::ops::AddAssign for Dropped {
    fn add_assign(&mut self, more: Self) {
        self.clock += more.clock;
        self.probe += more.probe;
        self.clock_reason = more.clock_reason.or(self.clock_reason.take());
    }
}

impl Dropped {
    /// What a member of a group has lost.
    pub fn of(member: &measure::Member) -> Self {
        Self {
            clock: member.dropped_by_clock,
            probe: member.dropped_by_probe,
            clock_reason: member.reject.map(|reject| reject.to_string()),
        }
    }
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NoAdapter | Error::UnknownAdapter { .. } | Error::Unsupported(_) => {
                Self::Unsupported { message }
            }
            Error::Compile { .. } | Error::Mismatch(_) => Self::Wrong { message },
            Error::Machine(_) | Error::Usage(_) => Self::Machine { message },
        }
    }
}
