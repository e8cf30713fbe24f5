//! Which shape: workgroup sizes and words per invocation, tried and measured.

use crate::activation::Direction;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Shape, Workload};
use crate::kernel::Kernel;
use crate::measure::{self, Plan};
use crate::report::ShapeTrial;
use crate::stats;
use crate::storage::Storage;

use super::group::Group;
use super::panels::default_kernels;

/// What is tried, workgroup size by words per invocation. No single one is good everywhere: the best of one software adapter is among the worst
/// of another.
const CANDIDATES: [(u32, u32); 13] = [
    (64, 1),
    (64, 4),
    (64, 16),
    (128, 1),
    (128, 4),
    (256, 1),
    (256, 2),
    (256, 4),
    (256, 16),
    (512, 1),
    (512, 4),
    (1024, 1),
    (1024, 4),
];

/// Rounds that candidates are ranked by.
const RANKING_ROUNDS: u32 = 6;

/// How many of the best are measured again: the fastest of many is often the luckiest.
const MEASURED_AGAIN: usize = 3;

/// Elements that candidates are ranked at: past the caches, as far as is known before memory was measured.
fn elements(gpu: &Gpu) -> u64 {
    if gpu.facts.is_software { 1 << 22 } else { 1 << 26 }
}

/// The shape that the kernels of a direction are measured in: the fastest for its yardstick in f32, on at most so many
/// elements. And what was tried.
///
/// # Errors
/// If the device fails, or has no room for the tensors.
pub fn choose(gpu: &Gpu, direction: Direction, most: u64, plan: &Plan, seed: u64) -> Result<(Shape, Vec<ShapeTrial>)> {
    let yardstick = default_kernels(direction, Storage::F32)[0];
    let mut elements = elements(gpu).min(most);
    loop {
        match Group::new(gpu, Storage::F32, elements, seed)
            .and_then(|mut group| rank(gpu, &mut group, yardstick, elements, plan))
        {
            Ok(trials) => {
                let chosen = trials.iter().find(|trial| trial.chosen).map_or_else(Shape::default, |trial| trial.shape);
                return Ok((chosen, trials));
            }
            Err(Error::Unsupported(_)) if elements > 1 << 16 => elements /= 4,
            Err(error) => return Err(error),
        }
    }
}

/// All candidates on one kernel, and the fastest of them chosen.
///
/// # Errors
/// If the device fails.
pub fn rank(gpu: &Gpu, group: &mut Group<'_>, kernel: Kernel, elements: u64, plan: &Plan) -> Result<Vec<ShapeTrial>> {
    let mut candidates: Vec<(Shape, Workload)> = Vec::new();
    for (workgroup_size, words_per_invocation) in CANDIDATES {
        let shape = Shape { workgroup_size, words_per_invocation };
        match group.workload(kernel, shape) {
            Ok(workload) => candidates.push((shape, workload)),
            Err(Error::Unsupported(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let time = |members: &[&Workload], rounds| -> Result<Vec<Option<stats::Estimate>>> {
        let samples = measure::rounds(gpu, members, plan, rounds)?;
        Ok(samples
            .iter()
            .map(|member| stats::median_interval(&member.ns.iter().flatten().copied().collect::<Vec<_>>()))
            .collect())
    };
    let all: Vec<&Workload> = candidates.iter().map(|(_, workload)| workload).collect();
    let mut timed: Vec<(Shape, &Workload, stats::Estimate)> = (candidates.iter().zip(time(&all, RANKING_ROUNDS)?))
        .filter_map(|((shape, workload), ns)| Some((*shape, workload, ns?)))
        .collect();
    timed.sort_by(|(.., a), (.., b)| a.median.total_cmp(&b.median));
    let best = timed.len().min(MEASURED_AGAIN);
    let again: Vec<&Workload> = timed[..best].iter().map(|(_, workload, _)| *workload).collect();
    for ((.., ns), measured) in timed.iter_mut().zip(time(&again, plan.min_rounds)?) {
        *ns = measured.unwrap_or(*ns);
    }
    timed[..best].sort_by(|(.., a), (.., b)| a.median.total_cmp(&b.median));
    let trial = |(index, (shape, _, ns)): (usize, &(Shape, &Workload, stats::Estimate))| ShapeTrial {
        kernel: kernel.path(),
        elements,
        shape: *shape,
        ns: *ns,
        chosen: index == 0,
    };
    Ok(timed.iter().enumerate().map(trial).collect())
}
