//! The page of a comparison: verdicts and what differs first, then the pictures of all reports.
//! Each picture has a line of every report that has it.

use maud::{Markup, html};

use super::chart::{Chart, Line, Look, Which};
use super::comparison::{counts, figures, heading, sides, why};
use super::grid::Grid;
use super::html::{list, page, part, table_of};
use super::numbers::counted;
use super::section::{Picture, SECTIONS, Section};
use super::text::plain;
use crate::compare::{Comparison, Named, Other, Row, Settings, Verdict};

/// The parts whose pictures say something across reports.
const SHARED: [&str; 4] = ["ratios", "arithmetic", "bandwidth", "ridge"];

/// The first colour is that of copy; reports have the next.
const FIRST_SERIES: usize = 1;

/// Colours that tell reports apart; a page with more has them again.
const SERIES: usize = 6;

/// Reports with one of them, `named` in the order base, then the others.
pub fn render(comparison: &Comparison, named: &[Named<'_>]) -> String {
    let header = html! {
        p.kind { "What activation functions cost, compared" }
        h1 {
            bdi { (plain(&comparison.base.file)) } " and "
            (counted(comparison.others.len() as u64, "other"))
        }
        @if named.iter().any(|named| named.report.adapter.is_software) {
            p.warning { strong { "Software adapter. " } "One or more of them measure the CPU." }
        }
    };
    let main = html! {
        @for (index, other) in comparison.others.iter().enumerate() {
            (verdicts(comparison, other, index))
        }
        @for section in SECTIONS.iter().filter(|section| SHARED.contains(&section.name)) {
            (part(section, &combined(section, named), &[]))
        }
    };
    page(&format!("actbench: {} compared", comparison.base.file), &header, &main)
}

/// What became of one report's rows against the base.
fn verdicts(comparison: &Comparison, other: &Other, index: usize) -> Markup {
    let (base, settings) = (&comparison.base, &comparison.settings);
    let differences = other.differences.iter().map(sides);
    let differences = Grid::of(["not the same", "base", "new"], differences).with_words(2);
    html! {
        section.verdict id=(format!("new-{index}")) {
            h2 { bdi { (plain(&other.new.file)) } " against " bdi { (plain(&base.file)) } }
            p.sentence { (counts(other)) }
            p.facts { "base: " (plain(&base.adapter)) }
            p.facts { "new: " (plain(&other.new.adapter)) }
            (table_of(&differences))
            details open { summary { "Row by row" } (table_of(&judged(other, settings))) }
            @for (title, ids) in [("base", &other.only_base), ("new", &other.only_new)] {
                @if !ids.is_empty() {
                    details {
                        summary { "Only in " (title) ": " (ids.len()) }
                        (list(ids))
                    }
                }
            }
        }
    }
}

/// Every row, by verdict; those first that changed.
fn judged(other: &Other, settings: &Settings) -> Grid {
    let header = ["row", "base", "new", "new : base", "repeats", "why, and what to do"];
    let mut grid = Grid::new(header).with_words(1);
    let cells = |row: &Row| {
        let id = format!("{} ({})", row.id, heading(row.quantity));
        let why = row.reason.as_ref().map(|reason| why(reason, settings)).unwrap_or_default();
        [vec![id], figures(row).to_vec(), vec![why]].concat()
    };
    for verdict in Verdict::ALL {
        let rows = other.rows.iter().filter(|row| row.verdict == verdict).map(cells);
        grid.push(Some(verdict.name().to_owned()), rows.collect());
    }
    grid
}

/// The pictures of one part, all reports in each.
fn combined(section: &Section, named: &[Named<'_>]) -> Vec<Picture> {
    let mut pictures: Vec<Picture> = Vec::new();
    for (index, named) in named.iter().enumerate() {
        let series = FIRST_SERIES + index % SERIES;
        let own = (section.pictures)(named.report).into_iter();
        for picture in own.flat_map(|picture| of_report(section, picture, named.file, series)) {
            match pictures.iter_mut().find(|known| known.key == picture.key) {
                Some(known) => join(&mut known.chart, picture.chart),
                None => pictures.push(picture),
            }
        }
    }
    pictures
}

/// A picture of one report as those that others join, in the report's colour: rows with its name,
/// or a picture for each measured line, which then has its name.
fn of_report(section: &Section, picture: Picture, file: &str, series: usize) -> Vec<Picture> {
    let Picture { key, mut chart } = picture;
    if chart.y.is_none() {
        for row in &mut chart.lines {
            row.series = series;
            row.label = format!("{}{BETWEEN}{file}", row.label);
        }
        return vec![Picture { key, chart }];
    }
    // A level of a ratio is everyone's, one of a time is one report's.
    chart.levels.retain(|level| level.axis == Which::Y && section.name == "ratios");
    chart.zones.clear();
    let lines = std::mem::take(&mut chart.lines);
    let measured = lines.into_iter().filter(|line| line.look != Look::Computed);
    let alone = |line: Line| {
        let title = format!("{}: {}", chart.title, line.label);
        let key = format!("{key}/{}", line.label);
        let label = file.to_owned();
        let lines = vec![Line { label, series, look: Look::Measured, ..line }];
        Picture { key, chart: Chart { title, lines, ..chart.clone() } }
    };
    measured.map(alone).collect()
}

/// What stands between the name of a row and that of its report.
const BETWEEN: &str = ", ";

/// Adds what another report has to a picture; rows of the same name stand together.
fn join(known: &mut Chart, more: Chart) {
    if known.y.is_some() {
        known.lines.extend(more.lines);
        return;
    }
    let name = |row: &Line| row.label.split(BETWEEN).next().unwrap_or_default().to_owned();
    for row in more.lines {
        let last = known.lines.iter().rposition(|other| name(other) == name(&row));
        known.lines.insert(last.map_or(known.lines.len(), |last| last + 1), row);
    }
}
