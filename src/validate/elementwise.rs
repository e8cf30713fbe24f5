//! Compares every element of a result with the interval that the specification allows around the
//! f64 reference, in blocks that compile to vector instructions.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::accuracy::{Accuracy, Element, Extreme, Judged, counts, plain_exp_explains};
use crate::kernels::bounds::{Allowed, Case, InputRange, ToleranceFloor};
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
    fn element<E: Elements>(&self, dtype: Dtype, index: usize, reference: f64) -> Element {
        let first_bits = E::bits(self.first, index);
        let dy_bits = (!self.dy.is_empty()).then(|| E::bits(self.dy, index));
        let (first, dy) = (E::value(first_bits), dy_bits.map_or(0.0, E::value));
        Element {
            index: self.start + index as u64,
            case: Case { dtype, first, first_bits, dy, reference },
            dy_bits,
            actual_bits: E::bits(self.actual, index),
        }
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
    let elements = piece.elements::<E>();
    let chunks: Vec<Accuracy> = (0..elements.div_ceil(THREAD_CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let range = chunk * THREAD_CHUNK..elements.min((chunk + 1) * THREAD_CHUNK);
            let part = piece.part::<E>(range);
            compare_with::<E>(kernel, &part, 0.0, &references::<E>(kernel, &part))
        })
        .collect();
    let mut all = Accuracy::default();
    for chunk in &chunks {
        all.merge(chunk);
    }
    all
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
    let (dtype, variant) = (kernel.dtype, kernel.variant);
    let floor = variant.tolerance_floor(&input_range::<E>(dtype, piece.first));
    let packs_pairs = kernel.packs_pairs();
    let mut found = Accuracy { inputs: references.len() as u64, ..Accuracy::default() };
    found.max_share.value = known_share;
    for start in (0..references.len()).step_by(BLOCK) {
        let range = start..references.len().min(start + BLOCK);
        let block = Block::new::<E>(&piece.part::<E>(range.clone()), &references[range.clone()]);
        let errors = block.errors::<E>(floor, found.max_share.value);
        let any_far = errors.far.iter().sum::<u64>() > 0;
        let judged = |index: usize| {
            let element = piece.element::<E>(dtype, index, references[index]);
            let allowed = (variant.allowed)(&element.case);
            (element, allowed)
        };
        if packs_pairs && any_far {
            // By WGSL, pack2x16float of a pair is indeterminate as a whole where one is not finite.
            // (SwiftShader does spoil the upper half where the lower is NaN.)
            for first in range.clone().step_by(2) {
                let pair: Vec<_> = (first..range.end.min(first + 2)).map(judged).collect();
                let at = first - start..first - start + pair.len();
                let is_near = errors.far[at].iter().all(|far| *far == 0);
                let is_defined = pair.iter().all(|(_, allowed)| *allowed != Allowed::Anything);
                if is_near || is_defined || pair.len() == 1 {
                    for (element, allowed) in &pair {
                        found.add::<E>(element, *allowed);
                    }
                }
            }
            continue;
        }
        found.count(&block, &errors);
        if any_far {
            for (index, _) in range.zip(errors.far).filter(|(_, far)| *far > 0) {
                let (element, allowed) = judged(index);
                found.judge::<E>(&element, allowed);
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
    first_bits: [u32; BLOCK],
    dy_bits: [u32; BLOCK],
    first: [f64; BLOCK],
    dy: [f64; BLOCK],
    reference: [f64; BLOCK],
    actual: [f64; BLOCK],
}

/// The errors of a block.
struct Errors {
    /// In ULP, where they count; else 0.
    ulps: [f64; BLOCK],
    /// 1 where they count.
    counted: [u64; BLOCK],
    /// 1 where an element has to be judged: its error is neither 0 nor known to be allowed.
    far: [u64; BLOCK],
}

impl Block {
    #[inline(always)]
    fn new<E: Elements>(piece: &Piece<'_>, references: &[f64]) -> Self {
        let (first_bits, first) = bits_and_values::<E>(piece.first);
        let (dy_bits, dy) = if piece.dy.is_empty() {
            ([0; BLOCK], [0.0; BLOCK])
        } else {
            bits_and_values::<E>(piece.dy)
        };
        let (_, actual) = bits_and_values::<E>(piece.actual);
        let reference = references.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [f64::NAN; BLOCK];
            padded[..references.len()].copy_from_slice(references);
            padded
        });
        Self { first_bits, dy_bits, first, dy, reference, actual }
    }

    /// Most of a sweep's time is spent here: arrays and selections instead of branches, so that it
    /// is compiled to vector instructions.
    #[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch")]
    #[inline(always)]
    fn errors<E: Elements>(&self, floor: Option<ToleranceFloor>, known_share: f64) -> Errors {
        let has_floor = floor.is_some();
        let ToleranceFloor { relative, absolute } = floor.unwrap_or(ToleranceFloor::NOTHING);
        let known = known_share.min(1.0);
        let (relative, absolute) = (relative * E::MEMORY.unit * known, absolute * known);
        let mut errors = Errors { ulps: [0.0; BLOCK], counted: [0; BLOCK], far: [0; BLOCK] };
        for index in 0..BLOCK {
            let (first, dy, reference) = (self.first[index], self.dy[index], self.reference[index]);
            let error = (self.actual[index] - reference).abs();
            let finite = (first.abs() <= f64::MAX) & (dy.abs() <= f64::MAX);
            let counts = counts::<E>(first, dy, reference);
            let near = counts & (error <= relative * reference.abs() + absolute);
            errors.far[index] = u64::from(!(has_floor & finite & (near | (error == 0.0))));
            let counts = counts & (error <= f64::MAX);
            errors.ulps[index] = if counts { E::MEMORY.ulps(error, reference) } else { 0.0 };
            errors.counted[index] = u64::from(counts);
        }
        errors
    }
}

impl Accuracy {
    /// Counts the errors of a block.
    #[inline(always)]
    fn count(&mut self, block: &Block, errors: &Errors) {
        let ulps = &errors.ulps;
        // Sums and maxima in lanes, to compile to vector instructions.
        let (mut sums, mut maxima, mut exceeding) = ([0.0; 4], [0.0; 4], 0);
        for (four, first) in ulps.chunks_exact(4).zip(block.first.chunks_exact(4)) {
            for lane in 0..4 {
                sums[lane] += four[lane];
                maxima[lane] = if four[lane] > maxima[lane] { four[lane] } else { maxima[lane] };
                exceeding += u64::from(four[lane] > plain_exp_explains(first[lane]));
            }
        }
        self.ulp_sum += sums.iter().sum::<f64>();
        self.ulp_count += errors.counted.iter().sum::<u64>();
        self.exceeds_plain_exp |= exceeding > 0;
        let value = maxima.into_iter().fold(0.0, f64::max);
        if value > self.max_ulp.value {
            let at = ulps.iter().position(|ulps| *ulps == value).unwrap_or_default();
            let (first_bits, dy_bits) = (block.first_bits[at], block.dy_bits[at]);
            self.max_ulp = Extreme { value, first_bits, dy_bits };
        }
    }
}

/// Those of a block, and NaN behind them.
#[inline(always)]
pub(super) fn bits_and_values<E: Elements>(bytes: &[u8]) -> ([u32; BLOCK], [f64; BLOCK]) {
    // All ones are NaN in every format.
    let mut padded = [0xff; BLOCK * 4];
    let bytes = if bytes.len() == BLOCK * E::SIZE {
        bytes
    } else {
        padded[..bytes.len()].copy_from_slice(bytes);
        &padded[..BLOCK * E::SIZE]
    };
    let (mut bits, mut values) = ([0; BLOCK], [0.0; BLOCK]);
    for index in 0..BLOCK {
        bits[index] = E::bits(bytes, index);
        values[index] = E::value(bits[index]);
    }
    (bits, values)
}

/// Compares bits of a mask with x > 0, as many as there are x; the first is that of element
/// `start`.
pub(super) fn compare_mask(kernel: &Kernel, start: u64, x: &[u8], mask: &[u8]) -> Accuracy {
    let dtype = kernel.dtype;
    let mut found = Accuracy::default();
    for bit in 0..x.len() / dtype.element_size() {
        let first_bits = dtype.element(x, bit);
        let value = dtype.value(first_bits);
        let is_set = mask[bit / 8] >> (bit % 8) & 1 == 1;
        let either = !value.is_finite() || dtype.memory().is_subnormal(value);
        if is_set != (value > 0.0) && !either {
            found.violations += 1;
            let reference = f64::from(u8::from(value > 0.0));
            found.first_violation.get_or_insert(Judged {
                index: start + bit as u64,
                first_bits,
                dy_bits: None,
                reference,
                allowed: Allowed::Bits(dtype.bits(reference)),
                actual_bits: dtype.bits(f64::from(u8::from(is_set))),
                in_mask: true,
                unwritten: false,
            });
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
        let judged = |index: usize| {
            let mut element = piece.element::<E>(kernel.dtype, index, 0.0);
            let Case { first, dy, .. } = element.case;
            element.case.reference = kernel.variant.pass.reference(first, dy);
            let allowed = (kernel.variant.allowed)(&element.case);
            (element, allowed)
        };
        for (element, allowed) in (0..elements).map(judged) {
            found.add::<E>(&element, allowed);
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
