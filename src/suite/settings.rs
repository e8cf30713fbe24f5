//! What a run is asked for, and who watches it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use regex::Regex;

use crate::error::Result;
use crate::gpu::{AdapterFacts, ShaderChecks, Shape};
use crate::kernels::activation::Direction;
use crate::kernels::inputs::DEFAULT_SEED;
use crate::measure::Plan;
use crate::report::{Pair, Profile, Report};

/// What a run covers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which rows.
    pub profile: Profile,
    /// Which activations, and their ratios.
    pub pairs: Vec<Pair>,
    /// How much to measure; what suits hardware is adapted to a software adapter.
    pub plan: Plan,
    /// How many times the device is opened anew and everything measured.
    pub repeats: u32,
    /// The seed of all inputs.
    pub seed: u64,
    /// Only the rows whose id it matches, and what they are measured against.
    pub filter: Option<Regex>,
    /// The time after which nothing new is begun.
    pub max_time: Option<Duration>,
    /// Elements, at most, that shapes and the memory-bound sizes are looked for with.
    pub most_prepared: u64,
    /// The shapes that directions are measured in; those of the others are found by measuring.
    pub shapes: HashMap<Direction, Shape>,
    /// With or without wgpu's run-time checks in streaming kernels.
    pub checks: ShaderChecks,
    /// What the user says about the run.
    pub labels: BTreeMap<String, String>,
}

impl Settings {
    /// What a profile covers where nothing else is said.
    pub fn of(profile: Profile) -> Self {
        let is_quick = profile == Profile::Quick;
        Self {
            profile,
            pairs: vec![Pair::default()],
            plan: if is_quick { Plan::QUICK } else { Plan::STANDARD },
            repeats: if is_quick { 1 } else { 3 },
            seed: DEFAULT_SEED,
            filter: None,
            max_time: None,
            // A scan to 2^28 would take a quick run longer than its samples.
            most_prepared: if is_quick { 1 << 26 } else { u64::MAX },
            shapes: HashMap::new(),
            checks: ShaderChecks::Trusted,
            labels: BTreeMap::new(),
        }
    }

    /// With the shapes of a report, if it was measured on this adapter: two shapes that are nearly
    /// as good give other ratios.
    pub fn in_shapes_of(mut self, report: &Report, facts: &AdapterFacts) -> Self {
        if report.adapter.is_like(facts) {
            for direction in Direction::ALL {
                let rows = report.measurements.iter();
                let shapes = rows.filter(|row| row.direction == direction.name());
                let sizes = 1..=facts.max_workgroup_size;
                let mut shapes = shapes.filter_map(|row| row.shape);
                let shape = shapes.find(|shape| sizes.contains(&shape.workgroup_size));
                self.shapes.extend(shape.map(|shape| (direction, shape)));
            }
        }
        self
    }
}

/// Who watches a run.
pub trait Watch {
    /// Before each step: what it is, how many are done and how many there are. False ends the run
    /// with a report of what was done.
    fn step(&mut self, _what: &str, _done: usize, _of: usize) -> bool {
        true
    }

    /// After each group, with the report so far, and once more at the end. An error ends the run.
    fn keep(&mut self, _report: &Report, _is_last: bool) -> Result<()> {
        Ok(())
    }
}

/// Nobody watches, and nothing is kept.
impl Watch for () {}
