//! What two reports say differently of machine, program and settings: what to look at before any figure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::provenance::Tool;
use crate::report::{Accuracy, Measurement, Report};

/// So many characters of a hash tell one from another.
const SHORT_HASH: usize = 12;

/// Something that the reports say differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// What it is about.
    pub what: String,
    /// What the base says; null if nothing.
    pub base: Option<String>,
    /// What the other report says; null if nothing.
    pub new: Option<String>,
}

impl Difference {
    /// What each of the reports says.
    pub(crate) fn said(&self) -> [&str; 2] {
        [&self.base, &self.new].map(|said| said.as_deref().unwrap_or("not said"))
    }
}

/// All differences, those of the adapter first.
pub(super) fn between(base: &Report, new: &Report) -> Vec<Difference> {
    let mut differences: Vec<Difference> = facts(base)
        .into_iter()
        .zip(facts(new))
        .filter(|((_, base), (_, new))| base != new)
        .map(|((what, base), (_, new))| Difference { what: what.to_owned(), base, new })
        .collect();
    differences.extend(unknown_changes(&base.tool, &new.tool));
    differences.extend(shaders(base, new));
    differences.extend(shapes(base, new));
    differences.extend(accuracy(base, new));
    differences
}

/// What a report says, in the same order for every report.
fn facts(report: &Report) -> Vec<(&'static str, Option<String>)> {
    let Report { adapter, system, tool, run, clock, .. } = report;
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let seconds = |seconds: f64| format!("{seconds} s");
    vec![
        ("adapter", text(&adapter.name)),
        ("software", Some(adapter.is_software.to_string())),
        (
            "vendor and repeat",
            Some(format!("{:#06x} {:#06x}", adapter.vendor_id, adapter.device_id)),
        ),
        ("backend", text(&adapter.backend)),
        ("driver", text(&adapter.driver)),
        ("driver's version", text(&adapter.driver_info)),
        (
            "timed by",
            serde_json::to_value(clock.kind).ok().and_then(|kind| Some(kind.as_str()?.to_owned())),
        ),
        ("host", system.host.clone()),
        ("cpu", system.cpu.brand.clone()),
        ("system", joined(&[&system.os.name, &system.os.version])),
        ("kernel", system.os.kernel.clone()),
        ("actbench", text(&tool.version)),
        ("git revision", revision(tool)),
        ("wgpu", tool.wgpu_version.clone()),
        ("compiler", text(&tool.rustc)),
        ("target", text(&tool.target)),
        ("optimized", Some(tool.optimized.to_string())),
        ("profile", Some(run.profile.name().to_owned())),
        ("repeats", Some(run.repeats.to_string())),
        ("seed", Some(run.seed.to_string())),
        ("filter", run.filter.clone()),
        ("time allowed", run.max_time_s.map(seconds)),
        ("run-time checks", Some(run.shader_checks.to_string())),
        ("ended", run.reason.as_ref().map(crate::render::reasons::sentence)),
        ("labels", text(&labels(&run.labels))),
    ]
}

fn joined(parts: &[&Option<String>]) -> Option<String> {
    let parts: Vec<&str> = parts.iter().filter_map(|part| part.as_deref()).collect();
    Some(parts.join(" ")).filter(|text| !text.is_empty())
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

fn revision(tool: &Tool) -> Option<String> {
    let changed = if tool.git_dirty == Some(true) { " with changes" } else { "" };
    tool.git_revision.as_deref().map(|revision| short(revision) + changed)
}

/// One revision, changed in both: what was changed no report says.
fn unknown_changes(base: &Tool, new: &Tool) -> Option<Difference> {
    let both = base.git_dirty == Some(true)
        && new.git_dirty == Some(true)
        && base.git_revision == new.git_revision;
    both.then(|| Difference {
        what: "git revision (what was changed, no report says)".to_owned(),
        base: revision(base),
        new: revision(new),
    })
}

fn short(hash: &str) -> String {
    hash.chars().take(SHORT_HASH).collect()
}

/// Kernels whose WGSL is not the same, once for all sizes.
fn shaders(base: &Report, new: &Report) -> Vec<Difference> {
    fn hashes(report: &Report) -> BTreeMap<String, &str> {
        let rows = report.measurements.iter();
        let steps = report
            .arithmetic
            .iter()
            .filter_map(|rate| Some((rate.id.clone(), rate.wgsl_sha256.as_deref()?)));
        rows.filter_map(|row| Some((without_size(row), row.wgsl_sha256.as_deref()?)))
            .chain(steps)
            .collect()
    }
    let (base, new) = (hashes(base), hashes(new));
    let both = base.iter().filter_map(|(kernel, hash)| Some((kernel, hash, new.get(kernel)?)));
    both.filter(|(_, base, new)| base != new)
        .map(|(kernel, base, new)| Difference {
            what: format!("shader of {kernel}"),
            base: Some(short(base)),
            new: Some(short(new)),
        })
        .collect()
}

/// The id without the size.
fn without_size(row: &Measurement) -> String {
    row.id.split('/').filter(|part| !part.starts_with("n=")).collect::<Vec<_>>().join("/")
}

/// The shapes that each direction was measured in.
fn shapes(base: &Report, new: &Report) -> Vec<Difference> {
    fn shapes(report: &Report) -> BTreeMap<&str, String> {
        let rows =
            report.measurements.iter().filter_map(|row| Some((row.direction.as_str(), row.shape?)));
        rows.map(|(direction, shape)| {
            let words = shape.words_per_invocation;
            let words = format!("{words} word{}", if words == 1 { "" } else { "s" });
            (direction, format!("workgroups of {}, {words} an invocation", shape.workgroup_size))
        })
        .collect()
    }
    let (base, new) = (shapes(base), shapes(new));
    let both = base
        .into_iter()
        .filter_map(|(direction, shape)| Some((direction, shape, new.get(direction)?.clone())));
    both.filter(|(_, base, new)| base != new)
        .map(|(direction, base, new)| Difference {
            what: format!("shape of {direction}"),
            base: Some(base),
            new: Some(new),
        })
        .collect()
}

/// Kernels whose error against the f64 reference is not the same.
fn accuracy(base: &Report, new: &Report) -> Vec<Difference> {
    fn errors(report: &Report) -> BTreeMap<&str, String> {
        let error = |accuracy: &Accuracy| {
            let max_ulp = accuracy
                .max_ulp
                .map_or_else(|| "not known".to_owned(), |ulp| format!("{ulp:.3} ULP"));
            match (accuracy.violations, accuracy.tier) {
                (0, Some(tier)) => format!("at most {max_ulp}, tier {tier}"),
                (wrong, _) => format!("at most {max_ulp}, {wrong} wrong"),
            }
        };
        report.accuracy.iter().map(|accuracy| (accuracy.kernel.as_str(), error(accuracy))).collect()
    }
    let (base, new) = (errors(base), errors(new));
    let both = base
        .into_iter()
        .filter_map(|(kernel, error)| Some((kernel, error, new.get(kernel)?.clone())));
    both.filter(|(_, base, new)| base != new)
        .map(|(kernel, base, new)| Difference {
            what: format!("error of {kernel}"),
            base: Some(base),
            new: Some(new),
        })
        .collect()
}
