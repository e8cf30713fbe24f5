//! Where arithmetic takes as long as memory: copy, both activations of a pair, and their chains
//! between load and store, timed together over tensors of one size.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::Status;
use super::pair::Pair;
use super::reason::{Dropped, Reason};
use crate::gpu::Shape;
use crate::measure::stats::{self, Estimate};

/// A pair over tensors that memory bounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ridge {
    /// `ridge/numerator:denominator/direction/dtype`; unique in a report.
    pub id: String,
    /// The activation whose ridge point it is.
    pub numerator: String,
    /// The one that it is held against.
    pub denominator: String,
    /// forward: x to y; backward: the saved tensor and dy to dx.
    pub direction: String,
    /// How elements are stored.
    pub dtype: String,
    /// What became of it.
    pub status: Status,
    /// Why, where the status is not ok.
    pub reason: Option<Reason>,
    /// What a reader of the numbers should know.
    #[serde(default)]
    pub notes: Vec<Reason>,
    /// Elements of each tensor.
    pub elements: u64,
    /// Bytes that one dispatch of each member has to move.
    pub bytes: u64,
    /// How words were spread over invocations; null where it was not dispatched.
    pub shape: Option<Shape>,
    /// Dispatches in each sample.
    pub dispatches_per_sample: u32,
    /// Rounds in each repeat: the samples of the first repeat come first.
    pub rounds_per_repeat: u32,
    /// Why samples are null, of all members together.
    #[serde(default)]
    pub dropped: Dropped,
    /// copy, the numerator, the denominator; the numerator's chain at k and 4 k steps; the
    /// denominator's at its own k and 4 k. All timed in the same rounds.
    pub members: Vec<RidgeMember>,
    /// For other readers: computed from the samples on writing and again on loading. Here, ask the
    /// methods.
    pub(super) derived: Option<DerivedRidge>,
}

/// What loads, computes and stores each element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RidgeMember {
    /// Activation and variant; of a chain its op.
    pub name: String,
    /// Steps between load and store; 0 of a kernel, which has no chain.
    pub steps: u32,
    /// Words of a lane, of a chain; 0 of a kernel.
    pub words: u32,
    /// SHA-256 of the WGSL, in hexadecimal.
    pub wgsl_sha256: String,
    /// ns per dispatch, by round; null where the round gave no sample.
    pub samples_ns: Vec<Option<f64>>,
}

/// What follows from the samples, all of it taken within rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DerivedRidge {
    /// Steps of the numerator that take as long as copy, which moves the same bytes and computes
    /// nothing.
    pub ridge_point: Estimate,
    /// Time of a step of the numerator: the slope from k to 4 k, in ps an element.
    pub numerator_step_ps: Estimate,
    /// The same of the denominator.
    pub denominator_step_ps: Estimate,
    /// A step of the numerator less one of the denominator, in ns an element.
    pub extra_arithmetic_ns: Estimate,
    /// The numerator streaming less the denominator streaming, in ns an element.
    pub extra_time_ns: Estimate,
}

impl Ridge {
    /// Before anything was done: skipped, without a reason or a sample.
    pub fn new(pair: &Pair, direction: &str, dtype: &str) -> Self {
        let [numerator, denominator] = pair.names();
        Self {
            id: format!("ridge/{numerator}:{denominator}/{direction}/{dtype}"),
            numerator: numerator.to_owned(),
            denominator: denominator.to_owned(),
            direction: direction.to_owned(),
            dtype: dtype.to_owned(),
            ..Self::default()
        }
    }

    /// Time of one element in one of the members, in ns.
    pub fn ns_per_element(&self, member: &RidgeMember) -> Option<Estimate> {
        let rounds = member.samples_ns.iter().copied();
        let time = stats::of_rounds(rounds, self.rounds_per_repeat);
        time.filter(|_| self.status == Status::Ok).map(|ns| ns.times(1.0 / self.elements as f64))
    }

    /// What follows. None unless the row is ok and each step takes time.
    pub fn derived(&self) -> Option<DerivedRidge> {
        let [copy, numerator, denominator, _, _, _, _] = &self.members[..] else { return None };
        if self.status != Status::Ok {
            return None;
        }
        let [step, denominator_step] = [self.steps_ns(3), self.steps_ns(5)];
        let of = |own: &[Option<f64>], other: &[Option<f64>], join: fn(f64, f64) -> f64| {
            stats::of_pairs(own, other, self.rounds_per_repeat, join)
        };
        let per_element = 1.0 / self.elements as f64;
        let of_step = |step| Some(of(step, step, |step, _| step)?.times(1e3 * per_element));
        let derived = DerivedRidge {
            ridge_point: of(&copy.samples_ns, &step, |copy, step| copy / step)?,
            numerator_step_ps: of_step(&step)?,
            denominator_step_ps: of_step(&denominator_step)?,
            extra_arithmetic_ns: of(&step, &denominator_step, less)?.times(per_element),
            extra_time_ns: of(&numerator.samples_ns, &denominator.samples_ns, less)?
                .times(per_element),
        };
        let steps = [derived.numerator_step_ps, derived.denominator_step_ps];
        steps.iter().all(|step| step.low > 0.0).then_some(derived)
    }

    /// By round, ns of a step of all elements, of the chain whose k steps stand at a place.
    fn steps_ns(&self, place: usize) -> Vec<Option<f64>> {
        let [once, fourfold] = [&self.members[place], &self.members[place + 1]];
        let steps = f64::from(fourfold.steps) - f64::from(once.steps);
        let rounds = once.samples_ns.iter().zip(&fourfold.samples_ns);
        rounds.map(|(once, fourfold)| Some(((*fourfold)? - (*once)?) / steps)).collect()
    }
}

fn less(one: f64, other: f64) -> f64 {
    one - other
}
