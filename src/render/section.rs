//! The parts of a report in reading order: how to read them, their pictures, their tables. Every
//! format and the README's tables are made of these; a new part is a row of [`SECTIONS`].

use super::chart::{Axis, Chart, Level, Line, Look, Point, Scale, Which, Zone};
use super::grid::Grid;
use super::numbers::{bracket, interval, number, size_name};
use super::table;
use crate::kernels::activation::Direction;
use crate::kernels::ops::Op;
use crate::measure::stats::{self, Estimate};
use crate::report::{
    Accuracy, Arithmetic, BoundBy, Bracket, Measurement, Pair, Quantity, Ratio, Report, Ridge,
    RidgeMember, Status,
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
        title: "Ratio by size",
        meaning: "Time of one activation over that of the other, in the same rounds over \
                  the same tensors. Near 1, memory sets the pace: the arithmetic is not \
                  free. Bars are 95 % intervals.",
        pictures: ratio_pictures,
        grids: table::ratios,
    },
    Section {
        name: "bandwidth",
        title: "Bandwidth by size",
        meaning: "Bytes that a kernel has to move, over its time. The shaded roof is copy \
                  (backward: add), which moves the same bytes and computes nothing. What \
                  lies below it is the price of arithmetic. Small tensors are bound by \
                  launch, larger ones by cache, the largest by memory.",
        pictures: bandwidth_pictures,
        grids: |report| {
            table::measurements(&report.measurements, &report.run.pairs).into_iter().collect()
        },
    },
    Section {
        name: "arithmetic",
        title: "Arithmetic in registers",
        meaning: "The operation alone, in registers. A chain is timed with one fma a step and with \
                  two. The first fma takes no more than the second adds. So the operation lies \
                  between the step less that and the step. FMAs compare on one adapter only. The \
                  scale is logarithmic. Bars are brackets with 95 % intervals.",
        pictures: arithmetic_pictures,
        grids: |report| table::arithmetic(&report.arithmetic).into_iter().collect(),
    },
    Section {
        name: "chain",
        title: "Time by steps",
        meaning: "Time of an element by its number of steps. The cost of a step is the \
                  slope; load, store and launch are in the value at 0 steps. A straight \
                  line says that no step was folded away.",
        pictures: chain_pictures,
        grids: |report| grids_of(None, &chain_pictures(report)),
    },
    Section {
        name: "ridge",
        title: "Ridge point",
        meaning: "Each element of a large tensor is loaded, activated k times and stored. \
                  Below the ridge point memory bounds the kernel, above it arithmetic. \
                  With perfect overlap, times lie on the level line, then on the slanted \
                  one. Both scales are logarithmic.",
        pictures: ridge_pictures,
        grids: |report| grids_of(table::ridges(report), &ridge_pictures(report)),
    },
    Section {
        name: "cost",
        title: "What each variant costs",
        meaning: "ps/op and Gop/s: the operation in registers, on the whole device. FMAs: the \
                  same over a step of fma; they compare on one adapter only. Saved: bytes an \
                  element that the forward pass keeps. X copy: time in memory over that of copy \
                  (backward: add). ULP: the largest error against an f64 reference, over edge \
                  values, bit patterns and normal numbers. Tier A is within 3 ULP everywhere, B has at least \
                  half of the digits right, C is within the bound of the WGSL specification.",
        pictures: accuracy_pictures,
        grids: |report| grids_of(table::costs(report), &accuracy_pictures(report)),
    },
    Section {
        name: "shapes",
        title: "Shapes that were tried",
        meaning: "Workgroup sizes, and 16-byte words per invocation. All kernels of a direction \
                  run in the shape in which copy is fastest, so that ratios compare arithmetic and \
                  not shapes.",
        pictures: |_| Vec::new(),
        grids: |report| table::shapes(&report.shapes).into_iter().collect(),
    },
];

/// What others are measured against.
const BASELINE: usize = 0;
/// The series of the pair's second activation in all pictures.
pub const OF_DENOMINATOR: usize = 1;
/// The series of the pair's first activation in all pictures.
pub const OF_NUMERATOR: usize = 2;
const OTHER: usize = 3;

/// By the first pair.
fn series_of(report: &Report, activation: &str) -> usize {
    let is =
        |name: fn(&Pair) -> &str| report.run.pairs.first().is_some_and(|it| name(it) == activation);
    match activation {
        "copy" | "add" | "fma" => BASELINE,
        _ if is(|pair| &pair.denominator) => OF_DENOMINATOR,
        _ if is(|pair| &pair.numerator) => OF_NUMERATOR,
        _ => OTHER,
    }
}

/// A table, and the points of pictures.
fn grids_of(table: Option<Grid>, pictures: &[Picture]) -> Vec<Grid> {
    table.into_iter().chain(pictures.iter().map(|picture| picture.chart.grid())).collect()
}

/// A picture of each dtype, direction or both that rows have, in the order of the first.
fn by_key<'a, T: 'a>(
    rows: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> String,
    chart: impl Fn(&str, &[&'a T]) -> Chart,
) -> Vec<Picture> {
    let all: Vec<&T> = rows.collect();
    let of_key = |known: String| {
        let rows: Vec<&T> = all.iter().copied().filter(|row| key(row) == known).collect();
        Picture { chart: chart(&known, &rows), key: known }
    };
    let pictures = distinct(all.iter().map(|row| key(row))).into_iter().map(of_key);
    pictures.filter(|picture| !picture.chart.lines.is_empty()).collect()
}

/// A line through measured points: x, what it is called, and y.
fn line(label: &str, unit: &str, points: impl Iterator<Item = ((f64, String), Estimate)>) -> Line {
    let point = |((x, at), y): ((f64, String), Estimate)| Point {
        x,
        y: y.median,
        interval: Some([y.low, y.high]),
        tip: format!("{label}, {at}: {} {unit}", interval(y)).trim_end().to_owned(),
    };
    let mut points: Vec<Point> = points.map(point).collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Line { label: label.to_owned(), series: OTHER, look: Look::Measured, points }
}

fn as_f64(count: u64) -> f64 {
    count as f64
}

fn elements(count: u64) -> (f64, String) {
    (as_f64(count), format!("{} elements", size_name(count)))
}

/// Ranges of sizes with the same bound, each up to halfway (of the logarithms) to the next.
fn zones(sizes: impl Iterator<Item = (u64, Option<BoundBy>)>) -> Vec<Zone> {
    let mut sizes: Vec<(u64, Option<BoundBy>)> = sizes.collect();
    sizes.sort_by_key(|(elements, _)| *elements);
    sizes.dedup();
    let mut zones: Vec<Zone> = Vec::new();
    let mut from = 0.0;
    for (index, (elements, bound_by)) in sizes.iter().enumerate() {
        let next = sizes.get(index + 1).map_or(*elements * 4, |(next, _)| *next);
        let to = (as_f64(*elements) * as_f64(next)).sqrt();
        if let Some(label) = bound_by.map(|bound_by| bound_by.to_string()) {
            match zones.last_mut() {
                Some(last) if last.label == label && last.to >= from => last.to = to,
                _ => zones.push(Zone { from, to, label }),
            }
        }
        from = to;
    }
    zones
}

/// Those of further pairs have its name in their keys.
fn ratio_pictures(report: &Report) -> Vec<Picture> {
    let pairs = report.run.pairs.iter().enumerate();
    pairs.flat_map(|(index, pair)| ratio_pictures_of(report, pair, index == 0)).collect()
}

fn ratio_pictures_of(report: &Report, pair: &Pair, is_first: bool) -> Vec<Picture> {
    let streams = report.ratios.iter().filter(|ratio| ratio.is_of(pair));
    let streams = streams.filter(|ratio| ratio.quantity == Quantity::Stream);
    let key = |ratio: &Ratio| {
        if is_first {
            ratio.dtype.clone()
        } else {
            format!("{}/{}", pair.names().join(":"), ratio.dtype)
        }
    };
    by_key(streams, key, |_, rows| {
        let dtype = &rows[0].dtype;
        let directions = distinct(rows.iter().map(|ratio| &ratio.direction));
        let lines = directions.into_iter().enumerate().map(|(index, direction)| {
            let rows = rows.iter().filter(|ratio| ratio.direction == *direction);
            let point = |ratio: &&Ratio| Some((elements(ratio.elements?), ratio.estimate?));
            // Neither colour of the pair.
            Line { series: OTHER + index, ..line(direction, "", rows.filter_map(point)) }
        });
        let x = Axis::new("elements of each tensor", Scale::Log2);
        // Below 1, so that there is room for its name.
        let y = Axis::new(&pair.to_string(), Scale::Linear).holding(0.9);
        let title =
            format!("Time of {} over time of {}, {dtype}", pair.numerator, pair.denominator);
        let sizes = rows.iter().filter_map(|ratio| Some((ratio.elements?, ratio.bound_by)));
        Chart {
            levels: vec![Level { axis: Which::Y, at: 1.0, label: "equal time".to_owned() }],
            zones: zones(sizes),
            ..Chart::new(title, x, Some(y), lines.collect())
        }
    })
}

fn bandwidth_pictures(report: &Report) -> Vec<Picture> {
    let measured = report.measurements.iter().filter(|row| row.time_ns().is_some());
    let key = |row: &Measurement| format!("{}/{}", row.direction, row.dtype);
    by_key(measured, key, |key, rows| {
        // The first variant of an activation is its default.
        let first = |activation: &String| rows.iter().find(|row| row.activation == *activation);
        let activations = distinct(rows.iter().map(|row| &row.activation));
        let lines = activations.into_iter().filter_map(first).map(|first| {
            let label = first.member();
            let rows = rows.iter().filter(|row| row.member() == label);
            let point = |row: &&Measurement| {
                let time = row.time_ns()?;
                // The longest time is the lowest rate.
                let ns = [time.median, time.high, time.low];
                let [median, low, high] = ns.map(|ns| as_f64(row.bytes) / ns);
                Some((elements(row.elements), Estimate { median, low, high }))
            };
            let series = series_of(report, &first.activation);
            let look = if series == BASELINE { Look::Roof } else { Look::Measured };
            Line { series, look, ..line(&label, "GB/s", rows.filter_map(point)) }
        });
        let x = Axis::new("elements of each tensor", Scale::Log2);
        let y = Axis::new("GB/s", Scale::Linear).holding(0.0);
        let title = format!("Bandwidth by size, {}", key.replace('/', " "));
        Chart {
            zones: zones(rows.iter().map(|row| (row.elements, row.bound_by))),
            ..Chart::new(title, x, Some(y), lines.collect())
        }
    })
}

fn arithmetic_pictures(report: &Report) -> Vec<Picture> {
    let key = |row: &Arithmetic| row.dtype.clone();
    by_key(report.arithmetic.iter(), key, |dtype, rows| {
        let ops = rows.iter().filter_map(|row| Some((&row.op, row.derived()?.op_fmas)));
        let middle = |op: &Bracket| f64::midpoint(op.least.median, op.most.median);
        let mut ops: Vec<(&String, Bracket)> = ops.collect();
        ops.sort_by(|(_, a), (_, b)| middle(a).total_cmp(&middle(b)));
        let lines = ops.into_iter().map(|(op, fmas)| {
            let (x, low, high) = (middle(&fmas), fmas.least.low, fmas.most.high);
            let tip = format!("{op}: {} FMAs", bracket(fmas.least.median, fmas.most.median));
            let activation = op.trim_start_matches("backward/").split('/').next();
            Line {
                label: op.clone(),
                series: series_of(report, activation.unwrap_or_default()),
                look: Look::Measured,
                points: vec![Point { x, y: 0.0, interval: Some([low, high]), tip }],
            }
        });
        let x = Axis::new("FMAs: the operation over a step of fma", Scale::Log10);
        let x = x.holding(1.0).above(0.1);
        let title = format!("Time of an operation in FMAs, computed in {}", computed_in(dtype));
        Chart {
            levels: vec![Level { axis: Which::X, at: 1.0, label: String::new() }],
            ..Chart::new(title, x, None, lines.collect())
        }
    })
}

fn computed_in(dtype: &str) -> &str {
    dtype.trim_end_matches("_native")
}

fn chain_pictures(report: &Report) -> Vec<Picture> {
    // Few enough to be told apart, from the cheapest to the dearest.
    let default = |activation: &str| Op::of_default(activation, Direction::Forward);
    let first = report.run.pairs.first().map_or(["", ""], Pair::names);
    let [above, below] = first.map(|it| default(it).map_or("", |op| &op.name));
    let drawn = ["fma", below, above, "exp2", "division", "tanh"];
    let key = |row: &Arithmetic| row.dtype.clone();
    by_key(report.arithmetic.iter(), key, |dtype, rows| {
        let lines = drawn.iter().enumerate().filter_map(|(series, op)| {
            let row = rows.iter().find(|row| row.op == *op && row.status == Status::Ok)?;
            Some(Line { series, ..line(op, "ns", by_steps(row)) })
        });
        let x = Axis::new("steps", Scale::Linear).holding(0.0);
        let y = Axis::new("ns per element", Scale::Linear).holding(0.0);
        let title = format!("Time of an element by steps, computed in {}", computed_in(dtype));
        Chart::new(title, x, Some(y), lines.collect())
    })
}

/// Time of an element at each number of steps that was run, in ns.
fn by_steps(row: &Arithmetic) -> impl Iterator<Item = ((f64, String), Estimate)> {
    let own = &row.own;
    let runs = [(1, &own.once_ns), (2, &own.twice_ns), (4, &own.fourfold_ns)];
    runs.into_iter().filter_map(|(times, samples)| {
        let steps = own.steps.checked_mul(times)?;
        let ns = stats::of_rounds(samples.iter().copied(), row.rounds_per_repeat)?;
        Some(((f64::from(steps), format!("{steps} steps")), ns.times(1.0 / as_f64(row.elements))))
    })
}

fn ridge_pictures(report: &Report) -> Vec<Picture> {
    let key = |ridge: &Ridge| ridge.id.trim_start_matches("ridge/").to_owned();
    by_key(report.ridges.iter(), key, |key, rows| {
        let x = Axis::new("k: activations per element", Scale::Log2);
        let y = Axis::new("ns per element", Scale::Log10);
        let title = format!("Time of an element with k activations, {}", key.replace('/', " "));
        let mut chart = Chart::new(title, x, Some(y), Vec::new());
        for ridge in rows {
            draw_ridge(&mut chart, ridge);
        }
        chart
    })
}

/// Both activations by k, and what bounds them: memory (the time of copy), arithmetic, and where
/// the numerator's crosses memory.
fn draw_ridge(chart: &mut Chart, ridge: &Ridge) {
    let Some(derived) = ridge.derived() else { return };
    let [copy, numerator, denominator, chains @ ..] = &ridge.members[..] else { return };
    let Some(copy_ns) = ridge.ns_per_element(copy) else { return };
    chart.levels.push(Level { axis: Which::Y, at: copy_ns.median, label: "copy".to_owned() });
    let of = [
        (OF_NUMERATOR, numerator, &chains[..2], derived.numerator_step_ps),
        (OF_DENOMINATOR, denominator, &chains[2..], derived.denominator_step_ps),
    ];
    for (series, kernel, chain, step_ps) in of {
        let at = |member: &RidgeMember| {
            let k = if member.steps == 0 { 1 } else { member.steps };
            Some(((f64::from(k), format!("k = {k}")), ridge.ns_per_element(member)?))
        };
        let points = [kernel].into_iter().chain(chain).filter_map(at);
        let measured = line(&kernel.name, "ns", points);
        let alone = |point: &Point| {
            let y = point.x * step_ps.median / 1e3;
            let tip = format!("{} steps: {} ns", point.x, number(y));
            Point { y, interval: None, tip, ..point.clone() }
        };
        let points = measured.points.iter().map(alone).collect();
        let label = format!("{}: arithmetic alone", kernel.name);
        chart.lines.push(Line { series, ..measured });
        chart.lines.push(Line { label, series, look: Look::Computed, points });
    }
    let at = derived.ridge_point.median;
    let label = format!("ridge point: {}", number(at));
    chart.levels.push(Level { axis: Which::X, at, label });
}

fn accuracy_pictures(report: &Report) -> Vec<Picture> {
    let split = |found: &Accuracy| {
        let (path, variant) = found.kernel.rsplit_once('/').unwrap_or(("", &found.kernel));
        [path, variant].map(str::to_owned)
    };
    let drawn = report.accuracy.iter().filter(|found| !found.by_x.is_empty());
    let key = |found: &Accuracy| split(found)[0].clone();
    by_key(drawn, key, |path, rows| {
        let lines = rows.iter().enumerate().map(|(index, found)| {
            let [_, label] = split(found);
            let points = found.by_x.iter().filter_map(|bin| {
                let y = bin.max_ulp?;
                let [from, to, error] = [bin.from, bin.to, y].map(number);
                let tip = format!("{label}, x from {from} to {to}: {error} ULP at most");
                Some(Point { x: f64::midpoint(bin.from, bin.to), y, interval: None, tip })
            });
            let points = points.collect();
            Line { label, series: 1 + index, look: Look::Computed, points }
        });
        let y = Axis::new("ULP", Scale::Log10).above(0.01);
        let title = format!("Largest error by x, {path}");
        Chart::new(title, Axis::new("x", Scale::Linear), Some(y), lines.collect())
    })
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
