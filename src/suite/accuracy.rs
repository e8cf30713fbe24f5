//! How far the kernels of a run are from the reference: each over edge values, bit patterns and
//! normal inputs, and variants by x.

use super::bench::Bench;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::activation::Saved;
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::{Distribution, Inputs};
use crate::kernels::kernel::{Kernel, Role};
use crate::kernels::tolerance::FormulaError;
use crate::report::{Accuracy, AccuracyBin, Profile};
use crate::validate::Trial;

/// Elements of each comparison.
const ELEMENTS: u64 = 1 << 20;
const ELEMENTS_IN_QUICK: u64 = 1 << 18;

/// Elements of each bin of x.
const ELEMENTS_PER_BIN: u64 = 4096;

/// x goes to either side as far as exp(x) is neither 0 nor infinite, and a little farther: in f32,
/// and in f16.
const FARTHEST: i32 = 104;
const FARTHEST_IN_F16: i32 = 20;

/// Bins of x, an even number so that 0 is between two.
const BINS: u64 = 52;

/// One kernel, compared.
pub fn of(bench: &Bench<'_>, kernel: Kernel) -> Result<(Accuracy, Option<Error>)> {
    let (gpu, seed) = (bench.gpu, bench.settings.seed);
    let is_quick = bench.settings.profile == Profile::Quick;
    let elements = if is_quick { ELEMENTS_IN_QUICK } else { ELEMENTS };
    let found = Trial::new(gpu, kernel, Inputs::patterns(seed), elements).run(gpu)?;
    let wrong = found.complaint(&kernel, seed).map(Error::Mismatch);
    let mut accuracy = Accuracy::new(&kernel, &found);
    if !is_quick && wrong.is_none() && is_of_x(&kernel) {
        accuracy.by_x = by_x(gpu, kernel, seed)?;
    }
    Ok((accuracy, wrong))
}

/// Whether it has an error, and of x.
fn is_of_x(kernel: &Kernel) -> bool {
    kernel.activation.name != kernel.direction().copy()
        && matches!(kernel.variant.error, FormulaError::Within(_))
        && kernel.inputs().all(|role| role != Role::Saved(Saved::Y))
}

fn by_x(gpu: &Gpu, kernel: Kernel, seed: u64) -> Result<Vec<AccuracyBin>> {
    let farthest = if kernel.dtype == Dtype::F32 { FARTHEST } else { FARTHEST_IN_F16 };
    let elements = BINS * ELEMENTS_PER_BIN;
    let inputs = Inputs {
        distribution: Distribution::Ramp { from: -farthest, to: farthest, elements },
        seed,
    };
    let bins = Trial::new(gpu, kernel, inputs, elements).run_in_bins(gpu, BINS)?;
    let end = |bin: usize| f64::from(farthest) * (2.0 * bin as f64 / BINS as f64 - 1.0);
    let bins = bins.iter().enumerate();
    Ok(bins.map(|(bin, found)| AccuracyBin::new(end(bin), end(bin + 1), found)).collect())
}
