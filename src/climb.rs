//! A ladder on a device: its tensors, its workloads by number of rungs, and the check that it climbs.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::dump::Dump;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::ladder::{Ladder, Start};
use crate::storage::Storage;

/// Elements whose climb is computed in f64: the first ones, and as many spread over the rest.
const CHECKED: usize = 512;

/// Elements that share a generator of random numbers, so that all cores draw them.
const BLOCK: usize = 1 << 16;

/// A compiled ladder with its tensors.
pub struct Climb<'gpu> {
    gpu: &'gpu Gpu,
    /// What is climbed.
    pub ladder: Ladder,
    /// y, x, and the saved tensor where the climb begins there.
    tensors: Vec<Tensor>,
    /// x and the saved tensor as they were uploaded; of a climb from x, the latter is x.
    hosts: Vec<Vec<u8>>,
    compiled: Workload,
}

impl<'gpu> Climb<'gpu> {
    /// Compiles the ladder for tensors of so many elements, uniform in the op's range.
    ///
    /// # Errors
    /// If the adapter lacks a feature or room, the shader does not compile, or the device fails.
    pub fn new(gpu: &'gpu Gpu, ladder: Ladder, elements: u64, seed: u64) -> Result<Self> {
        Self::shaped(gpu, ladder, Shape::default(), elements, seed)
    }

    /// [`Self::new`] in workgroups of another size.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn shaped(gpu: &'gpu Gpu, ladder: Ladder, shape: Shape, elements: u64, seed: u64) -> Result<Self> {
        Self::of(gpu, ladder, &ladder.wgsl(), shape, ShaderChecks::Trusted, elements, seed)
    }

    /// [`Self::new`] of a WGSL text that stands in for the ladder's own, always checked: how tests plant faults.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn planted(gpu: &'gpu Gpu, ladder: Ladder, wgsl: &str, elements: u64, seed: u64) -> Result<Self> {
        Self::of(gpu, ladder, wgsl, Shape::default(), ShaderChecks::Checked, elements, seed)
    }

    fn of(
        gpu: &'gpu Gpu,
        ladder: Ladder,
        wgsl: &str,
        shape: Shape,
        checks: ShaderChecks,
        elements: u64,
        seed: u64,
    ) -> Result<Self> {
        let storage = ladder.storage;
        gpu.supports_storage(storage)?;
        let inputs = match ladder.start {
            Start::X => 1,
            Start::Saved => 2,
        };
        gpu.ensure_room(elements.saturating_mul((1 + 2 * inputs) * storage.element_bytes()))?;
        let layout = gpu.layout(elements, storage.element_bytes());
        let (mut tensors, mut hosts) = (vec![gpu.tensor("y of a ladder", layout)?], Vec::new());
        for input in 0..inputs {
            let tensor = gpu.tensor(if input == 0 { "x of a ladder" } else { "saved of a ladder" }, layout)?;
            let host = uniform(storage, ladder.op.range, elements, seed ^ input);
            gpu.upload(&tensor, |first, bytes| {
                let first = usize::try_from(first).expect("the host holds them") * storage.element_size();
                bytes.copy_from_slice(&host[first..first + bytes.len()]);
            })?;
            tensors.push(tensor);
            hosts.push(host);
        }
        let compiled = gpu.climb(&ladder, wgsl, 0, shape, checks, &tensors.iter().collect::<Vec<_>>())?;
        Ok(Self { gpu, ladder, tensors, hosts, compiled })
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
        self.with(&self.ladder, rungs)
    }

    /// Writes down its shader under a name.
    ///
    /// # Errors
    /// If that can't be written.
    pub fn dump(&self, dump: &Dump, name: &str) -> Result<String> {
        dump.write(name, &self.ladder.wgsl(), &self.shape().constants(1), ShaderChecks::Trusted)
    }

    fn with(&self, ladder: &Ladder, rungs: u32) -> Result<Workload> {
        self.gpu.climb_on(&self.compiled, ladder, rungs, &self.tensors.iter().collect::<Vec<_>>())
    }

    /// [`Self::at`], after its results were compared with f64: those of a sample of the elements, as they are timed; and of the fma ladder all,
    /// with a factor that remembers each rung.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if one is farther off than WGSL allows; or if the device fails.
    pub fn checked_at(&self, rungs: u32) -> Result<Workload> {
        let workload = self.at(rungs)?;
        self.check(&self.ladder, &workload, rungs)?;
        if self.ladder.is_linear() && rungs > 0 {
            let remembering = self.ladder.remembering(rungs);
            let workload = self.with(&remembering, rungs)?;
            self.check(&remembering, &workload, rungs)?;
        }
        Ok(workload)
    }

    fn check(&self, ladder: &Ladder, workload: &Workload, rungs: u32) -> Result<()> {
        self.gpu.run(workload)?;
        let storage = ladder.storage;
        let elements = self.hosts[0].len() / storage.element_size();
        let stride = (elements / CHECKED).max(1);
        let of_one = (ladder.is_linear() && ladder.start == Start::X).then(|| ladder.climb(1.0, 1.0, rungs));
        let input = |host: usize, index: usize| storage.value(storage.element(&self.hosts[host], index));
        self.gpu.read(&self.tensors[0], |first, bytes| {
            let first = usize::try_from(first).expect("the host holds them");
            for at in 0..(bytes.len() / storage.element_size()).min(elements - first) {
                let index = first + at;
                if of_one.is_none() && index >= CHECKED && !index.is_multiple_of(stride) {
                    continue;
                }
                let (x, start) = (input(0, index), input(self.hosts.len() - 1, index));
                let actual = storage.value(storage.element(bytes, at));
                let (truth, bound) = match of_one {
                    Some((end, bound)) => (end * x, bound * x.abs() + f64::from(rungs) * storage.memory().min_normal),
                    None => ladder.climb(start, x, rungs),
                };
                if (actual - truth).abs() > bound || !actual.is_finite() {
                    return Err(Error::Mismatch(format!(
                        "{}: element {index} climbs from {start:e} to {actual:e}, not to {truth:e} within {bound:e}",
                        ladder.id(rungs)
                    )));
                }
            }
            Ok(())
        })
    }
}

/// Uniform in a range, from generators of their own for blocks of elements, as they lie in memory.
fn uniform(storage: Storage, [from, to]: [f64; 2], elements: u64, seed: u64) -> Vec<u8> {
    let size = storage.element_size();
    let mut host = vec![0; usize::try_from(elements).expect("the host holds them") * size];
    let mut seeds = Xoshiro256PlusPlus::seed_from_u64(seed);
    let blocks: Vec<(u64, &mut [u8])> = host.chunks_mut(BLOCK * size).map(|block| (seeds.random(), block)).collect();
    blocks.into_par_iter().for_each(|(seed, block)| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        for element in block.chunks_exact_mut(size) {
            let bits = storage.bits(random.random_range(from..=to));
            element.copy_from_slice(&bits.to_le_bytes()[..size]);
        }
    });
    host
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Choice;
    use crate::ops::{OPS, Op};

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn every_op_climbs_as_in_f64() {
        let gpu = gpu();
        for op in OPS {
            for words in [1, 2] {
                // No multiple of a flight, of a lane's words, or of a workgroup.
                let climb = Climb::new(&gpu, Ladder::new(op, Storage::F32, words), 1000, 3).expect("room");
                let saved = Ladder { start: Start::Saved, ..climb.ladder };
                let from_saved = Climb::new(&gpu, saved, 1000, 3).expect("room");
                let short = Climb::new(&gpu, Ladder { flight: 1, ..saved }, 1000, 3).expect("room");
                for rungs in [0, 1, 15, 16, 17, 64] {
                    for climb in [&climb, &from_saved, &short] {
                        climb.checked_at(rungs).unwrap_or_else(|error| panic!("{} of {words} words: {error}", op.name));
                    }
                }
            }
        }
    }

    #[test]
    fn a_wrong_function_or_a_wrong_end_is_found() {
        let gpu = gpu();
        for (name, find, replace) in [
            ("exp2", "exp2(v)", "exp(v)"),
            ("exp", "exp(v)", "exp2(v)"),
            ("max", "max(v, x)", "v"),
            ("select", "v > T(0.25)", "v > T(-0.5)"),
            ("division", "x / v", "v / x"),
            ("rsqrt", "inverseSqrt(v)", "sqrt(v)"),
            ("relu/plain", "relu_plain(v)", "abs(v)"),
            ("sigmoid/two_sided", "sigmoid_two_sided(v)", "sigmoid_two_sided(-v)"),
            ("backward/sigmoid/from_y", "sigmoid_from_y(v, x)", "sigmoid_from_y(x, v)"),
            ("backward/relu/from_y", "relu_from_y(v, x)", "x"),
            ("tanh", "y[i0] = result0", "y[i0] = word0"),
        ] {
            let op = Op::named(name).expect("in the table");
            let ladder = Ladder::new(op, Storage::F32, 1);
            let planted = ladder.wgsl().replacen(find, replace, 1);
            let planted = if planted == ladder.wgsl() { panic!("{name}: {find} is not there") } else { planted };
            let climb = Climb::planted(&gpu, ladder, &planted, 2000, 3).expect("it compiles");
            let error = climb.checked_at(17).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{name}: {error:?}");
        }
    }

    #[test]
    fn rungs_that_are_left_out_are_found() {
        let gpu = gpu();
        let ladder = Ladder::FMA;
        for (what, find, replace) in [
            ("one flight, whatever k is", "n < params.flights", "n < 1u"),
            ("every second flight", "n++", "n += 2u"),
            ("all but the last flight", "n < params.flights", "n + 1u < params.flights"),
            ("two flights at most", "n < params.flights", "n < min(params.flights, 2u)"),
            ("15 rungs of 16", "        v00 = rung(v00, a, x00);\n", ""),
            ("no loop", "v00 = rung(v00, a, x00);", "v00 = rung(v00, a, x00); break;"),
            ("a factor of its own", "T(vec4<f32>(params.factor))", "T(vec4<f32>(-0.75))"),
            ("another x", "fma(v, a, x)", "fma(v, a, x + 0.001)"),
            ("no fma", "return fma(v, a, x);", "return x;"),
        ] {
            let planted = ladder.wgsl().replacen(find, replace, 1);
            assert_ne!(planted, ladder.wgsl(), "{what}");
            let climb = Climb::planted(&gpu, ladder, &planted, 2000, 1).expect("it compiles");
            for rungs in [64, 512, 4096] {
                let error = climb.checked_at(rungs).err();
                assert!(matches!(error, Some(Error::Mismatch(_))), "{what}, {rungs} rungs: {error:?}");
            }
        }
    }
}
