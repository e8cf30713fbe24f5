//! Which shape: workgroup sizes and words per invocation, tried and measured.

use super::bench::Bench;
use super::plan::default_kernels;
use super::tensors::SharedTensors;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Workload};
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;
use crate::measure::{Member, stats};
use crate::report::ShapeTrial;

/// What is tried: workgroup sizes, each with words per invocation. The best of one software adapter
/// is among the worst of another.
const CANDIDATES: [(u32, &[u32]); 5] =
    [(64, &[1, 4, 16]), (128, &[1, 4]), (256, &[1, 2, 4, 16]), (512, &[1, 4]), (1024, &[1, 4])];

fn candidates() -> impl Iterator<Item = Shape> {
    CANDIDATES.into_iter().flat_map(|(workgroup_size, words)| {
        words.iter().map(move |words| Shape { workgroup_size, words_per_invocation: *words })
    })
}

/// Rounds that candidates are ranked by.
const RANKING_ROUNDS: u32 = 6;

/// Shapes whose times differ by less are tied.
const TIE: f64 = 1.02;

/// How many of the best are measured again.
const MEASURED_AGAIN: usize = 4;

/// Elements that candidates are ranked at, and that the best are measured again at: past the
/// caches. All candidates at the larger size would take a software adapter too long.
fn elements(gpu: &Gpu) -> [u64; 2] {
    if gpu.facts.is_software { [1 << 22, 1 << 24] } else { [1 << 26, 1 << 26] }
}

/// The shape that the kernels of a direction are measured in: the fastest for copy or add in f32,
/// on at most so many elements. And what was tried.
pub fn choose(
    bench: &Bench<'_>,
    direction: Direction,
    most: u64,
) -> Result<(Shape, Vec<ShapeTrial>)> {
    let kernel = default_kernels(&[], direction, Dtype::F32)[0];
    let mut most = elements(bench.gpu)[1].min(most);
    loop {
        match rank(bench, kernel, most) {
            Ok(trials) => {
                let chosen = trials.iter().find(|trial| trial.chosen).map(|trial| trial.shape);
                return Ok((chosen.unwrap_or_default(), trials));
            }
            Err(Error::Unsupported(_)) if most > 1 << 16 => most /= 4,
            Err(error) => return Err(error),
        }
    }
}

/// All candidates on one kernel, then the best of them once more: the fastest of many is often the
/// luckiest, and caches end somewhere.
fn rank(bench: &Bench<'_>, kernel: Kernel, most: u64) -> Result<Vec<ShapeTrial>> {
    let [all, best] = elements(bench.gpu).map(|elements| elements.min(most));
    let tensors =
        |elements| SharedTensors::new(bench.gpu, kernel.dtype, elements, bench.settings.seed);
    let mut tensors_of_all = tensors(all)?;
    let mut tensors_of_best = (best != all).then(|| tensors(best)).transpose()?;
    let mut trials = time(bench, &mut tensors_of_all, kernel, candidates(), RANKING_ROUNDS)?;
    let shapes = trials.iter().take(MEASURED_AGAIN).map(|trial| trial.shape);
    let larger = tensors_of_best.as_mut().unwrap_or(&mut tensors_of_all);
    let mut again = time(bench, larger, kernel, shapes, bench.plan.min_rounds)?;
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

/// The first candidate of those that are tied with the fastest: every run takes the same.
fn chosen(trials: &mut [ShapeTrial]) -> Option<&mut ShapeTrial> {
    let fastest = trials.first()?.ns.median;
    let tied = trials.iter_mut().filter(|trial| trial.ns.median <= TIE * fastest);
    tied.min_by_key(|trial| candidates().position(|shape| shape == trial.shape))
}

/// Shapes on one kernel, from the fastest on. Those that the adapter can't have are left out.
fn time(
    bench: &Bench<'_>,
    tensors: &mut SharedTensors<'_>,
    kernel: Kernel,
    shapes: impl Iterator<Item = Shape>,
    rounds: u32,
) -> Result<Vec<ShapeTrial>> {
    let mut workloads: Vec<Workload> = Vec::new();
    for shape in shapes {
        match tensors.workload(kernel, shape, ShaderChecks::Trusted) {
            Ok(workload) => workloads.push(workload),
            Err(Error::Unsupported(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let samples = bench.rank(&workloads.iter().collect::<Vec<_>>(), rounds)?;
    let trial = |(workload, member): (&Workload, &Member)| {
        let ns = stats::of_rounds(member.ns.iter().copied(), 0)?;
        let (kernel, elements) = (kernel.path(), workload.elements);
        Some(ShapeTrial { kernel, elements, shape: workload.shader.shape, ns, chosen: false })
    };
    let mut trials: Vec<ShapeTrial> = workloads.iter().zip(&samples).filter_map(trial).collect();
    trials.sort_by(|a, b| a.ns.median.total_cmp(&b.ns.median));
    Ok(trials)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
