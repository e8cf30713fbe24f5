//! CSV: a row for each measurement and each rate, under one header with units, so that files of several runs can be put one behind the other.

use crate::measure::stats::Estimate;
use crate::render::reasons::sentence;
use crate::render::table;
use crate::render::text::csv_cell;
use crate::report::{Arithmetic, Measurement, Reason, Report};

/// A column with what it holds of a row.
type Column = (&'static str, fn(&Row) -> String);

/// The columns. A cell that does not apply is empty.
const COLUMNS: &[Column] = &[
    ("started_at", |row| row.report.run.started_at.to_string()),
    ("adapter", |row| text(&row.report.adapter.name)),
    ("driver", |row| {
        text(format!("{} {}", row.report.adapter.driver, row.report.adapter.driver_info).trim())
    }),
    ("is_software", |row| row.report.adapter.is_software.to_string()),
    ("id", |row| text(row.id())),
    ("status", |row| row.status().to_owned()),
    ("reason", |row| text(&row.reason())),
    ("notes", |row| text(&row.notes().iter().map(sentence).collect::<Vec<_>>().join(" "))),
    ("direction", |row| row.of_measurement(|m| text(&m.direction))),
    ("dtype", |row| text(row.dtype())),
    ("activation", |row| row.of_measurement(|m| text(&m.activation))),
    ("variant", |row| row.of_measurement(|m| text(&m.variant))),
    ("op", |row| row.of_rate(|r| text(&r.op))),
    ("elements", |row| row.elements().to_string()),
    ("bytes", |row| row.of_measurement(|m| m.bytes.to_string())),
    ("bound_by", |row| {
        row.of_measurement(|m| {
            m.bound_by.map(|bound_by| bound_by.name().to_owned()).unwrap_or_default()
        })
    }),
    ("chains", |row| row.of_rate(|r| r.chains.to_string())),
    ("rounds_per_repeat", |row| row.rounds_per_repeat().to_string()),
    ("samples", |row| row.samples().to_string()),
    ("median_ns", |row| of(row.time_ns(), |e| e.median)),
    ("low_ns", |row| of(row.time_ns(), |e| e.low)),
    ("high_ns", |row| of(row.time_ns(), |e| e.high)),
    ("ns_per_element", |row| {
        row.of_measurement(|m| m.ns_per_element().map(figure).unwrap_or_default())
    }),
    ("bytes_per_second", |row| {
        row.of_measurement(|m| m.bytes_per_second().map(figure).unwrap_or_default())
    }),
    ("share_of_copy", |row| of(row.share_of_copy(), |e| e.median)),
    ("share_of_copy_low", |row| of(row.share_of_copy(), |e| e.low)),
    ("share_of_copy_high", |row| of(row.share_of_copy(), |e| e.high)),
    ("sigmoid_over_relu", |row| of(row.over_relu(), |e| e.median)),
    ("sigmoid_over_relu_low", |row| of(row.over_relu(), |e| e.low)),
    ("sigmoid_over_relu_high", |row| of(row.over_relu(), |e| e.high)),
    ("step_ps", |row| of(row.derived_rate().map(|d| d.step_ps), |e| e.median)),
    ("step_ps_low", |row| of(row.derived_rate().map(|d| d.step_ps), |e| e.low)),
    ("step_ps_high", |row| of(row.derived_rate().map(|d| d.step_ps), |e| e.high)),
    ("step_fmas", |row| of(row.derived_rate().map(|d| d.step_fmas), |e| e.median)),
    ("step_in_fma_low", |row| of(row.derived_rate().map(|d| d.step_fmas), |e| e.low)),
    ("step_in_fma_high", |row| of(row.derived_rate().map(|d| d.step_fmas), |e| e.high)),
    ("net_fmas", |row| of(row.derived_rate().map(|d| d.net_fmas), |e| e.median)),
    ("net_in_fma_low", |row| of(row.derived_rate().map(|d| d.net_fmas), |e| e.low)),
    ("net_in_fma_high", |row| of(row.derived_rate().map(|d| d.net_fmas), |e| e.high)),
    ("steps_per_second", |row| {
        row.derived_rate().map(|d| figure(d.steps_per_second)).unwrap_or_default()
    }),
    ("violations", |row| {
        row.of_measurement(|m| m.validation.map(|v| v.violations.to_string()).unwrap_or_default())
    }),
    ("max_ulp", |row| {
        row.of_measurement(|m| m.validation.and_then(|v| v.max_ulp).map(figure).unwrap_or_default())
    }),
    ("max_share_of_bound", |row| {
        row.of_measurement(|m| {
            m.validation.and_then(|v| v.max_share_of_bound).map(figure).unwrap_or_default()
        })
    }),
    ("wgsl_sha256", |row| {
        row.of_measurement(|m| text(m.wgsl_sha256.as_deref().unwrap_or_default()))
    }),
];

/// The report in that variant.
pub fn render(report: &Report) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: &mut dyn Iterator<Item = String>| {
        writer
            .write_record(cells.map(String::into_bytes))
            .expect("memory, and as many cells as there are columns");
    };
    write(&mut COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    for group in report.measurements.chunk_by(|a, b| a.group() == b.group()) {
        for measurement in group {
            let row = Row { report, of: Of::Measurement(measurement, group) };
            write(&mut COLUMNS.iter().map(|(_, cell)| cell(&row)));
        }
    }
    for rate in &report.arithmetic {
        let row = Row { report, of: Of::Arithmetic(rate) };
        write(&mut COLUMNS.iter().map(|(_, cell)| cell(&row)));
    }
    String::from_utf8(writer.into_inner().expect("memory")).expect("made of strings")
}

/// A row and what it is taken from.
struct Row<'a> {
    report: &'a Report,
    of: Of<'a>,
}

enum Of<'a> {
    /// With its group, whose first member is the copy.
    Measurement(&'a Measurement, &'a [Measurement]),
    Arithmetic(&'a Arithmetic),
}

impl Row<'_> {
    fn of_measurement(&self, cell: impl Fn(&Measurement) -> String) -> String {
        if let Of::Measurement(measurement, _) = self.of {
            cell(measurement)
        } else {
            String::new()
        }
    }

    fn of_rate(&self, cell: impl Fn(&Arithmetic) -> String) -> String {
        if let Of::Arithmetic(rate) = self.of { cell(rate) } else { String::new() }
    }

    fn id(&self) -> &str {
        match self.of {
            Of::Measurement(measurement, _) => &measurement.id,
            Of::Arithmetic(rate) => &rate.id,
        }
    }

    fn status(&self) -> &'static str {
        match self.of {
            Of::Measurement(measurement, _) => measurement.status.name(),
            Of::Arithmetic(rate) => rate.status.name(),
        }
    }

    fn reason(&self) -> String {
        let reason = match self.of {
            Of::Measurement(measurement, _) => &measurement.reason,
            Of::Arithmetic(rate) => &rate.reason,
        };
        reason.as_ref().map(sentence).unwrap_or_default()
    }

    fn notes(&self) -> &[Reason] {
        match self.of {
            Of::Measurement(measurement, _) => &measurement.notes,
            Of::Arithmetic(rate) => &rate.notes,
        }
    }

    fn dtype(&self) -> &str {
        match self.of {
            Of::Measurement(measurement, _) => &measurement.dtype,
            Of::Arithmetic(rate) => &rate.dtype,
        }
    }

    fn elements(&self) -> u64 {
        match self.of {
            Of::Measurement(measurement, _) => measurement.elements,
            Of::Arithmetic(rate) => rate.elements,
        }
    }

    fn rounds_per_repeat(&self) -> u32 {
        match self.of {
            Of::Measurement(measurement, _) => measurement.rounds_per_repeat,
            Of::Arithmetic(rate) => rate.rounds_per_repeat,
        }
    }

    /// Samples that were kept.
    fn samples(&self) -> usize {
        match self.of {
            Of::Measurement(measurement, _) => measurement.samples_ns.iter().flatten().count(),
            Of::Arithmetic(rate) => rate.own.steps_ns().flatten().count(),
        }
    }

    fn time_ns(&self) -> Option<Estimate> {
        if let Of::Measurement(measurement, _) = self.of { measurement.time_ns() } else { None }
    }

    fn share_of_copy(&self) -> Option<Estimate> {
        let Of::Measurement(measurement, group) = self.of else { return None };
        group.first().filter(|copy| copy.id != measurement.id)?.over(measurement)
    }

    fn over_relu(&self) -> Option<Estimate> {
        if let Of::Measurement(measurement, group) = self.of {
            table::over_denominator(measurement, group)
        } else {
            None
        }
    }

    fn derived_rate(&self) -> Option<crate::report::DerivedArithmetic> {
        if let Of::Arithmetic(rate) = self.of { rate.derived() } else { None }
    }
}

/// All digits that the number has.
fn figure(value: f64) -> String {
    value.to_string()
}

fn of(estimate: Option<Estimate>, part: fn(Estimate) -> f64) -> String {
    estimate.map(part).map(figure).unwrap_or_default()
}

/// A text from the report.
fn text(text: &str) -> String {
    csv_cell(text).into_owned()
}
