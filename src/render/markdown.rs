//! Markdown for a pull request or a job's summary: the summary first, what is long folded away.

use std::fmt::Write as _;

use super::section::SECTIONS;
use crate::render::grid::Grid;
use crate::render::text::markdown;
use crate::render::{summary, table};
use crate::report::Report;

/// The report in that variant.
pub fn render(report: &Report) -> String {
    let mut text = format!("### {}\n\n", markdown(&report.adapter.summary()));
    text += &summary(report);
    for (index, section) in SECTIONS.iter().enumerate() {
        let grids = (section.grids)(report);
        if grids.is_empty() {
            continue;
        }
        let tables = grids.iter().map(Grid::markdown).collect::<Vec<_>>().join("\n\n");
        // The first is what most people look for.
        if index == 0 {
            let _ = write!(text, "{tables}\n\n");
        } else {
            text += &folded(section.title, &format!("{}\n\n{tables}", section.meaning));
        }
    }
    text += &folded("Adapter, settings, time", &provenance(report));
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// What follows from the report, or that nothing does.
pub(super) fn summary(report: &Report) -> String {
    let lines = summary::lines(report);
    let Some((first, others)) = lines.split_first() else {
        return "**No summary**: this report has no valid figure for one.

"
        .to_owned();
    };
    let mut text = format!(
        "**{}**

",
        markdown(first)
    );
    for line in others {
        let _ = writeln!(text, "- {}", markdown(line));
    }
    text.trim_end().to_owned()
        + "

"
}

/// What the numbers were taken with, a line each.
pub(super) fn provenance(report: &Report) -> String {
    let lines = format!("{}\n{}\n{}", table::head(report), table::foot(report), program(report));
    lines.lines().map(|line| format!("- {}", markdown(line))).collect::<Vec<_>>().join("\n")
}

fn program(report: &Report) -> String {
    let tool = &report.tool;
    let revision = tool
        .git_revision
        .as_deref()
        .map(|revision| format!(", revision {revision}"))
        .unwrap_or_default();
    let dirty = if tool.git_dirty == Some(true) { " with changes" } else { "" };
    let (name, version, started) = (&tool.name, &tool.version, report.run.started_at);
    format!("{name} {version}{revision}{dirty}, {}; begun at {started}", tool.rustc)
}

fn folded(title: &str, content: &str) -> String {
    format!(
        "<details><summary>{}</summary>\n\n{}\n\n</details>\n\n",
        crate::render::text::xml(title),
        content.trim()
    )
}
