//! A ladder on a device: its tensors, its workloads by number of rungs, and the check that it climbs.

use std::rc::Rc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::gpu::dump::Dump;
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::chain::{Ladder, Start};
use crate::kernels::dtype::Storage;
use crate::kernels::inputs::repeat;

/// Elements whose climb is computed in f64: the first ones, as many spread over the first [`SPREAD`], which are all words of some lanes, and the last
/// ones.
const CHECKED: usize = 512;
const SPREAD: usize = 1 << 14;

/// Inputs are so many elements, over and over: at distances that no memory compression sees, and soon made.
const REPEATED: u64 = 1 << 20;

/// Elements that share a generator of random numbers, so that all cores draw them.
const BLOCK: usize = 1 << 16;

/// Rungs and flights at which each shows in the unit's results in f16 as well, where later ones are lost in rounding.
const SHOWN_IN_F16: [u32; 2] = [16, 64];

/// A compiled ladder with its tensors.
pub struct Climb<'gpu> {
    gpu: &'gpu Gpu,
    /// What is climbed.
    pub ladder: Ladder,
    memory: Rc<Memory>,
    compiled: Workload,
}

/// The tensors of a ladder.
struct Memory {
    elements: u64,
    /// y, x, and the saved tensor where the climb begins there.
    tensors: Vec<Tensor>,
    /// What x and the saved tensor repeat; of a climb from x, the latter is x.
    hosts: Vec<Vec<u8>>,
}

impl Memory {
    fn tensors(&self) -> Vec<&Tensor> {
        self.tensors.iter().collect()
    }
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
    pub fn shaped(
        gpu: &'gpu Gpu,
        ladder: Ladder,
        shape: Shape,
        elements: u64,
        seed: u64,
    ) -> Result<Self> {
        let memory = Rc::new(Memory::new(gpu, &ladder, elements, seed)?);
        Self::of(gpu, ladder, &ladder.wgsl(), shape, ShaderChecks::Trusted, memory)
    }

    /// [`Self::new`] of a WGSL text that stands in for the ladder's own, always checked: how tests plant faults.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn planted(
        gpu: &'gpu Gpu,
        ladder: Ladder,
        wgsl: &str,
        elements: u64,
        seed: u64,
    ) -> Result<Self> {
        let memory = Rc::new(Memory::new(gpu, &ladder, elements, seed)?);
        Self::of(gpu, ladder, wgsl, Shape::default(), ShaderChecks::Checked, memory)
    }

    /// The same ladder on the same tensors, with another number of words a lane.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_words(&self, words: u32) -> Result<Self> {
        let ladder = Ladder { words, ..self.ladder };
        let memory = Rc::clone(&self.memory);
        Self::of(
            self.gpu,
            ladder,
            &ladder.wgsl(),
            self.compiled.shape,
            ShaderChecks::Trusted,
            memory,
        )
    }

    fn of(
        gpu: &'gpu Gpu,
        ladder: Ladder,
        wgsl: &str,
        shape: Shape,
        checks: ShaderChecks,
        memory: Rc<Memory>,
    ) -> Result<Self> {
        let compiled = gpu.climb(&ladder, wgsl, 0, shape, checks, &memory.tensors())?;
        Ok(Self { gpu, ladder, memory, compiled })
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
        self.gpu.climb_on(&self.compiled, ladder, rungs, &self.memory.tensors())
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
            let shown = SHOWN_IN_F16
                .into_iter()
                .filter(|shown| self.ladder.storage != Storage::F32 && *shown < rungs);
            for rungs in shown.chain([rungs]) {
                let remembering = self.ladder.remembering(rungs);
                self.check(&remembering, &self.with(&remembering, rungs)?, rungs)?;
            }
        }
        Ok(workload)
    }

    fn check(&self, ladder: &Ladder, workload: &Workload, rungs: u32) -> Result<()> {
        self.gpu.run(workload)?;
        let y = &self.memory.tensors[0];
        if ladder.is_linear() && ladder.start == Start::X {
            let of_one = ladder.climb(1.0, 1.0, rungs);
            return self
                .gpu
                .read(y, |first, bytes| self.compare(ladder, rungs, first, bytes, Some(of_one)));
        }
        self.gpu.read_ends(y, |first, bytes| self.compare(ladder, rungs, first, bytes, None))
    }

    /// Compares a piece of the results with f64: all of them if it is known where a climb from 1 ends, else a sample.
    fn compare(
        &self,
        ladder: &Ladder,
        rungs: u32,
        first: u64,
        bytes: &[u8],
        of_one: Option<(f64, f64)>,
    ) -> Result<()> {
        let (storage, memory) = (ladder.storage, &self.memory);
        let length = bytes.len() / storage.element_size();
        let input =
            |host: &[u8], index: u64| {
                let repeated = (host.len() / storage.element_size()) as u64;
                storage.value(storage.element(
                    host,
                    usize::try_from(index % repeated).expect("an index of the host"),
                ))
            };
        for at in 0..length {
            let index = first + at as u64;
            let is_in_sample = index < CHECKED as u64
                || index < SPREAD as u64 && at.is_multiple_of(SPREAD / CHECKED)
                || index + CHECKED as u64 >= memory.elements;
            if of_one.is_none() && !is_in_sample {
                continue;
            }
            let x = input(&memory.hosts[0], index);
            let start = input(memory.hosts.last().expect("x at least"), index);
            let actual = storage.value(storage.element(bytes, at));
            let (truth, climbed) = match of_one {
                Some((end, bound)) => {
                    (end * x, bound * x.abs() + f64::from(rungs) * storage.memory().min_normal)
                }
                None => ladder.climb(start, x, rungs),
            };
            // What is stored in another format than it was computed in is rounded once more, either way.
            let is_converted = storage.computed_in() != storage;
            let stored = if is_converted {
                storage.memory().ulp(truth) + storage.memory().min_normal
            } else {
                0.0
            };
            let bound = climbed + stored;
            if (actual - truth).abs() > bound || !actual.is_finite() {
                return Err(Error::Mismatch(format!(
                    "{}: element {index} climbs from {start:e} to {actual:e}, not to {truth:e} within {bound:e}",
                    ladder.id(rungs)
                )));
            }
        }
        Ok(())
    }
}

impl Memory {
    fn new(gpu: &Gpu, ladder: &Ladder, elements: u64, seed: u64) -> Result<Self> {
        let storage = ladder.storage;
        gpu.supports_storage(storage)?;
        let inputs = match ladder.start {
            Start::X => 1,
            Start::Saved => 2,
        };
        gpu.ensure_room(elements.saturating_mul((1 + inputs) * storage.element_bytes()))?;
        let layout = gpu.layout(elements, storage.element_bytes());
        let (mut tensors, mut hosts) = (vec![gpu.tensor("y of a ladder", layout)?], Vec::new());
        for input in 0..inputs {
            let tensor =
                gpu.tensor(if input == 0 { "x of a ladder" } else { "saved of a ladder" }, layout)?;
            let host = uniform(storage, ladder.op.range, elements.min(REPEATED), seed ^ input);
            gpu.upload(&tensor, |first, bytes| {
                repeat(&host, first * storage.element_bytes(), bytes)
            })?;
            tensors.push(tensor);
            hosts.push(host);
        }
        Ok(Self { elements, tensors, hosts })
    }
}

/// Uniform in a range, from generators of their own for blocks of elements, as they lie in memory.
fn uniform(storage: Storage, [from, to]: [f64; 2], elements: u64, seed: u64) -> Vec<u8> {
    let size = storage.element_size();
    let mut host = vec![0; usize::try_from(elements).expect("the host holds them") * size];
    let mut seeds = Xoshiro256PlusPlus::seed_from_u64(seed);
    let blocks: Vec<(u64, &mut [u8])> =
        host.chunks_mut(BLOCK * size).map(|block| (seeds.random(), block)).collect();
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
    use crate::kernels::ops::{OPS, Op};

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    #[test]
    fn every_op_climbs_as_in_f64() {
        let gpu = gpu();
        let storages = [Storage::F32, Storage::F16, Storage::F16Native];
        let storages =
            storages.into_iter().filter(|storage| gpu.supports_storage(*storage).is_ok());
        for (op, storage) in storages.flat_map(|storage| OPS.iter().map(move |op| (op, storage))) {
            for words in
                if op.storages.contains(&storage.computed_in()) { [1, 2].as_slice() } else { &[] }
            {
                // No multiple of a flight, of a lane's words, or of a workgroup.
                let climb =
                    Climb::new(&gpu, Ladder::new(op, storage, *words), 1000, 3).expect("room");
                let saved = Ladder { start: Start::Saved, ..climb.ladder };
                let from_saved = Climb::new(&gpu, saved, 1000, 3).expect("room");
                let short = Climb::new(&gpu, Ladder { flight: 1, ..saved }, 1000, 3).expect("room");
                for rungs in [0, 1, 15, 16, 17, 64] {
                    for climb in [&climb, &from_saved, &short] {
                        climb.checked_at(rungs).unwrap_or_else(|error| {
                            panic!("{} of {words} words: {error}", climb.ladder.path())
                        });
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
            let planted = if planted == ladder.wgsl() {
                panic!("{name}: {find} is not there")
            } else {
                planted
            };
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
                assert!(
                    matches!(error, Some(Error::Mismatch(_))),
                    "{what}, {rungs} rungs: {error:?}"
                );
            }
        }
    }
}
