//! The tables of a report.

use std::collections::HashSet;

use super::cost::{Cost, costs as costs_of};
use super::figures::{find, fmas, heading, in_registers, over_denominator, share_of_copy};
use super::grid::Grid;
use super::numbers::{bracket, counted, duration, number, percent, ratio, significant, size_name};
use super::reasons::{of_shape, once, sentence};
use super::summary;
use super::text::wrapped;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;
use crate::report::{
    Arithmetic, BOTH, Bracket, ClockKind, Measurement, Pair, Quantity, Ratio, Reason, Report, Run,
    RunStatus, ShapeTrial, Spent, Status,
};

/// Everything that is printed of a report, the summary last, where it is seen.
pub fn text(report: &Report) -> String {
    let mut parts = vec![head(report)];
    let grids =
        [measurements(&report.measurements, &report.run.pairs), arithmetic(&report.arithmetic)];
    let grids = grids.into_iter().flatten().chain(ratios(report));
    let grids = grids.chain(ridges(report)).chain(costs(report));
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
    let mut grid = Grid::new(["arithmetic", "chains", "ps/op", "Gop/s", "FMAs", "2nd fma"]);
    let row = |row: &Arithmetic| {
        let derived = row.derived();
        vec![
            row.op.clone(),
            cell((row.chains > 0).then_some(row.chains), |chains| chains.to_string()),
            of_status(row.status, derived.map(|it| between(it.op_ps))),
            cell(derived, |it| rate(it.op_ps)),
            fmas(row).unwrap_or_default(),
            cell(derived, |it| number(it.second_fma.median)),
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

/// ps of an op.
fn between(Bracket { least, most }: Bracket) -> String {
    bracket(least.median, most.median)
}

/// Ops in a ns: 10^9 a second.
fn rate(Bracket { least, most }: Bracket) -> String {
    let [fastest, slowest] = [least, most].map(|ps| 1e3 / ps.median);
    if least.median <= 0.0 {
        return format!("over {}", significant(slowest, 3));
    }
    bracket(slowest, fastest)
}

/// A figure, or why there is none.
fn of_status(status: Status, figure: Option<String>) -> String {
    match status {
        Status::Ok => figure.unwrap_or_default(),
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
        let find =
            |direction| find(ratios, pair, Quantity::Stream, direction, dtype, *elements)?.estimate;
        let stream = |direction| cell(find(direction), ratio);
        [
            format!("{dtype} {}", size_name(elements.unwrap_or_default())),
            cell(size.iter().find_map(|ratio| ratio.bound_by), |it| it.to_string()),
            stream("forward"),
            stream("backward"),
            stream(BOTH),
        ]
    });
    let heading = pair.to_string();
    let mut grid = Grid::of([&heading, "bound", "forward", "backward", "both"], rows);
    for step in own.clone().filter(|ratio| ratio.quantity == Quantity::Step) {
        let Ratio { dtype, direction, .. } = step;
        let figure = in_registers(ratios, pair, step);
        let line = |figure| format!("Registers, {dtype} {direction}: {pair} {figure}");
        grid.notes.extend(figure.map(line));
    }
    let why = own.filter_map(|ratio| Some((&ratio.id, sentence(ratio.reason.as_ref()?))));
    grid.notes.extend(once(why));
    grid.filled()
}

/// Where arithmetic takes as long as memory.
pub fn ridges(report: &Report) -> Option<Grid> {
    let rows = report.ridges.iter().map(|row| {
        let derived = row.derived();
        let or_why = || row.status.to_string();
        let ns = |ns: Estimate| significant(ns.median, 2);
        [
            row.id.trim_start_matches("ridge/").to_owned(),
            cell((row.elements > 0).then_some(row.elements), size_name),
            derived.map_or_else(or_why, |it| ratio(it.ridge_point)),
            cell(derived, |it| ns(it.extra_arithmetic_ns)),
            cell(derived, |it| ns(it.extra_time_ns)),
        ]
    });
    let header = ["ridge", "elements", "ridge point", "extra arithmetic ns", "extra time ns"];
    let rows = rows.filter(|row| !row[1].is_empty());
    let mut grid = Grid::of(header, rows);
    let rows = report.ridges.iter();
    grid.notes = notes(rows.map(|row| (&row.id, row.status, row.reason.as_ref(), &row.notes)));
    grid.filled()
}

/// What each variant costs. None where only default variants were compared.
pub fn costs(report: &Report) -> Option<Grid> {
    let costs: Vec<Cost<'_>> = costs_of(report).into_iter().filter(Cost::computes).collect();
    let activations: HashSet<_> = costs.iter().map(Cost::activation).collect();
    if activations.len() == costs.len() {
        return None;
    }
    let header = ["cost", "ps/op", "Gop/s", "FMAs", "clock", "saved", "x copy", "ULP", "tier"];
    let mut grid = Grid::new(header);
    let cells = |cost: &Cost<'_>| {
        let op = cost.arithmetic();
        let whole = |tier| if cost.found.is_total { tier } else { format!("({tier})") };
        vec![
            cost.member.clone(),
            cell(op, |it| between(it.op_ps)),
            cell(op, |it| rate(it.op_ps)),
            cell(op, |it| between(it.op_fmas)),
            cell(cost.clock(), |clock| format!("{clock:.2}")),
            cell(cost.saved_bytes(), |bytes| bytes.to_string()),
            cell(cost.over_copy(), |(ratio, _)| format!("{:.2}", ratio.median)),
            cell(cost.found.max_ulp, |ulp| significant(ulp, 3)),
            cell(cost.found.tier, |tier| whole(String::from(tier))),
        ]
    };
    for group in costs.chunk_by(|a, b| a.group == b.group) {
        grid.push(Some(group[0].group.join("/")), group.iter().map(cells).collect());
    }
    let sizes = costs.iter().filter_map(|cost| Some(cost.over_copy()?.1));
    let at = cell(sizes.max(), |elements| format!(" at {} elements", size_name(elements)));
    grid.notes = vec![
        format!("x copy: time over copy{at}; backward: over add"),
        "saved: bytes an element that forward keeps; ULP: the largest error".into(),
        "clock: the core's over its median in this run; on hardware alone".into(),
        "tier in brackets: not for every x".into(),
        "f16: arithmetic as in f32, in which it is computed".into(),
    ];
    grid.notes.extend(summary::fastest(report));
    Some(grid)
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
                of_status(member.status, member.ns_per_element().map(|ns| significant(ns, 3))),
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
