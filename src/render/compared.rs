//! The page of a comparison: verdicts and what differs first, then the pictures of all reports, each with a line of every report that has it.

use maud::{Markup, html};

use super::chart::{Chart, Line, Look, Which};
use super::html::{page, pictures_of, table_of};
use super::section::{Picture, SECTIONS, Section};
use crate::compare::{Comparison, Named, Other, Row, Source, Verdict};
use crate::render::comparison::{counts, ratio, side};
use crate::render::grid::{Block, Grid};
use crate::render::text::plain;

/// The parts whose pictures say something across reports.
const SHARED: [&str; 4] = ["ratios", "arithmetic", "bandwidth", "ridge"];

/// Colours of series before those of reports: the first is that of the copy, which stands for none of them.
const FIRST_SERIES: usize = 1;

/// Colours that tell reports apart; a page with more has them again.
const SERIES: usize = 6;

/// A list that is no longer is open from the start.
const FEW: usize = 10;

/// Reports with one of them, `named` in the order base, then the others.
pub fn render(comparison: &Comparison, named: &[Named<'_>]) -> String {
    let header = html! {
        p.kind { "What activation functions cost, compared" }
        h1 { bdi { (plain(&comparison.base.file)) } " and " (comparison.others.len()) " other" @if comparison.others.len() != 1 { "s" } }
        @if named.iter().any(|named| named.report.adapter.is_software) {
            p.warning { strong { "Software adapter. " } "At least one of these adapters computes on the CPU." }
        }
    };
    let main = html! {
        @for (index, other) in comparison.others.iter().enumerate() { (verdicts(&comparison.base, other, index)) }
        @for section in SECTIONS.iter().filter(|section| SHARED.contains(&section.name)) {
            @let pictures = combined(section, named);
            @if !pictures.is_empty() {
                section id=(section.name) {
                    h2 { (section.title) }
                    p.meaning { (section.meaning) }
                    (pictures_of(&pictures))
                }
            }
        }
    };
    page(&format!("actbench: {} compared", comparison.base.file), &header, &main)
}

/// What became of one report's rows against the base.
fn verdicts(base: &Source, other: &Other, index: usize) -> Markup {
    let differences = other.differences.iter().map(|difference| {
        let [base, new] = difference.said();
        [difference.what.clone(), base.to_owned(), new.to_owned()]
    });
    let differences = Grid::of(["not the same", "base", "new"], differences).with_words(2);
    html! {
        section.verdict id=(format!("new-{index}")) {
            h2 { bdi { (plain(&other.new.file)) } " against " bdi { (plain(&base.file)) } }
            p.sentence { (counts(other)) }
            p.facts { "base: " (plain(&base.adapter)) }
            p.facts { "new: " (plain(&other.new.adapter)) }
            (table_of(&differences))
            details open { summary { "Row by row" } (table_of(&judged(other))) }
            @let incomparable = rows(other, Verdict::Incomparable);
            @if !incomparable.is_empty() {
                details open[incomparable.len() <= FEW] {
                    summary { (Verdict::Incomparable.name()) ": " (incomparable.len()) }
                    (table_of(&Grid::of(HEADER, incomparable).with_words(1)))
                }
            }
            (one_sided("Only in base", &other.only_base))
            (one_sided("Only in new", &other.only_new))
        }
    }
}

fn one_sided(title: &str, ids: &[String]) -> Markup {
    html! {
        @if !ids.is_empty() {
            details {
                summary { (title) ": " (ids.len()) }
                ul.notes { @for id in ids { li { (plain(id)) } } }
            }
        }
    }
}

const HEADER: [&str; 5] = ["row", "base", "new", "new : base", "why, and what to do"];

/// What can be compared, those rows first that changed.
fn judged(other: &Other) -> Grid {
    let mut grid = Grid::new(HEADER).with_words(1);
    for verdict in Verdict::ALL.into_iter().filter(|verdict| *verdict != Verdict::Incomparable) {
        let rows: Vec<Vec<String>> = rows(other, verdict).into_iter().map(Vec::from).collect();
        if !rows.is_empty() {
            grid.blocks.push(Block { title: Some(verdict.name().to_owned()), rows });
        }
    }
    grid
}

/// The rows of one verdict.
fn rows(other: &Other, verdict: Verdict) -> Vec<[String; HEADER.len()]> {
    let cells = |row: &Row| {
        let id = format!("{} ({})", row.id, row.quantity.heading());
        [id, side(row.base), side(row.new), ratio(row), row.next.clone().unwrap_or_default()]
    };
    other.rows.iter().filter(|row| row.verdict == verdict).map(cells).collect()
}

/// The pictures of one part, all reports in each.
fn combined(section: &Section, named: &[Named<'_>]) -> Vec<Picture> {
    let mut pictures: Vec<Picture> = Vec::new();
    for (index, named) in named.iter().enumerate() {
        let series = FIRST_SERIES + index % SERIES;
        for picture in (section.pictures)(named.report) {
            for (key, chart) in of_report(section, picture, named.file, series) {
                match pictures.iter_mut().find(|known| known.key == key) {
                    Some(known) => join(&mut known.chart, chart),
                    None => pictures.push(Picture { key, chart }),
                }
            }
        }
    }
    pictures
}

/// A picture of one report as those that others join, with the report's colour: rows with its name,
/// or a picture for each measured line, which then has its name.
fn of_report(
    section: &Section,
    picture: Picture,
    file: &str,
    series: usize,
) -> Vec<(String, Chart)> {
    let Picture { key, mut chart } = picture;
    chart.zones.clear();
    if chart.y.is_none() {
        for row in &mut chart.lines {
            row.series = series;
            row.label = format!("{}{BETWEEN}{file}", row.label);
        }
        return vec![(key, chart)];
    }
    // A time is one report's level; a ratio is everyone's.
    chart.levels.retain(|level| level.axis == Which::Y && section.name == "ratios");
    let lines = std::mem::take(&mut chart.lines).into_iter();
    let of_line = |line: Line| {
        let key = format!("{key}/{}", line.label);
        let title = format!("{}: {}", chart.title, line.label);
        let line = Line { label: file.to_owned(), series, look: Look::Measured, ..line };
        (key, Chart { title, lines: vec![line], ..chart.clone() })
    };
    lines.filter(|line| line.look != Look::Computed).map(of_line).collect()
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
