//! Google Benchmark's JSON (its schema version 1), which its `tools/compare.py`, Bencher and github-action-benchmark read.

use serde_json::{Map, Value, json};

use crate::render::text::plain;
use crate::report::{Arithmetic, Measurement, Report, Status};

/// The report in that variant: an entry for each sample, so that compare.py can test whether two runs differ. Rows without a figure have no
/// entry, since some of the readers take an entry's time whatever else it says; the context names them.
pub fn render(report: &Report) -> String {
    let of_measurements =
        report.measurements.iter().filter(|row| row.status == Status::Ok).map(of_measurement);
    let of_rates = report.arithmetic.iter().filter(|rate| rate.status == Status::Ok).map(of_rate);
    let mut benchmarks = Vec::new();
    for (family, entry) in of_measurements.chain(of_rates).enumerate() {
        benchmarks.extend(entry.repetitions(family));
    }
    let document = json!({ "context": context(report), "benchmarks": benchmarks });
    serde_json::to_string(&document).expect("string keys") + "\n"
}

fn context(report: &Report) -> Value {
    let left_out: Vec<String> = (report.measurements.iter().map(|row| (&row.id, row.status)))
        .chain(report.arithmetic.iter().map(|rate| (&rate.id, rate.status)))
        .filter(|(_, status)| *status != Status::Ok)
        .map(|(id, status)| format!("{id}: {}", status.name()))
        .collect();
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
        "profile": report.run.profile.name(),
        "rows_without_figures": plain(&left_out.join("; ")),
    })
}

/// The samples of a row.
struct Entry<'a> {
    name: &'a str,
    samples_ns: Vec<f64>,
    iterations: u32,
    elements: u64,
    bytes: Option<u64>,
}

fn of_measurement(row: &Measurement) -> Entry<'_> {
    Entry {
        name: &row.id,
        samples_ns: row.samples_ns.iter().flatten().copied().collect(),
        iterations: row.dispatches_per_sample,
        elements: row.elements,
        bytes: Some(row.bytes),
    }
}

/// The time of a chain's entry is that of one step of all elements.
fn of_rate(rate: &Arithmetic) -> Entry<'_> {
    Entry {
        name: &rate.id,
        samples_ns: rate.own.steps_ns().flatten().filter(|ns| *ns > 0.0).collect(),
        iterations: rate.dispatches_per_sample,
        elements: rate.elements,
        bytes: None,
    }
}

impl Entry<'_> {
    fn repetitions(&self, family: usize) -> impl Iterator<Item = Value> + '_ {
        let count = self.samples_ns.len();
        // compare.py prints it to a terminal.
        let name = plain(self.name);
        self.samples_ns.iter().enumerate().map(move |(index, ns)| {
            let mut entry = Map::new();
            for (key, value) in [
                ("name", json!(name)),
                ("family_index", json!(family)),
                ("per_family_instance_index", json!(0)),
                ("run_name", json!(name)),
                ("run_type", json!("iteration")),
                ("repetitions", json!(count)),
                ("repetition_index", json!(index)),
                ("threads", json!(1)),
                ("iterations", json!(self.iterations)),
                ("real_time", json!(ns)),
                // No processor of the host's is timed; readers want both.
                ("cpu_time", json!(ns)),
                ("time_unit", json!("ns")),
                ("items_per_second", per_second(self.elements, *ns)),
            ] {
                entry.insert(key.to_owned(), value);
            }
            if let Some(bytes) = self.bytes {
                entry.insert("bytes_per_second".to_owned(), per_second(bytes, *ns));
            }
            Value::Object(entry)
        })
    }
}

fn per_second(count: u64, ns: f64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "sizes stay below 2^53")]
    let count = count as f64;
    json!(count / ns * 1e9)
}
