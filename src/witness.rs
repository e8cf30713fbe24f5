//! The witness of the core clock: a short ladder of fma that runs before and behind every sample.
//!
//! It touches next to no memory and no special function, so that its time is the inverse of the clock, whatever the samples do.

use std::time::{Duration, Instant};

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::inputs::Inputs;
use crate::kernel::Role;
use crate::ladder::{FLIGHT, Ladder};

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
    /// [`Error::Unsupported`] with the reason if its time does not grow with its rungs, or if the clock gives none; [`Error::Mismatch`] if it
    /// computes something else; or if the device fails.
    pub fn new(gpu: &Gpu, seed: u64) -> Result<Self> {
        let wgsl = Ladder::FMA.wgsl();
        let bottom = Bottom::new(gpu, seed, &wgsl, ShaderChecks::Trusted)?;
        let wanted = LENGTH.as_secs_f64() * 1e9;
        let mut rungs = FLIGHT;
        let mut workload = bottom.climb(&Ladder::FMA, rungs)?;
        let began = Instant::now();
        let mut time = fastest(gpu, &workload)?;
        // A clock may be too coarse for a few rungs, but not for so long.
        while time.map_or(began.elapsed() < 1000 * LENGTH, |time| time < wanted) && rungs < MOST_RUNGS {
            rungs *= 2;
            workload = bottom.climb(&Ladder::FMA, rungs)?;
            time = fastest(gpu, &workload)?;
        }
        bottom.check(rungs)?;
        let twice = fastest(gpu, &bottom.climb(&Ladder::FMA, 2 * rungs)?)?;
        let Some((time, twice)) = time.zip(twice) else {
            return Err(Error::Unsupported(format!("the clock gave no time for {rungs} rungs")));
        };
        let growth = twice / time;
        if growth < LEAST_GROWTH {
            return Err(Error::Unsupported(format!(
                "twice the rungs take {growth:.2} times as long, so that its time is not that of its rungs"
            )));
        }
        Ok(Self { workload, rungs })
    }
}

/// The fastest of a few passes, in ns: what disturbs a pass makes it longer. None if the clock gave no time.
fn fastest(gpu: &Gpu, workload: &Workload) -> Result<Option<f64>> {
    // The first touches memory.
    let times = gpu.time(&[(workload, 1); 4])?;
    Ok(times.into_iter().skip(1).filter_map(std::result::Result::ok).reduce(f64::min))
}

/// Where a witness climbs from and to.
struct Bottom<'a> {
    gpu: &'a Gpu,
    wgsl: &'a str,
    checks: ShaderChecks,
    y: Tensor,
    x: Tensor,
}

impl<'a> Bottom<'a> {
    fn new(gpu: &'a Gpu, seed: u64, wgsl: &'a str, checks: ShaderChecks) -> Result<Self> {
        let storage = Ladder::FMA.storage;
        let elements = if gpu.facts.is_software { ELEMENTS_ON_CPU } else { ELEMENTS };
        let layout = gpu.layout(elements, storage.element_bytes());
        let (x, y) = (gpu.tensor("x of the witness", layout)?, gpu.tensor("y of the witness", layout)?);
        let copy = Activation::named("copy").expect("in the table");
        let inputs = Inputs::normal(seed);
        gpu.upload(&x, |first, bytes| inputs.fill_stored(copy, Role::X, storage, first, bytes))?;
        Ok(Self { gpu, wgsl, checks, y, x })
    }

    fn climb(&self, ladder: &Ladder, rungs: u32) -> Result<Workload> {
        self.gpu.climb_of(ladder, self.wgsl, rungs, Shape::default(), self.checks, [&self.y, &self.x])
    }

    /// Climbs so many rungs with a factor that remembers each, and compares every element with f64: a ladder that skips rungs would be a fast
    /// clock, and one that skips every second is twice as long for twice the rungs all the same.
    fn check(&self, rungs: u32) -> Result<()> {
        let ladder = Ladder::FMA.remembering(rungs);
        let Ladder { storage, .. } = ladder;
        self.gpu.run(&self.climb(&ladder, rungs)?)?;
        let mut inputs = Vec::new();
        self.gpu.read(&self.x, |_, bytes| {
            inputs.extend_from_slice(bytes);
            Ok(())
        })?;
        // A ladder of fma is linear: climbing from 1 tells where every x ends.
        let (slope, bound) = (ladder.climb(1.0, rungs), ladder.bound(rungs));
        self.gpu.read(&self.y, |first, bytes| {
            for (index, bits) in (usize::try_from(first).expect("a small tensor")..)
                .zip((0..bytes.len() / storage.element_size()).map(|index| storage.element(bytes, index)))
            {
                let x = storage.value(storage.element(&inputs, index));
                let (truth, bound) = (slope * x, bound * x.abs() + f64::from(rungs) * storage.memory().min_normal);
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
        let gpu = gpu();
        let text = Ladder::FMA.wgsl();
        for checks in [ShaderChecks::Trusted, ShaderChecks::Checked] {
            let bottom = Bottom::new(&gpu, 1, &text, checks).expect("room");
            for rungs in [16, 256, 4096] {
                bottom.check(rungs).expect("it climbs");
            }
        }
        // How its time grows is up to what else the machine does.
        match Witness::new(&gpu, 1) {
            Ok(witness) => assert!(witness.rungs.is_multiple_of(FLIGHT)),
            Err(Error::Unsupported(reason)) => assert!(reason.contains("twice the rungs"), "{reason}"),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn rungs_that_are_left_out_are_found() {
        let gpu = gpu();
        let ladder = Ladder::FMA.wgsl();
        for (what, find, replace) in [
            ("one flight, whatever k is", "n < params.flights", "n < 1u"),
            ("every second flight", "n++", "n += 2u"),
            ("all but the last flight", "n < params.flights", "n + 1u < params.flights"),
            ("two flights at most", "n < params.flights", "n < min(params.flights, 2u)"),
            ("15 rungs of 16", "w = rung(w, a, x); ", ""),
            ("no loop", "v = flight(v, a, x);", "v = flight(v, a, x); break;"),
            ("a factor of its own", "T(vec4<f32>(params.factor))", "T(vec4<f32>(-0.75))"),
            ("another x", "fma(forward(v), a, x)", "fma(forward(v), a, x + 0.001)"),
            ("no fma", "return fma(forward(v), a, x);", "return x;"),
        ] {
            let planted = ladder.replacen(find, replace, 1);
            assert_ne!(planted, ladder, "{what}");
            let bottom = Bottom::new(&gpu, 1, &planted, ShaderChecks::Checked).expect("room");
            for rungs in [64, 512, 4096] {
                let error = bottom.check(rungs).err();
                assert!(matches!(error, Some(Error::Mismatch(_))), "{what}, {rungs} rungs: {error:?}");
            }
        }
    }
}
