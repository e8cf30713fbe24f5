//! Exhaustive validation: every input there is, streamed through the kernels in chunks.
//!
//! The kernels that read the same first operand run on the same chunk, and the reference is computed once for all that share it. While
//! the CPU compares a chunk, the device computes the next. Between chunks everything that is known is a [`Position`], which a file can
//! keep and a later run can go on from.

mod uniform;

use std::cell::OnceCell;
use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::gpu::{Gpu, ReadBack, ShaderChecks, Shape, Tensor, WORD_BYTES, Workload};
use crate::kernels::activation::{Pass, Saved};
use crate::kernels::bounds::ToleranceFloor;
use crate::kernels::dtype::{self, Dtype, Elements, F16Elements, F32Elements};
use crate::kernels::inputs::Inputs;
use crate::kernels::kernel::{Kernel, Role};
use crate::validate::{self, Accuracy, BLOCK, THREAD_CHUNK};

/// Elements of a chunk: 4 MiB of f32. The tensors of a larger one do not stay in a CPU's caches, those of a smaller one cost more submissions.
const CHUNK: u64 = 1 << 20;

/// Elements of dy, taken by turns. No power of two, so that no dy stays with the same low bits of x.
const DY_ELEMENTS: u64 = 7 << 22;

/// Results that running extremes are kept of side by side.
const LANES: usize = 8;

/// Chunks in unroll: one that the device computes, one that the CPU compares.
const IN_FLIGHT: usize = 2;

/// The kernels of an activation and dtype that read the same first operand, and how many bit patterns that takes.
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

/// What the sweep of one kernel found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Errors against the bound.
    pub accuracy: Accuracy,
    /// The ends of what came out.
    pub extremes: Extremes,
}

/// The ends of what a kernel returned for finite inputs, each with the bits of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Extremes {
    /// The smallest result; of a backward kernel that reads x, the smallest dx / dy.
    pub smallest: Option<At>,
    /// The largest.
    pub largest: Option<At>,
    /// The largest negative input whose result is 0, where 0 is the smallest.
    pub first_zero: Option<At>,
    /// The smallest positive input whose result is 1, where 1 is the largest.
    pub first_one: Option<At>,
}

/// A result and the input that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct At {
    /// The result.
    pub value: f64,
    /// The input.
    pub input: f64,
}

/// Sorts kernels into domains. Kernels that read a mask are in none: their first operand is one bit, which any validation exhausts.
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
    kernel.inputs().any(|role| role == Role::Saved(Saved::Y))
}

/// Whether dy is swept as powers of two, so that dx / dy is the derivative to the last bit.
fn dy_scales_exactly(kernel: &Kernel) -> bool {
    !reads_y(kernel)
}

fn reads_dy(kernel: &Kernel) -> bool {
    kernel.inputs().any(|role| role == Role::Dy)
}

/// How many bit patterns the first operand takes: all there are; of a saved y, those from 0 to the largest finite y.
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

    /// Whether the kernel is among them.
    pub fn contains(&self, kernel: &Kernel) -> bool {
        self.kernels.iter().any(|own| own.path() == kernel.path())
    }

    fn dtype(&self) -> Dtype {
        self.kernels[0].dtype
    }
}

/// Goes on from `position` until every input is done, or until `go_on`, which is told the position after every chunk, says no.
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
    let mut slots: Vec<Slot> =
        (0..IN_FLIGHT).map(|_| Slot::new(gpu, domain, chunk, &dys)).collect::<Result<_>>()?;
    let first = position.done / chunk;
    let mut sent = first;
    for index in first..domain.inputs.div_ceil(chunk) {
        // One chunk ahead of the one that is waited for.
        while sent < domain.inputs.div_ceil(chunk) && sent < index + IN_FLIGHT as u64 {
            slots[turn(sent, IN_FLIGHT)].begin(gpu, domain, sent, chunk)?;
            sent += 1;
        }
        let elements = chunk.min(domain.inputs - index * chunk);
        let known: Vec<f64> =
            position.found.iter().map(|found| found.accuracy.max_share.value).collect();
        let found = slots[turn(index, IN_FLIGHT)].end(
            gpu,
            domain,
            index * chunk,
            elements,
            dy_of(index),
            &known,
        )?;
        for (all, chunk) in position.found.iter_mut().zip(&found) {
            all.merge(chunk);
        }
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

/// Random dy for chunks by turns; none where no kernel reads it. Where x is swept they are powers of two, so that dx / dy is the derivative to the
/// last bit; where y is swept, they are normal.
fn dys(gpu: &Gpu, domain: &Domain, seed: u64, chunk: u64) -> Result<Vec<Dy>> {
    let Some(kernel) = domain.kernels.iter().find(|kernel| reads_dy(kernel)) else {
        return Ok(Vec::new());
    };
    let dtype = kernel.dtype;
    let sign_and_exponent: u32 = if dtype == Dtype::F32 { 0xff80_0000 } else { 0xfc00 };
    let size = dtype.element_size();
    let layout = gpu.layout(chunk, dtype.element_bytes());
    (0..DY_ELEMENTS.min(domain.inputs).div_ceil(chunk))
        .map(|index| {
            let elements = usize::try_from(chunk).expect("a chunk") * size;
            let mut bytes =
                vec![0; elements.next_multiple_of(usize::try_from(WORD_BYTES).expect("16"))];
            Inputs::normal(seed).fill(
                kernel.activation,
                Role::Dy,
                dtype,
                index * chunk,
                &mut bytes[..elements],
            );
            if dy_scales_exactly(kernel) {
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
                // An element that no chunk writes keeps the sentinel and shows in the first.
                validate::sentinel(gpu, &tensor, dtype)?;
                read_backs.push(gpu.read_back(&tensor)?);
                written.push(tensor);
            }
            let mut tensors: Vec<&Tensor> = written.iter().chain([&first]).collect();
            let mut dys = dys.iter().filter(|_| reads_dy(kernel)).map(|dy| &dy.tensor);
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
        match domain.dtype() {
            Dtype::F32 => fill_with_patterns::<4>(index * chunk, &mut self.first_bytes),
            Dtype::F16 | Dtype::F16Native => {
                fill_with_patterns::<2>(index * chunk, &mut self.first_bytes)
            }
        }
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

    /// Waits for the chunk and compares its first `elements`.
    fn end(
        &mut self,
        gpu: &Gpu,
        domain: &Domain,
        start: u64,
        elements: u64,
        dy: &[u8],
        known: &[f64],
    ) -> Result<Vec<Found>> {
        let elements = usize::try_from(elements).expect("a chunk");
        let first = &self.first_bytes;
        gpu.end_reads(&mut self.read_backs, |results| {
            let chunks: Vec<Vec<Found>> = (0..elements.div_ceil(THREAD_CHUNK))
                .into_par_iter()
                .map(|chunk| {
                    let range = chunk * THREAD_CHUNK..elements.min((chunk + 1) * THREAD_CHUNK);
                    compare_chunk(domain, start, range, first, dy, results, known)
                })
                .collect();
            let mut all = vec![Found::default(); domain.kernels.len()];
            for chunk in &chunks {
                all.iter_mut().zip(chunk).for_each(|(all, chunk)| all.merge(chunk));
            }
            all
        })
    }
}

/// Bit patterns in their order, `SIZE` bytes each.
fn fill_with_patterns<const SIZE: usize>(start: u64, bytes: &mut [u8]) {
    bytes.par_chunks_mut(THREAD_CHUNK * SIZE).enumerate().for_each(|(chunk, bytes)| {
        let patterns = start + (chunk * THREAD_CHUNK) as u64..;
        for (pattern, element) in patterns.zip(bytes.chunks_exact_mut(SIZE)) {
            element.copy_from_slice(&pattern.to_le_bytes()[..SIZE]);
        }
    });
}

/// Compares a chunk of every kernel's results; the forward reference is computed at most once for all of them. `known` is the largest share
/// of its bound that each kernel is known to take.
fn compare_chunk(
    domain: &Domain,
    start: u64,
    range: Range<usize>,
    first: &[u8],
    dy: &[u8],
    results: &[&[u8]],
    known: &[f64],
) -> Vec<Found> {
    let forward = Nearest::default();
    let mut results = results.iter();
    let mut compare = |(kernel, known): (&Kernel, &f64)| {
        let actual = results.next().expect("a result for each kernel");
        let (range, dy) = (range.clone(), if reads_dy(kernel) { dy } else { &[] });
        let reference = uniform::reference(kernel, &range, first, dy);
        let uniform = reference.and_then(|reference| {
            uniform::compare(kernel, &range, first, dy, actual, *known, reference)
        });
        let mut found = uniform.unwrap_or_else(|| match kernel.variant.pass {
            Pass::Forward { .. } => {
                forward.compare(kernel, start, range.clone(), first, actual, *known)
            }
            Pass::Backward { .. } => {
                compare_backward(kernel, start, range.clone(), first, dy, actual, *known)
            }
        });
        if kernel.tensors().contains(&Role::MaskResult) {
            let mask = results.next().expect("a mask beside it");
            found.accuracy.merge(&validate::compare_mask(kernel, start, range, first, mask));
        }
        found
    };
    domain.kernels.iter().zip(known).map(&mut compare).collect()
}

fn compare_backward(
    kernel: &Kernel,
    start: u64,
    range: Range<usize>,
    first: &[u8],
    dy: &[u8],
    actual: &[u8],
    known: f64,
) -> Found {
    let references = references(kernel, range.clone(), first, dy);
    let extremes = if dy_scales_exactly(kernel) {
        Extremes::of(kernel.dtype, range.clone(), first, dy, actual)
    } else {
        Extremes::default()
    };
    Found {
        accuracy: validate::compare_with(
            kernel,
            start,
            range,
            first,
            dy,
            actual,
            known,
            &references,
        ),
        extremes,
    }
}

/// The true results of a range of patterns in their order.
fn references(kernel: &Kernel, range: Range<usize>, first: &[u8], dy: &[u8]) -> Vec<f64> {
    let Some(reference) = uniform::reference(kernel, &range, first, dy) else {
        return validate::references(kernel, range, first, dy);
    };
    if dy.is_empty() {
        return vec![reference; range.len()];
    }
    let (dtype, size) = (kernel.dtype, kernel.dtype.element_size());
    let mut references = dtype::values(dtype, &dy[range.start * size..range.end * size]);
    for dy in &mut references {
        *dy *= reference;
    }
    references
}

/// The true results of a chunk, and what a kernel is found to be whose results are these, rounded to nearest. Where they are, comparing bytes
/// is enough. Each is only computed where some kernel of the chunk needs it.
#[derive(Default)]
struct Nearest {
    /// The references, and the bytes nearest to them.
    of_chunk: OnceCell<(Vec<f64>, Vec<u8>)>,
    found: OnceCell<Found>,
}

impl Nearest {
    /// What a kernel is found to be whose results are these: only looked for where there is one.
    fn found(&self, dtype: Dtype, range: Range<usize>, first: &[u8]) -> &Found {
        let (references, bytes) = self.of_chunk.get().expect("computed before it was found");
        self.found.get_or_init(|| {
            let chunk =
                &first[range.start * dtype.element_size()..range.end * dtype.element_size()];
            Found {
                accuracy: validate::nearest(dtype, range.clone(), first, references, bytes),
                extremes: Extremes::of(dtype, 0..range.len(), chunk, &[], bytes),
            }
        })
    }

    fn compare(
        &self,
        kernel: &Kernel,
        start: u64,
        range: Range<usize>,
        first: &[u8],
        actual: &[u8],
        known: f64,
    ) -> Found {
        let (dtype, size) = (kernel.dtype, kernel.dtype.element_size());
        let (references, bytes) = self.of_chunk.get_or_init(|| {
            let references = references(kernel, range.clone(), first, &[]);
            let bytes = dtype::rounded(dtype, &references);
            (references, bytes)
        });
        let is_finite = |index: usize| dtype.value(dtype.element(first, index)).is_finite();
        let takes_finite = is_finite(range.start) && is_finite(range.end - 1);
        let is_nearest = || actual[range.start * size..range.end * size] == *bytes;
        // No share of a bound above the known one can hide in errors of half a ULP.
        let nothing_new = |least: ToleranceFloor| {
            let known = known.min(1.0);
            let most = dtype.memory().unit * kernel.activation.highest_y / 2.0;
            let least_excludes = least.relative * known >= 0.5 || least.absolute * known >= most;
            least_excludes || self.found(dtype, range.clone(), first).accuracy.max_ulp.value == 0.0
        };
        let span = || validate::span_of(dtype, &first[range.start * size..range.end * size]);
        if takes_finite && is_nearest() && kernel.variant.least(&span()).is_some_and(nothing_new) {
            return self.found(dtype, range, first).clone();
        }
        Found {
            accuracy: validate::compare_with(
                kernel,
                start,
                range.clone(),
                first,
                &[],
                actual,
                known,
                references,
            ),
            extremes: Extremes::of(dtype, range, first, &[], actual),
        }
    }
}

impl Found {
    fn merge(&mut self, behind: &Self) {
        self.accuracy.merge(&behind.accuracy);
        self.extremes.merge(&behind.extremes);
    }
}

/// The smallest and the largest result of each block, or dx / dy where dy is not empty; NaN passed over. In lanes, since one running minimum
/// would allow one element at a time.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn ends_of_blocks<E: Elements>(dy: &[u8], actual: &[u8]) -> Vec<(f64, f64)> {
    let block_bytes = BLOCK * E::SIZE;
    let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); actual.len().div_ceil(block_bytes)];
    for (block, ends) in ends.iter_mut().enumerate() {
        let bytes = block * block_bytes..actual.len().min((block + 1) * block_bytes);
        // NaN in what is left of a last block that is not full.
        let mut values = [f64::NAN; BLOCK];
        for (index, value) in values[..bytes.len() / E::SIZE].iter_mut().enumerate() {
            *value = E::value(E::bits(&actual[bytes.clone()], index));
        }
        if !dy.is_empty() {
            for (index, value) in values[..bytes.len() / E::SIZE].iter_mut().enumerate() {
                *value /= E::value(E::bits(&dy[bytes.clone()], index));
            }
        }
        let (mut lows, mut highs) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        for values in values.chunks_exact(LANES) {
            for lane in 0..LANES {
                lows[lane] = if values[lane] < lows[lane] { values[lane] } else { lows[lane] };
                highs[lane] = if values[lane] > highs[lane] { values[lane] } else { highs[lane] };
            }
        }
        let low = lows.into_iter().fold(f64::INFINITY, f64::min);
        *ends = (low, highs.into_iter().fold(f64::NEG_INFINITY, f64::max));
    }
    ends
}

impl Extremes {
    /// Those of a range of results; of dx / dy, where dy is not empty.
    fn of(dtype: Dtype, range: Range<usize>, first: &[u8], dy: &[u8], actual: &[u8]) -> Self {
        match dtype {
            Dtype::F32 => Self::of_elements::<F32Elements>(range, first, dy, actual),
            Dtype::F16 | Dtype::F16Native => {
                Self::of_elements::<F16Elements>(range, first, dy, actual)
            }
        }
    }

    fn of_elements<'b, E: Elements>(
        range: Range<usize>,
        first: &[u8],
        dy: &'b [u8],
        actual: &'b [u8],
    ) -> Self {
        let value = |index: usize| {
            let value = E::value(E::bits(actual, index));
            if dy.is_empty() { value } else { value / E::value(E::bits(dy, index)) }
        };
        let input = |index: usize| E::value(E::bits(first, index));
        // The ends of blocks first: where they are is looked for in the blocks that reach so far. A range of patterns in their order is
        // finite if its last is; otherwise what belongs to an infinite or NaN input is passed over, one block over all.
        let all_finite = range.clone().next_back().is_some_and(|last| input(last).is_finite());
        let (block, ends) = if all_finite {
            let in_range = |bytes: &'b [u8]| &bytes[range.start * E::SIZE..range.end * E::SIZE];
            (
                BLOCK,
                ends_of_blocks::<E>(
                    if dy.is_empty() { dy } else { in_range(dy) },
                    in_range(actual),
                ),
            )
        } else {
            let finite = range.clone().filter(|index| input(*index).is_finite()).map(value);
            let ends = (f64::INFINITY, f64::NEG_INFINITY);
            (
                range.len(),
                vec![finite.fold(ends, |(low, high), value| (low.min(value), high.max(value)))],
            )
        };
        let smallest = ends.iter().fold(f64::INFINITY, |smallest, (low, _)| smallest.min(*low));
        let largest = ends.iter().fold(f64::NEG_INFINITY, |largest, (_, high)| largest.max(*high));
        // Patterns in their order are positive first.
        let has_sign = |sign: f64| {
            let at_end = if sign < 0.0 { range.clone().next_back() } else { range.clone().next() };
            at_end.is_some_and(|index| input(index).is_sign_negative() == (sign < 0.0))
        };
        let find = |wanted: f64, sign: f64| {
            let at = |index: usize| At { value: value(index), input: input(index) };
            let fits =
                |at: &At| at.value == wanted && at.input.is_finite() && at.input * sign >= 0.0;
            let reaches =
                |(_, (low, high)): &(usize, &(f64, f64))| *low <= wanted && wanted <= *high;
            let blocks = ends
                .iter()
                .enumerate()
                .filter(reaches)
                .map(|(index, _)| range.start + index * block);
            let mut elements = blocks.flat_map(|first| first..range.end.min(first + block)).map(at);
            elements.find(|at| fits(at) && (sign == 0.0 || at.input != 0.0))
        };
        Self {
            smallest: smallest.is_finite().then(|| find(smallest, 0.0)).flatten(),
            largest: largest.is_finite().then(|| find(largest, 0.0)).flatten(),
            first_zero: (smallest == 0.0 && has_sign(-1.0)).then(|| find(0.0, -1.0)).flatten(),
            first_one: (largest == 1.0 && has_sign(1.0)).then(|| find(1.0, 1.0)).flatten(),
        }
    }

    /// Adds those of the bit patterns behind: within a sign, larger patterns are farther from 0.
    fn merge(&mut self, behind: &Self) {
        let pick =
            |own: Option<At>, other: Option<At>, wins: fn(f64, f64) -> bool| match (own, other) {
                (Some(own), Some(other)) => {
                    Some(if wins(other.value, own.value) { other } else { own })
                }
                (own, other) => own.or(other),
            };
        self.smallest = pick(self.smallest, behind.smallest, |other, own| other < own);
        self.largest = pick(self.largest, behind.largest, |other, own| other > own);
        self.first_zero = self.first_zero.or(behind.first_zero);
        self.first_one = self.first_one.or(behind.first_one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`Extremes::of`], one element after the other.
    #[test]
    fn truths_that_are_one_number_are_those_of_each() {
        let bits = |value: f32| u64::from(value.to_bits());
        // Around every end of what is one number: 0, 2^-54 and its neighbours, 36, 746, infinity; and what is none.
        let ends = [
            0.0,
            1e-38,
            f32::powi(2.0, -56),
            f32::powi(2.0, -30),
            1.0,
            36.0,
            37.0,
            745.0,
            747.0,
            1e30,
            f32::MAX,
        ];
        let starts: Vec<u64> = ends
            .iter()
            .flat_map(|end| [*end, -*end])
            .map(|end| bits(end).saturating_sub(40))
            .collect();
        let mut constant = 0;
        for kernel in crate::kernels::kernel::all()
            .filter(|kernel| kernel.dtype == Dtype::F32 && !reads_y(kernel))
        {
            if kernel.inputs().any(Role::is_mask) {
                continue;
            }
            for start in starts.iter().copied().chain([
                bits(f32::INFINITY) - 50,
                bits(-f32::INFINITY) - 50,
                (1 << 32) - 100,
            ]) {
                let first: Vec<u8> = (start..start + 100)
                    .flat_map(|bits| bits.to_le_bytes()[..4].to_vec())
                    .collect();
                let dys = (0..100u8)
                    .flat_map(|index| f32::powi(-2.0, i32::from(index) - 50).to_le_bytes());
                let dy: Vec<u8> = if reads_dy(&kernel) { dys.collect() } else { Vec::new() };
                let (own, each) = (
                    references(&kernel, 3..97, &first, &dy),
                    validate::references(&kernel, 3..97, &first, &dy),
                );
                let same = |(own, each): (&f64, &f64)| own == each || own.is_nan() && each.is_nan();
                assert!(own.iter().zip(&each).all(same), "{} from {start:#x}", kernel.path());
                constant += usize::from(own.windows(2).all(|pair| pair[0] == pair[1]));
            }
        }
        assert!(constant > 50, "{constant}");
    }

    fn extremes_plainly(
        dtype: Dtype,
        range: Range<usize>,
        first: &[u8],
        dy: &[u8],
        actual: &[u8],
    ) -> Extremes {
        let mut found = Extremes::default();
        let value = |bytes: &[u8], index: usize| dtype.value(dtype.element(bytes, index));
        for index in range {
            let (input, result) = (value(first, index), value(actual, index));
            let value = if dy.is_empty() { result } else { result / value(dy, index) };
            if !input.is_finite() || value.is_nan() {
                continue;
            }
            let at = Some(At { value, input });
            if found.smallest.is_none_or(|smallest| value < smallest.value) {
                found.smallest = at;
            }
            if found.largest.is_none_or(|largest| value > largest.value) {
                found.largest = at;
            }
            if value == 0.0 && input < 0.0 {
                found.first_zero = found.first_zero.or(at);
            }
            if value == 1.0 && input > 0.0 {
                found.first_one = found.first_one.or(at);
            }
        }
        found.smallest = found.smallest.filter(|at| at.value.is_finite());
        found.largest = found.largest.filter(|at| at.value.is_finite());
        found.first_zero =
            found.first_zero.filter(|_| found.smallest.is_some_and(|at| at.value == 0.0));
        found.first_one =
            found.first_one.filter(|_| found.largest.is_some_and(|at| at.value == 1.0));
        found
    }

    #[test]
    fn extremes_of_blocks_are_those_of_a_plain_loop() {
        let (mut zeros, mut ones) = (0, 0);
        for (dtype, starts) in [
            (
                Dtype::F32,
                vec![0u32, 0x3f80_0000, 0x7f7f_c000, 0x7f80_0000, 0xbf80_0000, 0xff7f_c000],
            ),
            (Dtype::F16, vec![0, 0x4000, 0x8000, 0xc000]),
        ] {
            let size = dtype.element_size();
            let put = |bytes: &mut [u8], index: usize, value: f64| {
                bytes[index * size..][..size]
                    .copy_from_slice(&dtype.bits(value).to_le_bytes()[..size]);
            };
            for (start, elements) in starts
                .into_iter()
                .flat_map(|start| [(start, THREAD_CHUNK), (start, THREAD_CHUNK - BLOCK + 5)])
            {
                let mut first = Vec::new();
                (start..).take(elements).for_each(|pattern| dtype.push(&mut first, pattern));
                let values = |low: f64, step: f64| -> Vec<u8> {
                    let values: Vec<f64> = (0..977u32)
                        .cycle()
                        .take(elements)
                        .map(|index| low + step * f64::from(index))
                        .collect();
                    dtype::rounded(dtype, &values)
                };
                let dy: Vec<u8> = dtype::rounded(
                    dtype,
                    &[1.0, -2.0, 0.5, 4.0].repeat(elements.div_ceil(4))[..elements],
                );
                // Where the extreme is, in which direction, and beside what.
                for place in [
                    0,
                    BLOCK - 1,
                    BLOCK,
                    elements / 2,
                    elements - BLOCK,
                    elements - 2,
                    elements - 1,
                ] {
                    for extreme in [0.0, -0.0, 1.0, -8.0, 8.0, f64::NAN, f64::INFINITY] {
                        for mut actual in [
                            values(0.25, 1e-4),
                            values(1.0, 0.0),
                            values(0.0, 0.0),
                            values(1.0, -1e-3),
                        ] {
                            put(&mut actual, place, extreme);
                            for (dy, range) in [
                                (&[][..], 0..elements),
                                (&dy[..], 0..elements),
                                (&[][..], 70..elements - 3),
                            ] {
                                let own = Extremes::of(dtype, range.clone(), &first, dy, &actual);
                                let plain =
                                    extremes_plainly(dtype, range.clone(), &first, dy, &actual);
                                let what = format!(
                                    "{dtype:?} from {start:#x}, {range:?}, {extreme} at {place}"
                                );
                                assert_eq!(format!("{own:?}"), format!("{plain:?}"), "{what}");
                                zeros += usize::from(own.first_zero.is_some());
                                ones += usize::from(own.first_one.is_some());
                            }
                        }
                    }
                }
            }
        }
        assert!(zeros > 100 && ones > 100, "{zeros} {ones}");
    }
}
