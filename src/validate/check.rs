//! Validation of a kernel on a device: compares what it wrote over sentinels.

use super::accuracy::{Accuracy, Element, Judged};
use super::behaviour;
use super::elementwise::{Piece, compare_all, compare_mask};
use super::trial::{Trial, fill_with_sentinels};
use crate::error::Result;
use crate::gpu::{Gpu, Tensor, Workload};
use crate::kernels::inputs::{Distribution, Inputs};
use crate::kernels::kernel::{Kernel, Role};
use crate::kernels::tolerance::Case;

/// Fills what the kernel's workload writes with sentinels, runs it once, and compares every element
/// with the reference. `tensors` are those that it is bound to.
pub fn check(
    gpu: &Gpu,
    kernel: &Kernel,
    workload: &Workload,
    tensors: &[&Tensor],
    inputs: &Inputs,
) -> Result<Accuracy> {
    Ok(check_in_bins(gpu, kernel, workload, tensors, inputs, 1)?.remove(0))
}

/// [`check`] with the elements in as many equal parts, each found for itself; masks and guards are
/// the first one's.
fn check_in_bins(
    gpu: &Gpu,
    kernel: &Kernel,
    workload: &Workload,
    tensors: &[&Tensor],
    inputs: &Inputs,
    bins: u64,
) -> Result<Vec<Accuracy>> {
    let written = kernel.tensors().iter().zip(tensors).filter(|(role, _)| role.is_written());
    for (_, tensor) in written.clone() {
        fill_with_sentinels(gpu, tensor, kernel.dtype)?;
    }
    gpu.run(workload)?;

    let built_ins = behaviour::of_kernel(gpu, kernel)?;
    let per_bin = workload.elements / bins;
    let mut found = vec![Accuracy::default(); usize::try_from(bins).expect("a handful")];
    let (mut first, mut dy) = (Vec::new(), Vec::new());
    for (role, tensor) in written {
        let elements_per_unit = if role.is_mask() { 32 } else { 1 };
        gpu.read(tensor, |start, actual| {
            let start = start * elements_per_unit;
            let elements = actual.len() as u64 * elements_per_unit / tensor.layout.element_bytes;
            let bytes = |elements: u64| {
                usize::try_from(elements).expect("a piece") * kernel.dtype.element_size()
            };
            for (role, host) in kernel.inputs().zip([&mut first, &mut dy]) {
                host.resize(bytes(elements), 0);
                inputs.fill(kernel, role, start, host);
            }
            if role.is_mask() {
                // Bits behind the last element are those of padding.
                let inside = workload.elements.saturating_sub(start).min(elements);
                first[bytes(inside)..].fill(0);
                found[0].merge(&compare_mask(kernel, start, &first, actual));
                return Ok(());
            }
            for (bin, found) in (0..).zip(&mut found) {
                let (from, to) =
                    (start.max(bin * per_bin), (start + elements).min((bin + 1) * per_bin));
                if from < to {
                    let bytes = bytes(from - start)..bytes(to - start);
                    let dy = if dy.is_empty() { &[] } else { &dy[bytes.clone()] };
                    let (first, actual) = (&first[bytes.clone()], &actual[bytes]);
                    let piece = Piece { start: from, first, dy, actual, built_ins };
                    found.merge(&compare_all(kernel, piece));
                }
            }
            Ok(())
        })?;
        found[0].guard_broken |= !gpu.guards_are_intact(tensor)?;
    }
    Ok(found)
}

impl Trial<'_> {
    /// Makes the tensors, uploads the inputs, runs the kernel and compares every element.
    pub fn run(&self, gpu: &Gpu) -> Result<Accuracy> {
        Ok(self.run_in_bins(gpu, 1)?.remove(0))
    }

    /// [`Self::run`] with an answer for each of `bins` equal parts of the tensors.
    pub fn run_in_bins(&self, gpu: &Gpu, bins: u64) -> Result<Vec<Accuracy>> {
        let Self { kernel, inputs, elements, .. } = self;
        assert!(elements.is_multiple_of(bins), "{elements} elements in {bins} bins");
        let (workload, tensors) = self.prepare(gpu, |role, first, bytes| {
            inputs.fill_stored(kernel, role, first, bytes);
        })?;
        check_in_bins(gpu, kernel, &workload, &tensors.iter().collect::<Vec<_>>(), inputs, bins)
    }
}

/// What a kernel makes of one input, given by its bits, and whether that is right.
pub fn one(gpu: &Gpu, kernel: Kernel, first_bits: u32, dy_bits: u32) -> Result<(Judged, bool)> {
    let dtype = kernel.dtype;
    let distribution = Distribution::Bits { first: first_bits, dy: dy_bits };
    let inputs = Inputs { distribution, seed: 0 };
    let results = Trial::new(gpu, kernel, inputs, 1).results(gpu, |role, first, bytes| {
        inputs.fill_stored(&kernel, role, first, bytes);
    })?;
    let actual_bits = results[0];
    let is_mask = kernel.inputs().any(Role::is_mask);
    let is_positive = dtype.value(first_bits) > 0.0;
    let read_bits = if is_mask { dtype.bits(f64::from(u8::from(is_positive))) } else { first_bits };
    let reference = kernel.variant.pass.reference(dtype.value(read_bits), dtype.value(dy_bits));
    let dy_bits = kernel.reads(Role::Dy).then_some(dy_bits);
    let dy = dy_bits.map_or(0.0, |dy_bits| dtype.value(dy_bits));
    let first = dtype.value(read_bits);
    let built_ins = behaviour::of_kernel(gpu, &kernel)?;
    let case = Case { dtype, first, first_bits: read_bits, dy, reference, built_ins };
    let allowed = kernel.variant.allowed(&case);
    let judged = Judged::new(&Element { index: 0, case, dy_bits, actual_bits }, allowed);
    let is_right = allowed.contains(dtype.value(actual_bits), actual_bits);
    Ok((Judged { first_bits, ..judged }, is_right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Choice;
    use crate::kernels::built_ins::{BuiltIn, BuiltIns};
    use crate::kernels::dtype::Dtype;
    use crate::kernels::kernel;

    const EXP: &str = "exp(min(x, T(0.0)))";

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    /// What is wrong with elu/exp by another exponential, where exp was measured to take this share of
    /// WGSL's bound.
    fn complaint(share: f64, exponential: &str) -> Option<String> {
        let gpu = gpu();
        let simulated = BuiltIns::default().with(BuiltIn::Exp, share);
        assert_eq!(gpu.built_ins[0].set(simulated), Ok(()), "nothing was measured before");
        let kernel = kernel::all().find(|kernel| kernel.path() == "forward/f32/elu/exp");
        let kernel = kernel.expect("in the table");
        let wgsl = kernel.wgsl().replacen(EXP, exponential, 1);
        let trial = Trial::new(&gpu, kernel, Inputs::patterns(1), 50_000);
        let found = Trial { wgsl: Some(&wgsl), ..trial }.run(&gpu).expect("it runs");
        found.complaint(&kernel, 1)
    }

    #[test]
    fn a_weak_built_in_is_no_fault_of_a_kernel_unless_it_is_broken() {
        // Off by 6 u, where WGSL allows 3 + 2|x|; but not at 0, for which a positive subnormal x may
        // count, where elu has to be exact.
        let off = 1.0 + 6.0 * f32::EPSILON;
        let weak = format!("({EXP} * select(T(1.0), T({off}), x < T(-0.001)))");
        for share in [0.5, 1.001 * BuiltIns::MOST, f64::INFINITY] {
            assert!(complaint(share, &weak).is_some(), "{share}");
        }
        let own = behaviour::built_ins(&gpu(), Dtype::F32);
        // The adapter's own error comes on top.
        if own.expect("it runs").share(BuiltIn::Exp) < 1.5 {
            assert_eq!(complaint(BuiltIns::MOST, &weak), None);
        }
        // Faults of the kernel are still seen.
        for fault in [
            "exp2(min(x, T(0.0)))",
            "exp(clamp(x, T(-5.0), T(0.0)))",
            "exp(min(x, T(0.0))) * T(1.00001)",
        ] {
            assert!(complaint(BuiltIns::MOST, fault).is_some(), "{fault}");
        }
    }
}
