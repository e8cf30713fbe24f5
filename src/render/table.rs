//! The table that people read.

use std::fmt::Write as _;

use super::grid::{Block, Grid};
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;
use crate::report::{
    Accuracy, Arithmetic, BOTH, BoundBy, ClockKind, Comparison, DerivedRidge, Fastest, Inputs,
    Measurement, Quantity, Ratio, Report, RunStatus, ShapeTrial, Status,
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
    parts.extend(summary(report));
    parts.push(foot(report));
    crate::render::text::wrapped(&parts.join("\n\n"))
}

/// What the numbers were taken with: adapter, clock, and what bounds a dispatch.
pub fn head(report: &Report) -> String {
    let mut lines = vec![report.adapter.summary()];
    let clock = match report.clock.kind {
        ClockKind::GpuTimestamps => "gpu timestamps",
        ClockKind::Wall => "the wall clock (the adapter has no timestamps)",
    };
    lines.push(format!(
        "{} profile, {}, timed by {clock}",
        report.run.profile.name(),
        counted(report.run.repeats.into(), "device")
    ));
    if let Some(dispatch_overhead) = &report.dispatch_overhead {
        lines.push(format!(
            "a dispatch of next to nothing: {} behind another, {} from submission to completion",
            duration(dispatch_overhead.dispatch_ns.median),
            duration(dispatch_overhead.submit_to_complete_ns.median)
        ));
    }
    if let Some(memory) = &report.memory_scan {
        #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
        let bytes = memory.from_bytes as f64 / 1e6;
        let how = if memory.settled {
            "throughput no longer changes there"
        } else {
            "the largest size, where it still changes"
        };
        lines.push(format!(
            "memory bound_by: from {} MB a dispatch on ({how})",
            significant(bytes, 3)
        ));
    }
    for trial in report.shapes.iter().filter(|trial| trial.chosen && is_copy(&trial.kernel)) {
        lines.push(format!(
            "shape by {}: workgroups of {}, {} an invocation",
            trial.kernel,
            trial.shape.workgroup_size,
            counted(trial.shape.words_per_invocation.into(), "word")
        ));
    }
    lines.extend(report.run.notes.iter().cloned());
    lines.join("\n")
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
    let mut text = format!("{:.1} s: {}", report.run.duration_s, parts.join(", "));
    if report.run.status != RunStatus::Complete {
        let _ = write!(
            text,
            "\nincomplete: {}",
            report.run.reason.as_deref().unwrap_or("it is not known why")
        );
    }
    text
}

/// The chain: what a step of each op takes. None where nothing was run.
pub fn arithmetic(arithmetic: &[Arithmetic]) -> Option<Grid> {
    let mut grid =
        Grid::new(["chain", "chains", "ps a step", "in fma steps", "net of fma", "G steps/s"]);
    let row = |rate: &Arithmetic| {
        let derived = rate.derived();
        vec![
            rate.op.clone(),
            if rate.chains > 0 { rate.chains.to_string() } else { String::new() },
            match rate.status {
                Status::Ok => derived
                    .map(|derived| significant(derived.step_ps.median, 3))
                    .unwrap_or_default(),
                status => status.name().to_owned(),
            },
            derived.map(|derived| ratio(derived.step_fmas)).unwrap_or_default(),
            derived.map(|derived| ratio(derived.net_fmas)).unwrap_or_default(),
            derived
                .map(|derived| significant(derived.steps_per_second / 1e9, 3))
                .unwrap_or_default(),
        ]
    };
    for dtype in Dtype::ALL.map(Dtype::name) {
        let rows: Vec<_> = arithmetic.iter().filter(|rate| rate.dtype == dtype).map(row).collect();
        if !rows.is_empty() {
            grid.blocks.push(Block { title: Some(format!("arithmetic/{dtype}")), rows });
        }
    }
    grid.notes = reasons(
        arithmetic.iter().map(|rate| (rate.id.as_str(), rate.status, rate.reason.as_deref())),
    );
    grid.notes.extend(notes(arithmetic.iter().map(|rate| (rate.id.as_str(), &rate.notes[..]))));
    grid.filled()
}

/// Sigmoid : ReLU by size, and in registers. None where nothing was measured of both.
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
            let bound_by = size.iter().find_map(|ratio| ratio.bound_by).map(BoundBy::name);
            [
                format!("{} {}", size[0].dtype, size_name(size[0].elements.unwrap_or_default())),
                bound_by.unwrap_or_default().to_owned(),
                stream("forward"),
                stream("backward"),
                stream(BOTH),
                find(Quantity::Hidden, "forward")
                    .map(|hidden| percent(hidden).replace(" %", ""))
                    .unwrap_or_default(),
            ]
        });
    let mut grid = Grid::of(
        ["sigmoid : relu", "bound_by", "forward", "backward", "both", "hidden % fwd"],
        rows,
    );
    for whole in ratios.iter().filter(|ratio| ratio.quantity == Quantity::Step) {
        let is_net = |ratio: &&Ratio| {
            ratio.quantity == Quantity::StepNet
                && ratio.dtype == whole.dtype
                && ratio.direction == whole.direction
        };
        let net = match ratios.iter().find(is_net) {
            Some(net) => format!("net of the fma {}", ratio(net.estimate())),
            None => "no net ratio, since relu's own cost may be nothing".to_owned(),
        };
        let Ratio { direction, dtype, .. } = whole;
        let whole = ratio(whole.estimate());
        grid.notes
            .push(format!("in registers, {direction} {dtype}: {whole} in whole steps; {net}"));
    }
    grid.filled()
}

/// Where streaming kernels leave memory speed. None where no ridge was planned.
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
            derived.map(|derived| ratio(derived.bend_steps)).unwrap_or_default(),
            derived.map(knee).unwrap_or_default(),
            times(|derived| derived.stream_over_copy),
            times(|derived| derived.step_over_chain),
        ]
    });
    let mut grid = Grid::of(["ridge", "k*", "bend", "knee penalty", "stream", "step"], rows);
    let rows = || report.ridges.iter();
    grid.notes = reasons(rows().map(|row| (row.id.as_str(), row.status, row.reason.as_deref())));
    grid.notes.extend(notes(rows().map(|row| (row.id.as_str(), &row.notes[..]))));
    grid.filled()
}

/// A size as people say it: 2^24, or 1000.
pub fn size_name(elements: u64) -> String {
    if elements.is_power_of_two() {
        format!("2^{}", elements.ilog2())
    } else {
        elements.to_string()
    }
}

fn knee(derived: DerivedRidge) -> String {
    let DerivedRidge { ridge_over_larger, ridge_steps, .. } = derived;
    format!("{} at {ridge_steps}", percent(ridge_over_larger))
}

/// Variants side by side: time, what a backward pass needs saved, and accuracy. None where only default variants were measured.
pub fn variants(report: &Report) -> Option<Grid> {
    let mut grid = Grid::new([
        "variant",
        "saved B",
        "of copy",
        "fma steps",
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
        let step =
            step_of(&report.arithmetic, direction, dtype, &format!("{activation}/{variant}"));
        let row = largest_row(report, accuracy);
        let share = row.and_then(|row| copy_of(report, row)?.over(row));
        has_others |= activation == "sigmoid" && variant == "exp2";
        let group = Some(format!("{direction}/{dtype}"));
        if grid.blocks.last().is_none_or(|block| block.title != group) {
            grid.blocks.push(Block { title: group, rows: Vec::new() });
        }
        let cells = vec![
            format!("{activation}/{variant}"),
            row.filter(|row| row.direction == "backward").map(saved_bytes).unwrap_or_default(),
            share.map(|share| format!("{:.0} %", 100.0 * share.median)).unwrap_or_default(),
            step.map(|step| format!("{:.2}", step.median)).unwrap_or_default(),
            accuracy.max_ulp.map(|ulp| significant(ulp, 3)).unwrap_or_default(),
            accuracy.mean_ulp.map(|ulp| significant(ulp, 2)).unwrap_or_default(),
            accuracy.max_share_of_bound.map(|share| format!("{share:.2}")).unwrap_or_default(),
            accuracy.tier.map(String::from).unwrap_or_default(),
            if accuracy.is_total { "yes" } else { "no" }.to_owned(),
        ];
        grid.blocks.last_mut().expect("one was pushed").rows.push(cells);
    }
    has_others.then(|| Grid { notes: packing_costs(report), ..grid })
}

/// Bytes an element that the forward pass keeps for this backward pass.
fn saved_bytes(row: &Measurement) -> String {
    if row.variant == "from_mask" {
        return "0.125".to_owned();
    }
    if row.dtype == "f32" { "4" } else { "2" }.to_owned()
}

fn step_of(
    arithmetic: &[Arithmetic],
    direction: &str,
    dtype: &str,
    member: &str,
) -> Option<Estimate> {
    let op = if direction == "backward" { format!("backward/{member}") } else { member.to_owned() };
    let rate = arithmetic.iter().find(|rate| rate.dtype == dtype && rate.op == op)?;
    Some(rate.derived()?.step_fmas)
}

/// The row of a kernel at the largest size at which most variants were measured.
fn largest_row<'a>(report: &'a Report, accuracy: &Accuracy) -> Option<&'a Measurement> {
    let is_its = |row: &&Measurement| {
        is_plain(row) && row.path() == accuracy.kernel && row.time_ns().is_some()
    };
    let variants = |row: &Measurement| {
        report
            .measurements
            .iter()
            .filter(|other| other.group() == row.group() && is_plain(other))
            .count()
    };
    report.measurements.iter().filter(is_its).max_by_key(|row| (variants(row), row.elements))
}

fn copy_of<'a>(report: &'a Report, row: &Measurement) -> Option<&'a Measurement> {
    report
        .measurements
        .iter()
        .find(|other| other.group() == row.group())
        .filter(|copy| copy.id != row.id)
}

/// What writing a mask costs beside y, and what reading it gains, at the largest size.
fn packing_costs(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    let masks =
        report.measurements.iter().filter(|row| row.variant.ends_with("_mask") && is_plain(row));
    let masks: Vec<&Measurement> = masks.collect();
    for dtype in Dtype::ALL.map(Dtype::name) {
        for (variant, other, what) in [
            ("with_mask", "plain", "writing a bit an element beside y takes"),
            ("from_mask", "from_y", "reading the bit instead of y takes"),
        ] {
            let of_variant =
                masks.iter().filter(|row| row.dtype == dtype && row.variant == variant);
            let Some(row) = of_variant.max_by_key(|row| row.elements) else { continue };
            let is_other = |peer: &&Measurement| {
                peer.group() == row.group()
                    && peer.activation == row.activation
                    && peer.variant == other
                    && is_plain(peer)
            };
            let Some(ratio) =
                report.measurements.iter().find(is_other).and_then(|peer| row.over(peer))
            else {
                continue;
            };
            sentences.push(format!("{}: {what} {} times as long", row.id, self::ratio(ratio)));
        }
    }
    sentences
}

/// What follows, in words. None where nothing does.
pub fn summary(report: &Report) -> Option<String> {
    let summary = report.summary.as_ref()?;
    let mut text = summary.sentence.clone();
    for Fastest { direction, dtype, by, variant, as_fast, slower, .. } in &summary.fastest {
        let by = match by {
            Comparison::Chain => "in registers",
            Comparison::Stream => "streaming",
        };
        let _ = write!(text, "\nfastest sigmoid {direction} {dtype}, {by}: {variant}");
        if !as_fast.is_empty() {
            let _ = write!(text, ", not to be told from {}", as_fast.join(", "));
        }
        if !slower.is_empty() {
            let _ = write!(text, "; slower: {}", slower.join(", "));
        }
    }
    Some(text)
}

/// Every shape that was tried, by kernel and from the fastest on. None where the default had to do.
pub fn shapes(trials: &[ShapeTrial]) -> Option<Grid> {
    let mut grid =
        Grid::new(["kernel and size", "workgroup", "words", "ns/dispatch", "of the fastest", ""]);
    for kernel in trials.chunk_by(|a, b| (&a.kernel, a.elements) == (&b.kernel, b.elements)) {
        let fastest = kernel.iter().map(|trial| trial.ns.median).fold(f64::INFINITY, f64::min);
        let row = |trial: &ShapeTrial| {
            vec![
                format!("{} n={}", trial.kernel, trial.elements),
                trial.shape.workgroup_size.to_string(),
                trial.shape.words_per_invocation.to_string(),
                significant(trial.ns.median, 4),
                format!("{:.0} %", 100.0 * fastest / trial.ns.median),
                if trial.chosen { "chosen" } else { "" }.to_owned(),
            ]
        };
        grid.blocks.push(Block { title: None, rows: kernel.iter().map(row).collect() });
    }
    grid.filled()
}

/// The measurements, a block per group: its id and what bounds it, then its members. None where there are none.
pub fn measurements(measurements: &[Measurement]) -> Option<Grid> {
    let mut grid = Grid::new(["kernel", "ns/element", "GB/s", "of copy", "sigmoid : relu"]);
    for group in measurements.chunk_by(|a, b| a.group() == b.group()) {
        let bound_by = group
            .iter()
            .find_map(|member| member.bound_by)
            .map(|bound_by| format!(" ({})", bound_by.name()));
        let title = format!("{}{}", group[0].group(), bound_by.unwrap_or_default());
        let rows = group.iter().map(|member| {
            let share =
                group.first().filter(|copy| copy.id != member.id).and_then(|y| y.over(member));
            vec![
                member.id[member.group().len()..].trim_start_matches('/').to_owned(),
                match member.status {
                    Status::Ok => {
                        member.ns_per_element().map(|ns| significant(ns, 3)).unwrap_or_default()
                    }
                    status => status.name().to_owned(),
                },
                member
                    .bytes_per_second()
                    .map(|rate| significant(rate / 1e9, 3))
                    .unwrap_or_default(),
                share.map(percent).unwrap_or_default(),
                over_relu(member, group).map(ratio).unwrap_or_default(),
            ]
        });
        grid.blocks.push(Block { title: Some(title), rows: rows.collect() });
    }
    grid.notes = reasons(
        measurements.iter().map(|row| (row.id.as_str(), row.status, row.reason.as_deref())),
    );
    grid.notes.extend(notes(measurements.iter().map(|row| (row.id.as_str(), &row.notes[..]))));
    grid.filled()
}

/// The measurements as a table of at most 100 columns.
pub fn render(measurements: &[Measurement]) -> String {
    self::measurements(measurements).map(|grid| grid.text()).unwrap_or_default()
}

/// Time of a sigmoid over that of the ReLU of its group; none of other rows.
pub(crate) fn over_relu(member: &Measurement, group: &[Measurement]) -> Option<Estimate> {
    let relu = || group.iter().find(|other| other.activation == "relu" && is_alike(other, member));
    (member.activation == "sigmoid").then(relu).flatten().and_then(|relu| member.over(relu))
}

/// Why rows have no figures, once for all that have one reason: id, status and reason of each.
fn reasons<'a>(rows: impl Iterator<Item = (&'a str, Status, Option<&'a str>)>) -> Vec<String> {
    let mut reasons: Vec<(&str, Status, Vec<&str>)> = Vec::new();
    for (id, status, reason) in rows.filter(|(_, status, _)| *status != Status::Ok) {
        let reason = reason.unwrap_or("no reason was given");
        match reasons.iter_mut().find(|(other, of, _)| (*other, *of) == (reason, status)) {
            Some((.., ids)) => ids.push(id),
            None => reasons.push((reason, status, vec![id])),
        }
    }
    let sentence = |(reason, status, ids): (&str, Status, Vec<&str>)| {
        let rows = match ids[..] {
            [first, _, ..] => format!("{first} and {} more", ids.len() - 1),
            _ => ids.concat(),
        };
        format!("{rows}: {}: {reason}", status.name())
    };
    reasons.into_iter().map(sentence).collect()
}

/// What a reader of rows should know: id and notes of each.
fn notes<'a>(rows: impl Iterator<Item = (&'a str, &'a [String])>) -> Vec<String> {
    rows.flat_map(|(id, notes)| notes.iter().map(move |note| format!("{id}: {note}"))).collect()
}

/// Whether a row is one of normal inputs without run-time checks.
fn is_plain(row: &Measurement) -> bool {
    row.inputs == Inputs::Normal && !row.shader_checks
}

/// Whether two members of a group differ in activation and variant alone.
fn is_alike(a: &Measurement, b: &Measurement) -> bool {
    a.inputs == b.inputs && a.shader_checks == b.shader_checks
}

fn is_copy(path: &str) -> bool {
    path.ends_with("/copy/plain") || path.ends_with("/add/plain")
}

pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

pub(crate) fn duration(ns: f64) -> String {
    if ns < 1e3 {
        format!("{} ns", significant(ns, 3))
    } else if ns < 1e6 {
        format!("{} us", significant(ns / 1e3, 3))
    } else {
        format!("{} ms", significant(ns / 1e6, 3))
    }
}

/// A positive number with so many significant digits, without an exponent.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // That of the rounded number: 9.999 is 10.0.
    let scientific = format!("{value:.*e}", digits - 1);
    let magnitude: i32 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let decimals =
        (digits - 1).saturating_add_signed(-isize::try_from(magnitude).expect("at most 308"));
    format!("{value:.decimals$}")
}

/// Three significant digits, or a whole number; as a power of ten where zeros would be most of it.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1e6 && size.fract() == 0.0 {
        // What is counted.
        format!("{value:.0}")
    } else if (1e-3..1e6).contains(&size) {
        significant(value, 3)
    } else {
        format!("{value:.2e}")
    }
}

/// A number with its interval.
pub(crate) fn interval(Estimate { median, low, high }: Estimate) -> String {
    format!("{} [{}, {}]", number(median), number(low), number(high))
}

/// A share with its interval, in percent.
pub(crate) fn percent(share: Estimate) -> String {
    format!("{:.0} % [{:.0}, {:.0}]", share.median * 100.0, share.low * 100.0, share.high * 100.0)
}

/// A ratio with its interval.
pub(crate) fn ratio(ratio: Estimate) -> String {
    format!("{:.2} [{:.2}, {:.2}]", ratio.median, ratio.low, ratio.high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::measured as measurement;

    #[test]
    fn significant_digits() {
        assert_eq!(significant(0.012345, 3), "0.0123");
        assert_eq!(significant(1.2345, 3), "1.23");
        assert_eq!(significant(123.45, 3), "123");
        assert_eq!(significant(4321.0, 3), "4321");
        assert_eq!(significant(0.009_999_99, 3), "0.0100");
        assert_eq!(significant(9.999, 3), "10.0");
        assert_eq!(significant(-0.5, 1), "-0.5");
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (12345.0, "12345"),
            (1.5, "1.50"),
            (-0.012345, "-0.0123"),
            (1.2e-9, "1.20e-9"),
            (3e7, "3.00e7"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_row_that_was_not_measured_keeps_its_place_and_says_why() {
        let copy = measurement("copy", &[Some(100.0); 6]);
        let mut relu = measurement("relu", &[]);
        relu.status = Status::Skipped;
        relu.reason = Some("no room".to_owned());
        let sigmoid = measurement("sigmoid", &[Some(200.0); 6]);
        let text = render(&[copy, relu, sigmoid]);
        assert!(
            text.contains("relu/plain") && text.contains("skipped") && text.contains("no room"),
            "{text}"
        );
        assert!(text.contains("50 % [50, 50]"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
