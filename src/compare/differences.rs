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

/// The keys of a report that are compared, each line with the key that it is under.
const KEYS: [(&str, &[&str]); 8] = [
    ("adapter", &["name", "is_software", "vendor_id", "device_id"]),
    ("adapter", &["backend", "driver", "driver_info"]),
    ("clock", &["kind"]),
    ("system", &["host", "cpu.brand", "os.name", "os.version", "os.kernel"]),
    ("tool", &["version", "git_revision", "git_dirty", "wgpu_version"]),
    ("tool", &["rustc", "target", "optimized"]),
    ("run", &["profile", "repeats", "seed", "filter", "max_time_s"]),
    ("run", &["shader_checks", "reason", "labels"]),
];

/// All differences, those of the adapter first.
pub(super) fn between(base: &Report, new: &Report) -> Vec<Difference> {
    let difference = |what: &str, of: Option<&String>, [base, new]: [&Value; 2]| Difference {
        what: what.to_owned(),
        of: of.cloned(),
        base: base.clone(),
        new: new.clone(),
    };
    let mut found = Vec::new();
    for ((what, base), (_, new)) in facts(base).iter().zip(&facts(new)) {
        if base != new {
            found.push(difference(what, None, [base, new]));
        }
    }
    let [was, is] = [&base.tool, &new.tool].map(|tool| (tool.git_dirty, json!(tool.git_revision)));
    // One revision, changed in both: no report tells what was changed.
    if was == is && was.0 == Some(true) {
        found.push(difference("uncommitted_changes", None, [&was.1, &is.1]));
    }
    let shaders = ("shader", [base, new].map(shaders));
    let shapes = ("shape", [base, new].map(shapes));
    let accuracy = ("accuracy", [base, new].map(accuracy));
    for (what, [base, new]) in [shaders, shapes, accuracy] {
        for (of, base) in &base {
            let changed = new.get(of).filter(|new| *new != base);
            found.extend(changed.map(|new| difference(what, Some(of), [base, new])));
        }
    }
    found
}

/// What a report has under each of the keys; nothing and an empty text are the same.
fn facts(report: &Report) -> Vec<(String, Value)> {
    let Report { adapter, clock, system, tool, run, .. } = report;
    let facts = json!({
        "adapter": adapter, "clock": clock, "system": system, "tool": tool, "run": run,
    });
    let fact = |key: String| {
        let value = facts.pointer(&format!("/{}", key.replace('.', "/")));
        let value = value.filter(|value| **value != json!("") && **value != json!({}));
        (key, value.cloned().unwrap_or_default())
    };
    let keys =
        KEYS.iter().flat_map(|(under, keys)| keys.iter().map(move |key| format!("{under}.{key}")));
    keys.map(fact).collect()
}

/// By kernel, chain or direction.
type Facts = BTreeMap<String, Value>;

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
        let (violations, tier) = (row.violations, row.tier);
        let facts = json!({ "max_ulp": max_ulp, "violations": violations, "tier": tier });
        (row.kernel.clone(), facts)
    });
    rows.collect()
}
