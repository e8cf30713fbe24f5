//! One op on the chain: its samples at three numbers of steps, with one fma a step and with two,
//! those of the fma chain beside it, and what follows from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::Status;
use super::reason::{Dropped, Reason};
use crate::gpu::Shape;
use crate::kernels::chain::Chain;
use crate::kernels::ops;
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
    /// Its samples with a second fma in each step, in the same rounds: at k and 4 k steps alone.
    pub two_fmas: ChainSamples,
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
    /// ns per dispatch of 2 k steps; empty of `two_fmas`.
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
    /// Time of a step of one element: the op and one fma.
    pub step_ps: Estimate,
    /// The same over a step of the fma chain.
    pub step_fmas: Estimate,
    /// What a second fma a step adds, over a step of the fma chain. The first one takes no more: what
    /// runs side by side gets no cheaper as more of it comes.
    pub second_fma: Estimate,
    /// Time of the op of one element: at most the step, at least the step less what its fma may
    /// take.
    pub op_ps: Bracket,
    /// The same over a step of the fma chain. May be 0 or less where the op hides behind the fma.
    pub op_fmas: Bracket,
    /// The slope from 2 k to 4 k over that from k to 2 k: 1 where time grows with the steps.
    pub linearity: Estimate,
}

/// A figure that lies between two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bracket {
    /// It is at least this.
    pub least: Estimate,
    /// And at most this.
    pub most: Estimate,
}

/// A second fma that saves more than so many FMAs is another shader than it seems.
const SAVED: f64 = 0.25;

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
    pub fn take(
        &mut self,
        [own, two_fmas]: &[ChainSamples; 2],
        fma: &ChainSamples,
        dropped: Dropped,
    ) {
        self.own.take(own);
        self.two_fmas.take(two_fmas);
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
        // A step that takes no time has no rate.
        let step_ps = self.less_fmas(0.0, false).filter(|step| step.median > 0.0)?;
        let second_fma = self.of_rounds(|[own, two, fma]| (two - own) / fma)?;
        let fmas = self.fmas_of_step(second_fma);
        let bracket = |in_fmas| {
            let [least, most] = [fmas, 0.0].map(|fmas| self.less_fmas(fmas, in_fmas));
            Some(Bracket { least: least?, most: most? })
        };
        Some(DerivedArithmetic {
            step_ps,
            step_fmas: self.less_fmas(0.0, true)?,
            second_fma,
            op_ps: bracket(false)?,
            op_fmas: bracket(true)?,
            linearity: self.estimate(self.own.linearities())?,
        })
    }

    /// FMAs that a step may take beside its op, at most: what a second one adds, up to one. A second
    /// one that saves time says nothing. The op of the fma chain is its fma.
    fn fmas_of_step(&self, second_fma: Estimate) -> f64 {
        match second_fma {
            _ if self.op == ops::fma().name => 0.0,
            _ if self.notes.contains(&Reason::FmasMerged) => 1.0,
            Estimate { low, .. } if low < -SAVED => 1.0,
            Estimate { high, .. } => high.clamp(0.0, 1.0),
        }
    }

    /// A step less so many of fma's: in steps of fma, or in ps an element.
    fn less_fmas(&self, fmas: f64, in_fmas: bool) -> Option<Estimate> {
        let ps = 1e3 / self.elements as f64;
        self.of_rounds(|[own, _, fma]| (own - fmas * fma) * if in_fmas { 1.0 / fma } else { ps })
    }

    /// Its step over that of another op of its group, taken within rounds: whole steps, fma and
    /// all. None unless both are ok.
    pub fn over(&self, other: &Self) -> Option<Estimate> {
        self.less_over(other, [0.0; 2])
    }

    /// Its op over that of another of its group, at least: taken within rounds, as the next. None
    /// unless both are ok.
    pub fn op_over_at_least(&self, other: &Self) -> Option<Estimate> {
        let fmas = self.fmas_of_step(self.derived()?.second_fma);
        self.less_over(other, [fmas, 0.0])
    }

    /// The same at most. None unless the other's least cost is above 0 beyond its interval: a
    /// quotient by what may be nothing says nothing.
    pub fn op_over_at_most(&self, other: &Self) -> Option<Estimate> {
        let others = other.derived()?;
        let is_some = others.op_fmas.least.low > 0.0;
        let fmas = other.fmas_of_step(others.second_fma);
        self.less_over(other, [0.0, fmas]).filter(|_| is_some)
    }

    /// By round, its step less so many fmas over the other's less so many.
    fn less_over(&self, other: &Self, [own_fmas, others_fmas]: [f64; 2]) -> Option<Estimate> {
        let are_ok = self.status == Status::Ok && other.status == Status::Ok;
        let of = |row: &Self| (row.group, row.rounds_per_repeat);
        if !are_ok || of(self) != of(other) {
            return None;
        }
        self.estimate(self.rounds().zip(other.rounds()).map(|(round, others)| {
            let ([own, _, fma], [other, _, others_fma]) = (round?, others?);
            Some((own - own_fmas * fma) / (other - others_fmas * others_fma))
        }))
    }

    /// By round, the time of a step of all elements in ns: with one fma, with two, and of the fma
    /// chain. None where the round lacks one of them.
    fn rounds(&self) -> impl Iterator<Item = Option<[f64; 3]>> + '_ {
        let steps = self.own.steps_ns().zip(self.two_fmas.steps_ns()).zip(self.fma.steps_ns());
        steps.map(|((own, two), fma)| Some([own?, two?, fma?]))
    }

    fn of_rounds(&self, join: impl Fn([f64; 3]) -> f64) -> Option<Estimate> {
        self.estimate(self.rounds().map(|round| round.map(&join)))
    }

    fn estimate(&self, rounds: impl Iterator<Item = Option<f64>>) -> Option<Estimate> {
        stats::of_rounds(rounds, self.rounds_per_repeat)
    }
}
