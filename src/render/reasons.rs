//! The sentences of reasons and notes.

use std::fmt::Display;

use super::numbers::{counted, percent, ratio};
use crate::gpu::Shape;
use crate::report::{ChainOf, Dropped, Reason};

/// What a reason says.
pub fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::NotReached { ended } => format!("not reached: {}", sentence(ended)),
        Reason::Interrupted => "interrupted".to_owned(),
        Reason::OutOfTime => "the time allowed was over".to_owned(),
        Reason::Unknown => "the program ended without saying why".to_owned(),
        Reason::Unsupported { message }
        | Reason::Wrong { message }
        | Reason::Machine { message }
        | Reason::BuiltIns { message } => message.clone(),
        Reason::NoTime { samples, dropped } => {
            let Dropped { clock, clock_reason, .. } = dropped;
            let why = clock_reason.as_deref().unwrap_or("unknown why");
            format!("the clock gave no time for {clock} of {samples} samples: {why}")
        }
        Reason::TooFewTicks { ticks } => {
            format!("a sample is {ticks:.0} steps of the clock long; it takes 100")
        }
        Reason::ClockChanged { samples, dropped } => {
            format!("throttled: the core clock changed during {dropped} of {samples} samples")
        }
        Reason::TooFewSamples => "too few samples are left for an interval".to_owned(),
        Reason::FasterThanCopy { copy, ratio } => {
            format!("runs at {} of {copy}, which moves the same bytes", percent(*ratio))
        }
        Reason::Folded { of } => {
            format!("{} does not grow with the steps: the compiler folded them", time(*of))
        }
        Reason::NoGrowth { of } => {
            format!("{} grows with the steps by no more than its noise", time(*of))
        }
        Reason::NotLinear { of, linearity } => {
            let times = ratio(*linearity);
            format!("{}: the slope from 2k to 4k is {times} times that to 2k", time(*of))
        }
        Reason::FewerWordsTried { words, compile_s } => {
            let words = counted((*words).into(), "word");
            format!("more than {words} a lane were not tried: compiling took {compile_s:.1} s")
        }
        Reason::NoVariant { activation, direction, dtype } => {
            format!("{activation} has no {direction} variant in {dtype}")
        }
        Reason::NoChain { activation, direction, dtype } => {
            format!("{activation} has no {direction} chain in {dtype}")
        }
        Reason::NoFigureOf { of } => format!("{of} has no valid figure"),
        Reason::NoCostOf { of } => format!("{of} may cost nothing: its fma hides it"),
        Reason::FmasMerged => {
            "the compiler merged its second fma: an fma may be its own or not".to_owned()
        }
        Reason::NotSettled => "bandwidth did not settle: memory may not bound this size".to_owned(),
        Reason::NotPastCopy => "k steps take less than twice the time of copy".to_owned(),
        Reason::SharedCores => {
            "no ridge point on a software adapter: the same cores load and compute".to_owned()
        }
        Reason::NoMemoryBoundSize => "no size of this run is bound by memory".to_owned(),
        Reason::NoRidge => "its time does not grow with k, or too few samples are left".to_owned(),
        Reason::MissedRepeats { repeats, because } => {
            let repeats = counted((*repeats).into(), "repeat");
            format!("measured in {repeats} only: {}", sentence(because))
        }
        Reason::Dropped { samples, dropped: Dropped { clock, probe, .. } } => format!(
            "dropped of {samples} samples: {clock} without a time, {probe} as the core clock changed"
        ),
        Reason::ShapeGiven { direction, shape } => {
            format!("shape {direction}, given: {}", of_shape(*shape))
        }
        Reason::NoProbe { message } => format!("there is no clock probe: {message}"),
    }
}

/// How a shape spreads words.
pub(super) fn of_shape(shape: Shape) -> String {
    let words = counted(shape.words_per_invocation.into(), "word");
    format!("workgroups of {}, {words} an invocation", shape.workgroup_size)
}

/// Lines about rows: what is said of several is said once, beside the first of them.
pub(super) fn once<Row: Display>(told: impl Iterator<Item = (Row, String)>) -> Vec<String> {
    let mut lines: Vec<(Row, String, usize)> = Vec::new();
    for (row, what) in told {
        match lines.iter_mut().find(|(_, known, _)| *known == what) {
            Some((.., more)) => *more += 1,
            None => lines.push((row, what, 0)),
        }
    }
    let line = |(row, what, more)| match more {
        0 => format!("{row}: {what}"),
        _ => format!("{row} and {more} more: {what}"),
    };
    lines.into_iter().map(line).collect()
}

fn time(of: ChainOf) -> &'static str {
    match of {
        ChainOf::Own => "its time",
        ChainOf::Fma => "the time of fma",
    }
}
