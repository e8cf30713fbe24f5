//! The parts of a report, in the order in which people read them: for each its pictures, its data in tables, and how to read it. Every export and
//! the README's tables are made of these; a new part is a row of [`SECTIONS`].

use super::chart::{
    Axis, Chart, Dot, DotChart, Level, Line, LineChart, Look, Point, Scale, Which, Zone, number,
};
use crate::measure::stats::{self, Estimate};
use crate::render::grid::{Block, Grid};
use crate::render::numbers;
use crate::render::table;
use crate::report::{
    Arithmetic, BoundBy, ChainSamples, Measurement, Quantity, Ratio, Report, Ridge, Status,
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

/// All parts.
pub static SECTIONS: &[Section] = &[
    Section {
        name: "ratios",
        title: "Sigmoid : ReLU",
        meaning: "How many times as long sigmoid takes as ReLU where both stream the same tensors: the two are timed in the same rounds, so that whatever else the \
                  machine does meets both alike. At 1 there is no difference to be seen. That does not make exp free on a large tensor: there it can hide behind \
                  memory, and \u{201c}hidden\u{201d} is the share of its further arithmetic that does. Bars are 95 % intervals.",
        pictures: ratio_pictures,
        grids: |report| table::ratios(&report.ratios).into_iter().collect(),
    },
    Section {
        name: "bandwidth",
        title: "Bandwidth by size",
        meaning: "Bytes that a kernel has to move, over its time. The shaded roof is the copy, which moves the same bytes in the same shape and computes next to \
                  nothing: a kernel that touches it is as fast as its bytes can be moved, and what it lies below is the price of its arithmetic. Small tensors are \
                  bound by launching a dispatch, those in between by caches, large ones by memory.",
        pictures: bandwidth_pictures,
        grids: |report| table::measurements(&report.measurements).into_iter().collect(),
    },
    Section {
        name: "arithmetic",
        title: "What an operation costs in registers",
        meaning: "A step of the chain is an operation with one fma, in registers, with no memory in the way; its unit is the step of the fma alone. So 10 means: as long \
                  as ten fma. The operation by itself costs between that and the same without its fma (\u{201c}net\u{201d}), since pipes overlap. Bars are 95 % \
                  intervals; the scale is logarithmic.",
        pictures: rate_pictures,
        grids: |report| table::arithmetic(&report.arithmetic).into_iter().collect(),
    },
    Section {
        name: "chain",
        title: "The chain",
        meaning: "Time of an element against the number of steps that it runs. The cost of an operation is the slope, so where a line is straight, every step costs \
                  the same and nothing was folded away; what a line has at 0 is loading, storing and launching, which the slope leaves out.",
        pictures: chain_pictures,
        grids: |report| chain_grid(&report.arithmetic).into_iter().collect(),
    },
    Section {
        name: "ridge",
        title: "Where activations leave memory's shadow",
        meaning: "Time of an element of a large tensor that is loaded, activated k times and stored. Up to k* the arithmetic fits under the time that memory takes \
                  anyway, and a perfect overlap would cost nothing: measured times lie on the level line at first, and on the slanted one, arithmetic alone, \
                  later. How far they lie above both near the bend is the knee penalty. Both scales are logarithmic.",
        pictures: ridge_pictures,
        grids: |report| table::ridges(report).into_iter().chain(ridge_grid(report)).collect(),
    },
    Section {
        name: "variants",
        title: "Variants of an activation, and how right they are",
        meaning: "Ways to write the same function: their time, and their error against an f64 reference in units of the last place (ULP), over edge values, bit \
                  patterns and normal inputs. \u{201c}bound\u{201d} is the largest error as a share of what the WGSL specification allows. Tier A is within 3 ULP \
                  everywhere, B within what a driver's plain exp explains, C within the bound.",
        pictures: accuracy_pictures,
        grids: |report| table::variants(report).into_iter().chain(accuracy_grids(report)).collect(),
    },
    Section {
        name: "shapes",
        title: "Shapes that were tried",
        meaning: "Workgroup sizes and 16-byte words an invocation owns. All kernels of a direction are measured in the shape in which its copy is fastest, so \
                  that ratios compare arithmetic and not shapes.",
        pictures: |_| Vec::new(),
        grids: |report| table::shapes(&report.shapes).into_iter().collect(),
    },
];

/// The series of what others are measured against, of ReLU, of sigmoid: the same in all pictures.
const COPY: usize = 0;
/// ReLU's.
pub const RELU: usize = 1;
/// Sigmoid's.
pub const SIGMOID: usize = 2;

fn series_of(activation: &str) -> Option<usize> {
    match activation {
        "copy" | "add" | "fma" => Some(COPY),
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

/// Ranges of sizes in the same bound_by, each up to halfway (on the logarithmic axis) to the next.
fn zones(sizes: impl Iterator<Item = (u64, Option<BoundBy>)>) -> Vec<Zone> {
    let mut sizes: Vec<(u64, Option<BoundBy>)> = sizes.collect();
    sizes.sort_by_key(|(elements, _)| *elements);
    sizes.dedup();
    let mut zones: Vec<(Zone, BoundBy)> = Vec::new();
    let mut from = 0.0;
    for (index, (elements, bound_by)) in sizes.iter().enumerate() {
        let next = sizes.get(index + 1).map_or(*elements * 4, |(next, _)| *next);
        let to = (as_f64(*elements) * as_f64(next)).sqrt();
        if let Some(bound_by) = *bound_by {
            match zones.last_mut() {
                Some((zone, last)) if *last == bound_by => zone.to = to,
                _ => zones.push((Zone { from, to, label: bound_by.name().to_owned() }, bound_by)),
            }
        }
        from = to;
    }
    zones.into_iter().map(|(zone, _)| zone).collect()
}

fn ratio_pictures(report: &Report) -> Vec<Picture> {
    let streams: Vec<&Ratio> =
        report.ratios.iter().filter(|ratio| ratio.quantity == Quantity::Stream).collect();
    let mut pictures = Vec::new();
    for dtype in distinct(streams.iter().map(|ratio| ratio.dtype.as_str())) {
        let of_dtype = || streams.iter().filter(|ratio| ratio.dtype == dtype);
        let mut lines = Vec::new();
        for (index, direction) in
            distinct(of_dtype().map(|ratio| ratio.direction.as_str())).into_iter().enumerate()
        {
            let mut points: Vec<Point> = (of_dtype().filter(|ratio| ratio.direction == direction))
                .filter_map(|ratio| {
                    let elements = ratio.elements?;
                    let tip = format!(
                        "{direction}, {} elements: {}",
                        numbers::size_name(elements),
                        with_interval(ratio.estimate(), "")
                    );
                    Some(point(as_f64(elements), ratio.estimate(), tip))
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
            key: dtype.to_owned(),
            chart: Chart::Lines(LineChart {
                title: format!("Time of sigmoid over time of ReLU, {dtype}"),
                x: Axis::new("elements of each tensor", Scale::Log2),
                // Below 1, so that there is room for its name.
                y: Axis::new("sigmoid : ReLU", Scale::Linear).holding(0.9),
                lines,
                levels: vec![Level {
                    axis: Which::Y,
                    at: 1.0,
                    label: "as fast as ReLU".to_owned(),
                }],
                zones: zones(
                    of_dtype().filter_map(|ratio| Some((ratio.elements?, ratio.bound_by))),
                ),
            }),
        });
    }
    pictures
}

fn bandwidth_pictures(report: &Report) -> Vec<Picture> {
    let is_plain = |row: &&Measurement| row.bytes_per_second().is_some();
    let rows: Vec<&Measurement> = report.measurements.iter().filter(is_plain).collect();
    let mut pictures = Vec::new();
    for kind in distinct(rows.iter().map(|row| (row.dtype.as_str(), row.direction.as_str()))) {
        let of_kind: Vec<&Measurement> = rows
            .iter()
            .copied()
            .filter(|row| (row.dtype.as_str(), row.direction.as_str()) == kind)
            .collect();
        let (dtype, direction) = kind;
        let mut lines = Vec::new();
        for activation in distinct(of_kind.iter().map(|row| row.activation.as_str())) {
            // The first variant of an activation is its default.
            let Some(variant) =
                of_kind.iter().find(|row| row.activation == activation).map(|row| &row.variant)
            else {
                continue;
            };
            let mut of_line: Vec<&Measurement> = of_kind
                .iter()
                .copied()
                .filter(|row| row.activation == activation && row.variant == *variant)
                .collect();
            of_line.sort_by_key(|row| row.elements);
            let series = series_of(activation).unwrap_or(SIGMOID + 1);
            lines.push(Line {
                label: format!("{activation}/{variant}"),
                series,
                look: if series == COPY { Look::Roof } else { Look::Measured },
                points: of_line.into_iter().filter_map(bandwidth_point).collect(),
            });
        }
        pictures.push(Picture {
            key: format!("{direction}/{dtype}"),
            chart: Chart::Lines(LineChart {
                title: format!("Bandwidth by size, {direction} {dtype}"),
                x: Axis::new("elements of each tensor", Scale::Log2),
                y: Axis::new("GB/s", Scale::Linear).holding(0.0),
                lines,
                levels: Vec::new(),
                zones: zones(of_kind.iter().map(|row| (row.elements, row.bound_by))),
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
    let (activation, variant, elements) =
        (&row.activation, &row.variant, numbers::size_name(row.elements));
    let tip =
        format!("{activation}/{variant}, {elements} elements: {}", with_interval(rate, "GB/s"));
    Some(point(as_f64(row.elements), rate, tip))
}

fn rate_pictures(report: &Report) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for dtype in distinct(report.arithmetic.iter().map(|rate| rate.dtype.as_str())) {
        let of_dtype = report.arithmetic.iter().filter(|rate| rate.dtype == dtype);
        let mut rows: Vec<(&Arithmetic, Estimate)> =
            of_dtype.filter_map(|rate| Some((rate, rate.derived()?.step_fmas))).collect();
        rows.sort_by(|(_, a), (_, b)| a.median.total_cmp(&b.median));
        if rows.is_empty() {
            continue;
        }
        let dots = rows.iter().map(|(rate, step)| Dot {
            label: rate.op.clone(),
            series: series_of(activation_of(&rate.op)).unwrap_or(SIGMOID + 1),
            value: step.median,
            interval: Some([step.low, step.high]),
            text: number(step.median),
            tip: format!("{}: {}", rate.op, with_interval(*step, "steps of fma")),
        });
        pictures.push(Picture {
            key: dtype.to_owned(),
            chart: Chart::Dots(DotChart {
                title: format!(
                    "Time of a step in steps of fma, computed in {}",
                    dtype.trim_end_matches("_native")
                ),
                x: Axis::new("steps of fma", Scale::Log10).holding(1.0),
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

/// The ops whose chains are drawn: few enough to be told apart, from the cheapest to the dearest. The table has all.
const DRAWN: [&str; 6] = ["fma", "relu/plain", "sigmoid/two_sided", "exp2", "division", "tanh"];

/// Time of an element at each number of steps that was run, in ns.
fn run(rate: &Arithmetic) -> Vec<(u32, Estimate)> {
    let ChainSamples { steps, once_ns, twice_ns, fourfold_ns, .. } = &rate.own;
    [(1, once_ns), (2, twice_ns), (4, fourfold_ns)]
        .into_iter()
        .filter(|_| rate.status == Status::Ok && rate.elements > 0)
        .filter_map(|(times, samples)| {
            let elements = as_f64(rate.elements);
            let ns = stats::of_rounds(
                samples.iter().map(|ns| Some((*ns)? / elements)),
                rate.rounds_per_repeat,
            )?;
            Some((steps.checked_mul(times)?, ns))
        })
        .collect()
}

fn chain_pictures(report: &Report) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for dtype in distinct(report.arithmetic.iter().map(|rate| rate.dtype.as_str())) {
        let named = |op: &&str| {
            report.arithmetic.iter().find(|rate| rate.dtype == dtype && rate.op == **op)
        };
        let lines = DRAWN.iter().filter_map(named).map(|rate| {
            let points = run(rate).into_iter().map(|(steps, ns)| {
                point(
                    f64::from(steps),
                    ns,
                    format!("{}, {steps} steps: {}", rate.op, with_interval(ns, "ns")),
                )
            });
            let series = DRAWN.iter().position(|op| *op == rate.op).unwrap_or_default();
            Line { label: rate.op.clone(), series, look: Look::Measured, points: points.collect() }
        });
        let lines: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
        if !lines.is_empty() {
            pictures.push(Picture {
                key: dtype.to_owned(),
                chart: Chart::Lines(LineChart {
                    title: format!(
                        "Time of an element by steps, computed in {}",
                        dtype.trim_end_matches("_native")
                    ),
                    x: Axis::new("steps", Scale::Linear).holding(0.0),
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

fn chain_grid(arithmetic: &[Arithmetic]) -> Option<Grid> {
    let rows = arithmetic.iter().flat_map(|rate| {
        run(rate)
            .into_iter()
            .map(|(steps, ns)| [rate.id.clone(), steps.to_string(), with_interval(ns, "")])
    });
    Grid::of(["chain", "steps", "ns an element"], rows).filled()
}

/// Time of an element at a k, and the k.
fn by_k(ridge: &Ridge) -> Vec<(u32, Estimate)> {
    let elements = as_f64(ridge.elements);
    let timed = |point| Some(ridge.time_ns(point)?.times(1.0 / elements));
    ridge.points.iter().filter_map(|point| Some((point.steps, timed(point)?))).collect()
}

fn ridge_pictures(report: &Report) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for ridge in &report.ridges {
        let measured = by_k(ridge);
        let (Some(first), Some(last)) = (measured.first(), measured.last()) else { continue };
        let chain = report.arithmetic.iter().find(|rate| rate.id == ridge.chain);
        let step_ns =
            chain.and_then(Arithmetic::derived).map(|derived| derived.step_ps.median / 1e3);
        let op = chain.map_or("activation", |chain| chain.op.as_str());
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
        if let Some(step_ns) = step_ns {
            let alone = |k: f64| Point {
                x: k,
                y: k * step_ns,
                interval: None,
                tip: format!("{k} steps: {} ns", number(k * step_ns)),
            };
            let ks = measured.iter().map(|(k, _)| f64::from(*k)).filter(|k| *k > 0.0);
            lines.push(Line {
                label: "arithmetic alone".to_owned(),
                series: COPY,
                look: Look::Computed,
                points: ks.map(alone).collect(),
            });
            let derived = ridge.derived(&report.measurements, &report.arithmetic);
            let knee = derived.map(|derived| derived.ridge_point.median);
            if let Some(knee) = knee.filter(|knee| *knee <= f64::from(last.0)) {
                levels.push(Level {
                    axis: Which::X,
                    at: knee,
                    label: format!("k* = {}", number(knee)),
                });
            }
        }
        let (direction, dtype) = (&ridge.direction, &ridge.dtype);
        pictures.push(Picture {
            key: format!("{direction}/{dtype}"),
            chart: Chart::Lines(LineChart {
                title: format!("Time of an element with k activations, {direction} {dtype}"),
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

fn ridge_grid(report: &Report) -> Option<Grid> {
    let rows = report.ridges.iter().flat_map(|ridge| {
        by_k(ridge)
            .into_iter()
            .map(|(k, ns)| [ridge.id.clone(), k.to_string(), with_interval(ns, "")])
    });
    Grid::of(["ridge", "k", "ns an element"], rows).filled()
}

/// The kernels of an activation whose error is known by x: `direction/dtype/activation` with the variants.
fn accuracy_panels(report: &Report) -> Vec<(String, Vec<(&str, &crate::report::Accuracy)>)> {
    let mut groups: Vec<(String, Vec<(&str, &crate::report::Accuracy)>)> = Vec::new();
    for accuracy in report.accuracy.iter().filter(|accuracy| !accuracy.by_x.is_empty()) {
        let (path, variant) = accuracy.kernel.rsplit_once('/').unwrap_or(("", &accuracy.kernel));
        match groups.iter_mut().find(|(other, _)| other == path) {
            Some((_, variants)) => variants.push((variant, accuracy)),
            None => groups.push((path.to_owned(), vec![(variant, accuracy)])),
        }
    }
    groups
}

fn accuracy_pictures(report: &Report) -> Vec<Picture> {
    let picture = |(path, variants): (String, Vec<(&str, &crate::report::Accuracy)>)| {
        let lines = variants.iter().enumerate().map(|(index, (variant, accuracy))| {
            let points = accuracy.by_x.iter().filter_map(|bin| {
                let ulp = bin.max_ulp?;
                let tip = format!(
                    "{variant}, x from {} to {}: {} ULP at most",
                    number(bin.from),
                    number(bin.to),
                    number(ulp)
                );
                Some(Point { x: f64::midpoint(bin.from, bin.to), y: ulp, interval: None, tip })
            });
            Line {
                label: (*variant).to_owned(),
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
    let grid = |(path, variants): (String, Vec<(&str, &crate::report::Accuracy)>)| {
        let bins = distinct(
            variants
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
                .chain(variants.iter().map(cell))
                .collect()
        });
        let header = std::iter::once(format!("{path}: largest (mean) ULP by x"));
        Grid {
            header: header
                .chain(variants.iter().map(|(variant, _)| (*variant).to_owned()))
                .collect(),
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
