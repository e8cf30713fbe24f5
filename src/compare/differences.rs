//! What two reports tell of machine, program and settings that is not the same in both: what to
//! look at before any figure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::report::Report;

/// A fact that is not the same in both reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// A key of the report, as adapter.name; or shader, shape, accuracy, uncommitted_changes.
    pub what: String,
    /// The kernel, chain or direction that it is about; null where it is the whole report.
    pub of: Option<String>,
    /// In the base; null where it has none.
    pub base: Value,
    /// In the other report; null where it has none.
    pub new: Value,
}

/// The keys of a report that are compared, those of the adapter first.
const KEYS: [&str; 28] = [
    "adapter.name",
    "adapter.is_software",
    "adapter.vendor_id",
    "adapter.device_id",
    "adapter.backend",
    "adapter.driver",
    "adapter.driver_info",
    "clock.kind",
    "system.host",
    "system.cpu.brand",
    "system.os.name",
    "system.os.version",
    "system.os.kernel",
    "tool.version",
    "tool.git_revision",
    "tool.git_dirty",
    "tool.wgpu_version",
    "tool.rustc",
    "tool.target",
    "tool.optimized",
    "run.profile",
    "run.repeats",
    "run.seed",
    "run.filter",
    "run.max_time_s",
    "run.shader_checks",
    "run.reason",
    "run.labels",
];

/// All differences, those of the adapter first.
pub(super) fn between(base: &Report, new: &Report) -> Vec<Difference> {
    let mut found = Vec::new();
    for ((what, base), new) in KEYS.into_iter().zip(facts(base)).zip(facts(new)) {
        if base != new {
            found.push(Difference { what: what.to_owned(), of: None, base, new });
        }
    }
    let (was, is) = (&base.tool, &new.tool);
    let are_changed = was.git_dirty == Some(true) && is.git_dirty == Some(true);
    // One revision, changed in both: no report tells what was changed.
    if are_changed && was.git_revision == is.git_revision {
        let [base, new] = [was, is].map(|tool| json!(tool.git_revision));
        found.push(Difference { what: "uncommitted_changes".to_owned(), of: None, base, new });
    }
    found.extend(of_both("shader", &shaders(base), &shaders(new)));
    found.extend(of_both("shape", &shapes(base), &shapes(new)));
    found.extend(of_both("accuracy", &accuracy(base), &accuracy(new)));
    found
}

/// What a report has under each of the keys; nothing and an empty text are the same.
fn facts(report: &Report) -> Vec<Value> {
    let Report { adapter, clock, system, tool, run, .. } = report;
    let facts = json!({
        "adapter": adapter, "clock": clock, "system": system, "tool": tool, "run": run,
    });
    let fact = |key: &str| facts.pointer(&format!("/{}", key.replace('.', "/"))).cloned();
    let is_empty = |value: &Value| *value == json!("") || *value == json!({});
    KEYS.map(|key| fact(key).filter(|value| !is_empty(value)).unwrap_or_default()).to_vec()
}

/// By kernel, chain or direction.
type Facts = BTreeMap<String, Value>;

/// Facts about a kernel, chain or direction that both reports have, and not the same.
fn of_both(what: &str, base: &Facts, new: &Facts) -> Vec<Difference> {
    let both = base.iter().filter_map(|(of, base)| Some((of, base, new.get(of)?)));
    both.filter(|(_, base, new)| base != new)
        .map(|(of, base, new)| Difference {
            what: what.to_owned(),
            of: Some(of.clone()),
            base: base.clone(),
            new: new.clone(),
        })
        .collect()
}

/// The hash of each kernel's WGSL, once for all sizes, and of each chain's.
fn shaders(report: &Report) -> Facts {
    let kernels = report.measurements.iter().map(|row| {
        let parts = row.id.split('/').filter(|part| !part.starts_with("n="));
        (parts.collect::<Vec<_>>().join("/"), &row.wgsl_sha256)
    });
    let chains = report.arithmetic.iter().map(|row| (row.id.clone(), &row.wgsl_sha256));
    kernels.chain(chains).filter_map(|(id, hash)| Some((id, json!(hash.as_ref()?)))).collect()
}

/// The shape that each direction was measured in.
fn shapes(report: &Report) -> Facts {
    let rows = report.measurements.iter();
    rows.filter_map(|row| Some((row.direction.clone(), json!(row.shape?)))).collect()
}

/// Each kernel's error against the f64 reference.
fn accuracy(report: &Report) -> Facts {
    let rows = report.accuracy.iter().map(|row| {
        let max_ulp = row.max_ulp.map(|ulp| (ulp * 1e3).round() / 1e3);
        let facts = json!({
            "max_ulp": max_ulp, "violations": row.violations, "tier": row.tier,
        });
        (row.kernel.clone(), facts)
    });
    rows.collect()
}
