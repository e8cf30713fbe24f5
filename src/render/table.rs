//! The tables of a report.

use std::collections::HashSet;

use super::figures::{find, fmas, heading, in_registers, over_denominator, share_of_copy};
use super::grid::Grid;
use super::numbers::{counted, duration, percent, ratio, significant, size_name};
use super::reasons::{of_shape, once, sentence};
use super::summary;
use super::text::wrapped;
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::report::{
    Accuracy, Arithmetic, BOTH, ClockKind, Measurement, Pair, Quantity, Ratio, Reason, Report, Run,
    RunStatus, ShapeTrial, Spent, Status,
};

/// Everything that is printed of a report, the summary last, where it is seen.
pub fn text(report: &Report) -> String {
    let mut parts = vec![head(report)];
    let grids =
        [measurements(&report.measurements, &report.run.pairs), arithmetic(&report.arithmetic)];
    let grids = grids.into_iter().flatten().chain(ratios(report));
    let grids = grids.chain(ridges(report)).chain(variants(report));
    parts.extend(grids.map(|grid| grid.text()));
    parts.push(foot(report));
    let lines = summary::lines(report);
    parts.extend((!lines.is_empty()).then(|| lines.join("\n")));
    wrapped(&parts.join("\n\n"))
}

/// What the numbers were taken with: adapter, clock, and what bounds a dispatch.
pub fn head(report: &Report) -> String {
    let Report { adapter, run, .. } = report;
    let clock = match report.clock.kind {
        ClockKind::GpuTimestamps => "GPU timestamps",
        ClockKind::Wall => "the wall clock (the adapter has no timestamps)",
    };
    let repeats = counted(run.repeats.into(), "repeat");
    let profile = format!("{} profile, {repeats}, timed by {clock}", run.profile);
    let mut lines = vec![adapter.summary(), profile];
    if let Some(overhead) = &report.dispatch_overhead {
        lines.push(format!(
            "dispatch overhead: {} back to back, {} submit to complete",
            duration(overhead.dispatch_ns.median),
            duration(overhead.submit_to_complete_ns.median)
        ));
    }
    if let Some(memory) = &report.memory_scan {
        let size = significant(memory.from_bytes as f64 / 1e6, 3);
        lines.push(if memory.settled {
            format!("bound by memory from {size} MB a dispatch")
        } else {
            format!("bound: unknown (bandwidth still changing at {size} MB, the largest size)")
        });
    }
    let is_copy = |kernel: &str| kernel.ends_with("/copy/plain") || kernel.ends_with("/add/plain");
    for trial in report.shapes.iter().filter(|trial| trial.chosen && is_copy(&trial.kernel)) {
        lines.push(format!("shape by {}: {}", trial.kernel, of_shape(trial.shape)));
    }
    lines.extend(run.notes.iter().map(sentence));
    lines.join("\n")
}

/// How the run ended and where its time went.
pub fn foot(report: &Report) -> String {
    let Run { duration_s, spent, status, ref reason, .. } = report.run;
    let Spent { open_s, prepare_s, inputs_s, compile_s, validate_s, warm_up_s, measure_s } = spent;
    let took = format!(
        "{duration_s:.1} s: open {open_s:.1}, prepare {prepare_s:.1}, inputs {inputs_s:.1}, \
         compile {compile_s:.1}, validate {validate_s:.1}, warm up {warm_up_s:.1}, \
         measure {measure_s:.1}"
    );
    if status == RunStatus::Complete {
        return took;
    }
    format!("{took}\nincomplete: {}", sentence(reason.as_ref().unwrap_or(&Reason::Unknown)))
}

/// A cell of what may be unknown.
fn cell<T>(known: Option<T>, words: impl FnOnce(T) -> String) -> String {
    known.map(words).unwrap_or_default()
}

/// What a step of each op takes in registers.
pub fn arithmetic(rows: &[Arithmetic]) -> Option<Grid> {
    let mut grid = Grid::new(["arithmetic", "chains", "ps/op", "FMAs", "Gop/s"]);
    let row = |row: &Arithmetic| {
        let derived = row.derived();
        vec![
            row.op.clone(),
            cell((row.chains > 0).then_some(row.chains), |chains| chains.to_string()),
            of_status(row.status, derived.map(|derived| derived.step_ps.median)),
            fmas(row).unwrap_or_default(),
            cell(derived, |derived| significant(derived.steps_per_second / 1e9, 3)),
        ]
    };
    for dtype in Dtype::ALL.map(Dtype::name) {
        let rows = rows.iter().filter(|row| row.dtype == dtype).map(row);
        grid.push(Some(format!("arithmetic/{dtype}")), rows.collect());
    }
    grid.notes =
        notes(rows.iter().map(|row| (&row.id, row.status, row.reason.as_ref(), &row.notes)));
    grid.filled()
}

/// A figure, or why there is none.
fn of_status(status: Status, figure: Option<f64>) -> String {
    match status {
        Status::Ok => cell(figure, |figure| significant(figure, 3)),
        status => status.to_string(),
    }
}

/// Each pair by size, and in registers.
pub fn ratios(report: &Report) -> Vec<Grid> {
    report.run.pairs.iter().filter_map(|pair| ratios_of(pair, &report.ratios)).collect()
}

fn ratios_of(pair: &Pair, ratios: &[Ratio]) -> Option<Grid> {
    let own = ratios.iter().filter(|ratio| ratio.is_of(pair));
    let by_size: Vec<&Ratio> = own.clone().filter(|ratio| ratio.elements.is_some()).collect();
    let size = |a: &&Ratio, b: &&Ratio| (&a.dtype, a.elements) == (&b.dtype, b.elements);
    let rows = by_size.chunk_by(size).map(|size| {
        let Ratio { dtype, elements, .. } = size[0];
        let find = |quantity, direction| find(ratios, pair, quantity, direction, dtype, *elements);
        let stream = |direction| cell(find(Quantity::Stream, direction), |it| ratio(it.estimate()));
        let extra = |quantity| find(quantity, "forward").map(|ratio| ratio.value);
        let extra = extra(Quantity::ExtraArithmetic).zip(extra(Quantity::ExtraTime));
        [
            format!("{dtype} {}", size_name(elements.unwrap_or_default())),
            cell(size.iter().find_map(|ratio| ratio.bound_by), |it| it.to_string()),
            stream("forward"),
            stream("backward"),
            stream(BOTH),
            cell(extra, |(arithmetic, time)| format!("{arithmetic:.2}, {time:.2}")),
        ]
    });
    let heading = pair.to_string();
    let mut grid = Grid::of([&heading, "bound", "forward", "backward", "both", "extra ns"], rows);
    if grid.rows().any(|row| !row[5].is_empty()) {
        let note = "extra ns: an element, forward: arithmetic in registers, time streaming";
        grid.notes.push(note.to_owned());
    }
    for whole in own.filter(|ratio| ratio.quantity == Quantity::Step) {
        let Ratio { dtype, direction, .. } = whole;
        let figure = in_registers(ratios, pair, whole);
        grid.notes.push(format!("Registers, {dtype} {direction}: {pair} {figure}"));
    }
    grid.filled()
}

/// Where arithmetic takes as long as memory.
pub fn ridges(report: &Report) -> Option<Grid> {
    let rows = report.ridges.iter().map(|row| {
        let derived = row.derived(&report.measurements, &report.arithmetic);
        let or_why = || row.status.to_string();
        [
            row.id.trim_start_matches("ridge/").to_owned(),
            derived.map_or_else(or_why, |it| ratio(it.ridge_point)),
            cell(derived, |it| format!("{} at {}", ratio(it.ridge_over_larger), it.ridge_steps)),
            cell(derived, |it| format!("{:.2}", it.stream_over_copy.median)),
            cell(derived, |it| format!("{:.2}", it.step_over_chain.median)),
        ]
    });
    let header = ["ridge", "ridge point", "time/larger", "k=0/copy", "step/chain"];
    let mut grid = Grid::of(header, rows);
    let rows = report.ridges.iter();
    grid.notes = notes(rows.map(|row| (&row.id, row.status, row.reason.as_ref(), &row.notes)));
    grid.filled()
}

/// Variants side by side: time, what a backward pass needs saved, and accuracy. None where only
/// default variants were measured.
pub fn variants(report: &Report) -> Option<Grid> {
    let compared = report.accuracy.iter().filter_map(|found| {
        let parts: Vec<&str> = found.kernel.split('/').collect();
        Some((<[&str; 4]>::try_from(parts).ok()?, found))
    });
    let mut compared: Vec<([&str; 4], &Accuracy)> = compared.collect();
    compared.sort_by_key(|([direction, dtype, ..], _)| (*direction, *dtype));
    let activations: HashSet<&[&str]> = compared.iter().map(|(parts, _)| &parts[..3]).collect();
    if activations.len() == compared.len() {
        return None;
    }
    let header =
        ["variant", "saved B", "% of copy", "FMAs", "max ULP", "mean", "bound", "tier", "every x"];
    let mut grid = Grid::new(header);
    for group in compared.chunk_by(|(a, _), (b, _)| a[..2] == b[..2]) {
        let [direction, dtype, ..] = group[0].0;
        let is_backward = direction == Direction::Backward.name();
        let cells = |([.., activation, variant], found): &([&str; 4], &Accuracy)| {
            let member = format!("{activation}/{variant}");
            let op = if is_backward { format!("backward/{member}") } else { member.clone() };
            let chain = report.arithmetic.iter().find(|row| row.dtype == dtype && row.op == op);
            let row = largest_row(&report.measurements, &found.kernel);
            let share = row.and_then(|row| share_of_copy(row, &report.measurements));
            vec![
                member,
                cell(row.filter(|_| is_backward), saved_bytes),
                cell(share, |share| format!("{:.0}", 100.0 * share.median)),
                chain.and_then(fmas).unwrap_or_default(),
                cell(found.max_ulp, |ulp| significant(ulp, 3)),
                cell(found.mean_ulp, |ulp| significant(ulp, 2)),
                cell(found.max_share_of_bound, |share| format!("{share:.2}")),
                cell(found.tier, String::from),
                if found.is_total { "yes" } else { "no" }.to_owned(),
            ]
        };
        grid.push(Some(format!("{direction}/{dtype}")), group.iter().map(cells).collect());
    }
    grid.notes = summary::fastest(report);
    Some(grid)
}

/// Bytes an element that the forward pass keeps for this backward pass.
fn saved_bytes(row: &Measurement) -> String {
    let whole = if row.dtype == "f32" { "4" } else { "2" };
    if row.variant == "from_mask" { "0.125" } else { whole }.to_owned()
}

/// The row of a kernel at the largest size at which most variants were measured.
fn largest_row<'a>(rows: &'a [Measurement], path: &str) -> Option<&'a Measurement> {
    let variants =
        |row: &Measurement| rows.iter().filter(|other| other.group() == row.group()).count();
    let measured = rows.iter().filter(|row| row.path() == path && row.time_ns().is_some());
    measured.max_by_key(|row| (variants(row), row.elements))
}

/// Every shape that was tried, by kernel and from the fastest on.
pub fn shapes(trials: &[ShapeTrial]) -> Option<Grid> {
    let mut grid =
        Grid::new(["kernel and size", "workgroup", "words", "ns/dispatch", "% of fastest", ""]);
    for kernel in trials.chunk_by(|a, b| (&a.kernel, a.elements) == (&b.kernel, b.elements)) {
        let fastest = kernel.iter().map(|trial| trial.ns.median).fold(f64::INFINITY, f64::min);
        let row = |trial: &ShapeTrial| {
            vec![
                format!("{} n={}", trial.kernel, trial.elements),
                trial.shape.workgroup_size.to_string(),
                trial.shape.words_per_invocation.to_string(),
                significant(trial.ns.median, 4),
                format!("{:.0}", 100.0 * fastest / trial.ns.median),
                if trial.chosen { "chosen" } else { "" }.to_owned(),
            ]
        };
        grid.push(None, kernel.iter().map(row).collect());
    }
    grid.filled()
}

/// The measurements, a block per group: its id and what bounds it, then its members.
pub fn measurements(measurements: &[Measurement], pairs: &[Pair]) -> Option<Grid> {
    let heading = heading(pairs);
    let mut grid = Grid::new(["kernel", "ns/element", "GB/s", "% of copy", &heading]);
    for group in measurements.chunk_by(|a, b| a.group() == b.group()) {
        let bound_by = group.iter().find_map(|member| member.bound_by);
        let bound_by = cell(bound_by, |bound_by| format!(" (bound: {bound_by})"));
        let row = |member: &Measurement| {
            vec![
                member.member(),
                of_status(member.status, member.ns_per_element()),
                cell(member.bytes_per_second(), |rate| significant(rate / 1e9, 3)),
                cell(share_of_copy(member, group), |share| percent(share).replace(" %", "")),
                cell(pairs.iter().find_map(|pair| over_denominator(member, group, pair)), ratio),
            ]
        };
        let title = format!("{}{bound_by}", group[0].group());
        grid.push(Some(title), group.iter().map(row).collect());
    }
    let rows = measurements.iter();
    grid.notes = notes(rows.map(|row| (&row.id, row.status, row.reason.as_ref(), &row.notes)));
    grid.filled()
}

type Facts<'a> = (&'a String, Status, Option<&'a Reason>, &'a Vec<Reason>);

/// Why rows have no figures, then what a reader should know.
fn notes<'a>(rows: impl Iterator<Item = Facts<'a>> + Clone) -> Vec<String> {
    let without = rows.clone().filter(|(_, status, ..)| *status != Status::Ok);
    let without = without.map(|(id, status, reason, _)| {
        let reason = reason.map_or_else(|| "no reason was given".to_owned(), sentence);
        (id, format!("{status}: {reason}"))
    });
    let told = rows.flat_map(|(id, .., notes)| notes.iter().map(move |note| (id, sentence(note))));
    once(without.chain(told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::measured;

    #[test]
    fn a_row_that_was_not_measured_keeps_its_place_and_says_why() {
        let copy = measured("copy", &[Some(100.0); 6]);
        let mut relu = measured("relu", &[]);
        relu.status = Status::Skipped;
        relu.reason = Some(Reason::Unsupported { message: "no room".to_owned() });
        let sigmoid = measured("sigmoid", &[Some(200.0); 6]);
        let text = measurements(&[copy, relu, sigmoid], &[Pair::default()]).expect("rows").text();
        assert!(
            text.contains("relu/plain") && text.contains("skipped") && text.contains("no room"),
            "{text}"
        );
        assert!(text.contains("50 [50, 50]"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
