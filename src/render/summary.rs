//! The answer: at most a few lines, the last that a run prints.

use super::numbers::{bracket, ratio, significant, size_name};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;
use crate::report::{
    BoundBy, DENOMINATOR, Fastest, NUMERATOR, Quantity, Ratio, Report, Status, chains,
};

/// A figure whose interval reaches farther than this to either side, as a share of it, is rough.
const ROUGH: f64 = 0.1;

/// A stream and a chain are held together where their clocks differ by no more.
const ONE_CLOCK: f64 = 0.03;

/// What follows from a report, a sentence each; none where no figure is valid.
pub fn lines(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = streaming(report).into_iter().chain(registers(report)).collect();
    if lines.is_empty() {
        return lines;
    }
    lines.extend(ridge(report));
    lines.push(adapter(report));
    lines
}

fn figure(
    report: &Report,
    quantity: Quantity,
    direction: Direction,
    elements: Option<u64>,
) -> Option<Estimate> {
    let is_it = |ratio: &&Ratio| {
        ratio.quantity == quantity
            && ratio.direction == direction.name()
            && ratio.dtype == Dtype::F32.name()
            && ratio.elements == elements
    };
    let is_of_one_clock =
        |ratio: &&Ratio| ratio.clocks.is_none_or(|clocks| (clocks - 1.0).abs() <= ONE_CLOCK);
    report.ratios.iter().find(is_it).filter(is_of_one_clock).map(Ratio::estimate)
}

/// The smallest memory-bound size: of the largest, some driver may keep a part elsewhere.
fn headline_size(report: &Report) -> Option<u64> {
    let is_it = |ratio: &&Ratio| {
        ratio.bound_by == Some(BoundBy::Memory)
            && ratio.quantity == Quantity::Stream
            && ratio.direction == Direction::Forward.name()
            && ratio.dtype == Dtype::F32.name()
    };
    report.ratios.iter().filter(is_it).filter_map(|ratio| ratio.elements).min()
}

fn streaming(report: &Report) -> Option<String> {
    let size = headline_size(report)?;
    let stream = |direction| figure(report, Quantity::Stream, direction, Some(size));
    let forward = told(stream(Direction::Forward)?);
    let backward = stream(Direction::Backward)
        .map(|backward| format!(", {} backward", told(backward)))
        .unwrap_or_default();
    let size = size_name(size);
    Some(format!("Streaming {size} f32: {NUMERATOR}/{DENOMINATOR} {forward} forward{backward}."))
}

fn registers(report: &Report) -> Option<String> {
    let (above, below) = chains(&report.arithmetic, Direction::Forward, Dtype::F32.name())?;
    let whole = above.over(below)?;
    let [above_fmas, below_fmas] = [above, below].map(|row| {
        let derived = row.derived()?;
        Some(bracket(derived.net_fmas.median, derived.step_fmas.median))
    });
    let ratio = match above.net_over(below) {
        Some(net) => bracket(whole.median, net.median),
        None => format!("at least {}", significant(whole.median, 2)),
    };
    Some(format!(
        "Registers, f32 forward: {NUMERATOR}/{DENOMINATOR} {ratio} ({} against {} FMAs).",
        above_fmas?, below_fmas?
    ))
}

/// On a software adapter the same cores load and compute: there is no ridge to tell.
fn ridge(report: &Report) -> Option<String> {
    let size = headline_size(report).filter(|_| !report.adapter.is_software);
    let of = |quantity| figure(report, quantity, Direction::Forward, Some(size?));
    let steps = significant(of(Quantity::RidgePoint)?.median, 2);
    let extra = of(Quantity::ExtraArithmetic).zip(of(Quantity::ExtraTime));
    let extra = extra.map(|(arithmetic, time)| {
        format!(
            "; extra arithmetic {} ns an element, extra time {} ns",
            significant(arithmetic.median, 2),
            significant(time.median, 2)
        )
    });
    Some(format!("Ridge point: {steps} {NUMERATOR}s per element{}.", extra.unwrap_or_default()))
}

fn adapter(report: &Report) -> String {
    let name = &report.adapter.name;
    let wrong: Vec<&str> = (report.accuracy.iter())
        .filter(|found| found.violations > 0)
        .map(|found| found.kernel.as_str())
        .chain(
            (report.measurements.iter())
                .filter(|row| row.status == Status::Failed)
                .map(|row| row.id.as_str()),
        )
        .collect();
    let correct = match wrong[..] {
        [] => "All timed kernels correct.".to_owned(),
        [first, ..] => format!("{} kernels WRONG, the first {first}.", wrong.len()),
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
        let Fastest { direction, dtype, variant, tied, slower, .. } = fastest;
        let mut first = vec![variant.clone()];
        first.extend(tied.iter().cloned());
        let is_tied = if tied.is_empty() { "" } else { " (tied)" };
        let slower = if slower.is_empty() {
            String::new()
        } else {
            format!("; slower: {}", slower.join(", "))
        };
        format!(
            "fastest {NUMERATOR} that is right everywhere, {direction} {dtype}: {}{is_tied}{slower}",
            first.join(", ")
        )
    };
    report.fastest.iter().map(sentence).collect()
}
