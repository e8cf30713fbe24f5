//! The summary: what a report says of sigmoid against ReLU, in words, and which variant to write.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::arithmetic::Arithmetic;
use super::measurement::{BoundBy, Inputs, Measurement, Status};
use super::ratio::{self, Quantity, Ratio};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::Estimate;
use crate::render::table;

/// A figure whose interval reaches farther than this to either side, as a share of it, is told as a rough one.
const ROUGH: f64 = 0.1;

/// A stream and a chain are held together where their clocks differ by no more.
const ONE_CLOCK: f64 = 0.03;

/// Of the difference, memory hides none below this and all above the other.
const HIDES: [f64; 2] = [0.05, 0.95];

/// What follows, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The cost of a sigmoid, and where it hides.
    pub sentence: String,
    /// The fastest variants of sigmoid, of those that are right for every finite x and were measured side by side.
    pub fastest: Vec<Fastest>,
}

/// The fastest variant of a sigmoid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fastest {
    /// forward or backward.
    pub direction: String,
    /// How elements are stored.
    pub dtype: String,
    /// What was compared.
    pub by: Comparison,
    /// The name of the variant.
    pub variant: String,
    /// Its id among arithmetic or measurements.
    pub id: String,
    /// Variants that can't be told from it: their intervals overlap.
    pub as_fast: Vec<String>,
    /// Variants that are slower.
    pub slower: Vec<String>,
}

/// What variants were compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Steps of the chain, in fma steps: arithmetic alone.
    Chain,
    /// Streaming the largest tensors that were measured in all variants.
    Stream,
}

/// The summary of a report whose ratios are there; none where neither steps nor a memory-bound size gave a figure.
pub(super) fn summary(report: &Report) -> Option<Summary> {
    let is_software = report.adapter.is_software;
    let figure = |quantity, direction: Direction, elements| {
        let of_f32 = |ratio: &&Ratio| {
            ratio.quantity == quantity
                && ratio.direction == direction.name()
                && ratio.dtype == Dtype::F32.name()
                && ratio.elements == elements
        };
        // On a CPU the probe tells how busy the cores are.
        let is_of_one_clock = |ratio: &&Ratio| {
            is_software || ratio.clocks.is_none_or(|clocks| (clocks - 1.0).abs() <= ONE_CLOCK)
        };
        report.ratios.iter().find(of_f32).filter(is_of_one_clock).map(Ratio::estimate)
    };
    let mut sentences: Vec<String> = Vec::new();
    sentences.extend(of_steps(report, figure(Quantity::Step, Direction::Forward, None)));
    // The smallest: of the largest, some driver may keep a part elsewhere.
    let memory = report
        .ratios
        .iter()
        .filter(|ratio| ratio.bound_by == Some(BoundBy::Memory))
        .filter_map(|ratio| ratio.elements);
    let has_figure =
        |elements: &u64| figure(Quantity::Stream, Direction::Forward, Some(*elements)).is_some();
    if let Some(elements) = memory.filter(has_figure).min() {
        let figure = |quantity, direction| figure(quantity, direction, Some(elements));
        sentences.extend(of_stream(elements, figure));
    }
    if sentences.is_empty() {
        return None;
    }
    let what =
        if report.adapter.is_software { ", a software adapter that runs on the CPU" } else { "" };
    let sentence = format!("On {}{what}: {}", report.adapter.name, sentences.join(" "));
    Some(Summary { sentence, fastest: fastest(report) })
}

fn of_steps(report: &Report, ratio: Option<Estimate>) -> Option<String> {
    let (sigmoid, relu) = ratio::chains(&report.arithmetic, Direction::Forward, Dtype::F32.name())?;
    let [sigmoid, relu] = [sigmoid.derived()?.step_fmas, relu.derived()?.step_fmas];
    Some(format!(
        "with the fma of its step, a sigmoid takes {} times as long as a bare fma and a ReLU {}, so that in registers sigmoid takes {} \
         times as long as ReLU.",
        told(sigmoid),
        told(relu),
        told(ratio?)
    ))
}

fn of_stream(
    elements: u64,
    figure: impl Fn(Quantity, Direction) -> Option<Estimate>,
) -> Option<String> {
    let forward = figure(Quantity::Stream, Direction::Forward)?;
    let mut text = format!(
        "Streaming {elements} f32 from memory it takes {} times as long forward",
        told(forward)
    );
    if let Some(backward) = figure(Quantity::Stream, Direction::Backward) {
        text += &format!(" and {} backward", told(backward));
    }
    if let Some(hidden) = figure(Quantity::Hidden, Direction::Forward) {
        let [none, all] = HIDES;
        text += &if hidden.high < none {
            "; memory hides nothing of the difference".to_owned()
        } else if hidden.low > all {
            "; memory hides the difference: exp is not free, it waits for memory anyway".to_owned()
        } else {
            format!("; memory hides {} of the difference", table::percent(hidden))
        };
    }
    if let Some(steps) = figure(Quantity::RidgePoint, Direction::Forward) {
        text +=
            &format!(". An element's way through memory takes as long as {} sigmoids", told(steps));
    }
    Some(text + ".")
}

/// A figure in a sentence.
fn told(figure: Estimate) -> String {
    let rough = if figure.relative_half_width().abs() > ROUGH { "roughly " } else { "" };
    format!("{rough}{}", table::ratio(figure))
}

/// By direction and dtype: on the chain where there is one, else by streaming.
fn fastest(report: &Report) -> Vec<Fastest> {
    let mut found = Vec::new();
    for dtype in Dtype::ALL {
        for direction in Direction::ALL {
            let of_chain = on_chain(report, dtype, direction);
            found.extend(of_chain.or_else(|| by_streaming(report, dtype, direction)));
        }
    }
    found
}

fn is_sound(report: &Report, direction: Direction, dtype: Dtype, variant: &str) -> bool {
    let path = format!("{}/{}/sigmoid/{variant}", direction.name(), dtype.name());
    report.accuracy.iter().any(|found| found.kernel == path && found.is_sound())
}

fn on_chain(report: &Report, dtype: Dtype, direction: Direction) -> Option<Fastest> {
    let prefix = match direction {
        Direction::Forward => "sigmoid/",
        Direction::Backward => "backward/sigmoid/",
    };
    let candidates =
        report.arithmetic.iter().filter(|rate| rate.dtype == dtype.name()).filter_map(|rate| {
            let variant = rate.op.strip_prefix(prefix)?;
            Some((rate, variant, rate.derived()?.step_fmas))
                .filter(|_| is_sound(report, direction, dtype, variant))
        });
    let candidates: Vec<(&Arithmetic, &str, Estimate)> = candidates.collect();
    let (rate, variant, best) =
        candidates.iter().min_by(|(.., a), (.., b)| a.median.total_cmp(&b.median))?;
    let others = candidates.iter().filter(|(_, other, _)| other != variant);
    let others = others.map(|(_, other, step)| ((*other).to_owned(), step.low <= best.high));
    Fastest::among(direction, dtype, Comparison::Chain, variant, &rate.id, others.collect())
}

fn by_streaming(report: &Report, dtype: Dtype, direction: Direction) -> Option<Fastest> {
    let is_candidate = |row: &&Measurement| {
        row.activation == "sigmoid"
            && row.direction == direction.name()
            && row.dtype == dtype.name()
            && row.inputs == Inputs::Normal
            && !row.shader_checks
            && row.status == Status::Ok
            && is_sound(report, direction, dtype, &row.variant)
    };
    let rows: Vec<&Measurement> = report.measurements.iter().filter(is_candidate).collect();
    let groups = rows.chunk_by(|a, b| a.elements == b.elements).filter(|group| group.len() > 1);
    let group = groups.max_by_key(|group| group[0].elements)?;
    let best = group.iter().min_by(|a, b| a.median_ns().total_cmp(&b.median_ns()))?;
    let others = group.iter().filter(|row| row.id != best.id);
    let others = others
        .map(|row| (row.variant.clone(), row.over(best).is_none_or(|ratio| ratio.low <= 1.0)));
    Fastest::among(direction, dtype, Comparison::Stream, &best.variant, &best.id, others.collect())
}

impl Fastest {
    /// The fastest with the others, each with whether it can't be told from it; none where there are no others.
    fn among(
        direction: Direction,
        dtype: Dtype,
        by: Comparison,
        variant: &str,
        id: &str,
        others: Vec<(String, bool)>,
    ) -> Option<Self> {
        let (as_fast, slower): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(_, as_fast)| *as_fast);
        let names = |variants: Vec<(String, bool)>| {
            variants.into_iter().map(|(variant, _)| variant).collect::<Vec<_>>()
        };
        (!as_fast.is_empty() || !slower.is_empty()).then(|| Self {
            direction: direction.name().to_owned(),
            dtype: dtype.name().to_owned(),
            by,
            variant: variant.to_owned(),
            id: id.to_owned(),
            as_fast: names(as_fast),
            slower: names(slower),
        })
    }
}
