//! A comparison as people and other programs read it.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, TableStyle, presets};

use super::quantity::percent;
use super::{Comparison, Difference, Other, Quantity, Reason, Row, Source, Verdict, counted};
use crate::error::{Error, Result};
use crate::report::table::significant;
use crate::text::plain;

/// How a comparison is laid out.
#[derive(Clone, Copy)]
struct Layout {
    style: TableStyle,
    /// What begins a heading.
    heading: &'static str,
    /// What stands before and behind words that are not prose, such as ids.
    quote: &'static str,
    /// What begins a line of a list.
    bullet: &'static str,
}

const TEXT: Layout = Layout { style: presets::NOTHING, heading: "", quote: "", bullet: "  " };
const MARKDOWN: Layout = Layout { style: presets::ASCII_MARKDOWN, heading: "### ", quote: "`", bullet: "- " };

/// For people, in 100 columns where ids are no longer than they are on a quick or standard run.
#[must_use]
pub fn text(comparison: &Comparison) -> String {
    render(comparison, &TEXT)
}

/// For a pull request.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    render(comparison, &MARKDOWN)
}

/// A line for each row and report.
///
/// # Errors
/// [`Error::Machine`], which is not to be expected in memory.
pub fn csv(comparison: &Comparison) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| Error::Machine(format!("the CSV can't be written: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "base_file",
        "new_file",
        "id",
        "quantity",
        "base",
        "new",
        "ratio",
        "low",
        "high",
        "p",
        "p_holm",
        "base_devices",
        "new_devices",
        "verdict",
        "reason",
        "devices_needed",
    ];
    writer.write_record(header).map_err(|error| failed(&error))?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for other in &comparison.others {
        for row in &other.rows {
            let record = [
                comparison.base.file.clone(),
                other.new.file.clone(),
                row.id.clone(),
                code(&row.quantity),
                number(row.base),
                number(row.new),
                number(row.ratio),
                number(row.low),
                number(row.high),
                number(row.p),
                number(row.p_holm),
                row.base_devices.to_string(),
                row.new_devices.to_string(),
                code(&row.verdict),
                row.reason.map(|reason| code(&reason)).unwrap_or_default(),
                row.devices_needed.map(|devices| devices.to_string()).unwrap_or_default(),
            ];
            writer.write_record(record).map_err(|error| failed(&error))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// A name as the JSON has it.
fn code(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

fn render(comparison: &Comparison, layout: &Layout) -> String {
    let mut parts = Vec::new();
    for other in &comparison.others {
        parts.push(head(&comparison.base, other, layout));
        parts.extend(Quantity::ALL.into_iter().filter_map(|quantity| table(other, quantity, layout)));
        parts.extend(one_sided("Only in base", &other.only_base, layout));
        parts.extend(one_sided("Only in new", &other.only_new, layout));
        parts.extend(reasons(other, comparison.settings.threshold, layout));
        parts.push(counts(other, layout));
    }
    parts.push(foot(comparison, layout));
    // What a report says ends up on terminals: nothing in it may command them.
    plain(&parts.join("\n\n")).into_owned()
}

/// Where the figures come from, and what is not the same about it.
fn head(base: &Source, other: &Other, layout: &Layout) -> String {
    let Layout { heading, quote, bullet, .. } = layout;
    let source = |name: &str, source: &Source| {
        let Source { file, adapter, profile, devices, started_at, .. } = source;
        let (profile, devices) = (profile.name(), counted(*devices as usize, "device"));
        format!(
            "{name} {quote}{file}{quote}: {profile} profile, {devices}, {started_at:.0}\n     {}",
            prose(adapter, layout)
        )
    };
    let mut text = format!("{heading}{}\n{}\n", source("base", base), source("new ", &other.new));
    if other.differences.is_empty() {
        text.push_str("\nOf adapter, driver, program and settings, the reports say the same.");
    } else {
        text.push_str("\nNot the same in both:\n");
    }
    for Difference { what, base, new } in &other.differences {
        let said = |value: &Option<String>| {
            value
                .as_ref()
                .map_or_else(|| "not said".to_owned(), |value| format!("{quote}{}{quote}", prose(value, layout)))
        };
        let _ = write!(text, "\n{bullet}{what}: {} -> {}", said(base), said(new));
    }
    text
}

fn table(other: &Other, quantity: Quantity, layout: &Layout) -> Option<String> {
    let rows: Vec<&Row> = other.rows.iter().filter(|row| row.quantity == quantity && row.ratio.is_some()).collect();
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(layout.style);
    table.set_header([quantity.heading(), "base", "new", "new : base", "verdict", "devices"]);
    let number = |value: Option<f64>| value.map(|value| significant(value, 3)).unwrap_or_default();
    for row in rows {
        let ratio = match (row.ratio, row.low, row.high) {
            (Some(ratio), Some(low), Some(high)) => format!("{} [{}, {}]", factor(ratio), factor(low), factor(high)),
            (Some(ratio), ..) => factor(ratio),
            _ => String::new(),
        };
        let needed = match (row.verdict, row.devices_needed) {
            (Verdict::Ambiguous, Some(devices)) => devices.to_string(),
            (Verdict::Ambiguous, None) => "> 100".to_owned(),
            _ => String::new(),
        };
        table.add_row([
            prose(&row.id, layout),
            number(row.base),
            number(row.new),
            ratio,
            row.verdict.name().to_owned(),
            needed,
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if layout.bullet == TEXT.bullet {
        table.column_mut(0)?.set_padding((0, 1));
    }
    Some(table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
}

/// A ratio with so many digits that a threshold of percents shows.
fn factor(ratio: f64) -> String {
    if (0.1..10.0).contains(&ratio) { format!("{ratio:.3}") } else { significant(ratio, 3) }
}

/// Ids that one report alone has, those of a panel in a line.
fn one_sided(title: &str, ids: &[String], layout: &Layout) -> Option<String> {
    if ids.is_empty() {
        return None;
    }
    let mut text = format!("{title}: {}", counted(ids.len(), "row"));
    // direction/storage/n=elements, or ladder/storage.
    let parts = |id: &str| if id.starts_with("ladder/") { 2 } else { 3 };
    let split = |id: &str| {
        let at = id.match_indices('/').nth(parts(id) - 1).map_or(0, |(at, _)| at);
        let (panel, name) = id.split_at(at);
        (panel.to_owned(), name.trim_start_matches('/').to_owned())
    };
    let ids: Vec<(String, String)> = ids.iter().map(|id| split(id)).collect();
    for panel in ids.chunk_by(|(a, _), (b, _)| a == b) {
        let names: Vec<&str> = panel.iter().map(|(_, name)| name.as_str()).collect();
        let line = format!("{}: {}", panel[0].0, names.join(" "));
        let _ = write!(text, "\n{}{}", layout.bullet, prose(&line, layout));
    }
    Some(text)
}

/// Why rows have no clear verdict, and what to do: one sentence for all that have the same.
fn reasons(other: &Other, threshold: f64, layout: &Layout) -> Option<String> {
    let mut same: Vec<(Verdict, Reason, String, Vec<&str>)> = Vec::new();
    for row in &other.rows {
        let (Some(reason), Some(next)) = (row.reason, &row.next) else { continue };
        let next = match row.verdict {
            Verdict::Ambiguous => {
                reason.what_to_do("measure both with as many --devices as the last column says", threshold)
            }
            _ => next.clone(),
        };
        match same
            .iter_mut()
            .find(|(verdict, known, known_next, _)| (*verdict, *known, known_next) == (row.verdict, reason, &next))
        {
            Some((.., ids)) => ids.push(&row.id),
            None => same.push((row.verdict, reason, next, vec![&row.id])),
        }
    }
    let lines: Vec<String> = same
        .into_iter()
        .map(|(verdict, reason, next, ids)| {
            let which = match ids[..] {
                [id] => id.to_owned(),
                [id, ..] => format!("{id} and {} more", ids.len() - 1),
                [] => unreachable!("a reason has a row"),
            };
            let text = prose(&format!("{} {}: {which}: {next}", verdict.name(), code(&reason)), layout);
            if layout.quote.is_empty() { wrap(&text) } else { format!("{}{text}", layout.bullet) }
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn counts(other: &Other, layout: &Layout) -> String {
    let counts = Verdict::ALL.map(|verdict| format!("{} {}", other.count(verdict), verdict.name()));
    let strong = if layout.quote.is_empty() { "" } else { "**" };
    format!(
        "{strong}{}{strong}; {} only in base, {} only in new",
        counts.join(", "),
        other.only_base.len(),
        other.only_new.len()
    )
}

/// What the verdicts mean.
fn foot(comparison: &Comparison, layout: &Layout) -> String {
    let settings = &comparison.settings;
    let threshold = percent(settings.threshold);
    let single =
        comparison.others.iter().flat_map(|other| &other.rows).any(|row| row.base_devices == 1 && row.new_devices == 1);
    let assumed = if single {
        format!(
            " Where each report has one device, what changes from one to the next is not known, and {} % are assumed.",
            percent(settings.assumed_spread)
        )
    } else {
        String::new()
    };
    let text = format!(
        "FASTER, SLOWER: by {threshold} % or more, and not by chance (Holm's correction over {}, 5 %). SAME: the 95 % \
         interval lies within {threshold} %. A device is one observation.{assumed}",
        counted(usize::try_from(comparison.judged).unwrap_or(usize::MAX), "judged row")
    );
    if layout.quote.is_empty() { wrap(&text) } else { text }
}

/// Lines of at most 100 columns.
fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one at least");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(word.to_owned());
        } else {
            let gap = if line.is_empty() { "" } else { " " };
            *line += &format!("{gap}{word}");
        }
    }
    lines.join("\n")
}

/// Text from a report, which may hold what Markdown takes for its own.
fn prose(text: &str, layout: &Layout) -> String {
    if layout.quote.is_empty() {
        return text.replace('\n', " ");
    }
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '\n' => safe.push(' '),
            '|' | '`' | '<' | '>' | '*' | '[' | ']' | '_' | '\\' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe
}
