//! Exhaustive validation: every input there is, streamed through the kernels in chunks.
//!
//! Kernels that read the same first operand run on the same chunk, and share the forward reference.
//! While the CPU compares a chunk, the device computes the next. Between chunks everything that is
//! known is a [`Position`], which a file can keep and a later run can go on from.

mod chunk;
mod extremes;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::extremes::{At, Extremes, Found};
use super::behaviour;
use super::elementwise::{Piece, THREAD_CHUNK, in_chunks};
use super::trial::fill_with_sentinels;
use crate::error::Result;
use crate::gpu::{Gpu, ReadBack, ShaderChecks, Shape, Tensor, Workload};
use crate::kernels::activation::Saved;
use crate::kernels::built_ins::BuiltIns;
use crate::kernels::dtype::{Dtype, F16Elements, F32Elements};
use crate::kernels::inputs::Inputs;
use crate::kernels::kernel::{Kernel, Role};

/// Elements of a chunk: 4 MiB of f32. Larger tensors do not stay in a CPU's caches, smaller ones
/// cost more submissions.
const CHUNK: u64 = 1 << 20;

/// Elements of dy, taken by turns. No power of two, so that no dy stays with the same low bits of
/// x.
const DY_ELEMENTS: u64 = 7 << 22;

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
        let key = |kernel: &Kernel| (kernel.activation.name, kernel.dtype, reads_y(kernel));
        match domains.iter_mut().find(|domain| key(&domain.kernels[0]) == key(kernel)) {
            Some(domain) => domain.kernels.push(*kernel),
            None => domains.push(Domain { kernels: vec![*kernel], inputs: patterns(kernel) }),
        }
    }
    domains
}

fn reads_y(kernel: &Kernel) -> bool {
    kernel.reads(Role::Saved(Saved::Y))
}

/// Bit patterns of the first operand: all there are; of a saved y that is never negative, from 0 to
/// the largest finite y.
fn patterns(kernel: &Kernel) -> u64 {
    let dtype = kernel.dtype;
    let [lowest, highest] = kernel.activation.y;
    if reads_y(kernel) && lowest >= 0.0 {
        return u64::from(dtype.bits(highest.min(dtype.memory().max))) + 1;
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
    let built_ins = behaviour::built_ins(gpu, domain.dtype())?;
    let sweep = Sweep { gpu, domain, chunk, dys: dys(gpu, domain, seed, chunk)?, built_ins };
    let chunks = domain.inputs.div_ceil(chunk);
    // One chunk that the device computes, one that the CPU compares.
    let mut slots = [sweep.slot()?, sweep.slot()?];
    let first = position.done / chunk;
    let mut sent = first;
    for index in first..chunks {
        while sent < chunks.min(index + 2) {
            sweep.begin(&mut slots[turn(sent, 2)], sent)?;
            sent += 1;
        }
        sweep.end(&mut slots[turn(index, 2)], index, position)?;
        if !go_on(position) {
            break;
        }
    }
    // What is still on its way is not counted; a run that goes on does it again.
    for index in position.done.div_ceil(chunk)..sent {
        gpu.end_reads(&mut slots[turn(index, 2)].read_backs, |_| ())?;
    }
    gpu.wait()?;
    for slot in &slots {
        for ((_, results), found) in slot.kernels.iter().zip(&mut position.found) {
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
    let padded = usize::try_from(layout.bytes()).expect("a chunk");
    (0..DY_ELEMENTS.min(domain.inputs).div_ceil(chunk))
        .map(|index| {
            let mut bytes = vec![0; padded];
            let (inputs, start) = (Inputs::normal(seed), index * chunk);
            inputs.fill(kernel, Role::Dy, start, &mut bytes);
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

/// Bit patterns in their order. The size is known, so that no element takes a call to copy it.
fn fill_with_patterns<const SIZE: usize>(first: u64, bytes: &mut [u8]) {
    for (pattern, element) in (first..).zip(bytes.as_chunks_mut::<SIZE>().0) {
        element.copy_from_slice(&pattern.to_le_bytes()[..SIZE]);
    }
}

/// A domain on a device.
struct Sweep<'a> {
    gpu: &'a Gpu,
    domain: &'a Domain,
    /// Elements of a chunk.
    chunk: u64,
    dys: Vec<Dy>,
    built_ins: BuiltIns,
}

/// The tensors and workloads of one chunk in flight.
struct Slot {
    first: Tensor,
    first_bytes: Vec<u8>,
    /// By kernel, its workload, or one for each dy, and what it writes.
    kernels: Vec<(Vec<Workload>, Vec<Tensor>)>,
    /// One for each tensor that is written.
    read_backs: Vec<ReadBack>,
}

impl Sweep<'_> {
    fn slot(&self) -> Result<Slot> {
        let (gpu, dtype) = (self.gpu, self.domain.dtype());
        let layout = gpu.layout(self.chunk, dtype.element_bytes());
        let first = gpu.input_tensor("first", layout)?;
        let (mut kernels, mut read_backs) = (Vec::new(), Vec::new());
        for kernel in &self.domain.kernels {
            let mut written = Vec::new();
            for role in kernel.tensors().iter().filter(|role| role.is_written()) {
                let tensor =
                    gpu.result_tensor("result", layout.of(*role, kernel.words_per_unit()))?;
                // An element that no chunk writes keeps its sentinel, which shows in the first
                // chunk.
                fill_with_sentinels(gpu, &tensor, dtype)?;
                read_backs.push(gpu.read_back(&tensor)?);
                written.push(tensor);
            }
            let mut tensors: Vec<&Tensor> = written.iter().chain([&first]).collect();
            let mut dys = self.dys.iter().filter(|_| kernel.reads(Role::Dy)).map(|dy| &dy.tensor);
            tensors.extend(dys.next());
            let (shape, checks) = (Shape::default(), ShaderChecks::Trusted);
            let mut workloads = vec![gpu.workload(kernel, None, shape, checks, &tensors)?];
            for dy in dys {
                *tensors.last_mut().expect("dy") = dy;
                workloads.push(gpu.workload_on(&workloads[0], &tensors)?);
            }
            kernels.push((workloads, written));
        }
        let padded = usize::try_from(layout.bytes()).expect("a chunk");
        Ok(Slot { first, first_bytes: vec![0; padded], kernels, read_backs })
    }

    /// Sends the chunk of that index to the device.
    fn begin(&self, slot: &mut Slot, index: u64) -> Result<()> {
        let size = self.domain.dtype().element_size();
        let fill = if size == 4 { fill_with_patterns::<4> } else { fill_with_patterns::<2> };
        let parts = slot.first_bytes.par_chunks_mut(THREAD_CHUNK * size).enumerate();
        parts.for_each(|(part, bytes)| {
            fill(index * self.chunk + (part * THREAD_CHUNK) as u64, bytes);
        });
        self.gpu.write(&slot.first, &slot.first_bytes)?;
        let mut read_backs = slot.read_backs.iter_mut();
        for (workloads, results) in &slot.kernels {
            self.gpu.start(&workloads[turn(index, workloads.len())]);
            for (result, read_back) in results.iter().zip(&mut read_backs) {
                self.gpu.begin_read(read_back, result);
            }
        }
        Ok(())
    }

    /// Waits for the chunk of that index, compares it, and adds what it finds.
    fn end(&self, slot: &mut Slot, index: u64, position: &mut Position) -> Result<()> {
        let start = index * self.chunk;
        let done = self.domain.inputs.min(start + self.chunk);
        let elements = usize::try_from(done - start).expect("a chunk");
        let found = &mut position.found;
        let known: Vec<f64> = found.iter().map(|found| found.accuracy.max_share).collect();
        let dy = self.dys.get(turn(index, self.dys.len())).map_or(&[][..], |dy| &dy.bytes);
        let (first, built_ins) = (&slot.first_bytes[..], self.built_ins);
        let inputs = Piece { start, first, dy, actual: &[], built_ins };
        let compare = match self.domain.dtype() {
            Dtype::F32 => chunk::compare::<F32Elements>,
            Dtype::F16 | Dtype::F16Native => chunk::compare::<F16Elements>,
        };
        self.gpu.end_reads(&mut slot.read_backs, |results| {
            let compare = |range| compare(&self.domain.kernels, &inputs, range, results, &known);
            for chunk in in_chunks(elements, compare) {
                found.iter_mut().zip(&chunk).for_each(|(all, chunk)| all.merge(chunk));
            }
        })?;
        position.done = done;
        Ok(())
    }
}
