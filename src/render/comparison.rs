//! A comparison as people and other programs read it.

use crate::compare::percent;
use crate::compare::{Comparison, Other, Quantity, Reason, Row, Source, Verdict};
use crate::error::{Error, Result};
use crate::render::grid::Grid;
use crate::render::numbers::{counted, significant};
use crate::render::text::{csv_cell, plain, wrapped};

/// What it is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Text,
    Markdown,
}

impl Variant {
    /// A line, whatever the reports say in it.
    fn line(self, text: &str) -> String {
        match self {
            Self::Text => wrapped(&text.replace('\n', " ")),
            Self::Markdown => crate::render::text::markdown(text),
        }
    }

    /// A line of a list.
    fn item(self, text: &str) -> String {
        match self {
            Self::Text => wrapped(&format!("  {}", text.replace('\n', " "))),
            Self::Markdown => format!("- {}", crate::render::text::markdown(text)),
        }
    }

    fn table(self, grid: &Grid) -> String {
        match self {
            Self::Text => grid.text(),
            Self::Markdown => grid.markdown(),
        }
    }
}

/// For people, in 100 columns where ids are no longer than they are on a quick or standard run.
pub fn text(comparison: &Comparison) -> String {
    render(comparison, Variant::Text)
}

/// For a pull request.
pub fn markdown(comparison: &Comparison) -> String {
    render(comparison, Variant::Markdown)
}

/// A line for each row and report.
pub fn csv(comparison: &Comparison) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::Machine(format!("the CSV can't be written: {error}"))
    };
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
        "base_repeats",
        "new_repeats",
        "verdict",
        "reason",
        "repeats_needed",
    ];
    writer.write_record(header).map_err(|error| failed(&error))?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for other in &comparison.others {
        for row in &other.rows {
            let record = [
                csv_cell(&comparison.base.file).into_owned(),
                csv_cell(&other.new.file).into_owned(),
                csv_cell(&row.id).into_owned(),
                code(&row.quantity),
                number(row.base),
                number(row.new),
                number(row.ratio),
                number(row.low),
                number(row.high),
                number(row.p),
                number(row.p_holm),
                row.base_repeats.to_string(),
                row.new_repeats.to_string(),
                code(&row.verdict),
                row.reason.map(|reason| code(&reason)).unwrap_or_default(),
                row.repeats_needed.map(|devices| devices.to_string()).unwrap_or_default(),
            ];
            writer.write_record(record).map_err(|error| failed(&error))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// A name as the JSON has it.
fn code(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| Some(value.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn render(comparison: &Comparison, variant: Variant) -> String {
    let mut parts = Vec::new();
    for other in &comparison.others {
        let begin = parts.len();
        parts.extend(head(&comparison.base, other, variant));
        parts.extend(
            Quantity::ALL.into_iter().filter_map(|quantity| table(other, quantity, variant)),
        );
        parts.extend(one_sided("Only in base", &other.only_base, variant));
        parts.extend(one_sided("Only in new", &other.only_new, variant));
        parts.extend(reasons(other, comparison.settings.threshold, variant));
        // Whoever reads a terminal sees its end first, whoever reads a page its beginning.
        let at = if variant == Variant::Text { parts.len() } else { begin + 1 };
        parts.insert(at, all_counts(other, variant));
    }
    parts.push(variant.line(&foot(comparison)));
    // What a report says ends up on terminals: nothing in it may command them.
    plain(&parts.join("\n\n")).into_owned()
}

/// Where the figures come from, and what is not the same about it.
fn head(base: &Source, other: &Other, variant: Variant) -> Vec<String> {
    let source = |name: &str, source: &Source| {
        let Source { file, adapter, profile, repeats, started_at, .. } = source;
        let (profile, repeats) = (profile.name(), counted(u64::from(*repeats), "repeat"));
        let run = format!("{name} {file}: {profile} profile, {repeats}, {started_at:.0}");
        match variant {
            Variant::Text => format!("{}\n{}", variant.line(&run), variant.item(adapter)),
            Variant::Markdown => variant.item(&format!("{run}, {adapter}")),
        }
    };
    let sources = match variant {
        Variant::Text => [source("base", base), source("new ", &other.new)],
        Variant::Markdown => [source("base", base), source("new", &other.new)],
    };
    let mut parts = Vec::new();
    if variant == Variant::Markdown {
        parts.push(format!(
            "### {}",
            variant.line(&format!("{} against {}", other.new.file, base.file))
        ));
    }
    parts.push(sources.join("\n"));
    if other.differences.is_empty() {
        parts
            .push("Of adapter, driver, program and settings, the reports say the same.".to_owned());
    } else {
        parts.push("Not the same in both:".to_owned());
        let lines = other.differences.iter().map(|difference| {
            let [base, new] = difference.said();
            variant.item(&format!("{}: {base} -> {new}", difference.what))
        });
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    parts
}

fn table(other: &Other, quantity: Quantity, variant: Variant) -> Option<String> {
    let rows = other.rows.iter().filter(|row| row.quantity == quantity && row.ratio.is_some()).map(
        |row| {
            let needed = match (row.verdict, row.repeats_needed) {
                (Verdict::Ambiguous, Some(devices)) => devices.to_string(),
                (Verdict::Ambiguous, None) => "> 100".to_owned(),
                _ => String::new(),
            };
            let id = row.id.replace('\n', " ");
            [id, side(row.base), side(row.new), ratio(row), row.verdict.name().to_owned(), needed]
        },
    );
    let grid =
        Grid::of([quantity.heading(), "base", "new", "new : base", "verdict", "devices"], rows)
            .filled()?;
    Some(variant.table(&grid))
}

/// What a report says of a row.
pub(crate) fn side(value: Option<f64>) -> String {
    value.map(|value| significant(value, 3)).unwrap_or_default()
}

/// The ratio of a row, with its interval as far as there is one.
pub(crate) fn ratio(row: &Row) -> String {
    match (row.ratio, row.low, row.high) {
        (Some(ratio), Some(low), Some(high)) => {
            format!("{} [{}, {}]", factor(ratio), factor(low), factor(high))
        }
        (Some(ratio), ..) => factor(ratio),
        _ => String::new(),
    }
}

/// A ratio with so many digits that a threshold of percents shows.
fn factor(ratio: f64) -> String {
    if (0.1..10.0).contains(&ratio) { format!("{ratio:.3}") } else { significant(ratio, 3) }
}

/// Ids that one report alone has, those of a group in a line.
fn one_sided(title: &str, ids: &[String], variant: Variant) -> Option<String> {
    if ids.is_empty() {
        return None;
    }
    // direction/dtype/n=elements, or chain/dtype.
    let parts = |id: &str| if id.starts_with("arithmetic/") { 2 } else { 3 };
    let split = |id: &str| {
        let at = id.match_indices('/').nth(parts(id) - 1).map_or(0, |(at, _)| at);
        let (group, name) = id.split_at(at);
        (group.to_owned(), name.trim_start_matches('/').to_owned())
    };
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (group, name) in ids.iter().map(|id| split(id)) {
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, names)) => names.push(name),
            None => groups.push((group, vec![name])),
        }
    }
    let mut lines = vec![format!("{title}: {}", counted(ids.len() as u64, "row"))];
    if variant == Variant::Markdown {
        lines.push(String::new());
    }
    lines.extend(
        groups
            .into_iter()
            .map(|(group, names)| variant.item(&format!("{group}: {}", names.join(" ")))),
    );
    Some(lines.join("\n"))
}

/// Why rows have no clear verdict, and what to do: one sentence for all that have the same.
fn reasons(other: &Other, threshold: f64, variant: Variant) -> Option<String> {
    let mut same: Vec<(Verdict, Reason, String, Vec<&str>)> = Vec::new();
    for row in &other.rows {
        let (Some(reason), Some(next)) = (row.reason, &row.next) else { continue };
        let next = match row.verdict {
            Verdict::Ambiguous => reason.what_to_do(
                "measure both with as many --repeats as the last column says",
                threshold,
            ),
            _ => next.clone(),
        };
        match same.iter_mut().find(|(verdict, known, known_next, _)| {
            (*verdict, *known, known_next) == (row.verdict, reason, &next)
        }) {
            Some((.., ids)) => ids.push(&row.id),
            None => same.push((row.verdict, reason, next, vec![&row.id])),
        }
    }
    let lines = same.into_iter().map(|(verdict, reason, next, ids)| {
        let which = match ids[..] {
            [id] => id.to_owned(),
            [id, ..] => format!("{id} and {} more", ids.len() - 1),
            [] => unreachable!("a reason has a row"),
        };
        let sentence = format!("{} {}: {which}: {next}", verdict.name(), code(&reason));
        if variant == Variant::Text { variant.line(&sentence) } else { variant.item(&sentence) }
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// How many rows have which verdict.
pub(crate) fn counts(other: &Other) -> String {
    Verdict::ALL.map(|verdict| format!("{} {}", other.count(verdict), verdict.name())).join(", ")
}

fn all_counts(other: &Other, variant: Variant) -> String {
    let strong = if variant == Variant::Markdown { "**" } else { "" };
    let (only_base, only_new) = (other.only_base.len(), other.only_new.len());
    format!("{strong}{}{strong}; {only_base} only in base, {only_new} only in new", counts(other))
}

/// What the verdicts mean.
fn foot(comparison: &Comparison) -> String {
    let settings = &comparison.settings;
    let threshold = percent(settings.threshold);
    let single = comparison
        .others
        .iter()
        .flat_map(|other| &other.rows)
        .any(|row| row.base_repeats == 1 && row.new_repeats == 1);
    let assumed = if single {
        format!(
            " Where each report has one device, what changes from one to the next is not known, and {} % are assumed.",
            percent(settings.assumed_spread)
        )
    } else {
        String::new()
    };
    format!(
        "FASTER, SLOWER: by {threshold} % or more, and not by chance (Holm's correction over {}, 5 %). SAME: the 95 % \
         interval lies within {threshold} %. A device is one observation.{assumed}",
        counted(comparison.judged, "judged row")
    )
}
