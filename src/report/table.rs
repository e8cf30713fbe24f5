//! The table that people read.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::{ClockKind, Measurement, Rate, Regime, Report, RunStatus, ShapeTrial, Status};
use crate::stats::Estimate;

/// What the numbers were taken with: adapter, clock, and what bounds a dispatch.
#[must_use]
pub fn head(report: &Report) -> String {
    let mut lines = vec![report.adapter.summary()];
    let clock = match report.clock.kind {
        ClockKind::GpuTimestamps => "gpu timestamps",
        ClockKind::Wall => "the wall clock (the adapter has no timestamps)",
    };
    lines.push(format!(
        "{} profile, {}, timed by {clock}",
        report.run.profile.name(),
        counted(report.run.devices.into(), "device")
    ));
    if let Some(floor) = &report.floor {
        lines.push(format!(
            "a dispatch of next to nothing: {} behind another, {} from submission to completion",
            duration(floor.dispatch_ns.median),
            duration(floor.submit_to_complete_ns.median)
        ));
    }
    if let Some(memory) = &report.memory_regime {
        #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
        let bytes = memory.from_bytes as f64 / 1e6;
        let how = if memory.settled {
            "throughput no longer changes there"
        } else {
            "the largest size, where it still changes"
        };
        lines.push(format!("memory regime: from {} MB a dispatch on ({how})", significant(bytes, 3)));
    }
    for trial in report.shapes.iter().filter(|trial| trial.chosen && is_yardstick(&trial.kernel)) {
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
#[must_use]
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
    let parts: Vec<String> = parts.iter().map(|(what, seconds)| format!("{what} {seconds:.1}")).collect();
    let mut text = format!("{:.1} s: {}", report.run.duration_s, parts.join(", "));
    if report.run.status != RunStatus::Complete {
        let _ = write!(text, "\nincomplete: {}", report.run.reason.as_deref().unwrap_or("it is not known why"));
    }
    text
}

/// The ladder: what a rung of each op takes. None where nothing was climbed.
#[must_use]
pub fn rates(rates: &[Rate]) -> Option<String> {
    if rates.is_empty() {
        return None;
    }
    let mut table = plain_table(["ladder", "chains", "ps a rung", "in fma rungs", "net of fma", "G rungs/s"]);
    for storage in rates.chunk_by(|a, b| a.storage == b.storage) {
        for rate in storage {
            let derived = rate.derived();
            table.add_row([
                rate.id.clone(),
                if rate.chains > 0 { rate.chains.to_string() } else { String::new() },
                match rate.status {
                    Status::Ok => derived.map(|derived| significant(derived.rung_ps.median, 3)).unwrap_or_default(),
                    status => format!("{status:?}").to_lowercase(),
                },
                derived.map(|derived| ratio(derived.rung_in_fma)).unwrap_or_default(),
                derived.map(|derived| ratio(derived.net_in_fma)).unwrap_or_default(),
                derived.map(|derived| significant(derived.rungs_per_second / 1e9, 3)).unwrap_or_default(),
            ]);
        }
        table.add_row([""]);
    }
    let mut text = lines_of(&table);
    for rate in rates {
        if let (true, Some(reason)) = (rate.status != Status::Ok, &rate.reason) {
            let _ = write!(text, "\n{}: {reason}", rate.id);
        }
        for note in &rate.notes {
            let _ = write!(text, "\n{}: {note}", rate.id);
        }
    }
    let by_name = |storage: &str, op: &str| rates.iter().find(|rate| rate.storage == storage && rate.op == op);
    for storage in ["f32", "f16_native"] {
        for (direction, sigmoid, relu) in [
            ("forward", "sigmoid/two_sided", "relu/plain"),
            ("backward", "backward/sigmoid/from_y", "backward/relu/from_y"),
        ] {
            let Some((sigmoid, relu)) = by_name(storage, sigmoid).zip(by_name(storage, relu)) else { continue };
            let Some(whole) = sigmoid.over(relu) else { continue };
            let _ = write!(text, "\n{direction} {storage}, sigmoid : relu in whole rungs: {}", ratio(whole));
            let _ = match sigmoid.net_over(relu) {
                Some(net) => write!(text, "; net of the fma: {}", ratio(net)),
                None => write!(text, "; no net ratio, since relu's own cost may be nothing"),
            };
        }
    }
    Some(text)
}

/// Every shape that was tried, by kernel and from the fastest on.
#[must_use]
pub fn shapes(trials: &[ShapeTrial]) -> String {
    let mut table = plain_table(["kernel and size", "workgroup", "words", "ns/dispatch", "of the fastest", ""]);
    let key = |trial: &ShapeTrial| (trial.kernel.clone(), trial.elements);
    for kernel in trials.chunk_by(|a, b| key(a) == key(b)) {
        let fastest = kernel.iter().map(|trial| trial.ns.median).fold(f64::INFINITY, f64::min);
        for trial in kernel {
            table.add_row([
                format!("{} n={}", trial.kernel, trial.elements),
                trial.shape.workgroup_size.to_string(),
                trial.shape.words_per_invocation.to_string(),
                significant(trial.ns.median, 4),
                format!("{:.0} %", 100.0 * fastest / trial.ns.median),
                if trial.chosen { "chosen" } else { "" }.to_owned(),
            ]);
        }
        table.add_row([""]);
    }
    lines_of(&table)
}

/// The measurements as a table of at most 100 columns, a block per panel.
#[must_use]
pub fn render(measurements: &[Measurement]) -> String {
    let mut table = plain_table(["kernel", "regime", "ns/element", "GB/s", "of yardstick", "sigmoid : relu"]);
    for panel in measurements.chunk_by(|a, b| a.group() == b.group()) {
        for member in panel {
            let share = panel.first().filter(|yardstick| yardstick.id != member.id).and_then(|y| y.over(member));
            let relu = || panel.iter().find(|other| other.activation == "relu" && is_alike(other, member));
            let gap = (member.activation == "sigmoid").then(relu).flatten().and_then(|relu| member.over(relu));
            table.add_row([
                member.id.clone(),
                member.regime.map(Regime::name).unwrap_or_default().to_owned(),
                match member.status {
                    Status::Ok => member.ns_per_element().map(|ns| significant(ns, 3)).unwrap_or_default(),
                    status => format!("{status:?}").to_lowercase(),
                },
                member.bytes_per_second().map(|rate| significant(rate / 1e9, 3)).unwrap_or_default(),
                share.map(percent).unwrap_or_default(),
                gap.map(ratio).unwrap_or_default(),
            ]);
        }
        table.add_row([""]);
    }
    let mut text = lines_of(&table);
    // Many rows may have one reason.
    let mut reasons: Vec<(&str, Status, Vec<&str>)> = Vec::new();
    for member in measurements.iter().filter(|member| member.status != Status::Ok) {
        let reason = member.reason.as_deref().unwrap_or("no reason was given");
        match reasons.iter_mut().find(|(other, status, _)| (*other, *status) == (reason, member.status)) {
            Some((.., ids)) => ids.push(&member.id),
            None => reasons.push((reason, member.status, vec![&member.id])),
        }
    }
    for (reason, status, ids) in reasons {
        let status = format!("{status:?}").to_lowercase();
        let rows = match ids[..] {
            [id] => id.to_owned(),
            [first, ..] => format!("{first} and {} more", ids.len() - 1),
            [] => unreachable!("a reason has a row"),
        };
        let _ = write!(text, "\n{rows}: {status}: {reason}");
    }
    for member in measurements {
        for note in &member.notes {
            let _ = write!(text, "\n{}: {note}", member.id);
        }
    }
    text
}

/// Whether two members of a panel differ in activation and form alone.
fn is_alike(a: &Measurement, b: &Measurement) -> bool {
    a.inputs == b.inputs && a.shader_checks == b.shader_checks
}

fn is_yardstick(path: &str) -> bool {
    path.ends_with("/copy/plain") || path.ends_with("/add/plain")
}

fn plain_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
}

fn lines_of(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.trim_end().to_owned()
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn duration(ns: f64) -> String {
    if ns < 1e3 {
        format!("{} ns", significant(ns, 3))
    } else if ns < 1e6 {
        format!("{} us", significant(ns / 1e3, 3))
    } else {
        format!("{} ms", significant(ns / 1e6, 3))
    }
}

/// A positive number with so many significant digits, without an exponent.
#[must_use]
pub fn significant(value: f64, digits: i32) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a magnitude of a double is at most 308")]
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(digits - 1 - magnitude).unwrap_or(0);
    format!("{value:.decimals$}")
}

fn percent(share: Estimate) -> String {
    format!("{:.0} % [{:.0}, {:.0}]", share.median * 100.0, share.low * 100.0, share.high * 100.0)
}

fn ratio(ratio: Estimate) -> String {
    format!("{:.2} [{:.2}, {:.2}]", ratio.median, ratio.low, ratio.high)
}

#[cfg(test)]
mod tests {
    use super::super::measurement::tests::measurement;
    use super::*;

    #[test]
    fn significant_digits() {
        assert_eq!(significant(0.012345, 3), "0.0123");
        assert_eq!(significant(1.2345, 3), "1.23");
        assert_eq!(significant(123.45, 3), "123");
        assert_eq!(significant(4321.0, 3), "4321");
    }

    #[test]
    fn a_row_that_was_not_measured_keeps_its_place_and_says_why() {
        let copy = measurement("copy", &[Some(100.0); 6]);
        let mut relu = measurement("relu", &[]);
        relu.status = Status::Skipped;
        relu.reason = Some("no room".to_owned());
        let sigmoid = measurement("sigmoid", &[Some(200.0); 6]);
        let text = render(&[copy, relu, sigmoid]);
        assert!(text.contains("relu/plain") && text.contains("skipped") && text.contains("no room"), "{text}");
        assert!(text.contains("50 % [50, 50]"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
