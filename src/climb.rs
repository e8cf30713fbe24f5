//! A ladder on a device: its tensors, its workloads by number of rungs, and the check that it climbs.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::ladder::Ladder;

/// Elements whose climb is computed in f64: the first ones, and as many spread over the rest.
const CHECKED: usize = 512;

/// A compiled ladder with its tensors.
pub struct Climb<'gpu> {
    gpu: &'gpu Gpu,
    /// What is climbed.
    pub ladder: Ladder,
    y: Tensor,
    x: Tensor,
    /// x as it was uploaded.
    host: Vec<u8>,
    compiled: Workload,
}

impl<'gpu> Climb<'gpu> {
    /// Compiles the ladder for tensors of so many elements, x uniform in the op's range.
    ///
    /// # Errors
    /// If the adapter lacks a feature or room, the shader does not compile, or the device fails.
    pub fn new(gpu: &'gpu Gpu, ladder: Ladder, elements: u64, seed: u64) -> Result<Self> {
        Self::of(gpu, ladder, &ladder.wgsl(), ShaderChecks::Trusted, elements, seed)
    }

    /// [`Self::new`] of a WGSL text that stands in for the ladder's own, always checked: how tests plant faults.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn planted(gpu: &'gpu Gpu, ladder: Ladder, wgsl: &str, elements: u64, seed: u64) -> Result<Self> {
        Self::of(gpu, ladder, wgsl, ShaderChecks::Checked, elements, seed)
    }

    fn of(gpu: &'gpu Gpu, ladder: Ladder, wgsl: &str, checks: ShaderChecks, elements: u64, seed: u64) -> Result<Self> {
        let storage = ladder.storage;
        gpu.supports_storage(storage)?;
        let layout = gpu.layout(elements, storage.element_bytes());
        let (x, y) = (gpu.tensor("x of a ladder", layout)?, gpu.tensor("y of a ladder", layout)?);
        let [from, to] = ladder.op.range;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut host = Vec::new();
        for _ in 0..elements {
            let bits = storage.bits(random.random_range(from..=to));
            host.extend_from_slice(&bits.to_le_bytes()[..storage.element_size()]);
        }
        gpu.upload(&x, |first, bytes| {
            let first = usize::try_from(first).expect("a small tensor") * storage.element_size();
            bytes.copy_from_slice(&host[first..first + bytes.len()]);
        })?;
        let compiled = gpu.climb_of(&ladder, wgsl, 0, Shape::default(), checks, [&y, &x])?;
        Ok(Self { gpu, ladder, y, x, host, compiled })
    }

    /// How its words are spread over invocations.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.compiled.shape
    }

    /// The workload of so many rungs.
    ///
    /// # Errors
    /// If the device fails.
    pub fn at(&self, rungs: u32) -> Result<Workload> {
        self.gpu.climb_on(&self.compiled, &self.ladder, rungs, &self.y, &self.x)
    }

    /// [`Self::at`], after a sample of its results was compared with f64.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if one is farther off than WGSL allows; or if the device fails.
    pub fn checked_at(&self, rungs: u32) -> Result<Workload> {
        let workload = self.at(rungs)?;
        self.gpu.run(&workload)?;
        let storage = self.ladder.storage;
        let elements = self.host.len() / storage.element_size();
        let stride = (elements / CHECKED).max(1);
        let (gpu, ladder, host) = (self.gpu, &self.ladder, &self.host);
        gpu.read(&self.y, |first, bytes| {
            let first = usize::try_from(first).expect("a small tensor");
            for at in 0..(bytes.len() / storage.element_size()).min(elements - first) {
                let index = first + at;
                if index >= CHECKED && !index.is_multiple_of(stride) {
                    continue;
                }
                let x = storage.value(storage.element(host, index));
                let actual = storage.value(storage.element(bytes, at));
                let (truth, bound) = ladder.climb(x, rungs);
                if (actual - truth).abs() > bound || !actual.is_finite() {
                    return Err(Error::Mismatch(format!(
                        "{}: element {index} climbs from {x:e} to {actual:e}, not to {truth:e} within {bound:e}",
                        ladder.id(rungs)
                    )));
                }
            }
            Ok(())
        })?;
        Ok(workload)
    }
}
