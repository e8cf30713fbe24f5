//! Claims in pictures and tables: what was found of each, its figures, and the lines that are better seen than read.

use super::chart::{Axis, Chart, Line, LineChart, Look, Point, Scale, number};
use super::section::{Picture, RELU, SIGMOID};
use crate::report::grid::{Block, Grid};
use crate::report::{Axis as ClaimAxis, Claim, Plot, Report, Scale as ClaimScale, Status};

/// The pictures of all claims, each named by its claim, and where one has several, by their number.
pub fn pictures(report: &Report) -> Vec<Picture> {
    report.claims.iter().flat_map(pictures_of).collect()
}

/// The pictures of one claim.
pub fn pictures_of(claim: &Claim) -> Vec<Picture> {
    let named = |(index, plot)| Picture {
        key: if claim.plots.len() == 1 { claim.name.clone() } else { format!("{}/{}", claim.name, index + 1) },
        chart: chart(plot),
    };
    claim.plots.iter().enumerate().map(named).collect()
}

/// What was found of each claim, in a line.
pub fn grid(report: &Report) -> Option<Grid> {
    let rows =
        report.claims.iter().map(|claim| [claim.name.clone(), outcome(claim).to_owned(), because(claim).to_owned()]);
    Grid::of(["claim", "here it", "because"], rows).with_words(2).filled()
}

/// What became of a claim.
pub fn outcome(claim: &Claim) -> &'static str {
    match (claim.status, claim.outcome) {
        (Status::Ok, Some(outcome)) => outcome.name(),
        (status, _) => status.name(),
    }
}

/// Why.
pub fn because(claim: &Claim) -> &str {
    claim.conclusion.as_ref().or(claim.reason.as_ref()).map_or("no reason was given", String::as_str)
}

/// Its figures, then the points of each of its plots.
pub fn grids_of(claim: &Claim) -> Vec<Grid> {
    let figures = claim.figures.iter().map(|figure| {
        let value = figure.value.map_or_else(|| "none".to_owned(), |value| with_ends(value, figure.low, figure.high));
        [figure.name.clone(), value, figure.unit.clone(), figure.note.clone().unwrap_or_default()]
    });
    let figures = Grid::of(["figure", "value", "unit", "note"], figures).with_words(2).filled();
    figures.into_iter().chain(claim.plots.iter().map(points)).collect()
}

/// `value [low, high]`, as far as there is an interval.
fn with_ends(value: f64, low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("{} [{}, {}]", number(value), number(low), number(high)),
        _ => number(value),
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
    Chart::Lines(LineChart {
        title: plot.title.clone(),
        x: axis(&plot.x),
        y: axis(&plot.y),
        lines: lines.collect(),
        levels: Vec::new(),
        zones: Vec::new(),
    })
}

/// Looks for lines of these names, each its own: the first of ReLU and the first of sigmoid look as in all other pictures.
fn looks<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut taken: Vec<usize> = Vec::new();
    for label in labels {
        let label = label.to_lowercase();
        let usual = match (label.contains("relu"), label.contains("sigmoid")) {
            (true, false) => Some(RELU),
            (false, true) => Some(SIGMOID),
            _ => None,
        };
        let usual = usual.filter(|look| !taken.contains(look));
        let next = (SIGMOID + 1..=SIGMOID + 1 + taken.len()).find(|look| !taken.contains(look)).unwrap_or_default();
        taken.push(usual.unwrap_or(next));
    }
    taken
}

/// The points of a plot: a row for each x, a column for each line.
fn points(plot: &Plot) -> Grid {
    let mut xs: Vec<f64> = plot.series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let rows = xs.iter().map(|x| {
        let of_series = plot.series.iter().map(|series| {
            let point = series.points.iter().find(|point| point.x == *x);
            point.and_then(|point| Some(with_ends(point.y?, point.low, point.high))).unwrap_or_default()
        });
        std::iter::once(number(*x)).chain(of_series).collect()
    });
    let labels = plot.series.iter().map(|series| series.label.clone());
    let header = std::iter::once(format!("{}: {}", plot.title, plot.x.label)).chain(labels).collect();
    let mut grid = Grid { header, ..Grid::default() };
    grid.blocks.push(Block { title: None, rows: rows.collect() });
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_as_elsewhere_and_never_alike() {
        assert_eq!(looks(["sigmoid", "relu", "exact"].into_iter()), [SIGMOID, RELU, 3]);
        assert_eq!(looks(["relu, He", "relu, Xavier", "sigmoid", "tanh"].into_iter()), [RELU, 3, SIGMOID, 4]);
    }
}
