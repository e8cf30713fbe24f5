//! The witness of the core clock: a short ladder of fma that runs before and behind every sample.
//!
//! It touches next to no memory and no special function, so that its time is the inverse of the clock, whatever the samples do.

use std::time::Duration;

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::inputs::Inputs;
use crate::kernel::Role;
use crate::ladder::{FLIGHT, Ladder};
use crate::measure;

/// How long a witness runs: a twentieth of a sample, and hundreds of ticks of every clock.
const LENGTH: Duration = Duration::from_micros(250);

/// Lanes that fill the largest GPU, four elements each.
const ELEMENTS: u64 = 1 << 20;

/// On a CPU a few thousand are enough.
const ELEMENTS_ON_CPU: u64 = 1 << 14;

/// The most rungs that are tried.
const MOST_RUNGS: u32 = 1 << 20;

/// Twice the rungs have to take at least so many times as long.
const LEAST_GROWTH: f64 = 1.6;

/// How often they may try.
const GROWTH_ATTEMPTS: u32 = 10;

/// A witness that was found to grow with its rungs and to compute what it should.
pub struct Witness {
    /// What to dispatch once, before and behind each sample.
    pub workload: Workload,
    /// Its rungs.
    pub rungs: u32,
}

impl Witness {
    /// Finds the rungs for which it takes about a quarter of a millisecond.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the reason if its time does not grow with its rungs; [`Error::Mismatch`] if it computes something else;
    /// or if the device fails.
    pub fn new(gpu: &Gpu, seed: u64) -> Result<Self> {
        Self::of(gpu, seed, &Ladder::FMA.wgsl(), ShaderChecks::Trusted)
    }

    fn of(gpu: &Gpu, seed: u64, wgsl: &str, checks: ShaderChecks) -> Result<Self> {
        let ladder = Ladder::FMA;
        let elements = if gpu.facts.is_software { ELEMENTS_ON_CPU } else { ELEMENTS };
        let layout = gpu.layout(elements, ladder.storage.element_bytes());
        let (x, y) = (gpu.tensor("x of the witness", layout)?, gpu.tensor("y of the witness", layout)?);
        let copy = Activation::named("copy").expect("in the table");
        let inputs = Inputs::normal(seed);
        gpu.upload(&x, |first, bytes| inputs.fill_stored(copy, Role::X, ladder.storage, first, bytes))?;
        let climb = |rungs| gpu.climb_of(&ladder, wgsl, rungs, Shape::default(), checks, [&y, &x]);

        #[expect(clippy::cast_precision_loss, reason = "a quarter of a millisecond")]
        let wanted = LENGTH.as_nanos() as f64;
        let mut rungs = FLIGHT;
        let mut workload = climb(rungs)?;
        let mut time = fastest(gpu, &workload)?;
        while time < wanted && rungs < MOST_RUNGS {
            rungs *= 2;
            workload = climb(rungs)?;
            time = fastest(gpu, &workload)?;
        }
        gpu.run(&workload)?;
        check(gpu, &ladder, rungs, [&y, &x])?;
        let twice = climb(2 * rungs)?;
        let mut growth = 0.0f64;
        // What else runs on the machine can make the shorter one longer, but not again and again.
        for _ in 0..GROWTH_ATTEMPTS {
            growth = growth.max(fastest(gpu, &twice)? / fastest(gpu, &workload)?);
            if growth >= LEAST_GROWTH {
                return Ok(Self { workload, rungs });
            }
        }
        Err(Error::Unsupported(format!(
            "twice the rungs take {growth:.2} times as long: the compiler folded them, so there is no witness of the clock"
        )))
    }
}

/// The fastest of a few passes, in ns: what disturbs a pass makes it longer.
fn fastest(gpu: &Gpu, workload: &Workload) -> Result<f64> {
    // The first compiles and touches memory.
    measure::time_once(gpu, workload, 1)?;
    (0..3).map(|_| measure::time_once(gpu, workload, 1)).try_fold(f64::INFINITY, |fastest, ns| Ok(fastest.min(ns?)))
}

/// Compares every element with f64: a ladder that skips rungs would be a fast clock.
fn check(gpu: &Gpu, ladder: &Ladder, rungs: u32, [y, x]: [&Tensor; 2]) -> Result<()> {
    let storage = ladder.storage;
    let mut inputs = Vec::new();
    gpu.read(x, |_, bytes| {
        inputs.extend_from_slice(bytes);
        Ok(())
    })?;
    gpu.read(y, |first, bytes| {
        for (index, bits) in (usize::try_from(first).expect("a small tensor")..)
            .zip((0..bytes.len() / storage.element_size()).map(|index| storage.element(bytes, index)))
        {
            let x = storage.value(storage.element(&inputs, index));
            let (truth, bound) = ladder.climb(x, rungs);
            let actual = storage.value(bits);
            if (actual - truth).abs() > bound || actual.is_nan() {
                return Err(Error::Mismatch(format!(
                    "{}: element {index} climbs from {x:e} to {actual:e}, not to {truth:e} within {bound:e}",
                    ladder.id(rungs)
                )));
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Choice;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn it_computes_what_it_should() {
        let witness = Witness::new(&gpu(), 1).expect("a witness");
        assert!(witness.rungs >= FLIGHT);
    }

    #[test]
    fn rungs_that_are_left_out_are_found() {
        let gpu = gpu();
        let ladder = Ladder::FMA.wgsl();
        for (find, replace) in [
            // One rung, whatever k is; every second flight; one rung of sixteen less.
            (
                "for (var n = 0u; n < params.flights; n++) {",
                "for (var n = 0u; n < min(params.flights, 1u); n++) { v00 = rung(v00, a, x00); break;",
            ),
            ("fma(v, a, x)", "fma(v, a, x + 0.001)"),
            ("return fma(v, a, x);", "return x;"),
        ] {
            let planted = ladder.replacen(find, replace, 1);
            assert_ne!(planted, ladder, "{find}");
            let error = Witness::of(&gpu, 1, &planted, ShaderChecks::Checked).err();
            assert!(matches!(error, Some(Error::Mismatch(_) | Error::Unsupported(_))), "{find}: {error:?}");
        }
    }
}
