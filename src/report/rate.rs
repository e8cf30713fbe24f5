//! One op on the ladder: its samples at three numbers of rungs, those of the fma ladder beside it, and what follows from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measurement::{Dropped, Status, as_f64};
use crate::gpu::Shape;
use crate::kernels::chain::Ladder;
use crate::measure::stats::{self, Estimate};

/// An op on the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// `ladder/storage/op`; unique in a report.
    pub id: String,
    /// What a rung computes beside its fma; `fma` is the rung of nothing else.
    pub op: String,
    /// f32 or f16_native: what it computes in.
    pub storage: String,
    /// What became of it.
    pub status: Status,
    /// Why, where the status is not ok.
    #[serde(default)]
    pub reason: Option<String>,
    /// What a reader of the numbers should know, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Ops that were timed together have the same number: their rounds can be paired.
    pub panel: u32,
    /// Elements that climb, each for itself.
    pub elements: u64,
    /// Independent chains of a lane: the fastest number of those tried.
    pub chains: u32,
    /// How words were spread over invocations; null where it was not dispatched.
    #[serde(default)]
    pub shape: Option<Shape>,
    /// SHA-256 of the WGSL, in hexadecimal.
    #[serde(default)]
    pub wgsl_sha256: Option<String>,
    /// Dispatches in each sample.
    pub dispatches_per_sample: u32,
    /// Rounds on each freshly opened device: the samples of the first device come first.
    pub rounds_per_device: u32,
    /// Why samples of its own or of the fma ladder are null.
    #[serde(default)]
    pub dropped: Dropped,
    /// The op's samples.
    pub own: Climbs,
    /// The fma ladder's samples in the same rounds.
    pub fma: Climbs,
    /// For other readers: computed from the samples on writing and again on loading. Here, ask the methods.
    #[serde(default)]
    pub(super) derived: Option<DerivedRate>,
}

/// Samples of a ladder at k, 2 k and 4 k rungs, by round; null where the round gave none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Climbs {
    /// k.
    pub rungs: u32,
    /// ns per dispatch of k rungs.
    pub once_ns: Vec<Option<f64>>,
    /// ns per dispatch of 2 k rungs.
    pub twice_ns: Vec<Option<f64>>,
    /// ns per dispatch of 4 k rungs.
    pub fourfold_ns: Vec<Option<f64>>,
    /// ns of the clock witness around the samples of 4 k rungs; null where it gave none, empty without a witness.
    #[serde(default)]
    pub witness_ns: Vec<Option<f64>>,
}

/// What follows from the samples of an op.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DerivedRate {
    /// Time of a rung of one element.
    pub rung_ps: Estimate,
    /// The same in rungs of the fma ladder: what the op costs at most, since pipes overlap.
    pub rung_in_fma: Estimate,
    /// The same without the fma rung: what the op costs at least. May be below 0 where it hides behind the fma.
    pub net_in_fma: Estimate,
    /// The slope from 2 k to 4 k over that from k to 2 k: 1 where time grows with the rungs.
    pub linearity: Estimate,
    /// Rungs a second over all elements: the rate of the op with its fma.
    pub rungs_per_second: f64,
}

/// How the time of a ladder grows with its rungs.
#[derive(Clone, Copy, Debug)]
pub struct Slope {
    /// Time of a rung of all elements.
    pub rung_ns: Estimate,
    /// The slope of the second part of the way over that of the first.
    pub linearity: Estimate,
}

impl Climbs {
    fn take(&mut self, device: &Self) {
        self.rungs = device.rungs;
        self.once_ns.extend(&device.once_ns);
        self.twice_ns.extend(&device.twice_ns);
        self.fourfold_ns.extend(&device.fourfold_ns);
        self.witness_ns.extend(&device.witness_ns);
    }

    /// By round, the time of a rung of all elements in ns: the slope from k to 4 k. From k to 2 k the same noise would be a larger part of it.
    pub fn rungs_ns(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        let steps = 3.0 * f64::from(self.rungs);
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

impl Rate {
    /// Of a ladder before anything was done: skipped, without a reason or a sample.
    #[must_use]
    pub fn new(ladder: &Ladder, panel: usize) -> Self {
        Self {
            id: ladder.path(),
            op: ladder.op.name.to_owned(),
            storage: ladder.storage.name().to_owned(),
            status: Status::Skipped,
            reason: None,
            notes: Vec::new(),
            panel: u32::try_from(panel).expect("a few panels"),
            elements: 0,
            chains: 0,
            shape: None,
            wgsl_sha256: None,
            dispatches_per_sample: 0,
            rounds_per_device: 0,
            dropped: Dropped::default(),
            own: Climbs::default(),
            fma: Climbs::default(),
            derived: None,
        }
    }

    /// Appends the samples of a device, and why some are missing.
    pub fn take(&mut self, own: &Climbs, fma: &Climbs, dropped: Dropped) {
        self.own.take(own);
        self.fma.take(fma);
        self.dropped += dropped;
    }

    /// The rung of its own and that of the unit in ns over all elements, and how each grows, whatever its status: what gates judge.
    #[must_use]
    pub fn slopes(&self) -> Option<[Slope; 2]> {
        let slope = |climbs: &Climbs| {
            let [rung_ns, linearity] =
                [self.estimate(climbs.rungs_ns())?, self.estimate(climbs.linearities())?];
            Some(Slope { rung_ns, linearity })
        };
        Some([slope(&self.own)?, slope(&self.fma)?])
    }

    /// The median time of the witness around its longest climbs, in ns: the inverse of the core's clock. None without one.
    #[must_use]
    pub fn witness_median_ns(&self) -> Option<f64> {
        stats::median(self.own.witness_ns.iter().flatten().copied())
    }

    /// What follows from the samples; none of a row that is not ok.
    #[must_use]
    pub fn derived(&self) -> Option<DerivedRate> {
        if self.status != Status::Ok {
            return None;
        }
        let ps = 1e3 / as_f64(self.elements);
        // A rung that takes no time has no rate.
        let rung_ps = self
            .estimate(self.own.rungs_ns().map(|ns| Some(ns? * ps)))
            .filter(|rung| rung.median > 0.0)?;
        let rung_in_fma = self.in_fma(0.0)?;
        Some(DerivedRate {
            rung_ps,
            rung_in_fma,
            net_in_fma: self.in_fma(1.0)?,
            linearity: self.estimate(self.own.linearities())?,
            rungs_per_second: 1e12 / rung_ps.median,
        })
    }

    fn in_fma(&self, less: f64) -> Option<Estimate> {
        self.estimate(
            self.own.rungs_ns().zip(self.fma.rungs_ns()).map(|(own, fma)| Some(own? / fma? - less)),
        )
    }

    /// Its rung over that of another op of its panel, taken within rounds: whole rungs, fma and all. None unless both are ok.
    #[must_use]
    pub fn over(&self, other: &Self) -> Option<Estimate> {
        let pairs = self.pairs_with(other)?;
        self.estimate(pairs.map(|(own, _, others)| Some(own? / others?)))
    }

    /// By how many ps an element its rung exceeds that of another op of its panel, taken within rounds. None unless both are ok.
    #[must_use]
    pub fn less(&self, other: &Self) -> Option<Estimate> {
        let ps = 1e3 / as_f64(self.elements);
        let pairs = self.pairs_with(other)?;
        self.estimate(pairs.map(|(own, _, others)| Some((own? - others?) * ps)))
    }

    /// The same without the fma in either; none unless the interval of the other's net cost excludes 0, since a quotient by what may be nothing
    /// says nothing.
    #[must_use]
    pub fn net_over(&self, other: &Self) -> Option<Estimate> {
        if other.derived()?.net_in_fma.low <= 0.0 {
            return None;
        }
        let pairs = self.pairs_with(other)?;
        self.estimate(pairs.map(|(own, fma, others)| Some((own? - fma?) / (others? - fma?))))
    }

    /// By round: its rung, the fma's, the other's.
    fn pairs_with<'a>(
        &'a self,
        other: &'a Self,
    ) -> Option<impl Iterator<Item = (Option<f64>, Option<f64>, Option<f64>)> + use<'a>> {
        let are_ok = self.status == Status::Ok && other.status == Status::Ok;
        if !are_ok || self.panel != other.panel || self.rounds_per_device != other.rounds_per_device
        {
            return None;
        }
        let both = self.own.rungs_ns().zip(self.fma.rungs_ns()).zip(other.own.rungs_ns());
        Some(both.map(|((own, fma), others)| (own, fma, others)))
    }

    fn estimate(&self, rounds: impl Iterator<Item = Option<f64>>) -> Option<Estimate> {
        stats::of_rounds(rounds, self.rounds_per_device)
    }
}
