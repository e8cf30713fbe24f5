//! Compares every element of a result with the interval that the specification allows around the
//! f64 reference.

use std::ops::Range;

use rayon::prelude::*;

use super::accuracy::{Accuracy, Element, Judged};
use crate::kernels::built_ins::BuiltIns;
use crate::kernels::dtype::{self, Dtype, Elements, F16Elements, F32Elements};
use crate::kernels::kernel::Kernel;
use crate::kernels::tolerance::{Allowed, Case};

/// Elements that one thread compares at a time. Results are merged in the order of elements, so
/// that sums do not depend on threads.
pub(super) const THREAD_CHUNK: usize = 1 << 14;

/// Elements of a comparison, as bytes: x or the saved tensor, dy (empty forward), and the result.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// The place of the first one in its tensor.
    pub start: u64,
    pub first: &'a [u8],
    pub dy: &'a [u8],
    pub actual: &'a [u8],
    /// By which they are judged.
    pub built_ins: BuiltIns,
}

impl Piece<'_> {
    pub fn part<E: Elements>(&self, range: Range<usize>) -> Self {
        let bytes = range.start * E::SIZE..range.end * E::SIZE;
        Self {
            start: self.start + range.start as u64,
            first: &self.first[bytes.clone()],
            dy: if self.dy.is_empty() { self.dy } else { &self.dy[bytes.clone()] },
            actual: &self.actual[bytes],
            built_ins: self.built_ins,
        }
    }

    /// Its number of elements.
    pub fn elements<E: Elements>(&self) -> usize {
        self.actual.len() / E::SIZE
    }

    #[inline(always)]
    fn element<E: Elements>(&self, kernel: &Kernel, index: usize, reference: f64) -> Element {
        let first_bits = E::bits(self.first, index);
        let dy_bits = (!self.dy.is_empty()).then(|| E::bits(self.dy, index));
        let (first, dy) = (E::value(first_bits), dy_bits.map_or(0.0, E::value));
        Element {
            index: self.start + index as u64,
            case: Case {
                dtype: kernel.dtype,
                first,
                first_bits,
                dy,
                reference,
                built_ins: self.built_ins,
            },
            dy_bits,
            actual_bits: E::bits(self.actual, index),
        }
    }
}

/// Compares a piece of a result with the reference. `first` holds x or the saved tensor, `dy` is
/// empty in a forward pass; all are bytes of the same elements, the first of which is `start`. Of
/// built-in functions nothing is known.
pub fn compare(kernel: &Kernel, start: u64, first: &[u8], dy: &[u8], actual: &[u8]) -> Accuracy {
    compare_all(kernel, Piece { start, first, dy, actual, built_ins: BuiltIns::default() })
}

/// [`compare`] a piece.
pub(super) fn compare_all(kernel: &Kernel, piece: Piece<'_>) -> Accuracy {
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
pub(super) fn compare_with<E: Elements>(
    kernel: &Kernel,
    piece: &Piece<'_>,
    known_share: f64,
    references: &[f64],
) -> Accuracy {
    let inputs = references.len() as u64;
    let mut found = Accuracy { inputs, max_share: known_share, ..Accuracy::default() };
    let element = |index: usize| piece.element::<E>(kernel, index, references[index]);
    if !kernel.packs_pairs() {
        (0..references.len()).for_each(|index| found.add::<E>(kernel, &element(index)));
        return found;
    }
    // By WGSL, pack2x16float of a pair is indeterminate as a whole where one is not finite.
    // (SwiftShader does spoil the upper half where the lower is NaN.)
    for first in (0..references.len()).step_by(2) {
        let pair = first..references.len().min(first + 2);
        let is_defined =
            |element: &Element| kernel.variant.allowed(&element.case) != Allowed::Anything;
        if pair.len() == 1 || pair.clone().map(element).all(|element| is_defined(&element)) {
            pair.for_each(|index| found.add::<E>(kernel, &element(index)));
        }
    }
    found
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
            found.violations += 1;
            found.first_violation.get_or_insert(Judged {
                index: start + bit as u64,
                first_bits,
                dy_bits: None,
                reference,
                allowed: Allowed::Bits(dtype.bits(reference)),
                actual_bits: dtype.bits(actual),
                in_mask: true,
            });
        }
    }
    found
}
