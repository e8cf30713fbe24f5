//! Markdown for a pull request or a job's summary: the answer first, what is long folded away.

use super::grid::Grid;
use super::section::SECTIONS;
use super::text::markdown;
use super::{summary, table};
use crate::report::Report;

/// The report in that format.
pub fn render(report: &Report) -> String {
    let mut parts = vec![format!("### {}", markdown(&report.adapter.summary())), summary(report)];
    for (index, section) in SECTIONS.iter().enumerate() {
        let grids = (section.grids)(report);
        let tables = grids.iter().map(Grid::markdown).collect::<Vec<_>>().join("\n\n");
        // The first is what most people look for.
        match index {
            _ if tables.is_empty() => {}
            0 => parts.push(tables),
            _ => parts.push(folded(section.title, &format!("{}\n\n{tables}", section.meaning))),
        }
    }
    parts.push(folded("Adapter, settings, time", &provenance(report)));
    parts.join("\n\n") + "\n"
}

/// The last lines of a run, or that there are none.
pub(super) fn summary(report: &Report) -> String {
    let lines = summary::lines(report);
    let Some((first, others)) = lines.split_first() else {
        return "**No summary**: this report has no valid figure for one.".to_owned();
    };
    let mut parts = vec![format!("**{}**", markdown(first))];
    let others: Vec<String> = others.iter().map(|line| format!("- {}", markdown(line))).collect();
    parts.extend((!others.is_empty()).then(|| others.join("\n")));
    parts.join("\n\n")
}

/// What the numbers were taken with, a line each.
pub(super) fn provenance(report: &Report) -> String {
    let tool = &report.tool;
    let revision = tool.git_revision.as_deref().unwrap_or("unknown");
    let dirty = if tool.git_dirty == Some(true) { " with changes" } else { "" };
    let program = format!(
        "{} {}, revision {revision}{dirty}, {}; started {}",
        tool.name, tool.version, tool.rustc, report.run.started_at
    );
    let lines = format!("{}\n{}\n{program}", table::head(report), table::foot(report));
    lines.lines().map(|line| format!("- {}", markdown(line))).collect::<Vec<_>>().join("\n")
}

fn folded(title: &str, content: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{content}\n\n</details>")
}
