//! The answer: at most a few lines, the last that a run prints.

use super::figures::{find, fmas, in_registers};
use super::numbers::{ratio, significant, size_name};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;
use crate::report::{BoundBy, Fastest, Pair, Quantity, Ratio, Report, Ridge, Status, chains};

/// A figure whose interval reaches farther than this to either side, as a share of it, is rough.
const ROUGH: f64 = 0.1;

/// What follows from a report, a sentence each; none where no figure is valid.
pub fn lines(report: &Report) -> Vec<String> {
    let pairs = &report.run.pairs;
    let of_pair = |pair| streaming(report, pair).into_iter().chain(registers(report, pair));
    let mut lines: Vec<String> = pairs.iter().flat_map(of_pair).collect();
    if lines.is_empty() {
        return lines;
    }
    lines.extend(pairs.first().and_then(|pair| ridge(report, pair)));
    lines.push(adapter(report));
    lines
}

/// A figure of f32.
fn figure<'a>(
    report: &'a Report,
    pair: &Pair,
    quantity: Quantity,
    direction: Direction,
    elements: Option<u64>,
) -> Option<&'a Ratio> {
    find(&report.ratios, pair, quantity, direction.name(), Dtype::F32.name(), elements)
}

/// The smallest memory-bound size: of the largest, some driver may keep a part elsewhere.
fn headline_size(report: &Report, pair: &Pair) -> Option<u64> {
    let is_it = |ratio: &&Ratio| {
        ratio.is_of(pair)
            && ratio.bound_by == Some(BoundBy::Memory)
            && ratio.quantity == Quantity::Stream
            && ratio.direction == Direction::Forward.name()
            && ratio.dtype == Dtype::F32.name()
            && ratio.estimate.is_some()
    };
    report.ratios.iter().filter(is_it).filter_map(|ratio| ratio.elements).min()
}

fn streaming(report: &Report, pair: &Pair) -> Option<String> {
    let size = headline_size(report, pair)?;
    let stream = |direction| {
        figure(report, pair, Quantity::Stream, direction, Some(size))?.estimate.map(told)
    };
    let forward = stream(Direction::Forward)?;
    let backward = stream(Direction::Backward).map(|backward| format!(", {backward} backward"));
    let (size, backward) = (size_name(size), backward.unwrap_or_default());
    Some(format!("Streaming {size} f32: {pair} {forward} forward{backward}."))
}

fn registers(report: &Report, pair: &Pair) -> Option<String> {
    let (above, below) = chains(pair, &report.arithmetic, Direction::Forward, Dtype::F32)?;
    let step = figure(report, pair, Quantity::Step, Direction::Forward, None)?;
    Some(format!(
        "Registers, f32 forward: {pair} {} ({} against {} FMAs).",
        in_registers(&report.ratios, pair, step)?,
        fmas(above)?,
        fmas(below)?
    ))
}

/// Of f32 forward.
fn ridge(report: &Report, pair: &Pair) -> Option<String> {
    let is_it = |row: &&Ridge| {
        let of = [&*row.numerator, &*row.denominator, &*row.direction, &*row.dtype];
        let [numerator, denominator] = pair.names();
        of == [numerator, denominator, Direction::Forward.name(), Dtype::F32.name()]
    };
    let found = report.ridges.iter().find(is_it)?.derived()?;
    let [steps, arithmetic, time] =
        [found.ridge_point, found.extra_arithmetic_ns, found.extra_time_ns]
            .map(|figure| significant(figure.median, 2));
    Some(format!(
        "Ridge point: {steps} {}s per element; extra arithmetic {arithmetic} ns an element, \
         extra time {time} ns.",
        pair.numerator
    ))
}

fn adapter(report: &Report) -> String {
    let name = &report.adapter.name;
    let inaccurate = report.accuracy.iter().filter(|found| found.violations > 0);
    let failed = report.measurements.iter().filter(|row| row.status == Status::Failed);
    let mut wrong = inaccurate.map(|found| &found.kernel).chain(failed.map(|row| &row.id));
    let correct = match wrong.next() {
        None => "All timed kernels correct.".to_owned(),
        Some(first) => format!("{} kernels WRONG, the first {first}.", 1 + wrong.count()),
    };
    if report.adapter.is_software {
        format!("SOFTWARE adapter {name}: CPU figures, no GPU. {correct}")
    } else {
        format!("{name}. {correct}")
    }
}

fn told(figure: Estimate) -> String {
    let rough = if figure.relative_half_width().abs() > ROUGH { "roughly " } else { "" };
    format!("{rough}{}", ratio(figure))
}

/// The fastest variant of each direction and dtype, a sentence each.
pub fn fastest(report: &Report) -> Vec<String> {
    let sentence = |fastest: &Fastest| {
        let Fastest { activation, direction, dtype, variant, tied, slower, .. } = fastest;
        let mut variants = [std::slice::from_ref(variant), tied].concat().join(", ");
        if !tied.is_empty() {
            variants += " (tied)";
        }
        if !slower.is_empty() {
            variants += &format!("; slower: {}", slower.join(", "));
        }
        format!("fastest {activation} as right as the default, {direction} {dtype}: {variants}")
    };
    report.fastest.iter().map(sentence).collect()
}
