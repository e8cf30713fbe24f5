//! The parts of a report, in the order in which people read them: for each its pictures, its data in tables, and how to read it. Every export and
//! the README's tables are made of these; a new part is a row of [`SECTIONS`].

use super::chart::{
    Axis, Chart, Dot, DotChart, Level, Line, LineChart, Look, Point, Scale, Which, Zone, number,
};
use super::claim;
use crate::measure::stats::{self, Estimate};
use crate::render::grid::{Block, Grid};
use crate::render::table;
use crate::report::{
    Climbs, Crossover, Gap, Inputs, Measurement, Quantity, Rate, Regime, Report, Status,
};

/// A part of a report.
#[derive(Clone, Copy)]
pub struct Section {
    /// Its name on the command line and in markers.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it shows, and how to read it.
    pub meaning: &'static str,
    /// Its pictures; none where there is nothing to see.
    pub pictures: fn(&Report) -> Vec<Picture>,
    /// Its data; none where nothing was measured.
    pub grids: fn(&Report) -> Vec<Grid>,
}

/// A picture with its name.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What tells it from the other pictures of its section: `forward/f32`.
    pub key: String,
    /// The picture.
    pub chart: Chart,
}

/// The name of the part that a page shows claim by claim.
pub(super) const CLAIMS: &str = "claims";

/// All parts.
pub static SECTIONS: &[Section] = &[
    Section {
        name: "gaps",
        title: "Sigmoid : ReLU",
        meaning: "How many times as long sigmoid takes as ReLU where both stream the same tensors: the two are timed in the same rounds, so that whatever else the \
                  machine does meets both alike. At 1 there is no difference to be seen. That does not make exp free on a large tensor: there it can hide behind \
                  memory, and \u{201c}hidden\u{201d} is the share of its further arithmetic that does. Bars are 95 % intervals.",
        pictures: gap_pictures,
        grids: |report| table::gaps(&report.gaps).into_iter().collect(),
    },
    Section {
        name: "bandwidth",
        title: "Bandwidth by size",
        meaning: "Bytes that a kernel has to move, over its time. The shaded roof is the yardstick, which moves the same bytes in the same shape and computes next to \
                  nothing: a kernel that touches it is as fast as its bytes can be moved, and what it lies below is the price of its arithmetic. Small tensors are \
                  bound by launching a dispatch, those in between by caches, large ones by memory.",
        pictures: bandwidth_pictures,
        grids: |report| table::measurements(&report.measurements).into_iter().collect(),
    },
    Section {
        name: "rates",
        title: "What an operation costs in registers",
        meaning: "A rung of the ladder is an operation with one fma, in registers, with no memory in the way; its unit is the rung of the fma alone. So 10 means: as long \
                  as ten fma. The operation by itself costs between that and the same without its fma (\u{201c}net\u{201d}), since pipes overlap. Bars are 95 % \
                  intervals; the scale is logarithmic.",
        pictures: rate_pictures,
        grids: |report| table::rates(&report.rates).into_iter().collect(),
    },
    Section {
        name: "ladder",
        title: "The ladder",
        meaning: "Time of an element against the number of rungs that it climbs. The cost of an operation is the slope, so where a line is straight, every rung costs \
                  the same and nothing was folded away; what a line has at 0 is loading, storing and launching, which the slope leaves out.",
        pictures: ladder_pictures,
        grids: |report| ladder_grid(&report.rates).into_iter().collect(),
    },
    Section {
        name: "crossover",
        title: "Where activations leave memory's shadow",
        meaning: "Time of an element of a large tensor that is loaded, activated k times and stored. Up to k* the arithmetic fits under the time that memory takes \
                  anyway, and a perfect overlap would cost nothing: measured times lie on the level line at first, and on the slanted one, arithmetic alone, \
                  later. How far they lie above both near the bend is the knee penalty. Both scales are logarithmic.",
        pictures: crossover_pictures,
        grids: |report| {
            table::crossovers(report).into_iter().chain(crossover_grid(report)).collect()
        },
    },
    Section {
        name: "forms",
        title: "Forms of an activation, and how right they are",
        meaning: "Ways to write the same function: their time, and their error against an f64 reference in units of the last place (ULP), over edge values, bit \
                  patterns and normal inputs. \u{201c}bound\u{201d} is the largest error as a share of what the WGSL specification allows. Tier A is within 3 ULP \
                  everywhere, B within what a driver's plain exp explains, C within the bound.",
        pictures: accuracy_pictures,
        grids: |report| table::forms(report).into_iter().chain(accuracy_grids(report)).collect(),
    },
    Section {
        name: CLAIMS,
        title: "Claims, put to the test",
        meaning: "What is said of ReLU and sigmoid, and what became of it here. These are experiments about algorithms: each names its seeds, and none takes part in \
                  comparing or ranking adapters.",
        pictures: claim::pictures,
        grids: |report| claim::grid(&report.claims).into_iter().collect(),
    },
    Section {
        name: "shapes",
        title: "Shapes that were tried",
        meaning: "Workgroup sizes and 16-byte words an invocation owns. All kernels of a direction are measured in the shape in which its yardstick is fastest, so \
                  that ratios compare arithmetic and not shapes.",
        pictures: |_| Vec::new(),
        grids: |report| table::shapes(&report.shapes).into_iter().collect(),
    },
];

/// The series of what others are measured against, of ReLU, of sigmoid: the same in all pictures.
const YARDSTICK: usize = 0;
pub(super) const RELU: usize = 1;
pub(super) const SIGMOID: usize = 2;

fn series_of(activation: &str) -> Option<usize> {
    match activation {
        "copy" | "add" | "fma" => Some(YARDSTICK),
        "relu" => Some(RELU),
        "sigmoid" => Some(SIGMOID),
        _ => None,
    }
}

/// `value [low, high] unit`.
fn with_interval(estimate: Estimate, unit: &str) -> String {
    let Estimate { median, low, high } = estimate;
    format!("{} [{}, {}] {unit}", number(median), number(low), number(high)).trim_end().to_owned()
}

fn point(x: f64, estimate: Estimate, tip: String) -> Point {
    Point { x, y: estimate.median, interval: Some([estimate.low, estimate.high]), tip }
}

fn as_f64(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes stay below 2^53")]
    let count = count as f64;
    count
}

/// Ranges of sizes in the same regime, each up to halfway (on the logarithmic axis) to the next.
fn zones(sizes: impl Iterator<Item = (u64, Option<Regime>)>) -> Vec<Zone> {
    let mut sizes: Vec<(u64, Option<Regime>)> = sizes.collect();
    sizes.sort_by_key(|(elements, _)| *elements);
    sizes.dedup();
    let mut zones: Vec<(Zone, Regime)> = Vec::new();
    let mut from = 0.0;
    for (index, (elements, regime)) in sizes.iter().enumerate() {
        let next = sizes.get(index + 1).map_or(*elements * 4, |(next, _)| *next);
        let to = (as_f64(*elements) * as_f64(next)).sqrt();
        if let Some(regime) = *regime {
            match zones.last_mut() {
                Some((zone, last)) if *last == regime => zone.to = to,
                _ => zones.push((Zone { from, to, label: regime.name().to_owned() }, regime)),
            }
        }
        from = to;
    }
    zones.into_iter().map(|(zone, _)| zone).collect()
}

fn gap_pictures(report: &Report) -> Vec<Picture> {
    let streams: Vec<&Gap> =
        report.gaps.iter().filter(|gap| gap.quantity == Quantity::Stream).collect();
    let mut pictures = Vec::new();
    for storage in distinct(streams.iter().map(|gap| gap.storage.as_str())) {
        let of_storage = || streams.iter().filter(|gap| gap.storage == storage);
        let mut lines = Vec::new();
        for (index, direction) in
            distinct(of_storage().map(|gap| gap.direction.as_str())).into_iter().enumerate()
        {
            let mut points: Vec<Point> = (of_storage().filter(|gap| gap.direction == direction))
                .filter_map(|gap| {
                    let elements = gap.elements?;
                    let tip = format!(
                        "{direction}, {} elements: {}",
                        table::size_name(elements),
                        with_interval(gap.estimate(), "")
                    );
                    Some(point(as_f64(elements), gap.estimate(), tip))
                })
                .collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            // Neither the colour of ReLU nor that of sigmoid.
            lines.push(Line {
                label: direction.to_owned(),
                series: 3 + index,
                look: Look::Measured,
                points,
            });
        }
        pictures.push(Picture {
            key: storage.to_owned(),
            chart: Chart::Lines(LineChart {
                title: format!("Time of sigmoid over time of ReLU, {storage}"),
                x: Axis::new("elements of each tensor", Scale::Log2),
                // Below 1, so that there is room for its name.
                y: Axis::new("sigmoid : ReLU", Scale::Linear).holding(0.9),
                lines,
                levels: vec![Level {
                    axis: Which::Y,
                    at: 1.0,
                    label: "as fast as ReLU".to_owned(),
                }],
                zones: zones(of_storage().filter_map(|gap| Some((gap.elements?, gap.regime)))),
            }),
        });
    }
    pictures
}

fn bandwidth_pictures(report: &Report) -> Vec<Picture> {
    let is_plain = |row: &&Measurement| {
        row.inputs == Inputs::Normal && !row.shader_checks && row.bytes_per_second().is_some()
    };
    let rows: Vec<&Measurement> = report.measurements.iter().filter(is_plain).collect();
    let mut pictures = Vec::new();
    for kind in distinct(rows.iter().map(|row| (row.storage.as_str(), row.direction.as_str()))) {
        let of_kind: Vec<&Measurement> = rows
            .iter()
            .copied()
            .filter(|row| (row.storage.as_str(), row.direction.as_str()) == kind)
            .collect();
        let (storage, direction) = kind;
        let mut lines = Vec::new();
        for activation in distinct(of_kind.iter().map(|row| row.activation.as_str())) {
            // The first form of an activation is its default.
            let Some(form) =
                of_kind.iter().find(|row| row.activation == activation).map(|row| &row.form)
            else {
                continue;
            };
            let mut of_line: Vec<&Measurement> = of_kind
                .iter()
                .copied()
                .filter(|row| row.activation == activation && row.form == *form)
                .collect();
            of_line.sort_by_key(|row| row.elements);
            let series = series_of(activation).unwrap_or(SIGMOID + 1);
            lines.push(Line {
                label: format!("{activation}/{form}"),
                series,
                look: if series == YARDSTICK { Look::Roof } else { Look::Measured },
                points: of_line.into_iter().filter_map(bandwidth_point).collect(),
            });
        }
        pictures.push(Picture {
            key: format!("{direction}/{storage}"),
            chart: Chart::Lines(LineChart {
                title: format!("Bandwidth by size, {direction} {storage}"),
                x: Axis::new("elements of each tensor", Scale::Log2),
                y: Axis::new("GB/s", Scale::Linear).holding(0.0),
                lines,
                levels: Vec::new(),
                zones: zones(of_kind.iter().map(|row| (row.elements, row.regime))),
            }),
        });
    }
    pictures
}

fn bandwidth_point(row: &Measurement) -> Option<Point> {
    let time = row.time_ns()?;
    let rate = |ns: f64| as_f64(row.bytes) / ns;
    // The longest time is the lowest rate.
    let rate = Estimate { median: rate(time.median), low: rate(time.high), high: rate(time.low) };
    let (activation, form, elements) = (&row.activation, &row.form, table::size_name(row.elements));
    let tip = format!("{activation}/{form}, {elements} elements: {}", with_interval(rate, "GB/s"));
    Some(point(as_f64(row.elements), rate, tip))
}

fn rate_pictures(report: &Report) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for storage in distinct(report.rates.iter().map(|rate| rate.storage.as_str())) {
        let of_storage = report.rates.iter().filter(|rate| rate.storage == storage);
        let mut rows: Vec<(&Rate, Estimate)> =
            of_storage.filter_map(|rate| Some((rate, rate.derived()?.rung_in_fma))).collect();
        rows.sort_by(|(_, a), (_, b)| a.median.total_cmp(&b.median));
        if rows.is_empty() {
            continue;
        }
        let dots = rows.iter().map(|(rate, rung)| Dot {
            label: rate.op.clone(),
            series: series_of(activation_of(&rate.op)).unwrap_or(SIGMOID + 1),
            value: rung.median,
            interval: Some([rung.low, rung.high]),
            text: number(rung.median),
            tip: format!("{}: {}", rate.op, with_interval(*rung, "rungs of fma")),
        });
        pictures.push(Picture {
            key: storage.to_owned(),
            chart: Chart::Dots(DotChart {
                title: format!(
                    "Time of a rung in rungs of fma, computed in {}",
                    storage.trim_end_matches("_native")
                ),
                x: Axis::new("rungs of fma", Scale::Log10).holding(1.0),
                rows: dots.collect(),
                level: Some(Level { axis: Which::X, at: 1.0, label: "fma".to_owned() }),
            }),
        });
    }
    pictures
}

/// `sigmoid` of `backward/sigmoid/from_y`.
fn activation_of(op: &str) -> &str {
    op.trim_start_matches("backward/").split('/').next().unwrap_or_default()
}

/// The ops whose ladders are drawn: few enough to be told apart, from the cheapest to the dearest. The table has all.
const DRAWN: [&str; 6] = ["fma", "relu/plain", "sigmoid/two_sided", "exp2", "division", "tanh"];

/// Time of an element at each number of rungs that was climbed, in ns.
fn climbed(rate: &Rate) -> Vec<(u32, Estimate)> {
    let Climbs { rungs, once_ns, twice_ns, fourfold_ns, .. } = &rate.own;
    [(1, once_ns), (2, twice_ns), (4, fourfold_ns)]
        .into_iter()
        .filter(|_| rate.status == Status::Ok && rate.elements > 0)
        .filter_map(|(times, samples)| {
            let elements = as_f64(rate.elements);
            let ns = stats::of_rounds(
                samples.iter().map(|ns| Some((*ns)? / elements)),
                rate.rounds_per_device,
            )?;
            Some((rungs.checked_mul(times)?, ns))
        })
        .collect()
}

fn ladder_pictures(report: &Report) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for storage in distinct(report.rates.iter().map(|rate| rate.storage.as_str())) {
        let named =
            |op: &&str| report.rates.iter().find(|rate| rate.storage == storage && rate.op == **op);
        let lines = DRAWN.iter().filter_map(named).map(|rate| {
            let points = climbed(rate).into_iter().map(|(rungs, ns)| {
                point(
                    f64::from(rungs),
                    ns,
                    format!("{}, {rungs} rungs: {}", rate.op, with_interval(ns, "ns")),
                )
            });
            let series = DRAWN.iter().position(|op| *op == rate.op).unwrap_or_default();
            Line { label: rate.op.clone(), series, look: Look::Measured, points: points.collect() }
        });
        let lines: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
        if !lines.is_empty() {
            pictures.push(Picture {
                key: storage.to_owned(),
                chart: Chart::Lines(LineChart {
                    title: format!(
                        "Time of an element by rungs, computed in {}",
                        storage.trim_end_matches("_native")
                    ),
                    x: Axis::new("rungs", Scale::Linear).holding(0.0),
                    y: Axis::new("ns an element", Scale::Linear).holding(0.0),
                    lines,
                    levels: Vec::new(),
                    zones: Vec::new(),
                }),
            });
        }
    }
    pictures
}

fn ladder_grid(rates: &[Rate]) -> Option<Grid> {
    let rows = rates.iter().flat_map(|rate| {
        climbed(rate)
            .into_iter()
            .map(|(rungs, ns)| [rate.id.clone(), rungs.to_string(), with_interval(ns, "")])
    });
    Grid::of(["ladder", "rungs", "ns an element"], rows).filled()
}

/// Time of an element at a k, and the k.
fn by_k(crossover: &Crossover) -> Vec<(u32, Estimate)> {
    let elements = as_f64(crossover.elements);
    let timed = |point| Some(crossover.time_ns(point)?.times(1.0 / elements));
    crossover.points.iter().filter_map(|point| Some((point.rungs, timed(point)?))).collect()
}

fn crossover_pictures(report: &Report) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for crossover in &report.crossovers {
        let measured = by_k(crossover);
        let (Some(first), Some(last)) = (measured.first(), measured.last()) else { continue };
        let ladder = report.rates.iter().find(|rate| rate.id == crossover.ladder);
        let rung_ns = ladder.and_then(Rate::derived).map(|derived| derived.rung_ps.median / 1e3);
        let op = ladder.map_or("activation", |ladder| ladder.op.as_str());
        let points = measured.iter().map(|(k, ns)| {
            point(
                f64::from(*k),
                *ns,
                format!("{k} x {op}: {}", with_interval(*ns, "ns an element")),
            )
        });
        let mut lines = vec![Line {
            label: format!("load, k x {op}, store"),
            series: SIGMOID,
            look: Look::Measured,
            points: points.collect(),
        }];
        let mut levels = vec![Level {
            axis: Which::Y,
            at: first.1.median,
            label: "loading and storing alone (k = 0)".to_owned(),
        }];
        if let Some(rung_ns) = rung_ns {
            let alone = |k: f64| Point {
                x: k,
                y: k * rung_ns,
                interval: None,
                tip: format!("{k} rungs: {} ns", number(k * rung_ns)),
            };
            let ks = measured.iter().map(|(k, _)| f64::from(*k)).filter(|k| *k > 0.0);
            lines.push(Line {
                label: "arithmetic alone".to_owned(),
                series: YARDSTICK,
                look: Look::Computed,
                points: ks.map(alone).collect(),
            });
            let derived = crossover.derived(&report.measurements, &report.rates);
            let knee = derived.map(|derived| derived.rungs_under_memory.median);
            if let Some(knee) = knee.filter(|knee| *knee <= f64::from(last.0)) {
                levels.push(Level {
                    axis: Which::X,
                    at: knee,
                    label: format!("k* = {}", number(knee)),
                });
            }
        }
        let (direction, storage) = (&crossover.direction, &crossover.storage);
        pictures.push(Picture {
            key: format!("{direction}/{storage}"),
            chart: Chart::Lines(LineChart {
                title: format!("Time of an element with k activations, {direction} {storage}"),
                x: Axis::new("k activations an element", Scale::Log2),
                y: Axis::new("ns an element", Scale::Log10),
                lines,
                levels,
                zones: Vec::new(),
            }),
        });
    }
    pictures
}

fn crossover_grid(report: &Report) -> Option<Grid> {
    let rows = report.crossovers.iter().flat_map(|crossover| {
        by_k(crossover)
            .into_iter()
            .map(|(k, ns)| [crossover.id.clone(), k.to_string(), with_interval(ns, "")])
    });
    Grid::of(["crossover", "k", "ns an element"], rows).filled()
}

/// The kernels of an activation whose error is known by x: `direction/storage/activation` with the forms.
fn accuracy_panels(report: &Report) -> Vec<(String, Vec<(&str, &crate::report::Accuracy)>)> {
    let mut panels: Vec<(String, Vec<(&str, &crate::report::Accuracy)>)> = Vec::new();
    for accuracy in report.accuracy.iter().filter(|accuracy| !accuracy.by_x.is_empty()) {
        let (path, form) = accuracy.kernel.rsplit_once('/').unwrap_or(("", &accuracy.kernel));
        match panels.iter_mut().find(|(other, _)| other == path) {
            Some((_, forms)) => forms.push((form, accuracy)),
            None => panels.push((path.to_owned(), vec![(form, accuracy)])),
        }
    }
    panels
}

fn accuracy_pictures(report: &Report) -> Vec<Picture> {
    let picture = |(path, forms): (String, Vec<(&str, &crate::report::Accuracy)>)| {
        let lines = forms.iter().enumerate().map(|(index, (form, accuracy))| {
            let points = accuracy.by_x.iter().filter_map(|bin| {
                let ulp = bin.max_ulp?;
                let tip = format!(
                    "{form}, x from {} to {}: {} ULP at most",
                    number(bin.from),
                    number(bin.to),
                    number(ulp)
                );
                Some(Point { x: f64::midpoint(bin.from, bin.to), y: ulp, interval: None, tip })
            });
            Line {
                label: (*form).to_owned(),
                series: 1 + index,
                look: Look::Computed,
                points: points.collect(),
            }
        });
        Picture {
            chart: Chart::Lines(LineChart {
                title: format!("Largest error by x, {path}"),
                x: Axis::new("x", Scale::Linear),
                y: Axis::new("ULP", Scale::Log10).above(0.01),
                lines: lines.collect(),
                levels: Vec::new(),
                zones: Vec::new(),
            }),
            key: path,
        }
    };
    accuracy_panels(report).into_iter().map(picture).collect()
}

fn accuracy_grids(report: &Report) -> Vec<Grid> {
    let grid = |(path, forms): (String, Vec<(&str, &crate::report::Accuracy)>)| {
        let bins = distinct(
            forms
                .iter()
                .flat_map(|(_, accuracy)| accuracy.by_x.iter().map(|bin| (bin.from, bin.to))),
        );
        let rows = bins.into_iter().map(|(from, to)| {
            let cell = |(_, accuracy): &(&str, &crate::report::Accuracy)| {
                let bin = accuracy.by_x.iter().find(|bin| (bin.from, bin.to) == (from, to));
                let ulp = bin.and_then(|bin| bin.max_ulp.zip(bin.mean_ulp));
                ulp.map(|(max, mean)| format!("{} ({})", number(max), number(mean)))
                    .unwrap_or_default()
            };
            std::iter::once(format!("{} to {}", number(from), number(to)))
                .chain(forms.iter().map(cell))
                .collect()
        });
        let header = std::iter::once(format!("{path}: largest (mean) ULP by x"));
        Grid {
            header: header.chain(forms.iter().map(|(form, _)| (*form).to_owned())).collect(),
            blocks: vec![Block { title: None, rows: rows.collect() }],
            ..Grid::default()
        }
    };
    accuracy_panels(report).into_iter().map(grid).collect()
}

/// Each value once, in the order of their first.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
