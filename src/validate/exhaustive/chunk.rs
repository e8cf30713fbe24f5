//! A chunk of every kernel's results.

use std::cell::OnceCell;
use std::ops::Range;

use super::extremes::{Extremes, Found};
use super::reads_y;
use crate::kernels::dtype::Elements;
use crate::kernels::kernel::{Kernel, Role};
use crate::validate::elementwise::{Piece, compare_mask, compare_with, references};

/// Compares every kernel's results for a range of `inputs`. The forward reference is computed at
/// most once. `known` is the largest share of its bound that each kernel is known to take.
pub(super) fn compare<E: Elements>(
    kernels: &[Kernel],
    inputs: &Piece<'_>,
    range: Range<usize>,
    results: &[&[u8]],
    known: &[f64],
) -> Vec<Found> {
    let of_forward = OnceCell::new();
    let mut results = results.iter();
    let compare = |(kernel, known): (&Kernel, &f64)| {
        let actual = results.next().expect("a result for each kernel");
        let dy = if kernel.reads(Role::Dy) { inputs.dy } else { &[] };
        let piece = Piece { dy, actual, ..*inputs }.part::<E>(range.clone());
        let references = || references::<E>(kernel, &piece);
        let mut accuracy = if piece.dy.is_empty() {
            compare_with::<E>(kernel, &piece, *known, of_forward.get_or_init(references))
        } else {
            compare_with::<E>(kernel, &piece, *known, &references())
        };
        // Where y is swept, dy is no power of two, and dx / dy no derivative.
        let is_other = reads_y(kernel);
        let extremes = if is_other { Extremes::default() } else { Extremes::of::<E>(&piece) };
        if kernel.tensors().contains(&Role::MaskResult) {
            let mask = &results.next().expect("a mask beside it")[range.start / 8..];
            accuracy.merge(&compare_mask(kernel, piece.start, piece.first, mask));
        }
        Found { accuracy, extremes }
    };
    kernels.iter().zip(known).map(compare).collect()
}
