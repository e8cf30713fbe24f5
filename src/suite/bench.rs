//! What a repeat measures with: device, plan, clock probe; and what all rows need of them.

use super::probe::Probe;
use super::quality::Circumstances;
use super::settings::Settings;
use crate::error::Result;
use crate::gpu::dump::Dump;
use crate::gpu::{Gpu, Workload};
use crate::kernels::chain::Chain;
use crate::measure::{self, Fixed, Member, Plan, Samples};
use crate::report::{Spent, Status};
use crate::validate::chain::ChainRunner;

/// Rounds that workloads are compared by.
pub const RANKING_ROUNDS: u32 = 9;

/// One repeat's means.
pub struct Bench<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// What is asked for.
    pub settings: &'a Settings,
    /// How much, on this device.
    pub plan: Plan,
    /// The probe of its clock.
    pub probe: Option<&'a Probe>,
    /// Where shaders are written down.
    pub dump: Option<&'a Dump>,
    /// Repeats before this one.
    pub repeat: u32,
}

impl<'a> Bench<'a> {
    /// Times members together, as the first repeat has `fixed` it, and books the time.
    pub fn measure(
        &self,
        members: &[&Workload],
        plan: &Plan,
        fixed: Option<Fixed>,
        spent: &mut Spent,
    ) -> Result<Samples> {
        let probe = self.probe.map(|probe| &probe.workload);
        let samples = measure::measure(self.gpu, members, probe, plan, fixed)?;
        spent.warm_up_s += samples.warm_up.as_secs_f64();
        spent.measure_s += samples.measure.as_secs_f64();
        Ok(samples)
    }

    /// A chain on tensors of so many elements.
    pub fn runner(&self, chain: Chain, elements: u64) -> Result<ChainRunner<'a>> {
        ChainRunner::new(self.gpu, chain, elements, self.settings.seed)
    }

    /// So many rounds without a probe: to rank members.
    pub fn rank(&self, members: &[&Workload], rounds: u32) -> Result<Vec<Member>> {
        measure::rounds(self.gpu, members, &self.plan.briefly(), rounds)
    }

    /// The place of the pair that costs least, by rounds in which all are timed: apart, one may
    /// meet a busy moment that the others do not. None if no pair has a cost.
    pub fn cheapest(
        &self,
        pairs: &[[Workload; 2]],
        cost: impl Fn(usize, &[Member; 2]) -> Option<f64>,
    ) -> Result<Option<usize>> {
        let members: Vec<&Workload> = pairs.iter().flatten().collect();
        let members = self.rank(&members, RANKING_ROUNDS)?;
        let timed = members.as_chunks::<2>().0.iter().enumerate();
        let costs = timed.filter_map(|(place, pair)| Some((place, cost(place, pair)?)));
        Ok(costs.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(place, _)| place))
    }

    /// What quality checks have to know beside samples.
    pub fn circumstances(&self) -> Circumstances {
        Circumstances { quantum_ns: self.gpu.quantum_ns(), is_software: self.gpu.facts.is_software }
    }
}

/// What the rows of a group, given by their dispatches and rounds, have of an earlier repeat.
pub fn fixed(rows: impl IntoIterator<Item = (u32, u32)>) -> Option<Fixed> {
    let fixed = rows.into_iter().find(|(_, rounds)| *rounds > 0);
    fixed.map(|(dispatches, rounds)| Fixed { dispatches, rounds })
}

/// Whether a row with so many samples is measured after so many repeats: if it was in each of them,
/// since rounds are compared by their place.
pub fn takes(repeat: u32, status: Status, samples: usize, rounds_per_repeat: u32) -> bool {
    repeat == 0
        || matches!(status, Status::Ok | Status::Invalid)
            && samples == repeat as usize * rounds_per_repeat as usize
}
