//! A chunk of every kernel's results.

use std::cell::OnceCell;
use std::ops::Range;

use super::extremes::{Extremes, Found};
use super::uniform;
use crate::kernels::activation::{Direction, Saved};
use crate::kernels::dtype::{self, Elements};
use crate::kernels::kernel::{Kernel, Role};
use crate::validate::elementwise::{self, Piece, compare_mask, compare_with};

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
        let reference = uniform::reference::<E>(kernel, &piece);
        let uniform = reference
            .and_then(|reference| uniform::compare::<E>(kernel, &piece, *known, reference));
        let mut found = uniform.unwrap_or_else(|| {
            let references = || references::<E>(kernel, &piece);
            let accuracy = match kernel.direction() {
                Direction::Forward => {
                    compare_with::<E>(kernel, &piece, *known, of_forward.get_or_init(references))
                }
                Direction::Backward => compare_with::<E>(kernel, &piece, *known, &references()),
            };
            // Where y is swept, dy is no power of two, and dx / dy no derivative.
            let reads_y = kernel.reads(Role::Saved(Saved::Y));
            let extremes = if reads_y { Extremes::default() } else { Extremes::of::<E>(&piece) };
            Found { accuracy, extremes }
        });
        if kernel.tensors().contains(&Role::MaskResult) {
            let mask = &results.next().expect("a mask beside it")[range.start / 8..];
            found.accuracy.merge(&compare_mask(kernel, piece.start, piece.first, mask));
        }
        found
    };
    kernels.iter().zip(known).map(compare).collect()
}

/// The f64 results of patterns in their order.
fn references<E: Elements>(kernel: &Kernel, piece: &Piece<'_>) -> Vec<f64> {
    match uniform::reference::<E>(kernel, piece) {
        None => elementwise::references::<E>(kernel, piece),
        Some(reference) if piece.dy.is_empty() => vec![reference; piece.elements::<E>()],
        Some(reference) => {
            dtype::values::<E>(piece.dy).into_iter().map(|dy| dy * reference).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::dtype::{Dtype, F32Elements};
    use crate::kernels::kernel;

    #[test]
    fn references_that_are_one_number_are_those_of_each() {
        let bits = |value: f32| u64::from(value.to_bits());
        // Around every end of what is one number: 0, 2^-54 and its neighbours, 36, 746, infinity;
        // and what is none.
        let tiny = [0.0, 1e-38, f32::powi(2.0, -56), f32::powi(2.0, -30)];
        let ends = tiny.into_iter().chain([1.0, 36.0, 37.0, 745.0, 747.0, 1e30, f32::MAX]);
        let finite = ends.flat_map(|end| [end, -end]).map(|end| bits(end).saturating_sub(40));
        let infinite = [bits(f32::INFINITY) - 50, bits(-f32::INFINITY) - 50, (1 << 32) - 100];
        let starts: Vec<u64> = finite.chain(infinite).collect();
        let reads_x = |kernel: &Kernel| {
            kernel.dtype == Dtype::F32
                && !kernel.reads(Role::Saved(Saved::Y))
                && !kernel.inputs().any(Role::is_mask)
        };
        let mut constant = 0;
        for kernel in kernel::all().filter(reads_x) {
            for start in &starts {
                let first: Vec<u8> = (*start..start + 100)
                    .flat_map(|bits| bits.to_le_bytes()[..4].to_vec())
                    .collect();
                let dys = (0..100u8)
                    .flat_map(|index| f32::powi(-2.0, i32::from(index) - 50).to_le_bytes());
                let dy: Vec<u8> = if kernel.reads(Role::Dy) { dys.collect() } else { Vec::new() };
                let piece = Piece { start: 0, first: &first, dy: &dy, actual: &first };
                let piece = piece.part::<F32Elements>(3..97);
                let own = references::<F32Elements>(&kernel, &piece);
                let each = elementwise::references::<F32Elements>(&kernel, &piece);
                let same = |(own, each): (&f64, &f64)| own == each || own.is_nan() && each.is_nan();
                assert!(own.iter().zip(&each).all(same), "{} from {start:#x}", kernel.path());
                constant += usize::from(own.windows(2).all(|pair| pair[0] == pair[1]));
            }
        }
        assert!(constant > 50, "{constant}");
    }
}
