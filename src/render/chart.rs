//! Pictures as SVG: lines over two axes, or values with intervals by name. One drawing serves
//! screen, telephone and paper, since it scales with its width; colours are classes, so it serves
//! light and dark. The palette is that of Okabe and Ito, and dashes and markers differ as well.
//!
//! Drawn here and not by a crate: kuva 0.6 has no axis of powers of two and no titles on hovering,
//! and its labels run into each other on a telephone; plotters 0.3 rounds to whole pixels.

mod axis;

use maud::{Markup, PreEscaped, html};

use super::grid::Grid;
use super::numbers::{interval, number};
use super::text::plain;
use crate::measure::stats::Estimate;
pub use axis::{Axis, Scale};
use axis::{Ruler, rounded};

/// A picture.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, for who cannot see it and as the heading of a picture by itself.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Upwards; none where each line is a row with its name, whose points have no y.
    pub y: Option<Axis>,
    /// The lines, the first drawn first.
    pub lines: Vec<Line>,
    /// What lines are read against.
    pub levels: Vec<Level>,
    /// Ranges of x that have a name.
    pub zones: Vec<Zone>,
}

/// A line with its points.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is of.
    pub label: String,
    /// Which colour, dash and marker it has.
    pub series: usize,
    /// How its points are shown.
    pub look: Look,
    /// From left to right.
    pub points: Vec<Point>,
}

/// How the points of a line are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Measured: markers, joined.
    Measured,
    /// Measured, and what is below it is reachable: shaded.
    Roof,
    /// Computed: a thin line without markers.
    Computed,
}

/// A point of a line.
#[derive(Clone, Debug)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// The ends of its interval: of y, or of x in a row.
    pub interval: Option<[f64; 2]>,
    /// What hovering says.
    pub tip: String,
}

/// A value that has a name.
#[derive(Clone, Debug)]
pub struct Level {
    /// Which axis it is a value of.
    pub axis: Which,
    /// The value.
    pub at: f64,
    /// Its name.
    pub label: String,
}

/// An axis of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Across.
    X,
    /// Upwards.
    Y,
}

/// A range of x that has a name.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Lower end.
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Its name.
    pub label: String,
}

/// The style sheet of pictures, which concerns nothing else on a page. Paper is light.
pub const STYLE: &str = include_str!("chart.css");

/// In units that a page scales: on a telephone, text is still of 10 pixels.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 230.0;
const ROW_HEIGHT: f64 = 25.0;
const LINE_HEIGHT: f64 = 19.0;
const MARGIN: f64 = 14.0;

/// How the dashes of lines go, by series; `chart.css` has as many colours.
const DASHES: [&str; 7] = ["6 4", "none", "none", "2 3", "9 3 2 3", "12 4", "5 2"];

/// Markers, by series.
const MARKERS: [&str; 5] = [
    "m0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z",
    "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "m-4.2-4.2h8.4v8.4h-8.4z",
    "m0-5.2l5.2 9h-10.4z",
    "m0 5.2l5.2-9h-10.4z",
];

/// The ground between the axes.
struct Ground {
    x: Ruler,
    y: Ruler,
}

impl Chart {
    /// Without levels and zones.
    pub fn new(title: String, x: Axis, y: Option<Axis>, lines: Vec<Line>) -> Self {
        Self { title, x, y, lines, levels: Vec::new(), zones: Vec::new() }
    }

    /// As an element of a page that has [`STYLE`].
    pub fn svg(&self) -> Markup {
        let (height, content) = self.draw(0.0);
        let view = format!("0 0 {WIDTH} {height}");
        html! { svg.chart viewBox=(view) role="img" aria-label=(plain(&self.title)) { (content) } }
    }

    /// As a file of its own.
    pub fn file(&self) -> String {
        let (height, content) = self.draw(34.0);
        let view = format!("0 0 {WIDTH} {height}");
        let svg = html! {
            svg.chart xmlns="http://www.w3.org/2000/svg" viewBox=(view) width=(1.5 * WIDTH)
                height=(1.5 * height) role="img" aria-label=(plain(&self.title)) {
                style { (PreEscaped(STYLE)) }
                rect.ground width=(WIDTH) height=(height) {}
                text.heading x=(MARGIN) y="26" { (shortened(&self.title, 58)) }
                (content)
            }
        };
        svg.into_string() + "\n"
    }

    /// Its points: a row for each x, a column for each line.
    pub fn grid(&self) -> Grid {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let mut xs: Vec<f64> = points().map(|point| point.x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let value = |point: &Point| match point.interval {
            Some([low, high]) => interval(Estimate { median: point.y, low, high }),
            None => number(point.y),
        };
        let cell = |line: &Line, x: f64| line.points.iter().find(|point| point.x == x).map(value);
        let row = |x: &f64| {
            let cells = self.lines.iter().map(|line| cell(line, *x).unwrap_or_default());
            std::iter::once(number(*x)).chain(cells).collect()
        };
        let first = format!("{}: {}", self.title, self.x.label);
        let labels = self.lines.iter().map(|line| line.label.clone());
        let header = std::iter::once(first).chain(labels).collect();
        let mut grid = Grid { header, ..Grid::default() };
        grid.push(None, xs.iter().map(row).collect());
        grid
    }

    /// Its height and what is in it, below a heading of that height.
    fn draw(&self, heading: f64) -> (f64, Markup) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let levels = |which| {
            self.levels.iter().filter(move |level| level.axis == which).map(|level| level.at)
        };
        let intervals = || points().filter_map(|point| point.interval).flatten();
        let xs = points().map(|point| point.x).chain(levels(Which::X));
        let (mut x, mut y) = if let Some(axis) = &self.y {
            let ys = points().map(|point| point.y).chain(intervals()).chain(levels(Which::Y));
            (Ruler::new(&self.x, xs), Ruler::new(axis, ys))
        } else {
            let names = self.lines.iter().map(|line| shortened(&line.label, 38)).collect();
            (Ruler::new(&self.x, xs.chain(intervals())), Ruler::of_rows(names))
        };
        let names = y.ticks.iter().map(|(_, label)| width_of(label));
        let left = rounded(MARGIN + names.fold(0.0, f64::max));
        let (mut right, mut top, mut height) = (WIDTH - 24.0, heading + 8.0, HEIGHT);
        let mut legend = html! {};
        if self.y.is_some() {
            (top, legend) = self.legend(heading + 4.0);
            top += LINE_HEIGHT + self.above();
        } else {
            // Each point has its value beside it.
            let values = points().map(|point| width_of(&number(point.x)));
            right -= values.fold(0.0, f64::max);
            height = ROW_HEIGHT * self.lines.len().max(1) as f64;
        }
        let bottom = top + height;
        (x.ends, y.ends) = ([left, right], [bottom, top]);
        let ground = Ground { x, y };
        let content = html! {
            (legend)
            (self.draw_zones(&ground))
            (self.draw_axes(&ground))
            @for (row, line) in self.lines.iter().enumerate() {
                (self.draw_line(line, row, &ground))
            }
            @for level in &self.levels { (draw_level(level, &ground)) }
        };
        (rounded(bottom + 2.0 * LINE_HEIGHT + 10.0), content)
    }

    /// How far above the ground the name of the axis stands, on top of those of zones.
    fn above(&self) -> f64 {
        if self.zones.is_empty() { 14.0 } else { LINE_HEIGHT + 4.0 }
    }

    /// Where the legend ends, and the legend.
    fn legend(&self, top: f64) -> (f64, Markup) {
        const SAMPLE: f64 = 26.0;
        let (mut left, mut middle) = (MARGIN, top + LINE_HEIGHT / 2.0);
        let mut entries = Vec::new();
        for line in &self.lines {
            let label = shortened(&line.label, 54);
            let width = SAMPLE + 6.0 + width_of(&label);
            if left > MARGIN && left + width > WIDTH - MARGIN {
                (left, middle) = (MARGIN, middle + LINE_HEIGHT);
            }
            entries.push((line, label, rounded(left), rounded(middle)));
            left += width + 14.0;
        }
        let legend = html! {
            @for (line, label, left, middle) in entries {
                g class=(line.class()) {
                    (line.stroke(&[(left, middle), (left + SAMPLE, middle)]))
                    @if line.look != Look::Computed { (line.marker((left + SAMPLE / 2.0, middle))) }
                }
                text x=(left + SAMPLE + 6.0) y=(middle + 4.0) { (label) }
            }
        };
        (middle + LINE_HEIGHT / 2.0, legend)
    }

    /// Every second zone is shaded; names stand above, as far as there is room.
    fn draw_zones(&self, ground: &Ground) -> Markup {
        let [bottom, top] = ground.y.ends;
        html! {
            @for (index, zone) in self.zones.iter().enumerate() {
                @let [from, to] = [zone.from, zone.to].map(|end| ground.x.at(end));
                @if index % 2 == 0 {
                    rect.zone x=(from) y=(top) width=(rounded(to - from)) height=(bottom - top) {}
                }
                @if width_of(&zone.label) < to - from {
                    text.faint x=(f64::midpoint(from, to)) y=(top - 6.0) text-anchor="middle" {
                        (zone.label)
                    }
                }
            }
        }
    }

    fn draw_axes(&self, ground: &Ground) -> Markup {
        let ([left, right], [bottom, top]) = (ground.x.ends, ground.y.ends);
        html! {
            @for (tick, label) in &ground.y.ticks {
                @let at = ground.y.place(*tick);
                @if self.y.is_some() { line.grid x1=(left) x2=(right) y1=(at) y2=(at) {} }
                text x=(left - 7.0) y=(at + 4.0) text-anchor="end" { (label) }
            }
            @for (tick, label) in &ground.x.ticks {
                @let at = ground.x.place(*tick);
                @let from = if self.y.is_some() { bottom } else { top };
                line.grid x1=(at) x2=(at) y1=(from) y2=(bottom + 4.0) {}
                text x=(at) y=(bottom + LINE_HEIGHT) text-anchor="middle" { (label) }
            }
            line.axis x1=(left) x2=(right) y1=(bottom) y2=(bottom) {}
            text.faint x=(right) y=(bottom + 2.0 * LINE_HEIGHT) text-anchor="end" {
                (shortened(&self.x.label, 54))
            }
            @if let Some(axis) = &self.y {
                text.faint x=(MARGIN) y=(top - self.above()) { (shortened(&axis.label, 54)) }
            }
        }
    }

    fn draw_line(&self, line: &Line, row: usize, ground: &Ground) -> Markup {
        let is_row = self.y.is_none();
        let y = |point: &Point| if is_row { row as f64 } else { point.y };
        let place = |point: &Point| (ground.x.at(point.x), ground.y.at(y(point)));
        let path: Vec<(f64, f64)> = line.points.iter().map(place).collect();
        let bar = |point: &Point, (x, y): (f64, f64)| {
            let (ruler, middle) = if is_row { (&ground.x, x) } else { (&ground.y, y) };
            let [low, high] = point.interval?.map(|end| ruler.at(end));
            // What a marker covers would only blur it.
            let is_seen = (low - middle).abs().max((high - middle).abs()) > 5.0;
            let bar = if is_row {
                format!("M{low} {}v8m0-4H{high}m0-4v8", y - 4.0)
            } else {
                format!("M{} {low}h6m-3 0V{high}m-3 0h6", x - 3.0)
            };
            is_seen.then_some(bar)
        };
        html! {
            g class=(line.class()) {
                @if line.look == Look::Roof { (roof(&path, ground.y.ends[0])) }
                @if !is_row { (line.stroke(&path)) }
                @for (point, at) in line.points.iter().zip(&path) {
                    g.point {
                        title { (plain(&point.tip)) }
                        @if let Some(bar) = bar(point, *at) {
                            path fill="none" stroke="currentColor" stroke-width="1.5" d=(bar) {}
                        }
                        @if line.look != Look::Computed { (line.marker(*at)) }
                        circle.hit cx=(at.0) cy=(at.1) r="9" {}
                    }
                    @if is_row {
                        @let end = point.interval.map_or(at.0, |[_, high]| ground.x.at(high));
                        text.halo x=(end.max(at.0 + 5.0) + 7.0) y=(at.1 + 4.0) { (number(point.x)) }
                    }
                }
            }
        }
    }
}

impl Line {
    fn class(&self) -> String {
        format!("s{}", self.series % DASHES.len())
    }

    fn stroke(&self, path: &[(f64, f64)]) -> Markup {
        let width = if self.look == Look::Computed { 1.2 } else { 2.0 };
        let dash = DASHES[self.series % DASHES.len()];
        html! {
            polyline fill="none" stroke="currentColor" stroke-width=(width) stroke-linejoin="round"
                stroke-dasharray=(dash) points=(joined(path)) {}
        }
    }

    fn marker(&self, (x, y): (f64, f64)) -> Markup {
        let path = format!("M{x} {y}{}", MARKERS[self.series % MARKERS.len()]);
        html! { path.marker fill="currentColor" d=(path) {} }
    }
}

fn roof(path: &[(f64, f64)], bottom: f64) -> Markup {
    let corner = |end: Option<&(f64, f64)>| end.map(|(x, _)| (*x, bottom));
    let mut area = path.to_vec();
    area.splice(0..0, corner(path.first()));
    area.extend(corner(path.last()));
    html! { polygon fill="currentColor" fill-opacity=".1" points=(joined(&area)) {} }
}

fn joined(path: &[(f64, f64)]) -> String {
    path.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
}

/// A dotted line with its name: below it, or at its lower end, on the side that has more room.
fn draw_level(level: &Level, ground: &Ground) -> Markup {
    let ([left, right], [bottom, top]) = (ground.x.ends, ground.y.ends);
    let label = shortened(&level.label, 48);
    let (ends, (x, y), anchor) = match level.axis {
        Which::X => {
            let at = ground.x.at(level.at);
            let is_left = at < f64::midpoint(left, right);
            let (x, anchor) = if is_left { (at + 6.0, "start") } else { (at - 6.0, "end") };
            ([at, at, top, bottom], (x, bottom - 8.0), anchor)
        }
        Which::Y => {
            let at = ground.y.at(level.at);
            let below = if at + LINE_HEIGHT < bottom { at + 15.0 } else { at - 6.0 };
            ([left, right, at, at], (right - 4.0, below), "end")
        }
    };
    html! {
        line.level stroke-dasharray="2 3" x1=(ends[0]) x2=(ends[1]) y1=(ends[2]) y2=(ends[3]) {}
        text.halo x=(x) y=(y) text-anchor=(anchor) { (label) }
    }
}

/// About how wide a text is: no narrower than in most fonts.
fn width_of(text: &str) -> f64 {
    text.chars().map(|_| 7.2).sum()
}

/// A text of so many characters at most, its end cut off if need be.
fn shortened(text: &str, most: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.into_owned(),
    }
}
