//! Google Benchmark's JSON (schema version 1), which its `tools/compare.py`, Bencher and
//! github-action-benchmark read.

use serde_json::{Value, json};

use super::text::plain;
use crate::report::{Arithmetic, Measurement, Report, Status};

/// The report in that format: an entry for each sample, so that compare.py can test whether two
/// runs differ. Some readers take an entry's time whatever else it says, so rows without a figure
/// have no entry; the context names them.
pub fn render(report: &Report) -> String {
    let rows = report.measurements.iter().map(of_measurement);
    let rows = rows.chain(report.arithmetic.iter().map(of_arithmetic));
    let (rows, left_out): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.status == Status::Ok);
    let entries: Vec<Value> =
        rows.iter().enumerate().flat_map(|(family, row)| row.entries(family)).collect();
    let document = json!({ "context": context(report, &left_out), "benchmarks": entries });
    serde_json::to_string(&document).expect("string keys") + "\n"
}

fn context(report: &Report, left_out: &[Row]) -> Value {
    let left_out = left_out.iter().map(|row| format!("{}: {}", row.id, row.status));
    let left_out = left_out.collect::<Vec<_>>().join("; ");
    let tool = &report.tool;
    json!({
        "date": report.run.started_at,
        "host_name": plain(report.system.host.as_deref().unwrap_or_default()),
        "executable": plain(&tool.name),
        "num_cpus": report.system.cpu.logical_cores.unwrap_or_default(),
        "mhz_per_cpu": 0,
        "cpu_scaling_enabled": false,
        // Bencher asks for it.
        "caches": [],
        "load_avg": [],
        "library_version": plain(&tool.version),
        "library_build_type": if tool.optimized { "release" } else { "debug" },
        "json_schema_version": 1,
        "adapter": plain(&report.adapter.name),
        "driver": plain(&format!("{} {}", report.adapter.driver, report.adapter.driver_info)),
        "backend": plain(&report.adapter.backend),
        "software_adapter": report.adapter.is_software.to_string(),
        "profile": report.run.profile,
        "rows_without_figures": plain(&left_out),
    })
}

/// The samples of a row.
struct Row<'a> {
    id: &'a str,
    status: Status,
    samples_ns: Vec<f64>,
    iterations: u32,
    elements: u64,
    bytes: Option<u64>,
}

fn of_measurement(row: &Measurement) -> Row<'_> {
    Row {
        id: &row.id,
        status: row.status,
        samples_ns: row.samples_ns.iter().flatten().copied().collect(),
        iterations: row.dispatches_per_sample,
        elements: row.elements,
        bytes: Some(row.bytes),
    }
}

/// Its time is that of one step of all elements.
fn of_arithmetic(row: &Arithmetic) -> Row<'_> {
    Row {
        id: &row.id,
        status: row.status,
        samples_ns: row.own.steps_ns().flatten().filter(|ns| *ns > 0.0).collect(),
        iterations: row.dispatches_per_sample,
        elements: row.elements,
        bytes: None,
    }
}

impl Row<'_> {
    fn entries(&self, family: usize) -> Vec<Value> {
        // compare.py prints it to a terminal.
        let name = plain(self.id);
        let entry = |(index, ns): (usize, &f64)| {
            let per_second = |count: u64| count as f64 / ns * 1e9;
            let mut entry = json!({
                "name": name,
                "family_index": family,
                "per_family_instance_index": 0,
                "run_name": name,
                "run_type": "iteration",
                "repetitions": self.samples_ns.len(),
                "repetition_index": index,
                "threads": 1,
                "iterations": self.iterations,
                "real_time": ns,
                // No time of the host's CPU is taken; readers want both.
                "cpu_time": ns,
                "time_unit": "ns",
                "items_per_second": per_second(self.elements),
            });
            if let Some(bytes) = self.bytes {
                entry["bytes_per_second"] = json!(per_second(bytes));
            }
            entry
        };
        self.samples_ns.iter().enumerate().map(entry).collect()
    }
}
