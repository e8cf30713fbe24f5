//! CSV: a row for each measurement, each op and what each variant costs, under one header with
//! units, so that files of several runs can stand one behind the other. A cell that does not apply
//! is empty.

use serde_json::{Value, json};

use super::cost::costs;
use super::figures::{over_denominator, share_of_copy};
use super::reasons::sentence;
use super::text::csv_cell;
use crate::report::{DerivedArithmetic, Pair, Reason, Report};

/// The report in that format: fields by their names in its JSON, and what follows from them.
pub fn render(report: &Report) -> String {
    let ratios: Vec<(String, &Pair)> =
        report.run.pairs.iter().map(|pair| (pair.names().join("_over_"), pair)).collect();
    let columns_of = |(name, _): &(String, &Pair)| format!("{name} {name}_low {name}_high");
    let pairs: Vec<String> = ratios.iter().map(columns_of).collect();
    let pairs = pairs.join(" ");
    let columns = format!(
        "started_at adapter driver is_software id status reason notes direction dtype activation \
         variant elements bytes bound_by rounds_per_repeat samples median_ns low_ns high_ns \
         ns_per_element bytes_per_second share_of_copy share_of_copy_low share_of_copy_high \
         {pairs} violations max_ulp max_share_of_bound wgsl_sha256 op chains \
         step_ps step_ps_low step_ps_high step_fmas step_fmas_low step_fmas_high \
         second_fma second_fma_low second_fma_high op_ps_least op_ps_most op_fmas_least \
         op_fmas_most clock saved_bytes time_over_copy time_over_copy_low time_over_copy_high \
         tier is_total"
    );
    let adapter = &report.adapter;
    let run = json!({
        "started_at": report.run.started_at,
        "adapter": adapter.name,
        "driver": format!("{} {}", adapter.driver, adapter.driver_info).trim(),
        "is_software": adapter.is_software,
    });
    let rows = &report.measurements;
    let measurements = rows.iter().map(|row| {
        let figures = json!({
            "samples": row.samples_ns.iter().flatten().count(),
            "share_of_copy": share_of_copy(row, rows),
        });
        let ratios: serde_json::Map<String, Value> = ratios
            .iter()
            .map(|(name, pair)| (name.clone(), json!(over_denominator(row, rows, pair))))
            .collect();
        let told = told(row.reason.as_ref(), &row.notes);
        vec![
            told,
            figures,
            Value::Object(ratios),
            json!(row.derived()),
            json!(row),
            json!(row.validation),
        ]
    });
    let ops = report.arithmetic.iter().map(|row| {
        let figures = json!({ "samples": row.own.steps_ns().flatten().count() });
        let op = of_op(row.derived());
        vec![told(row.reason.as_ref(), &row.notes), figures, op, json!(row.derived()), json!(row)]
    });
    let costs = costs(report);
    let costs = costs.iter().filter(|cost| cost.computes()).map(|cost| {
        let [direction, dtype] = cost.group;
        let (activation, variant) = cost.member.split_once('/').unwrap_or_default();
        let over_copy = cost.over_copy();
        let figures = json!({
            "id": format!("cost/{}", cost.found.kernel),
            "direction": direction,
            "dtype": dtype,
            "activation": activation,
            "variant": variant,
            "elements": over_copy.map(|(_, elements)| elements),
            "clock": cost.clock(),
            "saved_bytes": cost.saved_bytes(),
            "time_over_copy": over_copy.map(|(ratio, _)| ratio),
        });
        vec![figures, of_op(cost.arithmetic()), json!(cost.found)]
    });
    let rows = measurements.chain(ops).chain(costs).map(|mut parts| {
        parts.push(run.clone());
        columns.split(' ').map(|column| cell(column, &parts)).collect()
    });
    written(&columns, rows)
}

/// What an op costs: from its least to its most.
fn of_op(derived: Option<DerivedArithmetic>) -> Value {
    let [ps, fmas] = [derived.map(|it| it.op_ps), derived.map(|it| it.op_fmas)];
    json!({
        "op_ps_least": ps.map(|it| it.least),
        "op_ps_most": ps.map(|it| it.most),
        "op_fmas_least": fmas.map(|it| it.least),
        "op_fmas_most": fmas.map(|it| it.most),
    })
}

/// What is told in sentences, not as the fields of that name.
fn told(reason: Option<&Reason>, notes: &[Reason]) -> Value {
    let notes: Vec<String> = notes.iter().map(sentence).collect();
    json!({ "reason": reason.map(sentence).unwrap_or_default(), "notes": notes.join(" ") })
}

/// Of the first part that has it; of an estimate its median, or the end that the column names.
fn cell(column: &str, parts: &[Value]) -> String {
    let (name, end) = match column.rsplit_once('_') {
        Some((name, end @ ("low" | "high"))) => (name, end),
        _ => (column, "median"),
    };
    let Some(found) = parts.iter().find_map(|part| part.get(name)) else { return String::new() };
    match found.get(end).unwrap_or(found) {
        Value::Null => String::new(),
        Value::String(text) => csv_cell(text),
        // All digits that it has, without an exponent.
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN).to_string(),
        other => other.to_string(),
    }
}

/// Rows under the names of their columns.
pub fn written(columns: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.split(' ')).expect("memory");
    for row in rows {
        writer.write_record(row).expect("memory, and as many cells as there are columns");
    }
    String::from_utf8(writer.into_inner().expect("memory")).expect("made of strings")
}
