//! The verdict: what a report says of sigmoid against ReLU, in words, and which form to write.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::gap::{self, Gap, Quantity};
use super::measurement::{Inputs, Measurement, Regime, Status};
use super::rate::Rate;
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Storage;
use crate::measure::stats::Estimate;
use crate::render::table;

/// A figure whose interval reaches farther than this to either side, as a share of it, is told as a rough one.
const ROUGH: f64 = 0.1;

/// A stream and a ladder are held together where their clocks differ by no more.
const ONE_CLOCK: f64 = 0.03;

/// Of the difference, memory hides none below this and all above the other.
const HIDES: [f64; 2] = [0.05, 0.95];

/// What follows, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The cost of a sigmoid, and where it hides.
    pub sentence: String,
    /// The fastest forms of sigmoid, of those that are right for every finite x and were measured side by side.
    pub fastest: Vec<Fastest>,
}

/// The fastest form of a sigmoid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fastest {
    /// forward or backward.
    pub direction: String,
    /// How elements are stored.
    pub storage: String,
    /// What was compared.
    pub by: Comparison,
    /// The name of the form.
    pub form: String,
    /// Its id among rates or measurements.
    pub id: String,
    /// Forms that can't be told from it: their intervals overlap.
    pub as_fast: Vec<String>,
    /// Forms that are slower.
    pub slower: Vec<String>,
}

/// What forms were compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Rungs of the ladder, in fma rungs: arithmetic alone.
    Ladder,
    /// Streaming the largest tensors that were measured in all forms.
    Stream,
}

/// The verdict of a report whose gaps are there; none where neither rungs nor a memory-bound size gave a figure.
pub(super) fn verdict(report: &Report) -> Option<Verdict> {
    let is_software = report.adapter.is_software;
    let figure = |quantity, direction: Direction, elements| {
        let of_f32 = |gap: &&Gap| {
            gap.quantity == quantity
                && gap.direction == direction.name()
                && gap.storage == Storage::F32.name()
                && gap.elements == elements
        };
        // On a CPU the witness tells how busy the cores are.
        let is_of_one_clock = |gap: &&Gap| {
            is_software || gap.clocks.is_none_or(|clocks| (clocks - 1.0).abs() <= ONE_CLOCK)
        };
        report.gaps.iter().find(of_f32).filter(is_of_one_clock).map(Gap::estimate)
    };
    let mut sentences: Vec<String> = Vec::new();
    sentences.extend(of_rungs(report, figure(Quantity::Rung, Direction::Forward, None)));
    // The smallest: of the largest, some driver may keep a part elsewhere.
    let memory = report
        .gaps
        .iter()
        .filter(|gap| gap.regime == Some(Regime::Memory))
        .filter_map(|gap| gap.elements);
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
    Some(Verdict { sentence, fastest: fastest(report) })
}

fn of_rungs(report: &Report, ratio: Option<Estimate>) -> Option<String> {
    let (sigmoid, relu) = gap::ladders(&report.rates, Direction::Forward, Storage::F32.name())?;
    let [sigmoid, relu] = [sigmoid.derived()?.rung_in_fma, relu.derived()?.rung_in_fma];
    Some(format!(
        "with the fma of its rung, a sigmoid takes {} times as long as a bare fma and a ReLU {}, so that in registers sigmoid takes {} \
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
    if let Some(rungs) = figure(Quantity::UnderMemory, Direction::Forward) {
        text +=
            &format!(". An element's way through memory takes as long as {} sigmoids", told(rungs));
    }
    Some(text + ".")
}

/// A figure in a sentence.
fn told(figure: Estimate) -> String {
    let rough = if figure.relative_half_width().abs() > ROUGH { "roughly " } else { "" };
    format!("{rough}{}", table::ratio(figure))
}

/// By direction and storage: on the ladder where there is one, else by streaming.
fn fastest(report: &Report) -> Vec<Fastest> {
    let mut found = Vec::new();
    for storage in Storage::ALL {
        for direction in Direction::ALL {
            let of_ladder = on_ladder(report, storage, direction);
            found.extend(of_ladder.or_else(|| by_streaming(report, storage, direction)));
        }
    }
    found
}

fn is_sound(report: &Report, direction: Direction, storage: Storage, form: &str) -> bool {
    let path = format!("{}/{}/sigmoid/{form}", direction.name(), storage.name());
    report.accuracy.iter().any(|found| found.kernel == path && found.is_sound())
}

fn on_ladder(report: &Report, storage: Storage, direction: Direction) -> Option<Fastest> {
    let prefix = match direction {
        Direction::Forward => "sigmoid/",
        Direction::Backward => "backward/sigmoid/",
    };
    let candidates =
        report.rates.iter().filter(|rate| rate.storage == storage.name()).filter_map(|rate| {
            let form = rate.op.strip_prefix(prefix)?;
            Some((rate, form, rate.derived()?.rung_in_fma))
                .filter(|_| is_sound(report, direction, storage, form))
        });
    let candidates: Vec<(&Rate, &str, Estimate)> = candidates.collect();
    let (rate, form, best) =
        candidates.iter().min_by(|(.., a), (.., b)| a.median.total_cmp(&b.median))?;
    let others = candidates.iter().filter(|(_, other, _)| other != form);
    let others = others.map(|(_, other, rung)| ((*other).to_owned(), rung.low <= best.high));
    Fastest::among(direction, storage, Comparison::Ladder, form, &rate.id, others.collect())
}

fn by_streaming(report: &Report, storage: Storage, direction: Direction) -> Option<Fastest> {
    let is_candidate = |row: &&Measurement| {
        row.activation == "sigmoid"
            && row.direction == direction.name()
            && row.storage == storage.name()
            && row.inputs == Inputs::Normal
            && !row.shader_checks
            && row.status == Status::Ok
            && is_sound(report, direction, storage, &row.form)
    };
    let rows: Vec<&Measurement> = report.measurements.iter().filter(is_candidate).collect();
    let panels = rows.chunk_by(|a, b| a.elements == b.elements).filter(|panel| panel.len() > 1);
    let panel = panels.max_by_key(|panel| panel[0].elements)?;
    let best = panel.iter().min_by(|a, b| a.median_ns().total_cmp(&b.median_ns()))?;
    let others = panel.iter().filter(|row| row.id != best.id);
    let others =
        others.map(|row| (row.form.clone(), row.over(best).is_none_or(|ratio| ratio.low <= 1.0)));
    Fastest::among(direction, storage, Comparison::Stream, &best.form, &best.id, others.collect())
}

impl Fastest {
    /// The fastest with the others, each with whether it can't be told from it; none where there are no others.
    fn among(
        direction: Direction,
        storage: Storage,
        by: Comparison,
        form: &str,
        id: &str,
        others: Vec<(String, bool)>,
    ) -> Option<Self> {
        let (as_fast, slower): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(_, as_fast)| *as_fast);
        let names = |forms: Vec<(String, bool)>| {
            forms.into_iter().map(|(form, _)| form).collect::<Vec<_>>()
        };
        (!as_fast.is_empty() || !slower.is_empty()).then(|| Self {
            direction: direction.name().to_owned(),
            storage: storage.name().to_owned(),
            by,
            form: form.to_owned(),
            id: id.to_owned(),
            as_fast: names(as_fast),
            slower: names(slower),
        })
    }
}
