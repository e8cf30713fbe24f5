//! Claims in text, pictures and tables: what was found of each, its figures, and the lines that are
//! better seen than read.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use maud::{Markup, html};

use super::report::{Axis as ClaimAxis, Claim, Claims, Figure, Plot, Scale as ClaimScale};
use crate::error::{Error, Result};
use crate::measure::stats::Estimate;
use crate::render::chart::{Axis, Chart, Line, Look, Point, Scale};
use crate::render::grid::Grid;
use crate::render::html::{page, pictures_of as figures, table_of};
use crate::render::no_picture;
use crate::render::numbers::{interval, number};
use crate::render::section::{OF_DENOMINATOR as RELU, OF_NUMERATOR as SIGMOID, Picture};
use crate::render::text::{COLUMNS, plain, wrapped};
use crate::report::Status;

/// What stands above claims in a table.
const HEADER: [&str; 3] = ["claim", "result", "evidence"];

/// A claim in a table.
fn row(claim: &Claim, name: String) -> [String; 3] {
    [name, outcome(claim), evidence(claim).to_owned()]
}

/// What is claimed, with its name.
fn told(claim: &Claim) -> String {
    format!("{}: {}", claim.name, claim.statement)
}

/// What became of each claim, in a line; then the figures of each. For a terminal.
fn text(claims: &[Claim]) -> String {
    let lines = claims.iter().map(|claim| row(claim, claim.name.clone()));
    let mut text = in_columns(Some(HEADER), lines);
    for claim in claims.iter().filter(|claim| !claim.figures.is_empty()) {
        let _ = write!(text, "\n\n{}\n", wrapped(&plain(&told(claim))));
        let figures = claim.figures.iter().map(|figure| {
            let value = format!("{} {}", value(figure), figure.unit).trim_end().to_owned();
            [figure.name.clone(), value, figure.note.clone().unwrap_or_default()]
        });
        text += &in_columns(None, figures);
        for note in &claim.notes {
            let _ = write!(text, "\n{}", wrapped(&plain(&format!("- {note}"))));
        }
    }
    text + "\n\n" + &NOT_TESTED.join("\n")
}

/// Three columns of words, of which the last goes on below itself.
fn in_columns(header: Option<[&str; 3]>, rows: impl Iterator<Item = [String; 3]>) -> String {
    let columns = u16::try_from(COLUMNS).expect("a hundred");
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(columns);
    if let Some(header) = header {
        table.set_header(header);
    }
    table.add_rows(rows.map(|row| row.map(|cell| plain(&cell).into_owned())));
    table.set_constraints([
        ColumnConstraint::ContentWidth,
        ColumnConstraint::ContentWidth,
        ColumnConstraint::UpperBoundary(Width::Fixed(columns)),
    ]);
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Claims in a format: text, md, json or html.
pub fn document(claims: &Claims, format: &str) -> Result<String> {
    let document = match format {
        "text" => text(&claims.claims),
        "md" => grid(&claims.claims).map(|grid| grid.markdown()).unwrap_or_default(),
        "json" => serde_json::to_string_pretty(claims).expect("string keys and finite numbers"),
        "html" => html(claims),
        other => return Err(Error::Usage(format!("claims have no format {other}"))),
    };
    Ok(document.trim_end().to_owned() + "\n")
}

/// A picture as an SVG file, by its claim's name, and its number where a claim has several.
pub fn plot(claims: &Claims, name: &str) -> Result<String> {
    let pictures: Vec<Picture> = claims.claims.iter().flat_map(pictures_of).collect();
    let name = name.strip_prefix("claims/").unwrap_or(name);
    if let Some(picture) = pictures.iter().find(|picture| picture.key == name) {
        return Ok(picture.chart.file());
    }
    let names: Vec<String> = pictures.into_iter().map(|picture| picture.key).collect();
    Err(no_picture(name, &names))
}

/// The pictures of one claim.
fn pictures_of(claim: &Claim) -> Vec<Picture> {
    let named = |(index, plot)| {
        let key = match claim.plots.len() {
            1 => claim.name.clone(),
            _ => format!("{}/{}", claim.name, index + 1),
        };
        Picture { key, chart: chart(plot) }
    };
    claim.plots.iter().enumerate().map(named).collect()
}

/// What was found of each claim, in a line.
pub fn grid(claims: &[Claim]) -> Option<Grid> {
    let rows = claims.iter().map(|claim| row(claim, told(claim)));
    let mut grid = Grid::of(HEADER, rows).with_words(2).filled()?;
    grid.notes = NOT_TESTED.map(str::to_owned).to_vec();
    Some(grid)
}

/// What of the seed document no experiment tests.
const NOT_TESTED: [&str; 2] = [
    "not tested: that sparse activations reduce dependencies between neurons",
    "not tested: that AlexNet, ResNet and the like use ReLU almost everywhere",
];

/// A page: the results first, then claim by claim what is said, what was found, what shows it.
fn html(claims: &Claims) -> String {
    let adapter = &claims.adapter;
    let header = html! {
        p.kind { "What is said of activation functions, put to the test" }
        h1 { bdi { (plain(&adapter.name)) } }
        @if adapter.is_software {
            p.warning { strong { "Software adapter. " } "It computes on the CPU." }
        }
    };
    let main = html! {
        section #claims {
            h2 { "Results" }
            @if let Some(grid) = grid(&claims.claims) { (table_of(&grid)) }
            @for claim in &claims.claims { (article(claim)) }
        }
    };
    page(&format!("actbench claims: {}", adapter.name), &header, &main)
}

fn article(claim: &Claim) -> Markup {
    html! {
        article {
            h3 { (plain(&claim.name)) ": " (outcome(claim)) }
            p.statement { (plain(&claim.statement)) }
            p { (plain(evidence(claim))) }
            (figures(&pictures_of(claim)))
            @let grids = grids_of(claim);
            @if !grids.is_empty() {
                details {
                    summary { "The figures" }
                    @for grid in &grids { (table_of(grid)) }
                }
            }
            @if !claim.notes.is_empty() {
                ul.notes { @for note in &claim.notes { li { (plain(note)) } } }
            }
            @if !claim.seeds.is_empty() {
                @let seeds = claim.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                p.facts { "Seeds: " (seeds) }
            }
        }
    }
}

/// What became of a claim.
fn outcome(claim: &Claim) -> String {
    match (claim.status, claim.outcome) {
        (Status::Ok, Some(outcome)) => outcome.name().to_owned(),
        (status, _) => status.to_string(),
    }
}

/// Why.
fn evidence(claim: &Claim) -> &str {
    let why = claim.conclusion.as_deref().or(claim.reason.as_deref());
    why.unwrap_or("no reason was given")
}

/// Its figures, then the points of each of its plots.
fn grids_of(claim: &Claim) -> Vec<Grid> {
    let figures = claim.figures.iter().map(|figure| {
        let note = figure.note.clone().unwrap_or_default();
        [figure.name.clone(), value(figure), figure.unit.clone(), note]
    });
    let figures = Grid::of(["figure", "value", "unit", "note"], figures).with_words(2).filled();
    let pictures = pictures_of(claim).into_iter().map(|picture| picture.chart.grid());
    figures.into_iter().chain(pictures).collect()
}

/// Of a figure, `value [low, high]`.
fn value(figure: &Figure) -> String {
    let told = |value| with_ends(value, figure.low, figure.high);
    figure.value.map_or_else(|| "none".to_owned(), told)
}

/// `value [low, high]`, as far as there is an interval.
fn with_ends(value: f64, low: Option<f64>, high: Option<f64>) -> String {
    match low.zip(high) {
        Some((low, high)) => interval(Estimate { median: value, low, high }),
        None => number(value),
    }
}

fn chart(plot: &Plot) -> Chart {
    let axis = |axis: &ClaimAxis| {
        let scale = match axis.scale {
            ClaimScale::Linear => Scale::Linear,
            ClaimScale::Log2 => Scale::Log2,
            ClaimScale::Log10 => Scale::Log10,
        };
        Axis::new(&axis.label, scale)
    };
    let looks = looks(plot.series.iter().map(|series| series.label.as_str()));
    let lines = plot.series.iter().zip(looks).map(|(series, look_of_series)| {
        let points = series.points.iter().filter_map(|point| {
            let y = point.y?;
            let value = with_ends(y, point.low, point.high);
            Some(Point {
                x: point.x,
                y,
                interval: point.low.zip(point.high).map(|(low, high)| [low, high]),
                tip: format!("{}, {} {}: {value}", series.label, plot.x.label, number(point.x)),
            })
        });
        let points: Vec<Point> = points.collect();
        // Many markers would hide the line.
        let look = if points.len() > 40 { Look::Computed } else { Look::Measured };
        Line { label: series.label.clone(), series: look_of_series, look, points }
    });
    Chart::new(plot.title.clone(), axis(&plot.x), Some(axis(&plot.y)), lines.collect())
}

/// Looks for lines of these names, each its own: the first of ReLU and the first of sigmoid look as
/// in all other pictures.
fn looks<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut taken: Vec<usize> = Vec::new();
    for label in labels {
        let label = label.to_lowercase();
        let usual = match (label.contains("relu"), label.contains("sigmoid")) {
            (true, false) => Some(RELU),
            (false, true) => Some(SIGMOID),
            _ => None,
        };
        let is_free = |look: &usize| !taken.contains(look);
        let look = usual
            .filter(is_free)
            .or_else(|| (SIGMOID + 1..=SIGMOID + 1 + taken.len()).find(is_free));
        taken.extend(look);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::report::Outcome;

    fn claims() -> Vec<Claim> {
        let claim = Claim {
            name: "sparsity".to_owned(),
            statement: "ReLU makes zeros | and zeros can be skipped, ".to_owned()
                + &"again ".repeat(20),
            status: Status::Ok,
            reason: None,
            outcome: Some(Outcome::HoldsOnlyWhen),
            conclusion: Some(
                "more than 80 % of the activations are zero: ".to_owned() + &"word ".repeat(30),
            ),
            seeds: vec![1, 2],
            figures: vec![
                Figure::estimated("speed", "x", Estimate { median: 2.0, low: 1.5, high: 2.5 })
                    .noted("of the dense"),
                Figure::none("break-even", "%", "it is never reached"),
            ],
            plots: Vec::new(),
            notes: vec!["a note \u{1b}[31m".to_owned() + &" that goes on".repeat(20)],
            duration_s: 1.0,
        };
        let failed = Claim {
            name: "gates".to_owned(),
            status: Status::Failed,
            reason: Some("the cell: element 3 is off".to_owned()),
            outcome: None,
            conclusion: None,
            figures: Vec::new(),
            ..claim.clone()
        };
        vec![claim, failed]
    }

    #[test]
    fn a_claim_is_a_line_with_its_figures_below() {
        let text = text(&claims());
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        for part in [
            "holds only when",
            "failed",
            "element 3 is off",
            "2 [1.50, 2.50] x",
            "never reached",
            "- a note",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_row_of_markdown_is_one_line_of_words() {
        let text = grid(&claims()).expect("rows").markdown();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[1]), (5 + NOT_TESTED.len(), "| --- | --- | --- |"));
        assert!(lines[2].starts_with("| sparsity: ReLU makes zeros \\| and zeros"), "{text}");
        assert_eq!(grid(&[]), None);
    }

    #[test]
    fn lines_look_as_elsewhere_and_never_alike() {
        assert_eq!(looks(["sigmoid", "relu", "exact"].into_iter()), [SIGMOID, RELU, 3]);
        assert_eq!(
            looks(["relu, He", "relu, Xavier", "sigmoid", "tanh"].into_iter()),
            [RELU, 3, SIGMOID, 4]
        );
    }
}
