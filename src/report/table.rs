//! The table that people read.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::{Measurement, Status};
use crate::stats::Estimate;

/// The measurements as a table of at most 100 columns, a block per panel.
#[must_use]
pub fn render(measurements: &[Measurement]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["kernel", "ns/element", "GB/s", "of yardstick", "sigmoid : relu"]);
    for panel in measurements.chunk_by(|a, b| a.group() == b.group()) {
        let named = |name: &str| panel.iter().find(|member| member.activation == name);
        let (yardstick, relu) = (named("copy").or_else(|| named("add")), named("relu"));
        for member in panel {
            let share = yardstick.filter(|yardstick| yardstick.id != member.id).and_then(|y| y.over(member));
            let gap = relu.filter(|_| member.activation == "sigmoid").and_then(|relu| member.over(relu));
            table.add_row([
                member.id.clone(),
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
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    let mut text = String::new();
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let mut text = text.trim_end().to_owned();
    for member in measurements.iter().filter(|member| member.status != Status::Ok) {
        let _ = write!(text, "\n{}: {}", member.id, member.reason.as_deref().unwrap_or("no reason was given"));
    }
    for member in measurements {
        let rejected = member.samples_ns.iter().filter(|sample| sample.is_none()).count();
        if rejected > 0 {
            let samples = member.samples_ns.len();
            let _ = write!(text, "\n{}: the clock gave no time for {rejected} of {samples} samples", member.id);
        }
    }
    text
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
