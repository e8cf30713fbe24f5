//! What a repeat measures with: device, plan, clock probe; and what all rows need of them.

use super::probe::Probe;
use super::quality::Circumstances;
use crate::error::Result;
use crate::gpu::dump::Dump;
use crate::gpu::{Gpu, Workload};
use crate::measure::{self, Fixed, Plan, Samples};
use crate::report::{Spent, Status};

/// One repeat's means.
pub struct Bench<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// How much.
    pub plan: Plan,
    /// The probe of its clock.
    pub probe: Option<&'a Probe>,
    /// Of all inputs.
    pub seed: u64,
    /// Where shaders are written down.
    pub dump: Option<&'a Dump>,
    /// Repeats before this one.
    pub repeat: u32,
}

impl Bench<'_> {
    /// Times members together, as the first repeat has `fixed` it, and books the time.
    pub fn measure(
        &self,
        members: &[&Workload],
        plan: &Plan,
        fixed: &mut Option<Fixed>,
        spent: &mut Spent,
    ) -> Result<Samples> {
        let probe = self.probe.map(|probe| &probe.workload);
        let samples = measure::measure(self.gpu, members, probe, plan, *fixed)?;
        *fixed = Some(samples.fixed);
        spent.warm_up_s += samples.warm_up.as_secs_f64();
        spent.measure_s += samples.measure.as_secs_f64();
        Ok(samples)
    }

    /// What quality checks have to know beside samples.
    pub fn circumstances(&self) -> Circumstances {
        Circumstances { quantum_ns: self.gpu.quantum_ns(), is_software: self.gpu.facts.is_software }
    }

    /// Whether a row with so many samples is measured now: if it was in every repeat before, since
    /// rounds are compared by their place.
    pub fn takes(&self, status: Status, samples: usize, rounds_per_repeat: u32) -> bool {
        takes(self.repeat, status, samples, rounds_per_repeat)
    }
}

/// [`Bench::takes`] after so many repeats.
pub fn takes(repeat: u32, status: Status, samples: usize, rounds_per_repeat: u32) -> bool {
    repeat == 0
        || matches!(status, Status::Ok | Status::Invalid)
            && samples == repeat as usize * rounds_per_repeat as usize
}
