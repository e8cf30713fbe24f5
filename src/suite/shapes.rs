//! Which shape: workgroup sizes and words per invocation, tried and measured.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Shape, Workload};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;
use crate::measure::stats;
use crate::measure::{self, Plan};
use crate::report::ShapeTrial;

use super::groups::default_kernels;
use super::tensors::SharedTensors;

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

/// Shapes whose times differ by less are as fast as each other.
const TIE: f64 = 1.02;

/// How many of the best are measured again.
const MEASURED_AGAIN: usize = 4;

/// Elements that candidates are ranked at, and that the best are measured again at: past the caches, as far as is known before memory was measured. All
/// candidates at the larger size would take a software adapter longer than the rest of its run.
fn elements(gpu: &Gpu) -> [u64; 2] {
    if gpu.facts.is_software { [1 << 22, 1 << 24] } else { [1 << 26, 1 << 26] }
}

/// Tensors to rank shapes on.
pub struct Ranking<'gpu> {
    gpu: &'gpu Gpu,
    all: SharedTensors<'gpu>,
    /// Larger ones for the best, where that is another size.
    best: Option<SharedTensors<'gpu>>,
}

impl<'gpu> Ranking<'gpu> {
    /// Tensors of at most so many elements.
    pub fn new(gpu: &'gpu Gpu, dtype: Dtype, most: u64, seed: u64) -> Result<Self> {
        let [all, best] = elements(gpu).map(|elements| elements.min(most));
        let tensors = |elements| SharedTensors::new(gpu, dtype, elements, seed);
        Ok(Self {
            gpu,
            all: tensors(all)?,
            best: (best != all).then(|| tensors(best)).transpose()?,
        })
    }

    /// All candidates on one kernel, then the best of them once more: the fastest of many is often the luckiest, and caches end somewhere. Of the last the
    /// fastest is chosen, of a tie the first candidate. A shape that it is in already is measured among the best, however good it is.
    pub fn rank(
        &mut self,
        kernel: Kernel,
        common: Option<Shape>,
        plan: &Plan,
    ) -> Result<Vec<ShapeTrial>> {
        let candidates = CANDIDATES
            .map(|(workgroup_size, words)| Shape { workgroup_size, words_per_invocation: words });
        let mut trials = time(self.gpu, &mut self.all, kernel, &candidates, plan, RANKING_ROUNDS)?;
        let mut best: Vec<Shape> =
            trials.iter().take(MEASURED_AGAIN).map(|trial| trial.shape).collect();
        best.extend(common.filter(|common| !best.contains(common)));
        let tensors = self.best.as_mut().unwrap_or(&mut self.all);
        let mut again = time(self.gpu, tensors, kernel, &best, plan, plan.min_rounds)?;
        if let Some(chosen) = chosen(&mut again) {
            chosen.chosen = true;
        }
        // Of one size, the second time stands for the first.
        trials.retain(|trial| {
            again.iter().all(|other| (other.shape, other.elements) != (trial.shape, trial.elements))
        });
        again.extend(trials);
        Ok(again)
    }
}

/// The first candidate of those that can't be told from the fastest: of a tie, every run takes the same.
fn chosen(trials: &mut [ShapeTrial]) -> Option<&mut ShapeTrial> {
    let fastest = trials.first()?.ns.median;
    let place = |shape: Shape| {
        let place = CANDIDATES
            .iter()
            .position(|place| *place == (shape.workgroup_size, shape.words_per_invocation));
        place.unwrap_or(CANDIDATES.len())
    };
    trials
        .iter_mut()
        .filter(|trial| trial.ns.median <= TIE * fastest)
        .min_by_key(|trial| place(trial.shape))
}

/// The shape that the kernels of a direction are measured in: the fastest for its copy in f32, on at most so many
/// elements. And what was tried.
pub fn choose(
    gpu: &Gpu,
    direction: Direction,
    most: u64,
    plan: &Plan,
    seed: u64,
) -> Result<(Shape, Vec<ShapeTrial>)> {
    let copy = default_kernels(direction, Dtype::F32)[0];
    let mut elements = elements(gpu)[1].min(most);
    loop {
        match Ranking::new(gpu, Dtype::F32, elements, seed)
            .and_then(|mut ranking| ranking.rank(copy, None, plan))
        {
            Ok(trials) => {
                let chosen = trials
                    .iter()
                    .find(|trial| trial.chosen)
                    .map_or_else(Shape::default, |trial| trial.shape);
                return Ok((chosen, trials));
            }
            Err(Error::Unsupported(_)) if elements > 1 << 16 => elements /= 4,
            Err(error) => return Err(error),
        }
    }
}

/// Shapes on one kernel, from the fastest on. Those that the adapter can't have are left out.
fn time(
    gpu: &Gpu,
    tensors: &mut SharedTensors<'_>,
    kernel: Kernel,
    shapes: &[Shape],
    plan: &Plan,
    rounds: u32,
) -> Result<Vec<ShapeTrial>> {
    let mut workloads: Vec<Workload> = Vec::new();
    for shape in shapes {
        match tensors.workload(kernel, *shape) {
            Ok(workload) => workloads.push(workload),
            Err(Error::Unsupported(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let samples = measure::rounds(gpu, &workloads.iter().collect::<Vec<_>>(), plan, rounds)?;
    let trial = |(workload, member): (&Workload, &measure::Member)| {
        let ns = stats::median_interval(&member.ns.iter().flatten().copied().collect::<Vec<_>>())?;
        let (kernel, elements) = (kernel.path(), workload.elements);
        Some(ShapeTrial { kernel, elements, shape: workload.shape, ns, chosen: false })
    };
    let mut trials: Vec<ShapeTrial> = workloads.iter().zip(&samples).filter_map(trial).collect();
    trials.sort_by(|a, b| a.ns.median.total_cmp(&b.ns.median));
    Ok(trials)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::gpu::Choice;

    #[test]
    fn of_a_tie_the_first_candidate_is_chosen() {
        let trial = |(workgroup_size, words_per_invocation): (u32, u32), ns: f64| ShapeTrial {
            kernel: "forward/f32/copy/plain".to_owned(),
            elements: 1 << 24,
            shape: Shape { workgroup_size, words_per_invocation },
            ns: stats::Estimate { median: ns, low: ns, high: ns },
            chosen: false,
        };
        let choose = |times: &[((u32, u32), f64)]| {
            let mut trials: Vec<ShapeTrial> =
                times.iter().map(|(shape, ns)| trial(*shape, *ns)).collect();
            chosen(&mut trials).map(|trial| trial.shape.workgroup_size)
        };
        assert_eq!(choose(&[((1024, 4), 100.0), ((256, 16), 101.0), ((512, 4), 101.5)]), Some(256));
        assert_eq!(choose(&[((512, 4), 100.0), ((1024, 4), 101.0), ((256, 16), 103.0)]), Some(512));
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn the_common_shape_is_measured_beside_the_best() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let mut ranking = Ranking::new(&gpu, Dtype::F32, 1 << 23, 1).expect("room");
        let kernel = default_kernels(Direction::Forward, Dtype::F32)[0];
        let plan = Plan::QUICK.briefly();
        // Few waves that each do much: slow everywhere.
        let common = Shape { workgroup_size: 64, words_per_invocation: 16 };
        let trials = ranking.rank(kernel, Some(common), &plan).expect("trials");
        let largest = trials[0].elements;
        let at_largest: Vec<Shape> = trials
            .iter()
            .filter(|trial| trial.elements == largest)
            .map(|trial| trial.shape)
            .collect();
        assert!(at_largest.contains(&common), "{at_largest:?}");
        let places: HashSet<Shape> = at_largest.iter().copied().collect();
        assert_eq!(places.len(), at_largest.len(), "each once");
        assert_eq!(trials.iter().filter(|trial| trial.chosen).count(), 1);
    }
}
