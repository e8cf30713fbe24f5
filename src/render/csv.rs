//! CSV: a row for each measurement and each op, under one header with units, so that files of
//! several runs can stand one behind the other. A cell that does not apply is empty.

use std::fmt::Display;

use super::reasons::sentence;
use super::table::over_denominator;
use super::text::csv_cell;
use crate::measure::stats::Estimate;
use crate::report::{
    Arithmetic, BoundBy, DENOMINATOR, Measurement, NUMERATOR, Reason, Report, Status,
};

/// The cells of a row by column. A row without figures has the same columns.
struct Cells(Vec<(String, String)>);

impl Cells {
    fn add(&mut self, column: &str, cell: impl Display) {
        self.0.push((column.to_owned(), cell.to_string()));
    }

    /// What a report says: no spreadsheet may take it for a formula.
    fn add_text(&mut self, column: &str, text: &str) {
        self.add(column, csv_cell(text));
    }

    /// All digits that a number has.
    fn add_number(&mut self, column: &str, number: Option<f64>) {
        self.add(column, number.map(|number| number.to_string()).unwrap_or_default());
    }

    fn add_estimate(&mut self, column: &str, estimate: Option<Estimate>) {
        self.add_number(column, estimate.map(|estimate| estimate.median));
        self.add_number(&format!("{column}_low"), estimate.map(|estimate| estimate.low));
        self.add_number(&format!("{column}_high"), estimate.map(|estimate| estimate.high));
    }

    fn cell(&self, column: &str) -> &str {
        self.0.iter().find(|(known, _)| known == column).map_or("", |(_, cell)| cell)
    }
}

/// The report in that format.
pub fn render(report: &Report) -> String {
    let mut rows = Vec::new();
    for group in report.measurements.chunk_by(|a, b| a.group() == b.group()) {
        rows.extend(group.iter().map(|row| of_measurement(report, row, group)));
    }
    rows.extend(report.arithmetic.iter().map(|row| of_arithmetic(report, row)));

    let mut columns: Vec<String> = Vec::new();
    let none = [
        of_measurement(report, &Measurement::default(), &[]),
        of_arithmetic(report, &Arithmetic::default()),
    ];
    for (column, _) in none.into_iter().flat_map(|cells| cells.0) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns).expect("memory");
    for row in rows {
        writer.write_record(columns.iter().map(|column| row.cell(column))).expect("memory");
    }
    String::from_utf8(writer.into_inner().expect("memory")).expect("made of strings")
}

fn of_row(
    report: &Report,
    id: &str,
    status: Status,
    reason: Option<&Reason>,
    notes: &[Reason],
) -> Cells {
    let adapter = &report.adapter;
    let mut cells = Cells(Vec::new());
    cells.add("started_at", report.run.started_at);
    cells.add_text("adapter", &adapter.name);
    cells.add_text("driver", format!("{} {}", adapter.driver, adapter.driver_info).trim());
    cells.add("is_software", adapter.is_software);
    cells.add_text("id", id);
    cells.add("status", status.name());
    cells.add_text("reason", &reason.map(sentence).unwrap_or_default());
    cells.add_text("notes", &notes.iter().map(sentence).collect::<Vec<_>>().join(" "));
    cells
}

/// A row beside its group, whose first member is copy.
fn of_measurement(report: &Report, row: &Measurement, group: &[Measurement]) -> Cells {
    let mut cells = of_row(report, &row.id, row.status, row.reason.as_ref(), &row.notes);
    cells.add_text("direction", &row.direction);
    cells.add_text("dtype", &row.dtype);
    cells.add_text("activation", &row.activation);
    cells.add_text("variant", &row.variant);
    cells.add("elements", row.elements);
    cells.add("bytes", row.bytes);
    cells.add("bound_by", row.bound_by.map(BoundBy::name).unwrap_or_default());
    cells.add("rounds_per_repeat", row.rounds_per_repeat);
    cells.add("samples", row.samples_ns.iter().flatten().count());
    let time = row.time_ns();
    cells.add_number("median_ns", time.map(|time| time.median));
    cells.add_number("low_ns", time.map(|time| time.low));
    cells.add_number("high_ns", time.map(|time| time.high));
    cells.add_number("ns_per_element", row.ns_per_element());
    cells.add_number("bytes_per_second", row.bytes_per_second());
    let copy = group.first().filter(|copy| copy.id != row.id);
    cells.add_estimate("share_of_copy", copy.and_then(|copy| copy.over(row)));
    let pair = format!("{NUMERATOR}_over_{DENOMINATOR}");
    cells.add_estimate(&pair, over_denominator(row, group));
    let validation = row.validation;
    let violations = validation.map(|found| found.violations.to_string());
    cells.add("violations", violations.unwrap_or_default());
    cells.add_number("max_ulp", validation.and_then(|found| found.max_ulp));
    cells.add_number("max_share_of_bound", validation.and_then(|found| found.max_share_of_bound));
    cells.add_text("wgsl_sha256", row.wgsl_sha256.as_deref().unwrap_or_default());
    cells
}

fn of_arithmetic(report: &Report, row: &Arithmetic) -> Cells {
    let mut cells = of_row(report, &row.id, row.status, row.reason.as_ref(), &row.notes);
    cells.add_text("op", &row.op);
    cells.add_text("dtype", &row.dtype);
    cells.add("elements", row.elements);
    cells.add("chains", row.chains);
    cells.add("rounds_per_repeat", row.rounds_per_repeat);
    cells.add("samples", row.own.steps_ns().flatten().count());
    let derived = row.derived();
    cells.add_estimate("step_ps", derived.map(|derived| derived.step_ps));
    cells.add_estimate("step_fmas", derived.map(|derived| derived.step_fmas));
    cells.add_estimate("net_fmas", derived.map(|derived| derived.net_fmas));
    cells.add_number("steps_per_second", derived.map(|derived| derived.steps_per_second));
    cells.add_text("wgsl_sha256", row.wgsl_sha256.as_deref().unwrap_or_default());
    cells
}
