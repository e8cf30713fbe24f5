//! The tables of a report.

use super::grid::{Block, Grid};
use super::numbers::{bracket, counted, duration, percent, ratio, significant, size_name};
use super::reasons::sentence;
use super::summary;
use super::text::wrapped;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;
use crate::report::{
    Accuracy, Arithmetic, BOTH, BoundBy, ClockKind, DENOMINATOR, DerivedRidge, Measurement,
    NUMERATOR, Quantity, Ratio, Reason, Report, RunStatus, ShapeTrial, Status,
};

/// Everything that is printed of a report, the summary last, where it is seen.
pub fn text(report: &Report) -> String {
    let mut parts = vec![head(report)];
    let grids = [
        measurements(&report.measurements),
        arithmetic(&report.arithmetic),
        ratios(&report.ratios),
        ridges(report),
        variants(report),
    ];
    parts.extend(grids.iter().flatten().map(Grid::text));
    parts.push(foot(report));
    let lines = summary::lines(report);
    parts.extend((!lines.is_empty()).then(|| lines.join("\n")));
    wrapped(&parts.join("\n\n"))
}

/// What the numbers were taken with: adapter, clock, and what bounds a dispatch.
pub fn head(report: &Report) -> String {
    let mut lines = vec![report.adapter.summary()];
    lines.push(format!(
        "{} profile, {}, timed by {}",
        report.run.profile.name(),
        counted(report.run.repeats.into(), "repeat"),
        clock(report)
    ));
    lines.extend(overhead(report));
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
        lines.push(format!(
            "shape by {}: workgroups of {}, {} an invocation",
            trial.kernel,
            trial.shape.workgroup_size,
            counted(trial.shape.words_per_invocation.into(), "word")
        ));
    }
    lines.extend(report.run.notes.iter().map(sentence));
    lines.join("\n")
}

/// Whose clock samples were taken with.
pub fn clock(report: &Report) -> &'static str {
    match report.clock.kind {
        ClockKind::GpuTimestamps => "GPU timestamps",
        ClockKind::Wall => "the wall clock (the adapter has no timestamps)",
    }
}

/// What a dispatch costs that does nothing.
pub fn overhead(report: &Report) -> Option<String> {
    let overhead = report.dispatch_overhead.as_ref()?;
    Some(format!(
        "dispatch overhead: {} back to back, {} submit to complete",
        duration(overhead.dispatch_ns.median),
        duration(overhead.submit_to_complete_ns.median)
    ))
}

/// How the run ended and where its time went.
pub fn foot(report: &Report) -> String {
    let spent = report.run.spent;
    let parts = [
        ("open", spent.open_s),
        ("prepare", spent.prepare_s),
        ("inputs", spent.inputs_s),
        ("compile", spent.compile_s),
        ("validate", spent.validate_s),
        ("warm up", spent.warm_up_s),
        ("measure", spent.measure_s),
    ];
    let parts: Vec<String> =
        parts.iter().map(|(what, seconds)| format!("{what} {seconds:.1}")).collect();
    let took = format!("{:.1} s: {}", report.run.duration_s, parts.join(", "));
    if report.run.status == RunStatus::Complete {
        return took;
    }
    let reason = report.run.reason.as_ref().unwrap_or(&Reason::Unknown);
    format!("{took}\nincomplete: {}", sentence(reason))
}

/// What a step of each op takes in registers.
pub fn arithmetic(rows: &[Arithmetic]) -> Option<Grid> {
    let mut grid = Grid::new(["arithmetic", "chains", "ps/op", "FMAs", "Gop/s"]);
    let row = |row: &Arithmetic| {
        let derived = row.derived();
        vec![
            row.op.clone(),
            if row.chains > 0 { row.chains.to_string() } else { String::new() },
            of_status(row.status, derived.map(|derived| derived.step_ps.median), 3),
            derived
                .map(|derived| fmas(row, derived.net_fmas, derived.step_fmas))
                .unwrap_or_default(),
            derived
                .map(|derived| significant(derived.steps_per_second / 1e9, 3))
                .unwrap_or_default(),
        ]
    };
    for dtype in Dtype::ALL.map(Dtype::name) {
        let rows: Vec<_> = rows.iter().filter(|row| row.dtype == dtype).map(row).collect();
        if !rows.is_empty() {
            grid.blocks.push(Block { title: Some(format!("arithmetic/{dtype}")), rows });
        }
    }
    let facts = rows.iter().map(|row| (&row.id, row.status, row.reason.as_ref(), &row.notes));
    grid.notes = notes(facts);
    grid.filled()
}

/// An op in FMAs: without and with the fma of its step, since pipes overlap.
fn fmas(row: &Arithmetic, net: Estimate, step: Estimate) -> String {
    if row.op == "fma" { "1".to_owned() } else { bracket(net.median, step.median) }
}

/// A figure, or why there is none.
fn of_status(status: Status, figure: Option<f64>, digits: usize) -> String {
    match status {
        Status::Ok => figure.map(|figure| significant(figure, digits)).unwrap_or_default(),
        status => status.name().to_owned(),
    }
}

/// The pair by size, and in registers.
pub fn ratios(ratios: &[Ratio]) -> Option<Grid> {
    let by_size: Vec<&Ratio> = ratios.iter().filter(|ratio| ratio.elements.is_some()).collect();
    let rows =
        by_size.chunk_by(|a, b| (&a.dtype, a.elements) == (&b.dtype, b.elements)).map(|size| {
            let find = |quantity, direction: &str| {
                size.iter()
                    .find(|ratio| ratio.quantity == quantity && ratio.direction == direction)
                    .map(|ratio| ratio.estimate())
            };
            let stream =
                |direction: &str| find(Quantity::Stream, direction).map(ratio).unwrap_or_default();
            let extra = |quantity| find(quantity, "forward").map(|ns| ns.median);
            let bound_by = size.iter().find_map(|ratio| ratio.bound_by).map(BoundBy::name);
            [
                format!("{} {}", size[0].dtype, size_name(size[0].elements.unwrap_or_default())),
                bound_by.unwrap_or_default().to_owned(),
                stream("forward"),
                stream("backward"),
                stream(BOTH),
                extra(Quantity::ExtraArithmetic)
                    .zip(extra(Quantity::ExtraTime))
                    .map(|(arithmetic, time)| format!("{arithmetic:.2}, {time:.2}"))
                    .unwrap_or_default(),
            ]
        });
    let pair = format!("{NUMERATOR}/{DENOMINATOR}");
    let mut grid = Grid::of([&pair, "bound", "forward", "backward", "both", "extra ns"], rows);
    if grid.rows().any(|row| !row[5].is_empty()) {
        let note = "extra ns: an element, forward: arithmetic in registers, time streaming";
        grid.notes.push(note.to_owned());
    }
    for whole in ratios.iter().filter(|ratio| ratio.quantity == Quantity::Step) {
        let is_net = |ratio: &&Ratio| {
            ratio.quantity == Quantity::StepNet
                && ratio.dtype == whole.dtype
                && ratio.direction == whole.direction
        };
        let figure = match ratios.iter().find(is_net) {
            Some(net) => bracket(whole.value, net.value),
            None => format!("at least {}", significant(whole.value, 2)),
        };
        grid.notes.push(format!("Registers, {} {}: {pair} {figure}", whole.dtype, whole.direction));
    }
    grid.filled()
}

/// Where arithmetic takes as long as memory.
pub fn ridges(report: &Report) -> Option<Grid> {
    let rows = report.ridges.iter().map(|row| {
        let derived = row.derived(&report.measurements, &report.arithmetic);
        let times = |of: fn(&DerivedRidge) -> Estimate| {
            derived.as_ref().map(|derived| format!("{:.2}", of(derived).median)).unwrap_or_default()
        };
        [
            row.id.trim_start_matches("ridge/").to_owned(),
            match (row.status, derived) {
                (Status::Ok, Some(derived)) => ratio(derived.ridge_point),
                (status, _) => status.name().to_owned(),
            },
            derived
                .map(|derived| {
                    format!("{} at {}", ratio(derived.ridge_over_larger), derived.ridge_steps)
                })
                .unwrap_or_default(),
            times(|derived| derived.stream_over_copy),
            times(|derived| derived.step_over_chain),
        ]
    });
    let mut grid =
        Grid::of(["ridge", "ridge point", "time/larger", "k=0/copy", "step/chain"], rows);
    let facts =
        report.ridges.iter().map(|row| (&row.id, row.status, row.reason.as_ref(), &row.notes));
    grid.notes = notes(facts);
    grid.filled()
}

/// Variants side by side: time, what a backward pass needs saved, and accuracy. None where only
/// default variants were measured.
pub fn variants(report: &Report) -> Option<Grid> {
    let mut grid = Grid::new([
        "variant",
        "saved B",
        "% of copy",
        "FMAs",
        "max ULP",
        "mean",
        "bound",
        "tier",
        "every x",
    ]);
    let mut has_others = false;
    let mut compared: Vec<&Accuracy> = report.accuracy.iter().collect();
    let of_group = |path: &str| path.splitn(3, '/').take(2).map(str::to_owned).collect::<Vec<_>>();
    compared.sort_by_key(|accuracy| of_group(&accuracy.kernel));
    for accuracy in compared {
        let parts: Vec<&str> = accuracy.kernel.split('/').collect();
        let [direction, dtype, activation, variant] = parts[..] else { continue };
        let member = format!("{activation}/{variant}");
        let row = largest_row(report, accuracy);
        let share = row.and_then(|row| copy_of(report, row)?.over(row));
        let number = |value: Option<f64>, digits| {
            value.map(|value| significant(value, digits)).unwrap_or_default()
        };
        has_others |= (activation, variant) == (NUMERATOR, "exp2");
        let group = Some(format!("{direction}/{dtype}"));
        if grid.blocks.last().is_none_or(|block| block.title != group) {
            grid.blocks.push(Block { title: group, rows: Vec::new() });
        }
        let cells = vec![
            member.clone(),
            row.filter(|row| row.direction == "backward").map(saved_bytes).unwrap_or_default(),
            share.map(|share| format!("{:.0}", 100.0 * share.median)).unwrap_or_default(),
            fmas_of(&report.arithmetic, direction, dtype, &member).unwrap_or_default(),
            number(accuracy.max_ulp, 3),
            number(accuracy.mean_ulp, 2),
            accuracy.max_share_of_bound.map(|share| format!("{share:.2}")).unwrap_or_default(),
            accuracy.tier.map(String::from).unwrap_or_default(),
            if accuracy.is_total { "yes" } else { "no" }.to_owned(),
        ];
        grid.blocks.last_mut().expect("one was pushed").rows.push(cells);
    }
    grid.notes = summary::fastest(report);
    has_others.then_some(grid)
}

/// Bytes an element that the forward pass keeps for this backward pass.
fn saved_bytes(row: &Measurement) -> String {
    let whole = if row.dtype == "f32" { "4" } else { "2" };
    if row.variant == "from_mask" { "0.125" } else { whole }.to_owned()
}

fn fmas_of(rows: &[Arithmetic], direction: &str, dtype: &str, member: &str) -> Option<String> {
    let op = if direction == "backward" { format!("backward/{member}") } else { member.to_owned() };
    let row = rows.iter().find(|row| row.dtype == dtype && row.op == op)?;
    let derived = row.derived()?;
    Some(fmas(row, derived.net_fmas, derived.step_fmas))
}

/// The row of a kernel at the largest size at which most variants were measured.
fn largest_row<'a>(report: &'a Report, accuracy: &Accuracy) -> Option<&'a Measurement> {
    let rows = &report.measurements;
    let variants =
        |row: &Measurement| rows.iter().filter(|other| other.group() == row.group()).count();
    rows.iter()
        .filter(|row| row.path() == accuracy.kernel && row.time_ns().is_some())
        .max_by_key(|row| (variants(row), row.elements))
}

fn copy_of<'a>(report: &'a Report, row: &Measurement) -> Option<&'a Measurement> {
    let first = report.measurements.iter().find(|other| other.group() == row.group());
    first.filter(|copy| copy.id != row.id)
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
        grid.blocks.push(Block { title: None, rows: kernel.iter().map(row).collect() });
    }
    grid.filled()
}

/// The measurements, a block per group: its id and what bounds it, then its members.
pub fn measurements(measurements: &[Measurement]) -> Option<Grid> {
    let pair = format!("{NUMERATOR}/{DENOMINATOR}");
    let mut grid = Grid::new(["kernel", "ns/element", "GB/s", "% of copy", &pair]);
    for group in measurements.chunk_by(|a, b| a.group() == b.group()) {
        let bound_by = group.iter().find_map(|member| member.bound_by);
        let bound_by = bound_by.map(|bound_by| format!(" (bound: {})", bound_by.name()));
        let title = format!("{}{}", group[0].group(), bound_by.unwrap_or_default());
        let rows = group.iter().map(|member| {
            let copy = group.first().filter(|copy| copy.id != member.id);
            let share = copy.and_then(|copy| copy.over(member));
            let rate = member.bytes_per_second();
            vec![
                member.member(),
                of_status(member.status, member.ns_per_element(), 3),
                rate.map(|rate| significant(rate / 1e9, 3)).unwrap_or_default(),
                share.map(|share| percent(share).replace(" %", "")).unwrap_or_default(),
                over_denominator(member, group).map(ratio).unwrap_or_default(),
            ]
        });
        grid.blocks.push(Block { title: Some(title), rows: rows.collect() });
    }
    let facts =
        measurements.iter().map(|row| (&row.id, row.status, row.reason.as_ref(), &row.notes));
    grid.notes = notes(facts);
    grid.filled()
}

/// Time of the numerator over that of the denominator of its group; none of other rows.
pub fn over_denominator(member: &Measurement, group: &[Measurement]) -> Option<Estimate> {
    let other = || group.iter().find(|other| other.activation == DENOMINATOR);
    let is_numerator = member.activation == NUMERATOR;
    is_numerator.then(other).flatten().and_then(|other| member.over(other))
}

type Facts<'a> = (&'a String, Status, Option<&'a Reason>, &'a Vec<Reason>);

/// Why rows have no figures, once for all that have one reason; then what a reader should know.
fn notes<'a>(rows: impl Iterator<Item = Facts<'a>> + Clone) -> Vec<String> {
    let mut same: Vec<(String, Vec<&str>)> = Vec::new();
    let mut add = |id: &'a str, what: String| match same.iter_mut().find(|(it, _)| *it == what) {
        Some((_, ids)) => ids.push(id),
        None => same.push((what, vec![id])),
    };
    for (id, status, reason, _) in rows.clone().filter(|(_, status, ..)| *status != Status::Ok) {
        let reason = reason.map_or_else(|| "no reason was given".to_owned(), sentence);
        add(id, format!("{}: {reason}", status.name()));
    }
    for (id, .., notes) in rows {
        for note in notes {
            add(id, sentence(note));
        }
    }
    let line = |(what, ids): (String, Vec<&str>)| match ids[..] {
        [first, _, ..] => format!("{first} and {} more: {what}", ids.len() - 1),
        _ => format!("{}: {what}", ids.concat()),
    };
    same.into_iter().map(line).collect()
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
        let text = measurements(&[copy, relu, sigmoid]).expect("rows").text();
        assert!(
            text.contains("relu/plain") && text.contains("skipped") && text.contains("no room"),
            "{text}"
        );
        assert!(text.contains("50 [50, 50]"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
