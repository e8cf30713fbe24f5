//! A comparison as people and other programs read it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::csv;
use super::grid::Grid;
use super::numbers::{counted, significant};
use super::reasons::{once, sentence};
use super::text::{self, csv_cell, plain, wrapped};
use crate::compare::{
    Comparison, Difference, Other, Quantity, Row, Settings, Source, Unclear, Verdict, Which,
};

/// What to do about a row that is ambiguous.
const MORE: &str = "Column repeats says how many are enough";

/// For people, in 100 columns unless ids are longer than usual.
pub fn text(comparison: &Comparison) -> String {
    render(comparison, Markup::Text)
}

/// For a pull request.
pub fn markdown(comparison: &Comparison) -> String {
    render(comparison, Markup::Markdown)
}

/// A line for each row and report.
pub fn csv(comparison: &Comparison) -> String {
    let columns = "base_file new_file id quantity base new ratio low high p p_holm base_repeats \
                   new_repeats verdict reason repeats_needed";
    let lines = comparison.others.iter().flat_map(|other| {
        other.rows.iter().map(move |row| {
            let json = json!(row);
            let cell = |column| match column {
                "base_file" => csv_cell(&comparison.base.file),
                "new_file" => csv_cell(&other.new.file),
                // Its kind says which it is.
                "reason" => json["reason"]["kind"].as_str().unwrap_or_default().to_owned(),
                _ => match &json[column] {
                    Value::Null => String::new(),
                    Value::String(text) => csv_cell(text),
                    number => number.to_string(),
                },
            };
            columns.split(' ').map(cell).collect()
        })
    });
    csv::written(columns, lines)
}

/// What the text is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Markup {
    Text,
    Markdown,
}

impl Markup {
    /// A line, whatever the reports say in it.
    fn line(self, line: &str) -> String {
        match self {
            Self::Text => wrapped(&line.replace('\n', " ")),
            Self::Markdown => text::markdown(line),
        }
    }

    /// Lines of a list.
    fn list(self, items: impl IntoIterator<Item = String>) -> String {
        let item = |item: String| match self {
            Self::Text => self.line(&format!("- {item}")),
            Self::Markdown => format!("- {}", self.line(&item)),
        };
        items.into_iter().map(item).collect::<Vec<_>>().join("\n")
    }

    /// A list below its title, if there is something in it.
    fn titled(self, title: &str, items: impl IntoIterator<Item = String>) -> Option<String> {
        let between = if self == Self::Text { "\n" } else { "\n\n" };
        let list = self.list(items);
        (!list.is_empty()).then(|| format!("{title}{between}{list}"))
    }
}

fn render(comparison: &Comparison, markup: Markup) -> String {
    let mut parts = Vec::new();
    for other in &comparison.others {
        let tables = Quantity::ALL.into_iter().filter_map(|quantity| table(other, quantity));
        let printed = if markup == Markup::Text { Grid::text } else { Grid::markdown };
        // Whoever reads a terminal sees its end first, whoever reads a page its beginning.
        if markup == Markup::Markdown {
            let title = format!("{} against {}", other.new.file, comparison.base.file);
            parts.extend([format!("### {}", markup.line(&title)), counts(other)]);
        }
        parts.push(markup.list([source("base", &comparison.base), source("new", &other.new)]));
        parts.push(differences(other, markup));
        parts.extend(tables.map(|grid| printed(&grid)));
        parts.extend(one_sided("Only in base", &other.only_base, markup));
        parts.extend(one_sided("Only in new", &other.only_new, markup));
        parts.extend(reasons(other, &comparison.settings, markup));
        if markup == Markup::Text {
            parts.push(counts(other));
        }
    }
    parts.push(markup.line(&foot(comparison)));
    // What a report says ends up on terminals: nothing in it may command them.
    plain(&parts.join("\n\n")).into_owned()
}

/// Where figures come from.
fn source(name: &str, source: &Source) -> String {
    let Source { file, adapter, profile, repeats, started_at, .. } = source;
    let (profile, repeats) = (profile, counted(u64::from(*repeats), "repeat"));
    format!("{name} {file}: {profile} profile, {repeats}, {started_at:.0}, {adapter}")
}

fn differences(other: &Other, markup: Markup) -> String {
    let items = other.differences.iter().map(|difference| {
        let [what, base, new] = sides(difference);
        format!("{what}: {base} -> {new}")
    });
    let none = || "Same adapter, driver, program and settings.".to_owned();
    markup.titled("Not the same in both:", items).unwrap_or_else(none)
}

/// What differs, in the base, in the other report.
pub(crate) fn sides(difference: &Difference) -> [String; 3] {
    let what = difference.what.replace(['.', '_'], " ");
    let of = difference.of.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
    [what + &of, value(&difference.base), value(&difference.new)]
}

fn value(fact: &Value) -> String {
    match fact {
        Value::Null => "none".to_owned(),
        // So many characters of a hash tell one from another.
        Value::String(hash) if hash.len() >= 40 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            hash[..12].to_owned()
        }
        Value::String(text) => text.clone(),
        Value::Object(facts) => {
            let facts = facts.iter().map(|(key, fact)| format!("{key} {}", value(fact)));
            facts.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The rows of a quantity that have figures.
fn table(other: &Other, quantity: Quantity) -> Option<Grid> {
    let rows = other.rows.iter().filter(|row| row.quantity == quantity && row.ratio.is_some());
    let cells = |row: &Row| {
        let [base, new, ratio, needed] = figures(row);
        [row.id.replace('\n', " "), base, new, ratio, row.verdict.name().to_owned(), needed]
    };
    let header = [heading(quantity), "base", "new", "new : base", "verdict", "repeats"];
    Grid::of(header, rows.map(cells)).filled()
}

/// What a table of it is headed with.
pub(crate) fn heading(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::OverCopy => "time over copy",
        Quantity::StepFmas => "FMAs a step",
        Quantity::StepRatio => "ratio of steps",
        Quantity::NsPerElement => "ns an element",
        Quantity::FmaStepPs => "ps a step of fma",
    }
}

/// Base, new, their ratio with its interval as far as there is one, and the repeats that it needs.
pub(crate) fn figures(row: &Row) -> [String; 4] {
    let side = |value: Option<f64>| value.map(|value| significant(value, 3)).unwrap_or_default();
    let mut ratio = row.ratio.map(factor).unwrap_or_default();
    if let (Some(low), Some(high)) = (row.low, row.high) {
        ratio += &format!(" [{}, {}]", factor(low), factor(high));
    }
    let needed = row.repeats_needed.map_or("> 100".to_owned(), |repeats| repeats.to_string());
    let needed = if row.verdict == Verdict::Ambiguous { needed } else { String::new() };
    [side(row.base), side(row.new), ratio, needed]
}

/// A ratio with so many digits that a threshold of percents shows.
fn factor(ratio: f64) -> String {
    if (0.1..10.0).contains(&ratio) { format!("{ratio:.3}") } else { significant(ratio, 3) }
}

/// Ids that one report alone has, those of a group in a line.
fn one_sided(title: &str, ids: &[String], markup: Markup) -> Option<String> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in ids {
        // direction/dtype/n=elements, or arithmetic/dtype.
        let parts = if id.starts_with("arithmetic/") { 2 } else { 3 };
        let end = id.match_indices('/').nth(parts - 1).map_or(0, |(at, _)| at);
        groups.entry(&id[..end]).or_default().push(id[end..].trim_start_matches('/'));
    }
    let items = groups.into_iter().map(|(group, names)| format!("{group}: {}", names.join(" ")));
    let title = format!("{title}: {}", counted(ids.len() as u64, "row"));
    markup.titled(&title, items)
}

/// Why rows have no clear verdict, and what to do.
fn reasons(other: &Other, settings: &Settings, markup: Markup) -> Option<String> {
    let told = other.rows.iter().filter_map(|row| {
        let why = why(row.reason.as_ref()?, settings);
        Some((format!("{} {}", row.verdict.name(), row.id), why))
    });
    markup.titled("Not judged or not clear:", once(told))
}

/// Why a row is ambiguous or incomparable, and what to do about it.
pub(crate) fn why(reason: &Unclear, settings: &Settings) -> String {
    let threshold = percent(settings.threshold);
    let name = |side: &Which| if *side == Which::Base { "base" } else { "new" };
    let others = "See the time over copy and the FMAs a step";
    match reason {
        Unclear::TooWide => {
            format!("no change and one of {threshold} % are both possible. {MORE}.")
        }
        Unclear::NotSignificant { rows } => {
            format!("not significant after correction for {rows} rows. {MORE}.")
        }
        Unclear::NearThreshold => {
            format!("changed by about {threshold} %. {MORE}, or choose another --threshold.")
        }
        Unclear::NotMeasured { side, status, because } => {
            let because = because.as_ref().map(|because| format!(": {}", sentence(because)));
            format!("{} is {}{}", name(side), status, because.unwrap_or_default())
        }
        Unclear::NoCopyTime { side, copy } => {
            format!("{} has no times of {copy} to pair. Measure again.", name(side))
        }
        Unclear::TooFewRounds { side } => {
            format!("a repeat of {} has too few rounds. Measure again.", name(side))
        }
        Unclear::OtherWork => "not the same elements or bytes. Use one version.".to_owned(),
        Unclear::OtherShape => "another shape. `run --baseline` takes the base's.".to_owned(),
        Unclear::OtherClock => "one is timed by the GPU, one by the wall clock.".to_owned(),
        Unclear::OtherAdapter => format!("not the same adapter. {others}."),
        Unclear::SoftwareAgainstHardware => {
            "one adapter is software, which measures the CPU. --software-against-hardware compares \
             nevertheless."
                .to_owned()
        }
        Unclear::ClockDiffers => {
            format!("the clock probes differ by more than 2 %. Lock the clocks. {others}.")
        }
        Unclear::NoProbe => format!("no clock probe. {others}."),
    }
}

/// How many rows have which verdict.
pub(crate) fn counts(other: &Other) -> String {
    let counts = Verdict::ALL.map(|verdict| format!("{} {}", other.count(verdict), verdict.name()));
    let (only_base, only_new) = (other.only_base.len(), other.only_new.len());
    format!("{}; {only_base} only in base, {only_new} only in new", counts.join(", "))
}

/// What the verdicts mean.
fn foot(comparison: &Comparison) -> String {
    let settings = &comparison.settings;
    let threshold = percent(settings.threshold);
    let mut assumed = String::new();
    let mut rows = comparison.others.iter().flat_map(|other| &other.rows);
    if rows.any(|row| row.base_repeats == 1 && row.new_repeats == 1) {
        let spread = percent(settings.assumed_spread);
        assumed =
            format!(" With one repeat each, a spread of {spread} % between repeats is assumed.");
    }
    format!(
        "FASTER, SLOWER: by {threshold} % or more, significant at 5 % after Holm's correction for \
         {}. SAME: the 95 % interval lies within {threshold} %. A repeat is one observation. \
         Column repeats: how many both reports need for a verdict.{assumed}",
        counted(comparison.judged, "judged row")
    )
}

/// A share in percent, as it was given.
fn percent(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}
