//! Exhaustive validation: every input there is, streamed through the kernels in chunks.
//!
//! Kernels that read the same first operand run on the same chunk, and share the forward reference.
//! While the CPU compares a chunk, the device computes the next. Between chunks everything that is
//! known is a [`Position`], which a file can keep and a later run can go on from.

mod chunk;
mod extremes;
mod uniform;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::extremes::{At, Extremes, Found};
use super::elementwise::{Piece, THREAD_CHUNK};
use super::trial::fill_with_sentinels;
use crate::error::Result;
use crate::gpu::{Gpu, ReadBack, ShaderChecks, Shape, Tensor, WORD_BYTES, Workload};
use crate::kernels::activation::Saved;
use crate::kernels::dtype::{Dtype, Elements, F16Elements, F32Elements};
use crate::kernels::inputs::Inputs;
use crate::kernels::kernel::{Kernel, Role};

/// Elements of a chunk: 4 MiB of f32. Larger tensors do not stay in a CPU's caches, smaller ones
/// cost more submissions.
const CHUNK: u64 = 1 << 20;

/// Elements of dy, taken by turns. No power of two, so that no dy stays with the same low bits of
/// x.
const DY_ELEMENTS: u64 = 7 << 22;

/// Chunks in flight: one that the device computes, one that the CPU compares.
const IN_FLIGHT: usize = 2;

/// The kernels of an activation and dtype that read the same first operand, and how many bit
/// patterns that takes.
#[derive(Clone, Debug)]
pub struct Domain {
    /// What they read first is x for all, or y for all.
    pub kernels: Vec<Kernel>,
    /// Bit patterns from 0 on.
    pub inputs: u64,
}

/// How far the sweep of a domain is, and what it found until there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The paths of the kernels.
    pub kernels: Vec<String>,
    /// Bit patterns done, from 0 on.
    pub done: u64,
    /// What was found, by kernel.
    pub found: Vec<Found>,
}

/// Sorts kernels into domains. Kernels that read a mask are in none: any validation exhausts one
/// bit.
pub fn domains(kernels: &[Kernel]) -> Vec<Domain> {
    let mut domains: Vec<Domain> = Vec::new();
    for kernel in kernels.iter().filter(|kernel| !kernel.inputs().any(Role::is_mask)) {
        let shares = |domain: &&mut Domain| {
            let other = domain.kernels[0];
            std::ptr::eq(other.activation, kernel.activation)
                && other.dtype == kernel.dtype
                && reads_y(&other) == reads_y(kernel)
        };
        match domains.iter_mut().find(shares) {
            Some(domain) => domain.kernels.push(*kernel),
            None => domains.push(Domain { kernels: vec![*kernel], inputs: patterns(kernel) }),
        }
    }
    domains
}

fn reads_y(kernel: &Kernel) -> bool {
    kernel.reads(Role::Saved(Saved::Y))
}

/// Bit patterns of the first operand: all there are; of a saved y, from 0 to the largest finite y.
fn patterns(kernel: &Kernel) -> u64 {
    let dtype = kernel.dtype;
    if reads_y(kernel) {
        return u64::from(dtype.bits(kernel.activation.highest_y.min(dtype.memory().max))) + 1;
    }
    1 << (8 * dtype.element_bytes())
}

impl Domain {
    /// The beginning of its sweep.
    pub fn start(&self) -> Position {
        Position {
            kernels: self.kernels.iter().map(Kernel::path).collect(),
            done: 0,
            found: vec![Found::default(); self.kernels.len()],
        }
    }

    fn dtype(&self) -> Dtype {
        self.kernels[0].dtype
    }
}

/// Goes on from `position` until every input is done, or `go_on`, which sees the position after
/// every chunk, says no.
pub fn run(
    gpu: &Gpu,
    domain: &Domain,
    seed: u64,
    position: &mut Position,
    mut go_on: impl FnMut(&Position) -> bool,
) -> Result<()> {
    let chunk = CHUNK.min(domain.inputs);
    let dys = dys(gpu, domain, seed, chunk)?;
    let dy_of = |index: u64| dys.get(turn(index, dys.len())).map_or(&[][..], |dy| &dy.bytes);
    let chunks = domain.inputs.div_ceil(chunk);
    let mut slots: Vec<Slot> =
        (0..IN_FLIGHT).map(|_| Slot::new(gpu, domain, chunk, &dys)).collect::<Result<_>>()?;
    let first = position.done / chunk;
    let mut sent = first;
    for index in first..chunks {
        // One chunk ahead of the one that is waited for.
        while sent < chunks.min(index + IN_FLIGHT as u64) {
            slots[turn(sent, IN_FLIGHT)].begin(gpu, domain, sent, chunk)?;
            sent += 1;
        }
        let elements = chunk.min(domain.inputs - index * chunk);
        let slot = &mut slots[turn(index, IN_FLIGHT)];
        slot.end(gpu, domain, index * chunk, elements, dy_of(index), &mut position.found)?;
        position.done = index * chunk + elements;
        if !go_on(position) {
            break;
        }
    }
    // What is still on its way is not counted; a run that goes on does it again.
    for index in position.done.div_ceil(chunk)..sent {
        gpu.end_reads(&mut slots[turn(index, IN_FLIGHT)].read_backs, |_| ())?;
    }
    gpu.wait()?;
    for slot in &slots {
        for (results, found) in slot.results.iter().zip(&mut position.found) {
            for result in results {
                found.accuracy.guard_broken |= !gpu.guards_are_intact(result)?;
            }
        }
    }
    Ok(())
}

/// Whose turn it is at an index, of so many.
fn turn(index: u64, of: usize) -> usize {
    usize::try_from(index).expect("few chunks") % of.max(1)
}

/// Random dy of a chunk, as bytes of whole words and on the device.
struct Dy {
    bytes: Vec<u8>,
    tensor: Tensor,
}

/// Random dy for chunks by turns; none where no kernel reads it. Where x is swept they are powers
/// of two, so that dx / dy is the derivative to the last bit; where y is swept, they are normal.
fn dys(gpu: &Gpu, domain: &Domain, seed: u64, chunk: u64) -> Result<Vec<Dy>> {
    let Some(kernel) = domain.kernels.iter().find(|kernel| kernel.reads(Role::Dy)) else {
        return Ok(Vec::new());
    };
    let (dtype, size) = (kernel.dtype, kernel.dtype.element_size());
    let sign_and_exponent: u32 = if dtype == Dtype::F32 { 0xff80_0000 } else { 0xfc00 };
    let layout = gpu.layout(chunk, dtype.element_bytes());
    let padded = usize::try_from(layout.words() * WORD_BYTES).expect("a chunk");
    let elements = usize::try_from(chunk).expect("a chunk") * size;
    (0..DY_ELEMENTS.min(domain.inputs).div_ceil(chunk))
        .map(|index| {
            let mut bytes = vec![0; padded];
            let inputs = Inputs::normal(seed);
            let (start, filled) = (index * chunk, &mut bytes[..elements]);
            inputs.fill(kernel.activation, Role::Dy, dtype, start, filled);
            if !reads_y(kernel) {
                let mask = &sign_and_exponent.to_le_bytes()[..size];
                bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte &= mask);
            }
            let tensor = gpu.tensor("dy", layout)?;
            gpu.write(&tensor, &bytes)?;
            Ok(Dy { bytes, tensor })
        })
        .collect()
}

/// The tensors and workloads of one chunk in flight.
struct Slot {
    first: Tensor,
    first_bytes: Vec<u8>,
    /// By kernel; of one that reads dy, for each dy.
    workloads: Vec<Vec<Workload>>,
    /// By kernel, what it writes.
    results: Vec<Vec<Tensor>>,
    /// One for each tensor in `results`.
    read_backs: Vec<ReadBack>,
}

impl Slot {
    fn new(gpu: &Gpu, domain: &Domain, chunk: u64, dys: &[Dy]) -> Result<Self> {
        let dtype = domain.dtype();
        let layout = gpu.layout(chunk, dtype.element_bytes());
        let first = gpu.input_tensor("first", layout)?;
        let (mut workloads, mut results, mut read_backs) = (Vec::new(), Vec::new(), Vec::new());
        for kernel in &domain.kernels {
            let mut written = Vec::new();
            for role in kernel.tensors().iter().filter(|role| role.is_written()) {
                let tensor = gpu.result_tensor("result", layout.of(kernel, *role))?;
                // An element that no chunk writes keeps its sentinel, which shows in the first
                // chunk.
                fill_with_sentinels(gpu, &tensor, dtype)?;
                read_backs.push(gpu.read_back(&tensor)?);
                written.push(tensor);
            }
            let mut tensors: Vec<&Tensor> = written.iter().chain([&first]).collect();
            let mut dys = dys.iter().filter(|_| kernel.reads(Role::Dy)).map(|dy| &dy.tensor);
            tensors.extend(dys.next());
            let mut of_kernel =
                vec![gpu.workload(*kernel, Shape::default(), ShaderChecks::Trusted, &tensors)?];
            for dy in dys {
                *tensors.last_mut().expect("dy") = dy;
                of_kernel.push(gpu.workload_on(&of_kernel[0], *kernel, &tensors)?);
            }
            workloads.push(of_kernel);
            results.push(written);
        }
        Ok(Self { first, first_bytes: Vec::new(), workloads, results, read_backs })
    }

    /// Sends the chunk of that index to the device.
    fn begin(&mut self, gpu: &Gpu, domain: &Domain, index: u64, chunk: u64) -> Result<()> {
        let padded = self.first.layout.words() * WORD_BYTES;
        self.first_bytes.resize(usize::try_from(padded).expect("a chunk"), 0);
        let fill = match domain.dtype() {
            Dtype::F32 => fill_with_patterns::<F32Elements>,
            Dtype::F16 | Dtype::F16Native => fill_with_patterns::<F16Elements>,
        };
        fill(index * chunk, &mut self.first_bytes);
        gpu.write(&self.first, &self.first_bytes)?;
        let mut read_backs = self.read_backs.iter_mut();
        for (workloads, results) in self.workloads.iter().zip(&self.results) {
            gpu.start(&workloads[turn(index, workloads.len())]);
            for (result, read_back) in results.iter().zip(&mut read_backs) {
                gpu.begin_read(read_back, result);
            }
        }
        Ok(())
    }

    /// Waits for the chunk, compares its first `elements`, and adds what it finds.
    fn end(
        &mut self,
        gpu: &Gpu,
        domain: &Domain,
        start: u64,
        elements: u64,
        dy: &[u8],
        found: &mut [Found],
    ) -> Result<()> {
        let elements = usize::try_from(elements).expect("a chunk");
        let known: Vec<f64> = found.iter().map(|found| found.accuracy.max_share.value).collect();
        let inputs = Piece { start, first: &self.first_bytes, dy, actual: &[] };
        let compare = match domain.dtype() {
            Dtype::F32 => chunk::compare::<F32Elements>,
            Dtype::F16 | Dtype::F16Native => chunk::compare::<F16Elements>,
        };
        let compare = |chunk: usize, results: &[&[u8]]| {
            let range = chunk * THREAD_CHUNK..elements.min((chunk + 1) * THREAD_CHUNK);
            compare(&domain.kernels, &inputs, range, results, &known)
        };
        gpu.end_reads(&mut self.read_backs, |results| {
            let chunks = (0..elements.div_ceil(THREAD_CHUNK)).into_par_iter();
            let chunks: Vec<Vec<Found>> = chunks.map(|chunk| compare(chunk, results)).collect();
            for chunk in &chunks {
                found.iter_mut().zip(chunk).for_each(|(all, chunk)| all.merge(chunk));
            }
        })
    }
}

/// Bit patterns in their order.
fn fill_with_patterns<E: Elements>(start: u64, bytes: &mut [u8]) {
    bytes.par_chunks_mut(THREAD_CHUNK * E::SIZE).enumerate().for_each(|(chunk, bytes)| {
        let patterns = start + (chunk * THREAD_CHUNK) as u64..;
        for (pattern, element) in patterns.zip(bytes.chunks_exact_mut(E::SIZE)) {
            element.copy_from_slice(&pattern.to_le_bytes()[..E::SIZE]);
        }
    });
}
