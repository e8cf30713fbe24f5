//! Pictures, as SVG text: lines over two axes, and values with intervals by name.
//!
//! They are drawn here and not by a crate. kuva 0.6 was tried on these very pictures: its lines are crisp, but on the width of a telephone the labels of a
//! logarithmic axis run into each other, there is no axis of powers of two, a row of a forest plot has no value on hovering, a legend either lies
//! on the lines or costs a line an entry, `$` in a label begins a formula, and clip paths are numbered across all pictures of a process, so that one
//! report gives different bytes. plotters 0.3 rounds to whole pixels, which makes slanted lines wavy. Two kinds of picture are needed; whoever swaps
//! in a crate has [`Chart::svg`] and [`Chart::file`] to replace.
//!
//! Colours are classes, so that one page or picture serves light and dark; no series is told apart by colour alone.

mod axis;

use std::fmt::Write as _;

use crate::render::text::xml as escape;
pub use axis::{Axis, Scale, number};
use axis::{Ends, Ruler, TickLimit};

/// The colour of a series, on light and on dark ground: those of Okabe and Ito, which people with any colour vision tell apart, a little darker or lighter
/// where the ground asks for it. The first is for what others are measured against.
const COLOURS: [(&str, &str); 7] = [
    ("#5f6b7a", "#9aa7b8"),
    ("#0072b2", "#56b4e9"),
    ("#c44e00", "#ff9a5c"),
    ("#00805d", "#3fd0a4"),
    ("#a3478a", "#e6a0d0"),
    ("#8a6500", "#e6c04a"),
    ("#3d4f9f", "#a7b6ff"),
];

/// How the dashes of lines go, by series.
const DASHES: [&str; 7] = ["6 4", "", "", "2 3", "9 3 2 3", "12 4", "5 2"];

const TEXT_SIZE: f64 = 12.0;
const LINE_HEIGHT: f64 = 18.0;

/// How large a picture is drawn: text stays as large, so a small picture has fewer ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For a column of a page.
    Wide,
    /// For a telephone.
    Narrow,
    /// For a picture by itself.
    Alone,
}

impl Size {
    fn width(self) -> f64 {
        match self {
            Self::Wide => 560.0,
            Self::Narrow => 340.0,
            Self::Alone => 760.0,
        }
    }

    /// Of the ground between the axes.
    fn plot_height(self) -> f64 {
        match self {
            Self::Wide => 230.0,
            Self::Narrow => 210.0,
            Self::Alone => 300.0,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Wide | Self::Alone => "chart wide",
            Self::Narrow => "chart narrow",
        }
    }

    fn hovers(self) -> Hovers {
        if self == Self::Narrow { Hovers::No } else { Hovers::Yes }
    }

    fn ticks(self) -> [TickLimit; 2] {
        match self {
            Self::Wide => [TickLimit(8), TickLimit(6)],
            Self::Narrow => [TickLimit(5), TickLimit(5)],
            Self::Alone => [TickLimit(10), TickLimit(7)],
        }
    }
}

/// Whether a point says its value when a pointer rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hovers {
    Yes,
    /// A telephone has no pointer that could rest.
    No,
}

impl Hovers {
    /// Opens the group of a point.
    fn begin(self, class: &str, tip: &str, svg: &mut String) {
        let title = if self == Self::Yes {
            format!("<title>{}</title>", escape(tip))
        } else {
            String::new()
        };
        let _ = write!(svg, r#"<g class="{class}">{title}"#);
    }

    /// Closes it, with what a pointer can hit.
    fn end(self, (x, y): (f64, f64), svg: &mut String) {
        if self == Self::Yes {
            let _ = write!(svg, r#"<circle class="hit" cx="{x:.1}" cy="{y:.1}" r="9"/>"#);
        }
        svg.push_str("</g>");
    }
}

/// Lines over two axes.
#[derive(Clone, Debug)]
pub struct LineChart {
    /// What it shows, for who can't see it and as the heading of a picture by itself.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
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
    /// The ends of its interval.
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

/// Values with intervals, a row each.
#[derive(Clone, Debug)]
pub struct DotChart {
    /// What it shows.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// From top to bottom.
    pub rows: Vec<Dot>,
    /// A value of x to read the rows against.
    pub level: Option<Level>,
}

/// A value with its interval.
#[derive(Clone, Debug)]
pub struct Dot {
    /// What it is of.
    pub label: String,
    /// Which colour and marker it has.
    pub series: usize,
    /// The value.
    pub value: f64,
    /// The ends of its interval.
    pub interval: Option<[f64; 2]>,
    /// The value as text, beside it.
    pub text: String,
    /// What hovering says.
    pub tip: String,
}

/// A picture.
#[derive(Clone, Debug)]
pub enum Chart {
    /// Lines over two axes.
    Lines(LineChart),
    /// Values with intervals.
    Dots(DotChart),
}

impl Chart {
    /// What it shows.
    pub fn title(&self) -> &str {
        match self {
            Self::Lines(chart) => &chart.title,
            Self::Dots(chart) => &chart.title,
        }
    }

    /// As an element of a page that has [`style`].
    pub fn svg(&self, size: Size) -> String {
        let (height, content) = match self {
            Self::Lines(chart) => chart.draw(size, 0.0),
            Self::Dots(chart) => chart.draw(size, 0.0),
        };
        format!(
            r#"<svg class="{}" viewBox="0 0 {} {height:.0}" role="img" aria-label="{}">{content}</svg>"#,
            size.class(),
            size.width(),
            escape(self.title())
        )
    }

    /// As a file of its own, on light or dark ground as its viewer likes it.
    pub fn file(&self) -> String {
        const HEADING: f64 = 34.0;
        let size = Size::Alone;
        let (height, content) = match self {
            Self::Lines(chart) => chart.draw(size, HEADING),
            Self::Dots(chart) => chart.draw(size, HEADING),
        };
        let width = size.width();
        let title = escape(self.title());
        let style = style();
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{width}" height="{height:.0}" viewBox="0 0 {width} {height:.0}" role="img" aria-label="{title}">
<style>{style}</style>
<rect class="ground" width="{width}" height="{height:.0}"/>
<text class="heading" x="14" y="26">{}</text>
{content}
</svg>
"#,
            escape(&shortened(self.title(), width - 28.0, 15.0))
        )
    }
}

/// The style sheet of pictures: what is in it concerns nothing else on a page. Paper is light.
pub fn style() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (series, (on_light, on_dark)) in COLOURS.iter().enumerate() {
        let _ = write!(light, ".chart .s{series}{{color:{on_light}}}");
        let _ = write!(dark, ".chart .s{series}{{color:{on_dark}}}");
    }
    format!(
        ".chart{{font:{TEXT_SIZE}px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}}\
         .chart text{{fill:#3b434e}}.chart .faint{{fill:#6a7482}}.chart .heading{{fill:#16191d;font-size:15px;font-weight:600}}\
         .chart .ground{{fill:#fff}}.chart .grid{{stroke:#e3e6ea}}.chart .axis{{stroke:#98a1ac}}.chart .level{{stroke:#3b434e}}\
         .chart .zone{{fill:#6a7482;fill-opacity:.07}}.chart .halo{{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}}\
         .chart .hit{{fill:none;pointer-events:all}}.chart .marker{{stroke:#fff;stroke-width:1px}}{light}\
         .chart .point:hover .marker{{stroke:currentColor;stroke-width:4px}}\
         @media screen and (prefers-color-scheme:dark){{.chart text{{fill:#c3cad3}}.chart .faint{{fill:#939daa}}.chart .heading{{fill:#eef1f4}}\
         .chart .ground{{fill:#14171b}}.chart .grid{{stroke:#2a3037}}.chart .axis{{stroke:#5d6772}}.chart .level{{stroke:#c3cad3}}\
         .chart .zone{{fill:#939daa;fill-opacity:.09}}.chart .halo{{stroke:#14171b}}.chart .marker{{stroke:#14171b}}{dark}\
         .chart .point:hover .marker{{stroke:currentColor}}}}"
    )
}

impl LineChart {
    /// Its height and what is in it, below so much room for a heading.
    fn draw(&self, size: Size, heading: f64) -> (f64, String) {
        let [x_ticks, y_ticks] = size.ticks();
        let measured = || self.lines.iter().flat_map(|line| &line.points);
        let levels = |which| {
            self.levels.iter().filter(move |level| level.axis == which).map(|level| level.at)
        };
        let mut x = Ruler::new(
            &self.x,
            measured().map(|point| point.x).chain(levels(Which::X)),
            Ends::AtValues,
            x_ticks,
        );
        let ys = measured().flat_map(|point| {
            [Some(point.y), point.interval.map(|i| i[0]), point.interval.map(|i| i[1])]
        });
        let mut y =
            Ruler::new(&self.y, ys.flatten().chain(levels(Which::Y)), Ends::AtTicks, y_ticks);

        let mut svg = String::new();
        let legend = self.legend(size, heading + 4.0, &mut svg);
        let chunk = if self.zones.is_empty() { 0.0 } else { LINE_HEIGHT };
        let top = legend + LINE_HEIGHT + chunk + 10.0;
        let bottom = top + size.plot_height();
        let widest =
            y.ticks.iter().map(|(_, label)| width_of(label, TEXT_SIZE)).fold(0.0, f64::max);
        let left = widest + 14.0;
        let last = x.ticks.last().map_or(0.0, |(_, label)| width_of(label, TEXT_SIZE) / 2.0);
        let right = size.width() - last.max(10.0) - 6.0;
        x.place(left, right);
        y.place(bottom, top);

        self.draw_zones(&x, [top, bottom], &mut svg);
        draw_grid(&y, [left, right], &mut svg);
        draw_x_axis(&x, &self.x.label, [left, right], bottom, &mut svg);
        let _ = write!(
            svg,
            r#"<text class="faint" x="{}" y="{:.1}">{}</text>"#,
            left.min(14.0),
            top - chunk - 10.0,
            escape(&shortened(&self.y.label, right - 14.0, TEXT_SIZE))
        );
        for line in &self.lines {
            line.draw(&x, &y, bottom, size.hovers(), &mut svg);
        }
        self.draw_levels(&x, &y, [left, right], [top, bottom], &mut svg);
        (bottom + 2.0 * LINE_HEIGHT + 12.0, svg)
    }

    /// Draws the legend and returns where it ends.
    fn legend(&self, size: Size, top: f64, svg: &mut String) -> f64 {
        const SAMPLE: f64 = 26.0;
        let room = size.width() - 28.0;
        let (mut left, mut middle) = (0.0, top + LINE_HEIGHT / 2.0);
        for line in &self.lines {
            let label = shortened(&line.label, room - SAMPLE - 6.0, TEXT_SIZE);
            let width = SAMPLE + 6.0 + width_of(&label, TEXT_SIZE);
            if left > 0.0 && left + width > room {
                (left, middle) = (0.0, middle + LINE_HEIGHT);
            }
            let begin = 14.0 + left;
            let _ = write!(svg, r#"<g class="{}">"#, series_class(line.series));
            stroke(line, &[(begin, middle), (begin + SAMPLE, middle)], svg);
            if line.look != Look::Computed {
                marker(line.series, begin + SAMPLE / 2.0, middle, svg);
            }
            let _ = write!(
                svg,
                r#"</g><text x="{:.1}" y="{:.1}">{}</text>"#,
                begin + SAMPLE + 6.0,
                middle + 4.0,
                escape(&label)
            );
            left += width + 18.0;
        }
        middle + LINE_HEIGHT / 2.0
    }

    fn draw_zones(&self, x: &Ruler, [top, bottom]: [f64; 2], svg: &mut String) {
        for (index, zone) in self.zones.iter().enumerate() {
            let (from, to) = (x.at(zone.from), x.at(zone.to));
            if index % 2 == 0 {
                let _ = write!(
                    svg,
                    r#"<rect class="zone" x="{from:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"/>"#,
                    to - from,
                    bottom - top
                );
            }
            if width_of(&zone.label, TEXT_SIZE) < to - from {
                let _ = write!(
                    svg,
                    r#"<text class="faint" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                    f64::midpoint(from, to),
                    top - 6.0,
                    escape(&zone.label)
                );
            }
        }
    }

    fn draw_levels(
        &self,
        x: &Ruler,
        y: &Ruler,
        [left, right]: [f64; 2],
        [top, bottom]: [f64; 2],
        svg: &mut String,
    ) {
        for level in &self.levels {
            let label = shortened(&level.label, (right - left) * 0.8, TEXT_SIZE);
            let width = width_of(&label, TEXT_SIZE);
            // The line, and places for its name: left end and baseline.
            let (line, places) = match level.axis {
                Which::X => {
                    let at = x.at(level.at);
                    let line =
                        format!(r#"x1="{at:.1}" y1="{top:.1}" x2="{at:.1}" y2="{bottom:.1}""#);
                    let beside = [at + 6.0, at - 6.0 - width];
                    (line, beside.map(|x| [(x, top + 13.0), (x, bottom - 8.0)]))
                }
                Which::Y => {
                    let at = y.at(level.at);
                    let line =
                        format!(r#"x1="{left:.1}" y1="{at:.1}" x2="{right:.1}" y2="{at:.1}""#);
                    (
                        line,
                        [right - width - 4.0, left + 6.0].map(|x| [(x, at - 6.0), (x, at + 15.0)]),
                    )
                }
            };
            let is_inside = |(x, y): &(f64, f64)| {
                *x >= left
                    && x + width <= right + 1.0
                    && *y - TEXT_SIZE >= top - 1.0
                    && *y <= bottom
            };
            let covered = |place: &(f64, f64)| self.covered(x, y, *place, width);
            let places = places.as_flattened();
            let place =
                places.iter().filter(|place| is_inside(place)).min_by_key(|place| covered(place));
            let (at, height) = place.copied().unwrap_or(places[0]);
            let _ = write!(
                svg,
                r#"<line class="level" stroke-dasharray="2 3" {line}/><text class="halo" x="{at:.1}" y="{height:.1}">{}</text>"#,
                escape(&label)
            );
        }
    }

    /// How much of the lines a text of that width would lie on, in points along them.
    fn covered(&self, x: &Ruler, y: &Ruler, (left, baseline): (f64, f64), width: f64) -> usize {
        const STEPS: u32 = 24;
        let is_covered = |(at, height): (f64, f64)| {
            (left - 4.0..=left + width + 4.0).contains(&at)
                && (baseline - TEXT_SIZE..=baseline + 5.0).contains(&height)
        };
        let mut covered = 0;
        for line in &self.lines {
            let path: Vec<(f64, f64)> =
                line.points.iter().map(|point| (x.at(point.x), y.at(point.y))).collect();
            for pair in path.windows(2) {
                let [(from_x, from_y), (to_x, to_y)] = [pair[0], pair[1]];
                let along = (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
                let between =
                    along.map(|t| (from_x + (to_x - from_x) * t, from_y + (to_y - from_y) * t));
                covered += between.filter(|place| is_covered(*place)).count();
            }
        }
        covered
    }
}

impl Line {
    fn draw(&self, x: &Ruler, y: &Ruler, bottom: f64, hovers: Hovers, svg: &mut String) {
        let path: Vec<(f64, f64)> =
            self.points.iter().map(|point| (x.at(point.x), y.at(point.y))).collect();
        let _ = write!(svg, r#"<g class="{}">"#, series_class(self.series));
        if let (Look::Roof, Some(first), Some(last)) = (self.look, path.first(), path.last()) {
            let _ = write!(
                svg,
                r#"<path fill="currentColor" fill-opacity=".1" d="M{:.1} {bottom:.1}"#,
                first.0
            );
            for (x, y) in &path {
                let _ = write!(svg, "L{x:.1} {y:.1}");
            }
            let _ = write!(svg, r#"L{:.1} {bottom:.1}Z"/>"#, last.0);
        }
        stroke(self, &path, svg);
        for (point, (at, height)) in self.points.iter().zip(&path) {
            hovers.begin("point", &point.tip, svg);
            let ends = point.interval.map(|[low, high]| (y.at(low), y.at(high)));
            // One that a marker covers would only blur it.
            if let Some((low, high)) =
                ends.filter(|(low, high)| low - height > 5.0 || height - high > 5.0)
            {
                let _ = write!(
                    svg,
                    r#"<path fill="none" stroke="currentColor" stroke-width="1.5" d="M{:.1} {low:.1}h6m-3 0V{high:.1}m-3 0h6"/>"#,
                    at - 3.0
                );
            }
            if self.look != Look::Computed {
                marker(self.series, *at, *height, svg);
            }
            hovers.end((*at, *height), svg);
        }
        svg.push_str("</g>");
    }
}

impl DotChart {
    fn draw(&self, size: Size, heading: f64) -> (f64, String) {
        let has_own_line = size == Size::Narrow;
        let label_room = if has_own_line { size.width() - 30.0 } else { size.width() * 0.45 };
        let labels: Vec<String> =
            self.rows.iter().map(|row| shortened(&row.label, label_room, TEXT_SIZE)).collect();
        let row_height = if has_own_line { 36.0 } else { 24.0 };
        let widest = labels.iter().map(|label| width_of(label, TEXT_SIZE)).fold(0.0, f64::max);
        let left = if has_own_line { 16.0 } else { widest + 24.0 };
        // The text beside a value may be the widest thing at the right end.
        let beside = self.rows.iter().map(|row| width_of(&row.text, TEXT_SIZE)).fold(0.0, f64::max);
        let right = size.width() - 18.0 - beside;
        #[expect(clippy::cast_precision_loss, reason = "a few rows")]
        let height = row_height * self.rows.len() as f64;
        let top = heading + 8.0;
        let bottom = top + height + 6.0;

        let values = self.rows.iter().flat_map(|row| {
            [Some(row.value), row.interval.map(|i| i[0]), row.interval.map(|i| i[1])]
        });
        let mut x = Ruler::new(
            &self.x,
            values.flatten().chain(self.level.iter().map(|level| level.at)),
            Ends::AtTicks,
            size.ticks()[0],
        );
        x.place(left, right);

        let mut svg = String::new();
        for (at, _) in &x.ticks {
            let at = x.pixel(*at);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{at:.1}" y1="{top:.1}" x2="{at:.1}" y2="{bottom:.1}"/>"#
            );
        }
        draw_x_axis(&x, &self.x.label, [left, size.width() - 16.0], bottom, &mut svg);
        if let Some(level) = &self.level {
            let at = x.at(level.at);
            let _ = write!(
                svg,
                r#"<line class="level" stroke-dasharray="2 3" x1="{at:.1}" y1="{top:.1}" x2="{at:.1}" y2="{bottom:.1}"/>"#
            );
        }
        let mut middle = top + row_height / 2.0;
        for (row, label) in self.rows.iter().zip(&labels) {
            let (place, height) = if has_own_line {
                (format!(r#"x="14" y="{:.1}""#, middle - 5.0), middle + 9.0)
            } else {
                (
                    format!(r#"x="{:.1}" y="{:.1}" text-anchor="end""#, left - 12.0, middle + 4.0),
                    middle,
                )
            };
            let _ = write!(svg, r#"<text class="halo" {place}>{}</text>"#, escape(label));
            row.draw(&x, height, size.hovers(), &mut svg);
            middle += row_height;
        }
        (bottom + 2.0 * LINE_HEIGHT + 12.0, svg)
    }
}

impl Dot {
    fn draw(&self, x: &Ruler, height: f64, hovers: Hovers, svg: &mut String) {
        let at = x.at(self.value);
        let mut end = at + 5.0;
        hovers.begin(&format!("point {}", series_class(self.series)), &self.tip, svg);
        if let Some([low, high]) = self.interval {
            let (low, high) = (x.at(low), x.at(high));
            end = end.max(high);
            let _ = write!(
                svg,
                r#"<path fill="none" stroke="currentColor" stroke-width="2" d="M{low:.1} {:.1}v8m0-4H{high:.1}m0-4v8"/>"#,
                height - 4.0
            );
        }
        marker(self.series, at, height, svg);
        hovers.end((at, height), svg);
        let _ = write!(
            svg,
            r#"<text class="halo" x="{:.1}" y="{:.1}">{}</text>"#,
            end + 7.0,
            height + 4.0,
            escape(&self.text)
        );
    }
}

fn draw_grid(y: &Ruler, [left, right]: [f64; 2], svg: &mut String) {
    for (at, label) in &y.ticks {
        let at = y.pixel(*at);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{left:.1}" y1="{at:.1}" x2="{right:.1}" y2="{at:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            left - 7.0,
            at + 4.0,
            escape(label)
        );
    }
}

fn draw_x_axis(x: &Ruler, label: &str, [left, right]: [f64; 2], bottom: f64, svg: &mut String) {
    let _ = write!(
        svg,
        r#"<line class="axis" x1="{left:.1}" y1="{bottom:.1}" x2="{right:.1}" y2="{bottom:.1}"/>"#
    );
    let mut free_from = 0.0;
    for (at, label) in &x.ticks {
        let at = x.pixel(*at);
        let _ = write!(
            svg,
            r#"<line class="axis" x1="{at:.1}" y1="{bottom:.1}" x2="{at:.1}" y2="{:.1}"/>"#,
            bottom + 4.0
        );
        let half = width_of(label, TEXT_SIZE) / 2.0;
        if at - half < free_from {
            continue;
        }
        free_from = at + half + 6.0;
        let _ = write!(
            svg,
            r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            bottom + LINE_HEIGHT,
            escape(label)
        );
    }
    let _ = write!(
        svg,
        r#"<text class="faint" x="{right:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
        bottom + 2.0 * LINE_HEIGHT + 2.0,
        escape(&shortened(label, right - 14.0, TEXT_SIZE))
    );
}

fn series_class(series: usize) -> String {
    format!("s{}", series % COLOURS.len())
}

fn stroke(line: &Line, path: &[(f64, f64)], svg: &mut String) {
    let Some(((x, y), rest)) = path.split_first() else { return };
    let width = if line.look == Look::Computed { 1.2 } else { 2.0 };
    let dash = DASHES[line.series % DASHES.len()];
    let dash =
        if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
    let _ = write!(
        svg,
        r#"<path fill="none" stroke="currentColor" stroke-width="{width}" stroke-linejoin="round"{dash} d="M{x:.1} {y:.1}"#
    );
    for (x, y) in rest {
        let _ = write!(svg, "L{x:.1} {y:.1}");
    }
    svg.push_str(r#""/>"#);
}

/// The marker of a series: a shape of its own.
fn marker(series: usize, x: f64, y: f64, svg: &mut String) {
    let _ = match series % 5 {
        1 => write!(
            svg,
            r#"<circle class="marker" fill="currentColor" cx="{x:.1}" cy="{y:.1}" r="4.5"/>"#
        ),
        other => {
            let shape = match other {
                0 => "m0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z",
                2 => "m-4.2-4.2h8.4v8.4h-8.4z",
                3 => "m0-5.2l5.2 9h-10.4z",
                _ => "m0 5.2l5.2-9h-10.4z",
            };
            write!(svg, r#"<path class="marker" fill="currentColor" d="M{x:.1} {y:.1}{shape}"/>"#)
        }
    };
}

/// About how wide a text is: fonts differ, so it is meant to be no less than most.
fn width_of(text: &str, size: f64) -> f64 {
    let widths = text.chars().map(|character| match character {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ':' | ';' | '/' | '|' | '[' | ']'
        | '(' | ')' | '\'' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
        'A'..='Z' => 0.7,
        _ if character.is_ascii() => 0.58,
        _ if u32::from(character) < 0x1100 => 0.65,
        // Such as Chinese.
        _ => 1.05,
    });
    widths.sum::<f64>() * size
}

/// A text that is no wider than so much, its end cut off if need be.
fn shortened(text: &str, room: f64, size: f64) -> String {
    if width_of(text, size) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut width = width_of("…", size);
    for character in text.chars() {
        width += width_of(character.encode_utf8(&mut [0; 4]), size);
        if width > room {
            break;
        }
        short.push(character);
    }
    short + "…"
}
