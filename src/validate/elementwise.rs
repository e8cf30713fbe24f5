//! Compares every element of a result with the interval that the specification allows around the
//! f64 reference, in blocks that compile to vector instructions.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::accuracy::{Accuracy, Judged, counts, plain_exp_explains};
use crate::kernels::bounds::{Allowed, InputRange, ToleranceFloor};
use crate::kernels::dtype::{self, Dtype, Elements, F16Elements, F32Elements};
use crate::kernels::kernel::Kernel;

/// Elements that one thread compares at a time. Results are merged in the order of elements, so
/// that sums do not depend on threads.
pub(super) const THREAD_CHUNK: usize = 1 << 14;

/// Elements that are looked at together before each by itself.
pub(super) const BLOCK: usize = 64;

/// Elements of a comparison, as bytes: x or the saved tensor, dy (empty forward), and the result.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// The place of the first one in its tensor.
    pub start: u64,
    pub first: &'a [u8],
    pub dy: &'a [u8],
    pub actual: &'a [u8],
}

impl Piece<'_> {
    pub fn part<E: Elements>(&self, range: Range<usize>) -> Self {
        let bytes = range.start * E::SIZE..range.end * E::SIZE;
        Self {
            start: self.start + range.start as u64,
            first: &self.first[bytes.clone()],
            dy: if self.dy.is_empty() { self.dy } else { &self.dy[bytes.clone()] },
            actual: &self.actual[bytes],
        }
    }

    /// Its number of elements.
    pub fn elements<E: Elements>(&self) -> usize {
        self.actual.len() / E::SIZE
    }

    #[inline(always)]
    fn element<E: Elements>(&self, kernel: &Kernel, index: usize, reference: f64) -> Judged {
        let (first_bits, actual_bits) = (E::bits(self.first, index), E::bits(self.actual, index));
        let dy_bits = (!self.dy.is_empty()).then(|| E::bits(self.dy, index));
        let index = self.start + index as u64;
        Judged::new(kernel, index, first_bits, dy_bits, reference, actual_bits)
    }
}

/// Compares a piece of a result with the reference. `first` holds x or the saved tensor, `dy` is
/// empty in a forward pass; all are bytes of the same elements, the first of which is `start`.
pub fn compare(kernel: &Kernel, start: u64, first: &[u8], dy: &[u8], actual: &[u8]) -> Accuracy {
    let piece = Piece { start, first, dy, actual };
    match kernel.dtype {
        Dtype::F32 => compare_piece::<F32Elements>(kernel, piece),
        Dtype::F16 | Dtype::F16Native => compare_piece::<F16Elements>(kernel, piece),
    }
}

fn compare_piece<E: Elements>(kernel: &Kernel, piece: Piece<'_>) -> Accuracy {
    let chunks = in_chunks(piece.elements::<E>(), |range| {
        let part = piece.part::<E>(range);
        compare_with::<E>(kernel, &part, 0.0, &references::<E>(kernel, &part))
    });
    let mut all = Accuracy::default();
    for chunk in &chunks {
        all.merge(chunk);
    }
    all
}

/// What is found in each [`THREAD_CHUNK`] of so many elements, in their order.
pub(super) fn in_chunks<F: Send>(
    elements: usize,
    find: impl Fn(Range<usize>) -> F + Sync,
) -> Vec<F> {
    let range = |chunk: usize| chunk * THREAD_CHUNK..elements.min((chunk + 1) * THREAD_CHUNK);
    let chunks = (0..elements.div_ceil(THREAD_CHUNK)).into_par_iter();
    chunks.map(|chunk| find(range(chunk))).collect()
}

/// The f64 results of a piece.
pub(super) fn references<E: Elements>(kernel: &Kernel, piece: &Piece<'_>) -> Vec<f64> {
    let mut references = vec![0.0; piece.elements::<E>()];
    let (first, dy) = (dtype::values::<E>(piece.first), dtype::values::<E>(piece.dy));
    kernel.variant.pass.references(&first, &dy, &mut references);
    references
}

/// [`compare`] with these references. A share of the bound is only looked for above `known_share`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn compare_with<E: Elements>(
    kernel: &Kernel,
    piece: &Piece<'_>,
    known_share: f64,
    references: &[f64],
) -> Accuracy {
    let floor = kernel.variant.tolerance_floor(&input_range::<E>(kernel.dtype, piece.first));
    let packs_pairs = kernel.packs_pairs();
    let inputs = references.len() as u64;
    let mut found = Accuracy { inputs, max_share: known_share, ..Accuracy::default() };
    for start in (0..references.len()).step_by(BLOCK) {
        let range = start..references.len().min(start + BLOCK);
        let references_of_block = &references[range.clone()];
        let part = piece.part::<E>(range.clone());
        let block = Block::new::<E>(&part, references_of_block, floor, found.max_share);
        let any_far = block.far.iter().sum::<u64>() > 0;
        let element = |index: usize| piece.element::<E>(kernel, index, references[index]);
        if packs_pairs && any_far {
            // By WGSL, pack2x16float of a pair is indeterminate as a whole where one is not finite.
            // (SwiftShader does spoil the upper half where the lower is NaN.)
            for first in range.clone().step_by(2) {
                let pair: Vec<_> = (first..range.end.min(first + 2)).map(element).collect();
                let at = first - start..first - start + pair.len();
                let is_near = block.far[at].iter().all(|far| *far == 0);
                let is_defined = pair.iter().all(|element| element.allowed != Allowed::Anything);
                if is_near || is_defined || pair.len() == 1 {
                    for element in &pair {
                        found.add::<E>(element);
                    }
                }
            }
            continue;
        }
        found.count::<E>(part.first, &block);
        if any_far {
            for (index, _) in range.zip(block.far).filter(|(_, far)| *far > 0) {
                found.judge::<E>(&element(index));
            }
        }
    }
    found
}

/// Between which inputs a range of them lies.
#[inline(always)]
fn input_range<E: Elements>(dtype: Dtype, first: &[u8]) -> InputRange {
    let (mut smallest, mut largest) = (E::MAGNITUDE, 0);
    for index in 0..first.len() / E::SIZE {
        let bits = E::bits(first, index);
        smallest = smallest.min(bits & E::MAGNITUDE);
        // The sign is the highest bit.
        largest = largest.max(if bits <= E::MAGNITUDE { bits } else { 0 });
    }
    // Of NaN, infinity.
    let value = |bits: u32| E::value(bits).min(f64::INFINITY);
    InputRange { dtype, smallest_magnitude: value(smallest), largest: value(largest) }
}

/// At most [`BLOCK`] elements of a comparison; behind them, NaN.
struct Block {
    first: [f64; BLOCK],
    /// Errors in ULP, where they count; else 0.
    ulps: [f64; BLOCK],
    /// 1 where they count.
    counted: [u64; BLOCK],
    /// 1 where an element has to be judged: its error is neither 0 nor known to be allowed.
    far: [u64; BLOCK],
}

impl Block {
    /// Most of a sweep's time is spent here: arrays and selections instead of branches, so that it
    /// is compiled to vector instructions.
    #[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch")]
    #[inline(always)]
    fn new<E: Elements>(
        piece: &Piece<'_>,
        references: &[f64],
        floor: Option<ToleranceFloor>,
        known_share: f64,
    ) -> Self {
        let (first, actual) = (values::<E>(piece.first), values::<E>(piece.actual));
        let dy = if piece.dy.is_empty() { [0.0; BLOCK] } else { values::<E>(piece.dy) };
        let reference = references.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [f64::NAN; BLOCK];
            padded[..references.len()].copy_from_slice(references);
            padded
        });
        let has_floor = floor.is_some();
        let ToleranceFloor { relative, absolute } = floor.unwrap_or(ToleranceFloor::NOTHING);
        let known = known_share.min(1.0);
        let (relative, absolute) = (relative * E::MEMORY.unit * known, absolute * known);
        let mut block = Self { first, ulps: [0.0; BLOCK], counted: [0; BLOCK], far: [0; BLOCK] };
        for index in 0..BLOCK {
            let (first, dy, reference) = (first[index], dy[index], reference[index]);
            let error = (actual[index] - reference).abs();
            let finite = (first.abs() <= f64::MAX) & (dy.abs() <= f64::MAX);
            let counts = counts::<E>(first, dy, reference);
            let near = counts & (error <= relative * reference.abs() + absolute);
            block.far[index] = u64::from(!(has_floor & finite & (near | (error == 0.0))));
            let counts = counts & (error <= f64::MAX);
            block.ulps[index] = if counts { E::MEMORY.ulps(error, reference) } else { 0.0 };
            block.counted[index] = u64::from(counts);
        }
        block
    }
}

impl Accuracy {
    /// Counts the errors of a block, whose first operands are these.
    #[inline(always)]
    fn count<E: Elements>(&mut self, first: &[u8], block: &Block) {
        // Sums and maxima in lanes, to compile to vector instructions.
        let (mut sums, mut maxima, mut exceeding) = ([0.0; 4], [0.0; 4], 0);
        for (four, x) in block.ulps.chunks_exact(4).zip(block.first.chunks_exact(4)) {
            for lane in 0..4 {
                sums[lane] += four[lane];
                maxima[lane] = if four[lane] > maxima[lane] { four[lane] } else { maxima[lane] };
                exceeding += u64::from(four[lane] > plain_exp_explains(x[lane]));
            }
        }
        self.ulp_sum += sums.iter().sum::<f64>();
        self.ulp_count += block.counted.iter().sum::<u64>();
        self.exceeds_plain_exp |= exceeding > 0;
        let max_ulp = maxima.into_iter().fold(0.0, f64::max);
        if max_ulp > self.max_ulp {
            let at = block.ulps.iter().position(|ulps| *ulps == max_ulp).unwrap_or_default();
            self.raise_max_ulp(max_ulp, E::bits(first, at));
        }
    }
}

/// Those of a block, and NaN behind them.
#[inline(always)]
pub(super) fn values<E: Elements>(bytes: &[u8]) -> [f64; BLOCK] {
    // All ones are NaN in every format.
    let mut padded = [0xff; BLOCK * 4];
    let bytes = if bytes.len() == BLOCK * E::SIZE {
        bytes
    } else {
        padded[..bytes.len()].copy_from_slice(bytes);
        &padded[..BLOCK * E::SIZE]
    };
    let mut values = [0.0; BLOCK];
    for (index, value) in values.iter_mut().enumerate() {
        *value = E::value(E::bits(bytes, index));
    }
    values
}

/// Compares bits of a mask with x > 0, as many as there are x; the first is that of element
/// `start`.
pub(super) fn compare_mask(kernel: &Kernel, start: u64, x: &[u8], mask: &[u8]) -> Accuracy {
    let dtype = kernel.dtype;
    let mut found = Accuracy::default();
    for bit in 0..x.len() / dtype.element_size() {
        let first_bits = dtype.element(x, bit);
        let first = dtype.value(first_bits);
        let (is_set, is_positive) = (mask[bit / 8] >> (bit % 8) & 1 == 1, first > 0.0);
        let either = !first.is_finite() || dtype.memory().is_subnormal(first);
        if is_set != is_positive && !either {
            let [reference, actual] = [is_positive, is_set].map(|bit| f64::from(u8::from(bit)));
            let (index, actual_bits) = (start + bit as u64, dtype.bits(actual));
            let element = Judged::new(kernel, index, first_bits, None, reference, actual_bits);
            let allowed = Allowed::Bits(dtype.bits(reference));
            found.violations += 1;
            found.first_violation.get_or_insert(Judged { allowed, in_mask: true, ..element });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activation::Direction;
    use crate::kernels::inputs::Inputs;
    use crate::kernels::kernel::{self, Role};

    /// [`compare`] without blocks, shortcuts or wide vectors.
    fn compare_plainly<E: Elements>(kernel: &Kernel, piece: &Piece<'_>) -> Accuracy {
        let elements = piece.elements::<E>();
        let mut found = Accuracy { inputs: elements as u64, ..Accuracy::default() };
        let value = |bytes: &[u8], index: usize| E::value(E::bits(bytes, index));
        for index in 0..elements {
            let dy = if piece.dy.is_empty() { 0.0 } else { value(piece.dy, index) };
            let reference = kernel.variant.pass.reference(value(piece.first, index), dy);
            found.add::<E>(&piece.element::<E>(kernel, index, reference));
        }
        found
    }

    /// Wrong or odd results at both ends of blocks and chunks.
    fn plant(dtype: Dtype, round: usize, actual: &mut [u8]) {
        let size = dtype.element_size();
        let elements = actual.len() / size;
        let odd =
            [dtype.sentinel(), dtype.bits(f64::INFINITY), dtype.bits(0.75), dtype.bits(-0.0), 1];
        let at = [
            0,
            BLOCK - 1,
            BLOCK,
            THREAD_CHUNK - 1,
            THREAD_CHUNK,
            THREAD_CHUNK + BLOCK,
            elements - BLOCK,
            elements - 2,
            elements - 1,
        ];
        if round > 0 {
            let bits = odd[round % odd.len()].to_le_bytes();
            actual[at[round % at.len()] * size..][..size].copy_from_slice(&bits[..size]);
        }
    }

    /// Compares in both ways and returns the number of violations.
    fn compare_twice<E: Elements>(kernel: &Kernel, round: usize) -> u64 {
        // The last block is not full, and no chunk the second.
        let elements = THREAD_CHUNK + 5 * BLOCK + 7;
        let dtype = kernel.dtype;
        let seed = round as u64;
        let inputs =
            if round.is_multiple_of(2) { Inputs::patterns(seed) } else { Inputs::normal(seed) };
        let read = |role: Role| {
            let mut bytes = vec![0; elements * E::SIZE];
            inputs.fill(kernel, role, 0, &mut bytes);
            bytes
        };
        let first = read(kernel.inputs().next().expect("an input"));
        let is_backward = kernel.direction() == Direction::Backward;
        let dy = if is_backward { read(Role::Dy) } else { Vec::new() };
        let mut piece = Piece { start: 0, first: &first, dy: &dy, actual: &first };
        // Off by up to 15 units in the last place in later rounds.
        let off = |(index, reference): (usize, f64)| {
            let units = [0.0, 1.0, -1.0, 3.0, 15.0][(index * 7919 + index / 97) % 5]
                * f64::from(u8::from(round > 2));
            reference + units * E::MEMORY.unit * reference
        };
        let references = references::<E>(kernel, &piece);
        let results: Vec<f64> = references.into_iter().enumerate().map(off).collect();
        let mut actual = dtype::rounded::<E>(&results);
        plant(dtype, round, &mut actual);
        piece.actual = &actual;

        let own = compare(kernel, 0, &first, &dy, &actual);
        let plain = compare_plainly::<E>(kernel, &piece);
        let what = format!("{} in round {round}", kernel.path());
        // Sums in another order differ in their last digits.
        let difference = (own.mean_ulp() - plain.mean_ulp()).abs();
        assert!(difference <= 1e-12 * plain.mean_ulp(), "{what}");
        let same_sum = Accuracy { ulp_sum: plain.ulp_sum, ..own };
        assert_eq!(format!("{same_sum:?}"), format!("{plain:?}"), "{what}");
        plain.violations
    }

    #[test]
    fn blocks_and_wide_vectors_find_what_a_plain_loop_finds() {
        let mut violations = 0;
        // Whether a pair with an undefined half counts depends on what was found before it.
        let plain = |kernel: &Kernel| !kernel.packs_pairs() && !kernel.inputs().any(Role::is_mask);
        for kernel in kernel::all().filter(plain) {
            for round in 0..9 {
                violations += match kernel.dtype {
                    Dtype::F32 => compare_twice::<F32Elements>(&kernel, round),
                    Dtype::F16 | Dtype::F16Native => compare_twice::<F16Elements>(&kernel, round),
                };
            }
        }
        assert!(violations > 1000, "{violations}");
    }
}
