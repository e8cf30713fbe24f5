//! One op on the chain: its samples at three numbers of steps, those of the fma chain beside it,
//! and what follows from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::Status;
use super::reason::{Dropped, Reason};
use crate::gpu::Shape;
use crate::kernels::chain::Chain;
use crate::measure::stats::{self, Estimate};

/// An op on the chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arithmetic {
    /// `chain/dtype/op`; unique in a report.
    pub id: String,
    /// What a step computes beside its fma; `fma` is the step of nothing else.
    pub op: String,
    /// f32 or f16_native: what it computes in.
    pub dtype: String,
    /// What became of it.
    pub status: Status,
    /// Why, where the status is not ok.
    pub reason: Option<Reason>,
    /// What a reader of the numbers should know.
    #[serde(default)]
    pub notes: Vec<Reason>,
    /// Ops that were timed together have the same number: their rounds can be paired.
    pub group: u32,
    /// Elements, each with its own chains.
    pub elements: u64,
    /// Independent chains of a lane: the fastest number of those tried.
    pub chains: u32,
    /// How words were spread over invocations; null where it was not dispatched.
    pub shape: Option<Shape>,
    /// SHA-256 of the WGSL, in hexadecimal.
    pub wgsl_sha256: Option<String>,
    /// Dispatches in each sample.
    pub dispatches_per_sample: u32,
    /// Rounds in each repeat: the samples of the first repeat come first.
    pub rounds_per_repeat: u32,
    /// Why samples of its own or of the fma chain are null.
    #[serde(default)]
    pub dropped: Dropped,
    /// The op's samples.
    pub own: ChainSamples,
    /// The fma chain's samples in the same rounds.
    pub fma: ChainSamples,
    /// For other readers: computed from the samples on writing and again on loading. Here, ask the
    /// methods.
    pub(super) derived: Option<DerivedArithmetic>,
}

/// Samples of a chain at k, 2 k and 4 k steps, by round; null where the round gave none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainSamples {
    /// k.
    pub steps: u32,
    /// ns per dispatch of k steps.
    pub once_ns: Vec<Option<f64>>,
    /// ns per dispatch of 2 k steps.
    pub twice_ns: Vec<Option<f64>>,
    /// ns per dispatch of 4 k steps.
    pub fourfold_ns: Vec<Option<f64>>,
    /// ns of the clock probe around the samples of 4 k steps; null where it gave none, empty
    /// without a probe.
    #[serde(default)]
    pub probe_ns: Vec<Option<f64>>,
}

/// What follows from the samples of an op.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DerivedArithmetic {
    /// Time of a step of one element.
    pub step_ps: Estimate,
    /// The same in steps of the fma chain: what the op costs at most, since pipes overlap.
    pub step_fmas: Estimate,
    /// The same without the fma step: what the op costs at least. May be below 0 where it hides
    /// behind the fma.
    pub net_fmas: Estimate,
    /// The slope from 2 k to 4 k over that from k to 2 k: 1 where time grows with the steps.
    pub linearity: Estimate,
    /// Steps a second over all elements: the rate of the op with its fma.
    pub steps_per_second: f64,
}

impl ChainSamples {
    fn take(&mut self, repeat: &Self) {
        self.steps = repeat.steps;
        self.once_ns.extend(&repeat.once_ns);
        self.twice_ns.extend(&repeat.twice_ns);
        self.fourfold_ns.extend(&repeat.fourfold_ns);
        self.probe_ns.extend(&repeat.probe_ns);
    }

    /// By round, the time of a step of all elements in ns: the slope from k to 4 k. From k to 2 k
    /// the same noise would be a larger part of it.
    pub fn steps_ns(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        let steps = 3.0 * f64::from(self.steps);
        self.fourfold_ns
            .iter()
            .zip(&self.once_ns)
            .map(move |(fourfold, once)| Some(((*fourfold)? - (*once)?) / steps))
    }

    /// By round, the slope of the last two thirds of the way over that of the first.
    fn linearities(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        (self.once_ns.iter().zip(&self.twice_ns).zip(&self.fourfold_ns)).map(
            |((once, twice), fourfold)| {
                Some(((*fourfold)? - (*twice)?) / 2.0 / ((*twice)? - (*once)?))
            },
        )
    }
}

impl Arithmetic {
    /// Of a chain before anything was done: skipped, without a reason or a sample.
    pub fn new(chain: &Chain, group: usize) -> Self {
        Self {
            id: chain.path(),
            op: chain.op.name.clone(),
            dtype: chain.dtype.name().to_owned(),
            group: u32::try_from(group).expect("a few groups"),
            ..Self::default()
        }
    }

    /// Appends the samples of a repeat, and why some are missing.
    pub fn take(&mut self, own: &ChainSamples, fma: &ChainSamples, dropped: Dropped) {
        self.own.take(own);
        self.fma.take(fma);
        self.dropped += dropped;
    }

    /// Of its own chain and of the fma chain, whatever its status, since the checks ask: the time
    /// of a step of all elements in ns, and [`DerivedArithmetic::linearity`].
    pub fn slopes(&self) -> Option<[(Estimate, Estimate); 2]> {
        let slope = |chain: &ChainSamples| {
            self.estimate(chain.steps_ns()).zip(self.estimate(chain.linearities()))
        };
        Some([slope(&self.own)?, slope(&self.fma)?])
    }

    /// The median time of the probe around its longest runs, in ns: the inverse of the core's
    /// clock. None without one.
    pub fn probe_median_ns(&self) -> Option<f64> {
        stats::median(self.own.probe_ns.iter().flatten().copied())
    }

    /// What follows from the samples; none of a row that is not ok.
    pub fn derived(&self) -> Option<DerivedArithmetic> {
        if self.status != Status::Ok {
            return None;
        }
        let ps = 1e3 / self.elements as f64;
        // A step that takes no time has no rate.
        let step_ps = self
            .estimate(self.own.steps_ns().map(|ns| Some(ns? * ps)))
            .filter(|step| step.median > 0.0)?;
        Some(DerivedArithmetic {
            step_ps,
            step_fmas: self.in_fma(0.0)?,
            net_fmas: self.in_fma(1.0)?,
            linearity: self.estimate(self.own.linearities())?,
            steps_per_second: 1e12 / step_ps.median,
        })
    }

    fn in_fma(&self, less: f64) -> Option<Estimate> {
        self.estimate(
            self.own.steps_ns().zip(self.fma.steps_ns()).map(|(own, fma)| Some(own? / fma? - less)),
        )
    }

    /// Its step over that of another op of its group, taken within rounds: whole steps, fma and
    /// all. None unless both are ok.
    pub fn over(&self, other: &Self) -> Option<Estimate> {
        self.beside(other, |own, _, others| Some(own? / others?))
    }

    /// By how many ps an element its step exceeds that of another op of its group, taken within
    /// rounds. None unless both are ok.
    pub fn less(&self, other: &Self) -> Option<Estimate> {
        let ps = 1e3 / self.elements as f64;
        self.beside(other, |own, _, others| Some((own? - others?) * ps))
    }

    /// The same without the fma in either; none unless the interval of the other's net cost
    /// excludes 0, since a quotient by what may be nothing says nothing.
    pub fn net_over(&self, other: &Self) -> Option<Estimate> {
        if other.derived()?.net_fmas.low <= 0.0 {
            return None;
        }
        self.beside(other, |own, fma, others| Some((own? - fma?) / (others? - fma?)))
    }

    /// What is made by round of its step, the fma's and the other's.
    fn beside(
        &self,
        other: &Self,
        join: impl Fn(Option<f64>, Option<f64>, Option<f64>) -> Option<f64>,
    ) -> Option<Estimate> {
        let are_ok = self.status == Status::Ok && other.status == Status::Ok;
        let of = |row: &Self| (row.group, row.rounds_per_repeat);
        if !are_ok || of(self) != of(other) {
            return None;
        }
        let steps = self.own.steps_ns().zip(self.fma.steps_ns()).zip(other.own.steps_ns());
        self.estimate(steps.map(|((own, fma), others)| join(own, fma, others)))
    }

    fn estimate(&self, rounds: impl Iterator<Item = Option<f64>>) -> Option<Estimate> {
        stats::of_rounds(rounds, self.rounds_per_repeat)
    }
}
