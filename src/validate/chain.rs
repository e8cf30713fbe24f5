//! A chain on a device: its tensors, its workloads by number of steps, and the check that it takes
//! them all.

use std::rc::Rc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use super::behaviour;
use crate::error::{Error, Result};
use crate::gpu::dump::Dump;
use crate::gpu::{Gpu, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::built_ins::BuiltIns;
use crate::kernels::chain::{Chain, Start};
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::repeat;

/// Elements that are also computed in f64: the first ones, as many spread over the first
/// [`SPREAD`], which are all words of some lanes, and the last ones.
const CHECKED: usize = 512;
const SPREAD: usize = 1 << 14;

/// Inputs repeat this many elements: far enough apart for memory compression, and quick to make.
const REPEATED: u64 = 1 << 20;

/// Elements that share a generator of random numbers, so that all cores draw them.
const BLOCK: usize = 1 << 16;

/// Numbers of steps at which each shows in the results in f16, too, where rounding hides later
/// ones.
const SHOWN_IN_F16: [u32; 2] = [16, 64];

/// A compiled chain with its tensors.
pub struct ChainRunner<'gpu> {
    gpu: &'gpu Gpu,
    /// What is run.
    pub chain: Chain,
    memory: Rc<Memory>,
    compiled: Workload,
}

/// The tensors of a chain.
struct Memory {
    elements: u64,
    /// y, x, and the saved tensor where v starts there.
    tensors: Vec<Tensor>,
    /// What x and the saved tensor repeat; the last is where v starts.
    hosts: Vec<Vec<u8>>,
}

impl Memory {
    fn tensors(&self) -> Vec<&Tensor> {
        self.tensors.iter().collect()
    }
}

impl<'gpu> ChainRunner<'gpu> {
    /// Compiles the chain for tensors of so many elements, uniform in the op's range.
    pub fn new(gpu: &'gpu Gpu, chain: Chain, elements: u64, seed: u64) -> Result<Self> {
        Self::shaped(gpu, chain, Shape::default(), elements, seed)
    }

    /// [`Self::new`] in workgroups of another size.
    pub fn shaped(
        gpu: &'gpu Gpu,
        chain: Chain,
        shape: Shape,
        elements: u64,
        seed: u64,
    ) -> Result<Self> {
        let memory = Rc::new(Memory::new(gpu, &chain, elements, seed)?);
        Self::of(gpu, chain, &chain.wgsl(), shape, ShaderChecks::Trusted, memory)
    }

    /// Another chain of the same op on the same tensors.
    pub fn again(&self, chain: Chain) -> Result<Self> {
        let memory = Rc::clone(&self.memory);
        Self::of(self.gpu, chain, &chain.wgsl(), self.shape(), ShaderChecks::Trusted, memory)
    }

    fn of(
        gpu: &'gpu Gpu,
        chain: Chain,
        wgsl: &str,
        shape: Shape,
        checks: ShaderChecks,
        memory: Rc<Memory>,
    ) -> Result<Self> {
        let compiled = gpu.chain_workload(&chain, wgsl, shape, checks, &memory.tensors())?;
        Ok(Self { gpu, chain, memory, compiled })
    }

    /// How its words are spread over invocations.
    pub fn shape(&self) -> Shape {
        self.compiled.shader.shape
    }

    /// The workload of that many steps.
    pub fn at(&self, steps: u32) -> Result<Workload> {
        self.with(&self.chain, steps)
    }

    /// Writes down its shader under a name.
    pub fn dump(&self, dump: &Dump, name: &str) -> Result<String> {
        dump.write(name, &self.chain.wgsl(), &self.shape().constants(1), ShaderChecks::Trusted)
    }

    fn with(&self, chain: &Chain, steps: u32) -> Result<Workload> {
        self.gpu.chain_workload_on(&self.compiled, chain, steps, &self.memory.tensors())
    }

    /// [`Self::at`], after a sample of its results was compared with f64; of the fma chain all
    /// results, and again with a factor that remembers each step.
    pub fn checked_at(&self, steps: u32) -> Result<Workload> {
        let workload = self.checked(&self.chain, steps)?;
        if self.chain.is_linear() && steps > 0 {
            let shown = SHOWN_IN_F16
                .into_iter()
                .filter(|shown| self.chain.dtype != Dtype::F32 && *shown < steps);
            for steps in shown.chain([steps]) {
                self.checked(&self.chain.remembering(steps), steps)?;
            }
        }
        Ok(workload)
    }

    /// Compares results with f64: all of them if they follow from the end of a chain from 1, else a
    /// sample.
    fn checked(&self, chain: &Chain, steps: u32) -> Result<Workload> {
        let (dtype, memory) = (chain.dtype, &self.memory);
        let is_exact = chain.is_linear();
        let built_ins =
            if is_exact { BuiltIns::default() } else { behaviour::built_ins(self.gpu, dtype)? };
        let run = |start: f64, x: f64| chain.run(&built_ins, start, x, steps);
        let of_one = (is_exact && chain.start == Start::X).then(|| run(1.0, 1.0));
        let input = |host: &[u8], index: u64| {
            let at = index * dtype.element_bytes() % host.len() as u64;
            dtype.value(dtype.element(&host[usize::try_from(at).expect("of the host")..], 0))
        };
        let compare = |first: u64, bytes: &[u8]| {
            for at in 0..bytes.len() / dtype.element_size() {
                let index = first + at as u64;
                let is_in_sample = index < CHECKED as u64
                    || index < SPREAD as u64 && at.is_multiple_of(SPREAD / CHECKED)
                    || index + CHECKED as u64 >= memory.elements;
                if of_one.is_none() && !is_in_sample {
                    continue;
                }
                let x = input(&memory.hosts[0], index);
                let start = input(memory.hosts.last().expect("x at least"), index);
                let actual = dtype.value(dtype.element(bytes, at));
                let (reference, run) = match of_one {
                    Some((end, bound)) => {
                        (end * x, bound * x.abs() + f64::from(steps) * dtype.memory().min_normal)
                    }
                    None => run(start, x),
                };
                // Stored in another format than computed in, it is rounded once more, either way.
                let converted = dtype.memory().ulp(reference) + dtype.memory().min_normal;
                let bound = if dtype.computed_in() == dtype { run } else { run + converted };
                if (actual - reference).abs() > bound || !actual.is_finite() {
                    return Err(Error::Mismatch(format!(
                        "{}: element {index} starts at {start:e} and ends at {actual:e}, \
                         not within {bound:e} of {reference:e}",
                        chain.id(steps)
                    )));
                }
            }
            Ok(())
        };
        let workload = self.with(chain, steps)?;
        self.gpu.run(&workload)?;
        let y = &memory.tensors[0];
        match of_one {
            Some(_) => self.gpu.read(y, compare)?,
            None => self.gpu.read_ends(y, compare)?,
        }
        Ok(workload)
    }
}

impl Memory {
    fn new(gpu: &Gpu, chain: &Chain, elements: u64, seed: u64) -> Result<Self> {
        let dtype = chain.dtype;
        gpu.supports_dtype(dtype)?;
        let inputs: &[&str] = match chain.start {
            Start::X => &["x of a chain"],
            Start::Saved => &["x of a chain", "saved of a chain"],
        };
        let tensors = 1 + inputs.len() as u64;
        gpu.ensure_room(elements.saturating_mul(tensors * dtype.element_bytes()))?;
        let layout = gpu.layout(elements, dtype.element_bytes());
        let (mut tensors, mut hosts) = (vec![gpu.tensor("y of a chain", layout)?], Vec::new());
        for (input, label) in (0..).zip(inputs) {
            let tensor = gpu.tensor(label, layout)?;
            let host = uniform(dtype, chain.op.range, elements.min(REPEATED), seed ^ input);
            gpu.upload(&tensor, |first, bytes| {
                repeat(&host, first * dtype.element_bytes(), bytes);
            })?;
            tensors.push(tensor);
            hosts.push(host);
        }
        Ok(Self { elements, tensors, hosts })
    }
}

/// Uniform in a range, as bytes. Each block of elements has its own generator.
fn uniform(dtype: Dtype, [from, to]: [f64; 2], elements: u64, seed: u64) -> Vec<u8> {
    let size = dtype.element_size();
    let mut host = vec![0; usize::try_from(elements).expect("the host holds them") * size];
    let mut seeds = Xoshiro256PlusPlus::seed_from_u64(seed);
    let blocks: Vec<(u64, &mut [u8])> =
        host.chunks_mut(BLOCK * size).map(|block| (seeds.random(), block)).collect();
    blocks.into_par_iter().for_each(|(seed, block)| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        for element in block.chunks_exact_mut(size) {
            let bits = dtype.bits(random.random_range(from..=to));
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

    /// A runner of a WGSL text that stands in for the chain's own, checked at run time.
    fn planted<'gpu>(gpu: &'gpu Gpu, chain: Chain, wgsl: &str) -> ChainRunner<'gpu> {
        let memory = Rc::new(Memory::new(gpu, &chain, 2000, 3).expect("room"));
        let checks = ShaderChecks::Checked;
        ChainRunner::of(gpu, chain, wgsl, Shape::default(), checks, memory).expect("it compiles")
    }

    #[test]
    fn every_op_is_that_of_f64() {
        let gpu = gpu();
        let dtypes = Dtype::ALL.into_iter().filter(|dtype| gpu.supports_dtype(*dtype).is_ok());
        for (op, dtype) in dtypes.flat_map(|dtype| OPS.iter().map(move |op| (op, dtype))) {
            for words in
                if op.dtypes.contains(&dtype.computed_in()) { [1, 2].as_slice() } else { &[] }
            {
                // No multiple of a lane's words or of a workgroup.
                let runner =
                    ChainRunner::new(&gpu, Chain::new(op, dtype, *words), 1000, 3).expect("room");
                let saved = Chain { start: Start::Saved, ..runner.chain };
                let from_saved = ChainRunner::new(&gpu, saved, 1000, 3).expect("room");
                let short =
                    ChainRunner::new(&gpu, Chain { unroll: 1, ..saved }, 1000, 3).expect("room");
                for steps in [0, 1, 15, 16, 17, 64] {
                    for runner in [&runner, &from_saved, &short] {
                        runner.checked_at(steps).unwrap_or_else(|error| {
                            panic!("{} of {words} words: {error}", runner.chain.path())
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
            let chain = Chain::new(op, Dtype::F32, 1);
            let wgsl = chain.wgsl().replacen(find, replace, 1);
            assert_ne!(wgsl, chain.wgsl(), "{name}");
            let runner = planted(&gpu, chain, &wgsl);
            let error = runner.checked_at(17).err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{name}: {error:?}");
        }
    }

    #[test]
    fn steps_that_are_left_out_are_found() {
        let gpu = gpu();
        let chain = Chain::fma();
        for (what, find, replace) in [
            ("one iteration, whatever k is", "n < params.unrolled", "n < 1u"),
            ("every second iteration", "n++", "n += 2u"),
            ("all but the last iteration", "n < params.unrolled", "n + 1u < params.unrolled"),
            ("two iterations at most", "n < params.unrolled", "n < min(params.unrolled, 2u)"),
            ("15 steps of 16", "        v00 = step(v00, a, x00);\n", ""),
            ("no loop", "v00 = step(v00, a, x00);", "v00 = step(v00, a, x00); break;"),
            ("a factor of its own", "T(vec4<f32>(params.factor))", "T(vec4<f32>(-0.75))"),
            ("another x", "fma(v, a, x)", "fma(v, a, x + 0.001)"),
            ("no fma", "return fma(v, a, x);", "return x;"),
        ] {
            let wgsl = chain.wgsl().replacen(find, replace, 1);
            assert_ne!(wgsl, chain.wgsl(), "{what}");
            let runner = planted(&gpu, chain, &wgsl);
            for steps in [64, 512, 4096] {
                let error = runner.checked_at(steps).err();
                assert!(
                    matches!(error, Some(Error::Mismatch(_))),
                    "{what}, {steps} steps: {error:?}"
                );
            }
        }
    }
}
