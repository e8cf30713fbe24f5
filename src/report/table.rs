//! The table that people read.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::{
    Accuracy, BOTH, ClockKind, Comparison, Crossover, DerivedCrossover, Fastest, Gap, Inputs, Measurement, Quantity,
    Rate, Regime, Report, RunStatus, ShapeTrial, Status,
};
use crate::stats::Estimate;
use crate::storage::Storage;

/// What a line has at most: terminals and pull requests show it whole.
const COLUMNS: usize = 100;

/// Everything that is printed of a report, the verdict last, where it is seen.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut parts = vec![head(report)];
    if !report.measurements.is_empty() {
        parts.push(render(&report.measurements));
    }
    parts.extend(rates(&report.rates));
    parts.extend(gaps(&report.gaps));
    parts.extend(crossovers(report));
    parts.extend(forms(report));
    parts.extend(verdict(report));
    parts.push(foot(report));
    wrapped(&parts.join("\n\n"))
}

/// Lines of at most a hundred columns, which tables keep to by themselves.
fn wrapped(text: &str) -> String {
    let options = textwrap::Options::new(COLUMNS).subsequent_indent("  ").break_words(false);
    let lines = text.lines().map(|line| match line.chars().count() {
        ..=COLUMNS => line.to_owned(),
        _ => textwrap::fill(line, &options),
    });
    lines.collect::<Vec<_>>().join("\n")
}

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
    let storages = Storage::ALL.map(Storage::name);
    for storage in storages.into_iter().filter(|storage| rates.iter().any(|rate| rate.storage == *storage)) {
        table.add_row([format!("ladder/{storage}")]);
        for rate in rates.iter().filter(|rate| rate.storage == storage) {
            let derived = rate.derived();
            table.add_row([
                format!("  {}", rate.op),
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
    Some(text)
}

/// Sigmoid : ReLU by size, and in registers. None where nothing was measured of both.
#[must_use]
pub fn gaps(gaps: &[Gap]) -> Option<String> {
    let mut text = String::new();
    let by_size: Vec<&Gap> = gaps.iter().filter(|gap| gap.elements.is_some()).collect();
    if !by_size.is_empty() {
        let mut table = plain_table(["sigmoid : relu", "regime", "forward", "backward", "both", "hidden, forward"]);
        for size in by_size.chunk_by(|a, b| (&a.storage, a.elements) == (&b.storage, b.elements)) {
            let find = |quantity, direction: &str| {
                size.iter().find(|gap| gap.quantity == quantity && gap.direction == direction).map(|gap| gap.estimate())
            };
            let stream = |direction: &str| find(Quantity::Stream, direction).map(ratio).unwrap_or_default();
            let regime = size.iter().find_map(|gap| gap.regime).map(Regime::name);
            table.add_row([
                format!("{}/n={}", size[0].storage, size[0].elements.unwrap_or_default()),
                regime.unwrap_or_default().to_owned(),
                stream("forward"),
                stream("backward"),
                stream(BOTH),
                find(Quantity::Hidden, "forward").map(percent).unwrap_or_default(),
            ]);
        }
        text = lines_of(&table);
    }
    for whole in gaps.iter().filter(|gap| gap.quantity == Quantity::Rung) {
        let is_net = |gap: &&Gap| {
            gap.quantity == Quantity::RungNet && gap.storage == whole.storage && gap.direction == whole.direction
        };
        let net = match gaps.iter().find(is_net) {
            Some(net) => format!("net of the fma {}", ratio(net.estimate())),
            None => "no net ratio, since relu's own cost may be nothing".to_owned(),
        };
        let Gap { direction, storage, .. } = whole;
        let _ =
            write!(text, "\nin registers, {direction} {storage}: {} in whole rungs; {net}", ratio(whole.estimate()));
    }
    Some(text.trim_start().to_owned()).filter(|text| !text.is_empty())
}

/// Where streaming kernels leave memory speed. None where no crossover was planned.
#[must_use]
pub fn crossovers(report: &Report) -> Option<String> {
    if report.crossovers.is_empty() {
        return None;
    }
    let mut table =
        plain_table(["k activations an element", "elements", "k*", "bend", "knee penalty", "rung : ladder's"]);
    for row in &report.crossovers {
        let ladder = report.rates.iter().find(|rate| rate.id == row.ladder);
        let derived = ladder.and_then(|ladder| row.derived(ladder));
        table.add_row([
            row.id.clone(),
            row.elements.to_string(),
            match (row.status, derived) {
                (Status::Ok, Some(derived)) => ratio(derived.rungs_under_memory),
                (status, _) => format!("{status:?}").to_lowercase(),
            },
            derived.map(|derived| format!("{:.2}", derived.bend_rungs)).unwrap_or_default(),
            derived.map(knee).unwrap_or_default(),
            derived.map(|derived| ratio(derived.rung_over_ladder)).unwrap_or_default(),
        ]);
    }
    let mut text = lines_of(&table);
    for Crossover { id, status, reason, notes, .. } in &report.crossovers {
        let reason = reason.iter().filter(|_| *status != Status::Ok);
        for sentence in reason.chain(notes) {
            let _ = write!(text, "\n{id}: {sentence}");
        }
    }
    Some(text)
}

fn knee(derived: DerivedCrossover) -> String {
    let DerivedCrossover { knee_penalty, knee_rungs, .. } = derived;
    format!("{} at {knee_rungs}", percent(knee_penalty))
}

/// Forms side by side: time, what a backward pass needs saved, and accuracy. None where only default forms were measured.
#[must_use]
pub fn forms(report: &Report) -> Option<String> {
    let mut table =
        plain_table(["form", "saved B", "of yardstick", "fma rungs", "max ULP", "mean", "bound", "tier", "every x"]);
    let (mut has_others, mut group) = (false, String::new());
    let mut compared: Vec<&Accuracy> = report.accuracy.iter().collect();
    let of_group = |path: &str| path.splitn(3, '/').take(2).map(str::to_owned).collect::<Vec<_>>();
    compared.sort_by_key(|accuracy| of_group(&accuracy.kernel));
    for accuracy in compared {
        let parts: Vec<&str> = accuracy.kernel.split('/').collect();
        let [direction, storage, activation, form] = parts[..] else { continue };
        let rung = rung_of(&report.rates, direction, storage, &format!("{activation}/{form}"));
        let row = largest_row(report, accuracy);
        let share = row.and_then(|row| yardstick_of(report, row)?.over(row));
        has_others |= activation == "sigmoid" && form == "exp2";
        if group != format!("{direction}/{storage}") {
            group = format!("{direction}/{storage}");
            table.add_row([group.clone()]);
        }
        table.add_row([
            format!("  {activation}/{form}"),
            row.filter(|row| row.direction == "backward").map(saved_bytes).unwrap_or_default(),
            share.map(|share| format!("{:.0} %", 100.0 * share.median)).unwrap_or_default(),
            rung.map(|rung| format!("{:.2}", rung.median)).unwrap_or_default(),
            accuracy.max_ulp.map(|ulp| significant_or_0(ulp, 3)).unwrap_or_default(),
            accuracy.mean_ulp.map(|ulp| significant_or_0(ulp, 2)).unwrap_or_default(),
            accuracy.max_share_of_bound.map(|share| format!("{share:.2}")).unwrap_or_default(),
            accuracy.tier.map(String::from).unwrap_or_default(),
            if accuracy.is_total { "yes" } else { "no" }.to_owned(),
        ]);
    }
    has_others.then(|| {
        let packing = packing_costs(report);
        [lines_of(&table), packing].join("\n").trim_end().to_owned()
    })
}

/// Bytes an element that the forward pass keeps for this backward pass.
fn saved_bytes(row: &Measurement) -> String {
    if row.form == "from_mask" {
        return "0.125".to_owned();
    }
    if row.storage == "f32" { "4" } else { "2" }.to_owned()
}

fn rung_of(rates: &[Rate], direction: &str, storage: &str, member: &str) -> Option<Estimate> {
    let op = if direction == "backward" { format!("backward/{member}") } else { member.to_owned() };
    let rate = rates.iter().find(|rate| rate.storage == storage && rate.op == op)?;
    Some(rate.derived()?.rung_in_fma)
}

/// The row of a kernel at the largest size at which all forms were measured.
fn largest_row<'a>(report: &'a Report, accuracy: &Accuracy) -> Option<&'a Measurement> {
    let is_plain = |row: &&Measurement| is_plain(row) && row.path() == accuracy.kernel && row.time_ns().is_some();
    let has_all = |row: &&Measurement| {
        row.activation != "sigmoid"
            || report.measurements.iter().filter(|other| other.group() == row.group() && is_plain(other)).count() > 3
    };
    report.measurements.iter().filter(is_plain).filter(has_all).max_by_key(|row| row.elements)
}

fn yardstick_of<'a>(report: &'a Report, row: &Measurement) -> Option<&'a Measurement> {
    report.measurements.iter().find(|other| other.group() == row.group()).filter(|yardstick| yardstick.id != row.id)
}

/// What writing a mask costs beside y, and what reading it gains, at the largest size.
fn packing_costs(report: &Report) -> String {
    let mut text = String::new();
    let masks = report.measurements.iter().filter(|row| row.form.ends_with("_mask") && is_plain(row));
    let masks: Vec<&Measurement> = masks.collect();
    for storage in Storage::ALL.map(Storage::name) {
        for (form, other, what) in [
            ("with_mask", "plain", "writing a bit an element beside y takes"),
            ("from_mask", "from_y", "reading the bit instead of y takes"),
        ] {
            let of_form = masks.iter().filter(|row| row.storage == storage && row.form == form);
            let Some(row) = of_form.max_by_key(|row| row.elements) else { continue };
            let is_other = |peer: &&Measurement| {
                peer.group() == row.group() && peer.activation == row.activation && peer.form == other && is_plain(peer)
            };
            let Some(ratio) = report.measurements.iter().find(is_other).and_then(|peer| row.over(peer)) else {
                continue;
            };
            let _ = writeln!(text, "{}: {what} {} times as long", row.id, self::ratio(ratio));
        }
    }
    text
}

/// What follows, in words. None where nothing does.
#[must_use]
pub fn verdict(report: &Report) -> Option<String> {
    let verdict = report.verdict.as_ref()?;
    let mut text = verdict.sentence.clone();
    for Fastest { direction, storage, by, form, as_fast, slower, .. } in &verdict.fastest {
        let by = match by {
            Comparison::Ladder => "in registers",
            Comparison::Stream => "streaming",
        };
        let _ = write!(text, "\nfastest sigmoid {direction} {storage}, {by}: {form}");
        if !as_fast.is_empty() {
            let _ = write!(text, ", not to be told from {}", as_fast.join(", "));
        }
        if !slower.is_empty() {
            let _ = write!(text, "; slower: {}", slower.join(", "));
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

/// The measurements as a table of at most 100 columns, a block per panel: its id and what bounds it, then its members.
#[must_use]
pub fn render(measurements: &[Measurement]) -> String {
    let mut table = plain_table(["kernel", "ns/element", "GB/s", "of yardstick", "sigmoid : relu"]);
    for panel in measurements.chunk_by(|a, b| a.group() == b.group()) {
        let regime = panel.iter().find_map(|member| member.regime).map(|regime| format!(" ({})", regime.name()));
        table.add_row([format!("{}{}", panel[0].group(), regime.unwrap_or_default())]);
        for member in panel {
            let share = panel.first().filter(|yardstick| yardstick.id != member.id).and_then(|y| y.over(member));
            let relu = || panel.iter().find(|other| other.activation == "relu" && is_alike(other, member));
            let gap = (member.activation == "sigmoid").then(relu).flatten().and_then(|relu| member.over(relu));
            table.add_row([
                format!("  {}", member.id[member.group().len()..].trim_start_matches('/')),
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

/// Whether a row is one of normal inputs without run-time checks.
fn is_plain(row: &Measurement) -> bool {
    row.inputs == Inputs::Normal && !row.shader_checks
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
    if value == 0.0 {
        return "0".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a magnitude of a double is at most 308")]
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(digits - 1 - magnitude).unwrap_or(0);
    format!("{value:.decimals$}")
}

/// [`significant`] of a number that may be 0.
fn significant_or_0(value: f64, digits: i32) -> String {
    if value == 0.0 { "0".to_owned() } else { significant(value, digits) }
}

/// A share with its interval, in percent.
pub(super) fn percent(share: Estimate) -> String {
    format!("{:.0} % [{:.0}, {:.0}]", share.median * 100.0, share.low * 100.0, share.high * 100.0)
}

/// A ratio with its interval.
pub(super) fn ratio(ratio: Estimate) -> String {
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
